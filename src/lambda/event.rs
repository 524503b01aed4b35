//! The head of a request as its client sent it.

use std::fmt::Write as _;

use axum::http::HeaderValue;
use axum::http::header::HOST;
use axum::http::uri::{InvalidUri, PathAndQuery, Uri};
use lambda_http::Request;
use lambda_http::aws_lambda_events::apigw::ApiGatewayV2httpRequest;

/// What goes around `lambda_http`, which would make the URI absolute, resolve `..`, put the stage before the path, end it
/// where a decoded one holds `?` or `#`, and panic over a host that is none.
#[derive(Clone)]
pub(super) struct Head {
    target: Uri,
    host: Option<HeaderValue>,
}

impl Head {
    /// Takes path, query and host out of an event. Fails where path and query are no request target.
    pub(super) fn take(event: &mut ApiGatewayV2httpRequest) -> Result<Self, InvalidUri> {
        let path = event.raw_path.take().unwrap_or_default();
        let mut target = as_path(without_stage(&path, event.request_context.stage.as_deref()));
        if let Some(query) = event.raw_query_string.take().filter(|query| !query.is_empty()) {
            target.push('?');
            target.push_str(&query);
        }
        event.request_context.domain_name = None;
        Ok(Self { target: PathAndQuery::try_from(target)?.into(), host: event.headers.remove(HOST) })
    }

    /// Gives the request what a TCP server would have read.
    pub(super) fn restore(self, request: &mut Request) {
        *request.uri_mut() = self.target;
        if let Some(host) = self.host {
            request.headers_mut().insert(HOST, host);
        }
    }
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
