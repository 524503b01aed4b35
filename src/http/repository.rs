//! The model repository extension.

use axum::extract::{Request, State};
use axum::response::Response;

use super::error::{Error, document};
use super::{Front, extract};
use crate::protocol::repository::{Entry, only_ready};

/// `POST /v2/repository/index`
pub(super) async fn index(State(front): State<Front>, request: Request) -> Result<Response, Error> {
    let (parts, body) = request.into_parts();
    let only_ready = only_ready(&extract::body(&parts.headers, body, front.body_limit).await?)?;
    let entries =
        front.catalog.index().into_iter().filter(|entry| !only_ready || entry.unavailable.is_none());
    let index: Vec<Entry> = entries
        .map(|entry| Entry {
            name: entry.name,
            version: entry.version.to_string(),
            state: if entry.unavailable.is_none() { "READY" } else { "UNAVAILABLE" },
            reason: entry.unavailable.unwrap_or_default(),
        })
        .collect();
    document(&index)
}

/// `POST /v2/repository/models/{model}/load`
pub(super) async fn load() -> Error {
    Error::Forbidden(
        "loading by the API is switched off: this server's models are those that it started with",
    )
}

/// `POST /v2/repository/models/{model}/unload`
pub(super) async fn unload() -> Error {
    Error::Forbidden(
        "unloading by the API is switched off: this server's models are those that it started with",
    )
}
