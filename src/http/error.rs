//! Every way in which a request fails, and the only place that knows status codes.

use std::any::Any;
use std::sync::Arc;

use axum::body::Body;
use axum::http::{HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};

use crate::catalog;
use crate::protocol::{Malformed, error_body};
use crate::telemetry::metrics::Outcome;
use crate::tensor::Excerpt;

/// A request that is not answered with what it asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Error {
    /// The request is not what the protocol, or the model, asks for.
    Malformed(String),
    /// The client broke off what it was sending. Told to one that closed its own side only.
    BrokenOff(String),
    /// What is switched off.
    Forbidden(String),
    /// No such path, model or version.
    Unknown(String),
    /// The path has other methods.
    Method(String),
    /// A body above the limit.
    TooLarge(String),
    /// The model is known, but does not answer now.
    NotReady(String),
    /// The model's queue is full: the text, and the seconds until another try makes sense.
    Full(String, u64),
    /// No answer in time.
    Deadline(String),
    /// A fault of ours; the text is for the log only.
    Internal(String),
}

/// The cause of an opaque answer, on its way to the log line of its request.
#[derive(Clone, Debug)]
pub(super) struct Cause(pub(super) Arc<str>);

/// Marks the answer to a request whose client broke it off: there is hardly anybody to read it, and logs and figures tell it from
/// those that are wrong.
#[derive(Clone, Copy, Debug)]
pub(super) struct HungUp;

impl Error {
    /// The status that stands for it.
    pub(super) fn status(&self) -> StatusCode {
        match self {
            Self::Malformed(_) | Self::BrokenOff(_) => StatusCode::BAD_REQUEST,
            Self::Forbidden(_) => StatusCode::FORBIDDEN,
            Self::Unknown(_) => StatusCode::NOT_FOUND,
            Self::Method(_) => StatusCode::METHOD_NOT_ALLOWED,
            Self::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::NotReady(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Full(..) => StatusCode::TOO_MANY_REQUESTS,
            Self::Deadline(_) => StatusCode::GATEWAY_TIMEOUT,
            Self::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// What it counts as among a model's requests.
    pub(super) fn outcome(&self) -> Outcome {
        match self {
            Self::Full(..) => Outcome::Overload,
            Self::Deadline(_) => Outcome::Deadline,
            Self::Internal(_) => Outcome::Failed,
            Self::BrokenOff(_) => Outcome::Abandoned,
            Self::Malformed(_)
            | Self::Forbidden(_)
            | Self::Unknown(_)
            | Self::Method(_)
            | Self::TooLarge(_)
            | Self::NotReady(_) => Outcome::Refused,
        }
    }

    /// What the client is told.
    fn message(&self) -> &str {
        match self {
            Self::Malformed(message)
            | Self::BrokenOff(message)
            | Self::Forbidden(message)
            | Self::Unknown(message)
            | Self::Method(message)
            | Self::TooLarge(message)
            | Self::NotReady(message)
            | Self::Full(message, _)
            | Self::Deadline(message) => message,
            Self::Internal(_) => "internal error; the log has the cause, by the request id",
        }
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let mut response = json(self.status(), error_body(self.message()));
        match self {
            Self::Internal(cause) => drop(response.extensions_mut().insert(Cause(cause.into()))),
            Self::Full(_, seconds) => {
                drop(response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds)));
            }
            Self::BrokenOff(_) => drop(response.extensions_mut().insert(HungUp)),
            Self::Malformed(_)
            | Self::Forbidden(_)
            | Self::Unknown(_)
            | Self::Method(_)
            | Self::TooLarge(_)
            | Self::NotReady(_)
            | Self::Deadline(_) => {}
        }
        response
    }
}

impl From<Malformed> for Error {
    fn from(error: Malformed) -> Self {
        Self::Malformed(error.to_string())
    }
}

impl From<catalog::Error> for Error {
    fn from(error: catalog::Error) -> Self {
        let message = error.to_string();
        match error.kind() {
            catalog::ErrorKind::UnknownModel | catalog::ErrorKind::UnknownVersion => Self::Unknown(message),
            catalog::ErrorKind::NotReady => Self::NotReady(message),
            catalog::ErrorKind::Input | catalog::ErrorKind::Load => Self::Malformed(message),
            catalog::ErrorKind::Full => Self::Full(message, error.retry_after().unwrap_or(1)),
            catalog::ErrorKind::Deadline => Self::Deadline(message),
            catalog::ErrorKind::Failed => Self::Internal(message),
        }
    }
}

/// An answer of JSON.
pub(super) fn json(status: StatusCode, body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// An answer of JSON, 200.
pub(super) fn document(document: &impl serde::Serialize) -> Result<Response, Error> {
    document_with(StatusCode::OK, document)
}

/// An answer of JSON that is 503 where `ready` is false.
pub(super) fn readiness(ready: bool, document: &impl serde::Serialize) -> Result<Response, Error> {
    document_with(if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }, document)
}

fn document_with(status: StatusCode, document: &impl serde::Serialize) -> Result<Response, Error> {
    let body = serde_json::to_vec(document).map_err(|error| Error::Internal(error.to_string()))?;
    Ok(json(status, body))
}

/// Answers a path that there is not.
pub(super) async fn no_route(uri: Uri) -> Error {
    Error::Unknown(format!("no such path: {}", Excerpt(uri.path())))
}

/// Answers a method that a path does not have.
pub(super) async fn no_method(method: Method, uri: Uri) -> Error {
    Error::Method(format!("{} does not take {}", Excerpt(uri.path()), Excerpt(method.as_str())))
}

/// Answers for a handler that panicked.
#[allow(clippy::needless_pass_by_value)] // the layer's form
pub(super) fn panicked(panic: Box<dyn Any + Send + 'static>) -> Response {
    let text = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("no message");
    Error::Internal(format!("panic: {text}")).into_response()
}

#[cfg(test)]
mod tests {
    use axum::body::to_bytes;

    use super::*;

    #[tokio::test]
    async fn every_variant_has_its_status_and_a_body() {
        let cases = [
            (Error::Malformed("a".into()), 400, r#"{"error":"a"}"#),
            (Error::BrokenOff("a".into()), 400, r#"{"error":"a"}"#),
            (Error::Forbidden("b".into()), 403, r#"{"error":"b"}"#),
            (Error::Unknown("c".into()), 404, r#"{"error":"c"}"#),
            (Error::Method("d".into()), 405, r#"{"error":"d"}"#),
            (Error::TooLarge("e".into()), 413, r#"{"error":"e"}"#),
            (Error::NotReady("f".into()), 503, r#"{"error":"f"}"#),
            (Error::Full("g".into(), 7), 429, r#"{"error":"g"}"#),
            (Error::Deadline("h".into()), 504, r#"{"error":"h"}"#),
            (
                Error::Internal("secret".into()),
                500,
                r#"{"error":"internal error; the log has the cause, by the request id"}"#,
            ),
        ];
        for (error, status, body) in cases {
            let response = error.into_response();
            assert_eq!(response.status(), status);
            assert_eq!(response.headers()["content-type"], "application/json");
            assert_eq!(to_bytes(response.into_body(), 1024).await.unwrap(), body);
        }
    }

    #[test]
    fn a_cause_travels_beside_the_opaque_body() {
        let response = panicked(Box::new("boom"));
        assert_eq!(&*response.extensions().get::<Cause>().unwrap().0, "panic: boom");
    }
}
