//! The description of this API, for people and for tools that make clients or tests of it.

use axum::body::Body;
use axum::http::{HeaderValue, header};
use axum::response::Response;

/// Kept at the top level; the test clients hold it against the running server.
const DOCUMENT: &str = include_str!("../../openapi.yaml");

/// `GET /openapi.yaml`
pub(super) async fn openapi() -> Response {
    let mut response = Response::new(Body::from(DOCUMENT));
    // RFC 9512
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/yaml"));
    response
}
