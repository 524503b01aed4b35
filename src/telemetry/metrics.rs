//! Every metric: its name, unit and labels, declared once, in [`Metrics::new`].
//!
//! Recording takes no lock that another request could hold for long and allocates nothing, the first request of a route
//! and status aside. Only loaded models and known routes become labels, so the number of series is bounded.

mod durations;
mod models;
mod requests;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use prometheus_client::encoding::text;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

use crate::config::Home;

pub use durations::Durations;
pub use models::{ModelMetrics, Outcome, Waiting};
pub use requests::{CLIENT_CLOSED_REQUEST, RequestTimer, UNMATCHED};

/// The figures of one process. Clones share them.
#[derive(Clone, Debug)]
pub struct Metrics(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    registry: Registry,
    in_flight: Gauge,
    routes: requests::Routes,
    models: models::Models,
}

impl Metrics {
    /// The type of what [`Metrics::encode`] writes: `OpenMetrics`, which every Prometheus since 2.5 reads.
    pub const CONTENT_TYPE: &'static str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

    /// A registry with every metric of the process.
    pub fn new(home: Home) -> Self {
        let mut registry = Registry::default();

        let routes = requests::Routes::default();
        registry.register_with_unit(
            "twofold_http_request_duration",
            "Time from a request's head to its answer, by matched route and status; 499 = the client hung up",
            Unit::Seconds,
            routes.clone(),
        );
        let in_flight = Gauge::default();
        registry.register("twofold_requests_in_flight", "Requests not yet answered", in_flight.clone());

        let models = models::Models::default();
        registry.register_with_unit(
            "twofold_inference_duration",
            "Time that a model computed, per request",
            Unit::Seconds,
            models.compute(),
        );
        registry.register_with_unit(
            "twofold_queue_duration",
            "Time that a request waited for a compute thread, where it needed one; also where it waited in vain",
            Unit::Seconds,
            models.queue(),
        );
        registry.register(
            "twofold_requests_waiting",
            "Requests that wait for a compute thread now",
            models::Queued(models.clone()),
        );
        registry.register(
            "twofold_inference_requests",
            "Requests that reached a model, by what became of them: success, refused (their own fault: 400), overload (429), deadline (504), abandoned (the client hung up: 499) or failed (500)",
            models::Requests(models.clone()),
        );
        registry.register("twofold_models_loaded", "Models loaded now", models::Loaded(models.clone()));

        let build = Info::new([("version", env!("CARGO_PKG_VERSION")), ("home", home.name())]);
        registry.register("twofold_build", "What runs, and where", build);

        Self(Arc::new(Inner { registry, in_flight, routes, models }))
    }

    /// Counts a request as in flight and times it, until the timer is finished or dropped. `route` is the matched
    /// route's template, never the path that the client sent; [`UNMATCHED`] where none matched.
    pub fn start_request(&self, route: &str) -> RequestTimer {
        RequestTimer::start(self.0.routes.find(route), self.0.in_flight.clone())
    }

    /// The figures of a loaded model. They last as long as the handle and its clones: with the last one the model's
    /// series are gone. While there is one, the same name, version and digest give the same figures, so a reload goes
    /// on counting. The digest is a label where there is one: it says which package answered.
    pub fn model(&self, name: &str, version: &str, digest: Option<&str>) -> ModelMetrics {
        self.0.models.find(name, version, digest)
    }

    /// Everything in the text form of `OpenMetrics` 1.0.
    pub fn encode(&self) -> String {
        let mut text = String::with_capacity(16 << 10);
        // Writing to a string cannot fail, and no metric fails by itself.
        let _ = text::encode(&mut text, &self.0.registry);
        text
    }
}
