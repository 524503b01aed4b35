//! The target of a request as its client sent it.

use std::fmt::Write as _;

use axum::http::uri::{InvalidUri, PathAndQuery, Uri};
use lambda_http::aws_lambda_events::apigw::ApiGatewayV2httpRequest;

/// Takes path and query out of an event: what a TCP server would have read.
///
/// `lambda_http` would make the URI absolute, resolve `..`, put the stage before the path and, where a decoded path holds
/// `?` or `#`, end it there.
pub(super) fn target(event: &mut ApiGatewayV2httpRequest) -> Result<Uri, InvalidUri> {
    let path = event.raw_path.take().unwrap_or_default();
    let mut target = as_path(without_stage(&path, event.request_context.stage.as_deref()));
    if let Some(query) = event.raw_query_string.take().filter(|query| !query.is_empty()) {
        target.push('?');
        target.push_str(&query);
    }
    PathAndQuery::try_from(target).map(Uri::from)
}

/// A named stage stands before the path, as `/STAGE/v2` or as all of it. `$default` does not.
fn without_stage<'a>(path: &'a str, stage: Option<&str>) -> &'a str {
    let Some(stage) = stage.filter(|stage| !matches!(*stage, "$default" | "")) else { return path };
    match path.strip_prefix('/').and_then(|rest| rest.strip_prefix(stage)) {
        Some(rest) if rest.is_empty() || rest.starts_with('/') => rest,
        _ => path,
    }
}

/// Function URLs send the path as it was; it stays so, to the byte. API Gateway sends it decoded: what no path can hold
/// is encoded again.
fn as_path(path: &str) -> String {
    let is_path = path.starts_with('/') && !path.contains(['?', '#']) && PathAndQuery::try_from(path).is_ok();
    if is_path {
        return path.to_owned();
    }
    let mut encoded = String::with_capacity(path.len() + 1);
    if !path.starts_with('/') {
        encoded.push('/');
    }
    for byte in path.bytes() {
        match byte {
            b'"' | b'#' | b'<' | b'>' | b'?' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}' => {
                push_encoded(&mut encoded, byte);
            }
            0x21..=0x7e => encoded.push(char::from(byte)),
            _ => push_encoded(&mut encoded, byte),
        }
    }
    encoded
}

fn push_encoded(path: &mut String, byte: u8) {
    // Writing to a string cannot fail.
    let _ = write!(path, "%{byte:02X}");
}
