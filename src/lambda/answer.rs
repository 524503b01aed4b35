//! The router's response, in the form that Lambda carries to the client unchanged.

use std::future::Future;
use std::pin::Pin;

use axum::body::Body as RouterBody;
use axum::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, SET_COOKIE};
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode};
use http_body_util::BodyExt;
use lambda_http::{Body, IntoResponse};

/// A response whose body is settled: `lambda_http` neither decodes nor guesses any more.
///
/// By itself it would take a body without a Content-Type for UTF-8 and replace what is not, drop a byte order mark,
/// recode another charset while the header still names it, keep one of several headers of the same name, and end the
/// process over a header that is not UTF-8.
pub(super) struct Answer(Response<Body>);

impl Answer {
    /// Reads the whole body. What has none on the wire (204, 304) has none here; answers to HEAD come without.
    pub(super) async fn new(response: Response<RouterBody>) -> Self {
        let (mut parts, body) = response.into_parts();
        let bytes = match body.collect().await {
            Ok(collected) => Vec::from(collected.to_bytes()),
            Err(error) => {
                tracing::error!(%error, "the body of an answer broke off");
                parts.status = StatusCode::INTERNAL_SERVER_ERROR;
                parts.headers.remove(CONTENT_LENGTH);
                parts.headers.remove(CONTENT_ENCODING);
                parts.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
                br#"{"error":"internal error"}"#.to_vec()
            }
        };
        let status = parts.status;
        let lengthless = status.is_informational() || matches!(status.as_u16(), 204 | 304);
        if lengthless {
            parts.headers.remove(CONTENT_LENGTH);
        } else if !parts.headers.contains_key(CONTENT_LENGTH) {
            parts.headers.insert(CONTENT_LENGTH, HeaderValue::from(bytes.len()));
        }
        let body = if bytes.is_empty() || lengthless {
            Body::Empty
        } else {
            // Lambda makes up a type where there is none.
            let octets = HeaderValue::from_static("application/octet-stream");
            parts.headers.entry(CONTENT_TYPE).or_insert(octets);
            settled(&parts.headers, bytes)
        };
        parts.headers = joined(&parts.headers);
        Self(Response::from_parts(parts, body))
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Pin<Box<dyn Future<Output = Response<Body>> + Send>> {
        Box::pin(std::future::ready(self.0))
    }
}

/// What is text, by its type and by its bytes, travels as itself: a quarter smaller than as base64, unless most of it
/// needs escapes.
fn settled(headers: &HeaderMap, bytes: Vec<u8>) -> Body {
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let is_smaller_as_text = escaped_len(&bytes) <= bytes.len().div_ceil(3) * 4;
    if headers.contains_key(CONTENT_ENCODING) || !is_text(content_type) || !is_smaller_as_text {
        return Body::Binary(bytes);
    }
    String::from_utf8(bytes).map_or_else(|error| Body::Binary(error.into_bytes()), Body::Text)
}

/// Bytes of a JSON string's inside, as `serde_json` writes it.
fn escaped_len(bytes: &[u8]) -> usize {
    let escapes = bytes.iter().map(|byte| match byte {
        b'"' | b'\\' | 0x08 | b'\t' | b'\n' | 0x0c | b'\r' => 1,
        0x00..=0x1f => 5,
        _ => 0,
    });
    bytes.len() + escapes.sum::<usize>()
}

fn is_text(content_type: &str) -> bool {
    let mut parts = content_type.split(';').map(str::trim);
    let essence = parts.next().unwrap_or_default().to_ascii_lowercase();
    let is_text = essence.starts_with("text/") || essence == "application/json" || essence.ends_with("+json");
    let is_utf8 = parts.all(|parameter| {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        !name.trim().eq_ignore_ascii_case("charset")
            || value.trim().trim_matches('"').eq_ignore_ascii_case("utf-8")
    });
    is_text && is_utf8
}

/// One value per name, as UTF-8: JSON can say no more. Set-Cookie goes its own way, each value for itself.
fn joined(headers: &HeaderMap) -> HeaderMap {
    let mut joined = HeaderMap::with_capacity(headers.len());
    for name in headers.keys() {
        let values = headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes()));
        if name == SET_COOKIE {
            for value in values.filter_map(|value| HeaderValue::from_str(&value).ok()) {
                joined.append(name, value);
            }
            continue;
        }
        let all = values.collect::<Vec<_>>().join(", ");
        if let Ok(value) = HeaderValue::from_str(&all) {
            joined.insert(name, value);
        }
    }
    joined
}
