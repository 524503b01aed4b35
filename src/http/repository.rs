//! The model repository extension.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use tokio::sync::Semaphore;

use super::error::{Error, document};
use super::extract::ModelPath;
use super::{Front, extract};
use crate::catalog::{self, Catalog, StateName};
use crate::protocol::repository::{Entry, check_load, only_ready};

/// Loads and unloads that may be under way at once. Each has a thread of those that large bodies are worked on by, too, and may
/// have to wait for a registry.
const CHANGES: usize = 16;

/// Places for loads and unloads.
#[derive(Clone, Debug)]
pub struct Changes(Arc<Semaphore>);

impl Default for Changes {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(CHANGES)))
    }
}

/// `POST /v2/repository/index`
pub(super) async fn index(State(front): State<Front>, request: Request) -> Result<Response, Error> {
    let (parts, body) = request.into_parts();
    let body = extract::body(&front.bodies, &parts.headers, body).await?;
    let only_ready = front.bodies.work(body.len(), body.arrived(), move || only_ready(&body)).await??;
    let entries = front.catalog.index().into_iter();
    let index: Vec<Entry> = entries
        .filter(|entry| !only_ready || entry.state == StateName::Ready)
        .map(|entry| Entry {
            name: entry.name,
            version: entry.version.to_string(),
            state: entry.state.as_str(),
            reason: entry.reason,
        })
        .collect();
    document(&index)
}

/// `POST /v2/repository/models/{model}/load`
pub(super) async fn load(State(front): State<Front>, path: ModelPath, request: Request) -> Result<(), Error> {
    allowed(&front, "loading")?;
    let (parts, body) = request.into_parts();
    let body = extract::body(&front.bodies, &parts.headers, body).await?;
    front.bodies.work(body.len(), body.arrived(), move || check_load(&body)).await??;
    change(front, path, Catalog::load).await
}

/// `POST /v2/repository/models/{model}/unload`
pub(super) async fn unload(State(front): State<Front>, path: ModelPath) -> Result<(), Error> {
    allowed(&front, "unloading")?;
    change(front, path, Catalog::unload).await
}

/// Changes the catalog off the threads that hold requests; the change is made even if its client hangs up.
async fn change(
    front: Front,
    path: ModelPath,
    change: impl FnOnce(&Catalog, &str) -> Result<(), catalog::Error> + Send + 'static,
) -> Result<(), Error> {
    // Whoever hangs up while waiting here costs nothing.
    let Ok(place) = Arc::clone(&front.changes.0).acquire_owned().await else {
        return Err(Error::Internal("no changes are made any more".into()));
    };
    let changed = tokio::task::spawn_blocking(move || {
        let changed = change(&front.catalog, &path.model);
        drop(place);
        changed
    })
    .await;
    Ok(changed.map_err(|error| Error::Internal(error.to_string()))??)
}

fn allowed(front: &Front, what: &str) -> Result<(), Error> {
    if front.admin {
        return Ok(());
    }
    Err(Error::Forbidden(format!("{what} by the API is switched off; TWOFOLD_ADMIN=on switches it on")))
}
