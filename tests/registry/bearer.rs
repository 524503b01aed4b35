//! A token service, and a registry that asks for its tokens: each lets its holder do what he asked for and nothing else.

use std::collections::HashMap;

use axum::body::Body;
use axum::extract::Request;
use axum::http::Method;
use axum::response::Response;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::json;

use crate::front::{Shared, Switches, answer, error};

/// What the registry or its token service answers by itself; none where the token lets the request in. What is asked of the
/// service is seen as `token [SCOPE SCOPE …]`.
pub(crate) fn answered(shared: &Shared, switches: &Switches, request: &Request) -> Option<Response> {
    let given = request.headers().get("authorization").and_then(|value| value.to_str().ok());
    let host = request.headers()["host"].to_str().unwrap();
    let url = reqwest::Url::parse(&format!("http://{host}{}", request.uri())).unwrap();
    if url.path() == "/token" {
        if switches.no_tokens {
            return Some(error(503, "UNAVAILABLE", "come again"));
        }
        let user = format!("Basic {}", BASE64_STANDARD.encode("anna:secret"));
        let service = url.query_pairs().any(|(name, value)| name == "service" && value == "a registry");
        if given != Some(&user) || !service {
            return Some(error(401, "UNAUTHORIZED", "incorrect username or password"));
        }
        let scopes =
            url.query_pairs().filter(|(name, _)| name == "scope").map(|(_, scope)| scope.into_owned());
        let scopes: Vec<_> = scopes.collect();
        shared.seen.lock().unwrap().push(format!("token [{}]", scopes.join(" ")));
        let token = format!("of-anna-{};{}", switches.token, scopes.join(";"));
        return Some(answer(200, json!({ "token": token }).to_string()));
    }
    let begin = format!("Bearer of-anna-{};", switches.token);
    let granted = given.and_then(|given| given.strip_prefix(&begin)).unwrap_or_default();
    let may = |repository: &str, action: &str| {
        granted.split(';').any(|scope| {
            let actions = scope.strip_prefix(&format!("repository:{repository}:"));
            actions.is_some_and(|actions| actions.split(',').any(|granted| granted == action))
        })
    };
    let parts = ["/blobs/", "/manifests/", "/tags/"];
    let path = url.path().strip_prefix("/v2/").unwrap_or_default();
    let repository = parts.iter().find_map(|part| path.split_once(part)).map_or("", |(name, _)| name);
    let action = if matches!(*request.method(), Method::GET | Method::HEAD) { "pull" } else { "push" };
    if !may(repository, action) {
        let mut response = error(401, "UNAUTHORIZED", "authentication required");
        let challenge = format!(
            r#"Bearer realm="http://{host}/token",service="a registry",scope="repository:{repository}:{action}",error="invalid_token""#
        );
        response.headers_mut().insert("www-authenticate", challenge.parse().unwrap());
        return Some(response);
    }
    let query: HashMap<_, _> = url.query_pairs().into_owned().collect();
    let (from, digest) = (query.get("from")?, query.get("mount")?);
    let there = shared.files.lock().unwrap().contains_key(&format!("/v2/{from}/blobs/{digest}"));
    (there && may(from, "pull")).then(|| answer(201, Body::empty()))
}
