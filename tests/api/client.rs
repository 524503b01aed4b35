//! A client that speaks to the router without a socket.

use std::sync::OnceLock;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request};
use serde_json::Value;
use tower::ServiceExt;
use twofold::app::App;
use twofold::config::Config;

/// Models of tests/models/repository beside the embedded digits.
pub(crate) const MODELS: &str = "embedded:digits,dir:tests/models/repository";

/// An answer, its body read.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// The text of an error, whose form and type every error shares.
    pub(crate) fn error(&self) -> (u16, String) {
        assert_eq!(self.header("content-type"), Some("application/json"), "{self:?}");
        let json = self.json();
        let object = json.as_object().unwrap();
        assert_eq!(object.len(), 1, "{json}");
        (self.status, object["error"].as_str().unwrap().to_owned())
    }
}

/// The router of a server with these arguments.
pub(crate) fn start(arguments: &[&str]) -> Router {
    let arguments = ["server"].iter().chain(arguments).map(|argument| (*argument).to_owned());
    let config = Config::parse(arguments, []).unwrap();
    App::start(&config).unwrap().router()
}

/// The router that most tests share.
pub(crate) fn router() -> Router {
    static ROUTER: OnceLock<Router> = OnceLock::new();
    ROUTER.get_or_init(|| start(&["--models", MODELS])).clone()
}

pub(crate) async fn send(router: Router, request: Request<Body>) -> Answer {
    let (parts, body) = router.oneshot(request).await.unwrap().into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap().to_vec();
    Answer { status: parts.status.as_u16(), headers: parts.headers, body }
}

pub(crate) async fn get(path: &str) -> Answer {
    send(router(), Request::get(path).body(Body::empty()).unwrap()).await
}

/// No content type: the commonest client sends none.
pub(crate) async fn post(path: &str, body: impl Into<Body>) -> Answer {
    post_with(path, &[], body).await
}

pub(crate) async fn post_with(path: &str, headers: &[(&str, &str)], body: impl Into<Body>) -> Answer {
    let mut request = Request::post(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    send(router(), request.body(body.into()).unwrap()).await
}
