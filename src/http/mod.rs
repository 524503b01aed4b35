//! HTTP: every route and every layer on this page; handlers by the protocol's sections.

mod bodies;
mod error;
mod extract;
mod health;
mod infer;
mod layers;
mod metadata;
mod openapi;
mod repository;
mod serve;

pub use bodies::Bodies;
pub use repository::Changes;
pub use serve::serve;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use axum::Router;
use axum::routing::{get, post};
use tower::ServiceBuilder;
use tower_http::catch_panic::CatchPanicLayer;

use crate::catalog::Catalog;
use crate::config::Home;
use crate::telemetry::Metrics;

/// What every handler may use.
#[derive(Clone)]
pub struct Front {
    /// The models.
    pub catalog: Arc<Catalog>,
    /// Where requests are counted.
    pub metrics: Metrics,
    /// Whether new requests are welcome.
    pub readiness: Readiness,
    /// Whether models may be loaded and unloaded by the repository API.
    pub admin: bool,
    /// What bodies may take, and where they are worked on.
    pub bodies: Bodies,
    /// Loads and unloads that may be under way.
    pub changes: Changes,
    /// Where this process runs.
    pub home: Home,
}

/// Whether new requests are welcome: once the models are loaded, until the process is asked to end.
#[derive(Clone, Debug)]
pub struct Readiness(Arc<AtomicU8>);

impl Readiness {
    const LOADING: u8 = 0;
    const WELCOME: u8 = 1;
    const WITHDRAWN: u8 = 2;

    /// Not before [`Readiness::grant`].
    pub fn loading() -> Self {
        Self(Arc::new(AtomicU8::new(Self::LOADING)))
    }

    /// From now on, unless the process was asked to end in the meantime.
    pub fn grant(&self) {
        // Whatever else it is, it stays.
        let _ = self.0.compare_exchange(Self::LOADING, Self::WELCOME, Ordering::AcqRel, Ordering::Acquire);
    }

    /// Sends new requests elsewhere from now on.
    pub fn withdraw(&self) {
        self.0.store(Self::WITHDRAWN, Ordering::Release);
    }

    fn is_ready(&self) -> bool {
        self.0.load(Ordering::Acquire) == Self::WELCOME
    }
}

/// Ready at once.
impl Default for Readiness {
    fn default() -> Self {
        Self(Arc::new(AtomicU8::new(Self::WELCOME)))
    }
}

/// The router of both homes.
pub fn router(front: &Front) -> Router {
    let mut routes = Router::new()
        .route("/v2/health/live", get(health::live))
        .route("/v2/health/ready", get(health::ready))
        .route("/v2", get(metadata::server))
        .route("/v2/", get(metadata::server))
        .route("/v2/models/stats", get(metadata::all_statistics))
        .route("/v2/repository/index", post(repository::index))
        .route("/v2/repository/models/{model}/load", post(repository::load))
        .route("/v2/repository/models/{model}/unload", post(repository::unload))
        .route("/metrics", get(metadata::metrics))
        .route("/openapi.yaml", get(openapi::openapi));
    // Written out for each, since a nested router would rewrite the path of every request.
    for model in ["/v2/models/{model}", "/v2/models/{model}/versions/{version}"] {
        routes = routes
            .route(model, get(metadata::model))
            .route(&format!("{model}/ready"), get(health::model))
            .route(&format!("{model}/infer"), post(infer::infer))
            .route(&format!("{model}/config"), get(metadata::config))
            .route(&format!("{model}/stats"), get(metadata::statistics));
    }
    #[cfg(feature = "test-panic")]
    let routes = routes.route("/test/panic", get(layers::panic));

    routes
        .fallback(error::no_route)
        .method_not_allowed_fallback(error::no_method)
        .with_state(front.clone())
        .layer(
            ServiceBuilder::new()
                // Outermost, so that whatever happens inside is seen: request id, metrics and the one log line.
                .layer(layers::ObserveLayer::new(front))
                // A panic costs its request, and is seen as the 500 that it becomes.
                .layer(CatchPanicLayer::custom(error::panicked)),
        )
}
