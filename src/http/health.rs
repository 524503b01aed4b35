//! Health: of the process, and of one model.

use axum::extract::State;
use axum::response::Response;

use super::Front;
use super::error::{Error, document, readiness};
use super::extract::ModelPath;
use crate::protocol::metadata::{Live, ModelReady, Ready};

/// `GET /v2/health/live`
pub(super) async fn live() -> Result<Response, Error> {
    document(&Live { live: true })
}

/// `GET /v2/health/ready`
pub(super) async fn ready(State(front): State<Front>) -> Result<Response, Error> {
    let ready = front.readiness.is_ready();
    readiness(ready, &Ready { ready })
}

/// `GET /v2/models/{model}/ready`
pub(super) async fn model(State(front): State<Front>, path: ModelPath) -> Result<Response, Error> {
    let ready = front.catalog.is_ready(&path.model, path.version.as_deref())?;
    readiness(ready, &ModelReady { name: &path.model, ready })
}
