//! The layer around every request: its id, its metrics, and its one line in the log.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Instant;

use axum::extract::{MatchedPath, Request};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};
use axum::response::Response;
use tower::{Layer, Service};
use uuid::Uuid;

use super::Front;
use super::error::{Cause, HungUp};
use crate::catalog::{Model, Times};
use crate::config::Home;
use crate::telemetry::Metrics;
use crate::telemetry::metrics::{CLIENT_CLOSED_REQUEST, RequestTimer, UNMATCHED};

/// Taken from the request or made, and echoed.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// A longer id than this is not taken over into logs and answers.
const LONGEST_ID: usize = 128;

/// As much of a path as the log repeats.
const LONGEST_PATH: usize = 256;

/// Which model answered, or did not in time, and where the time went.
pub(super) struct Served {
    pub(super) model: Arc<Model>,
    pub(super) times: Times,
}

/// Where a handler leaves what the log is to say: a request extension, so that it is there even if the client hangs up.
#[derive(Clone, Default)]
pub(super) struct Note(pub(super) Arc<OnceLock<Served>>);

/// See the module.
#[derive(Clone)]
pub(super) struct ObserveLayer {
    metrics: Metrics,
    home: Home,
}

impl ObserveLayer {
    pub(super) fn new(front: &Front) -> Self {
        Self { metrics: front.metrics.clone(), home: front.home }
    }
}

impl<S> Layer<S> for ObserveLayer {
    type Service = Observe<S>;

    fn layer(&self, inner: S) -> Observe<S> {
        Observe { inner, metrics: self.metrics.clone(), home: self.home }
    }
}

/// See the module.
#[derive(Clone)]
pub(super) struct Observe<S> {
    inner: S,
    metrics: Metrics,
    home: Home,
}

impl<S, B> Service<Request> for Observe<S>
where
    S: Service<Request, Response = Response<B>, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = Response<B>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<B>, Infallible>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request) -> Self::Future {
        let id = request_id(request.headers_mut());
        let mut observation = Observation::begin(&self.metrics, self.home, &request, id.clone());
        request.extensions_mut().insert(observation.note.clone());
        let answer = self.inner.call(request);
        Box::pin(async move {
            let mut response = answer.await?;
            response.headers_mut().insert(REQUEST_ID, id);
            observation.end(&response);
            Ok(response)
        })
    }
}

/// The id that the client sent if it is fit to be logged, else a new one.
fn request_id(headers: &mut HeaderMap) -> HeaderValue {
    let sent = headers
        .get(REQUEST_ID)
        .filter(|id| (1..=LONGEST_ID).contains(&id.len()) && id.as_bytes().iter().all(u8::is_ascii_graphic));
    if let Some(id) = sent {
        return id.clone();
    }
    let mut text = Uuid::encode_buffer();
    let text = Uuid::new_v4().hyphenated().encode_lower(&mut text);
    HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static("none"))
}

/// One request as it is seen from outside. It is written down when it is dropped, so that a request whose client hung up
/// is seen too.
struct Observation {
    method: Method,
    uri: Uri,
    probe: bool,
    home: Home,
    id: HeaderValue,
    status: u16,
    note: Note,
    cause: Option<Cause>,
    started: Instant,
    timer: Option<RequestTimer>,
}

impl Observation {
    fn begin(metrics: &Metrics, home: Home, request: &Request, id: HeaderValue) -> Self {
        let route = request.extensions().get::<MatchedPath>();
        let path = request.uri().path();
        // Probes come every second or so from every node: they are not what the figures and the log are about.
        let probe = path.starts_with("/v2/health/") || path == "/metrics";
        Self {
            method: request.method().clone(),
            uri: request.uri().clone(),
            probe,
            home,
            id,
            status: CLIENT_CLOSED_REQUEST,
            note: Note::default(),
            cause: None,
            started: Instant::now(),
            timer: (!probe).then(|| metrics.start_request(route.map_or(UNMATCHED, MatchedPath::as_str))),
        }
    }

    fn end<B>(&mut self, response: &Response<B>) {
        let hung_up = response.extensions().get::<HungUp>().is_some();
        self.status = if hung_up { CLIENT_CLOSED_REQUEST } else { response.status().as_u16() };
        self.cause = response.extensions().get().cloned();
    }
}

impl Drop for Observation {
    fn drop(&mut self) {
        if let Some(timer) = self.timer.take() {
            timer.finish(self.status);
        }
        let micros = |duration: std::time::Duration| u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        let (method, path, status) = (self.method.as_str(), self.uri.path(), self.status);
        let path = path.get(..path.floor_char_boundary(LONGEST_PATH)).unwrap_or(path);
        let home = self.home.name();
        let request_id = self.id.to_str().unwrap_or_default();
        let duration_us = micros(self.started.elapsed());
        let served = self.note.0.get();
        let model = served.map(|served| served.model.name());
        let version = served.map(|served| served.model.version());
        let queue_us = served.map(|served| micros(served.times.queue));
        let compute_us = served.map(|served| micros(served.times.compute));
        let cause = self.cause.as_ref().map(|cause| &*cause.0);
        // One list of fields for both levels; what is `None` is left out of the line.
        macro_rules! line {
            ($level:ident) => {
                tracing::$level!(
                    request_id,
                    method,
                    path,
                    status,
                    home,
                    model,
                    version,
                    duration_us,
                    queue_us,
                    compute_us,
                    cause,
                    "request"
                )
            };
        }
        match (self.probe, status) {
            (_, 500) => line!(error),
            (true, _) => line!(debug),
            (false, _) => line!(info),
        }
    }
}

/// Panics, so that a test can see what becomes of it.
#[cfg(feature = "test-panic")]
#[allow(clippy::panic)]
pub(super) async fn panic() {
    panic!("asked for by the test");
}
