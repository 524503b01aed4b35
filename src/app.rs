//! The application: built once, and taken down in order.

use std::fmt;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio::net::TcpListener;
use tokio::time::timeout;

use crate::catalog::Catalog;
use crate::config::{self, Config, Home};
use crate::engine::pool::Pool;
use crate::http::{self, Bodies, Changes, Front, Readiness};
use crate::store::{self, Reference, Store};
use crate::telemetry::Metrics;

/// Everything between the configuration and the router.
pub struct App {
    front: Front,
    server: config::Server,
    /// A request takes no longer than this, also one that was begun before the end.
    deadline: Duration,
}

/// Lambda ends a start after ten seconds; what is left of them is for reading models and for saying what went wrong.
const START_ON_LAMBDA: Duration = Duration::from_secs(9);

/// A start that takes no longer is waited for: whoever connects meanwhile gets the answer and not a refusal.
const SHORT_START: Duration = Duration::from_secs(1);

/// A start that would leave nothing to serve. Its text begins with the variable that is to blame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokenStart {
    message: String,
}

impl fmt::Display for BrokenStart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for BrokenStart {}

impl BrokenStart {
    fn of_panic(error: &tokio::task::JoinError) -> Self {
        Self { message: format!("TWOFOLD_MODELS: loading them ended unexpectedly: {error}") }
    }
}

impl App {
    /// Loads the models. Fails where not one of them is ready. Blocks.
    pub fn start(config: &Config) -> Result<Self, BrokenStart> {
        let app = Self::prepare(config);
        app.load(config)?;
        Ok(app)
    }

    /// Loads the models and serves them, as [`App::start`] and [`App::serve`] do. Where loading takes its time, it serves
    /// meanwhile: alive, but not ready, and a signal is heeded.
    pub async fn run(
        config: Arc<Config>,
        listener: TcpListener,
        signal: impl Future<Output = &'static str>,
    ) -> Result<(), BrokenStart> {
        let app = Arc::new(Self::prepare(&config));
        let loading = {
            let app = Arc::clone(&app);
            tokio::task::spawn_blocking(move || app.load(&config))
        };
        let mut loading =
            pin!(async { loading.await.unwrap_or_else(|error| Err(BrokenStart::of_panic(&error))) });
        if let Ok(loaded) = timeout(SHORT_START, &mut loading).await {
            loaded?;
            app.serve(listener, signal).await;
            return Ok(());
        }
        tracing::info!("models are still being loaded: probes are answered meanwhile");
        tokio::select! {
            () = app.serve(listener, signal) => Ok(()),
            // A load that succeeds leaves the serving to go on.
            Err(broken) = loading => Err(broken),
        }
    }

    /// Everything but the models.
    fn prepare(config: &Config) -> Self {
        let metrics = Metrics::new(config.home);
        let catalog = Catalog::new(
            metrics.clone(),
            Pool::new(config.compute.threads, config.compute.queue),
            config.compute.deadline,
        );
        catalog.await_start();
        let front = Front {
            catalog: Arc::new(catalog),
            metrics,
            readiness: Readiness::loading(),
            admin: config.http.admin,
            bodies: Bodies::new(config.http.body_limit, config.http.body_memory, config.compute.deadline),
            changes: Changes::default(),
            home: config.home,
        };
        Self { front, server: config.server.clone(), deadline: config.compute.deadline }
    }

    /// Loads the models, then turns ready. Fails where not one of them is.
    fn load(&self, config: &Config) -> Result<(), BrokenStart> {
        let catalog = &self.front.catalog;
        let mut reasons = Vec::new();
        let mut sources = Vec::new();
        for entry in &config.models {
            match Reference::parse(&entry.reference) {
                Ok(reference) => sources.push((reference, entry.name.clone())),
                Err(error) => {
                    tracing::error!(reference = entry.reference, reason = %error, "reference refused");
                    reasons.push(error.to_string());
                }
            }
        }
        reasons.extend(catalog.start(store(config), sources));
        if catalog.all_ready().is_empty() {
            reasons.extend(catalog.index().iter().map(ToString::to_string));
            return Err(BrokenStart {
                message: format!("TWOFOLD_MODELS: no model is ready: {}", reasons.join("; ")),
            });
        }
        self.front.readiness.grant();
        Ok(())
    }

    /// The router that both homes serve.
    pub fn router(&self) -> Router {
        http::router(&self.front)
    }

    /// Serves the router until `signal` is done, which gives its name, and then drains: it turns not ready at once, still
    /// serves for `TWOFOLD_DRAIN`, and ends with what is in flight, or when the deadline has passed.
    pub async fn serve(&self, listener: TcpListener, signal: impl Future<Output = &'static str>) {
        let stop = async {
            let signal = signal.await;
            self.withdraw();
            tracing::info!(signal, drain = ?self.server.drain, "draining");
        };
        let cut = http::serve(listener, self.router(), self.server.clone(), self.deadline, stop).await;
        if cut > 0 {
            tracing::warn!(connections = cut, "cut off: the deadline has passed");
        }
        tracing::info!("drained");
    }

    /// Turns not ready, so that new requests go elsewhere.
    pub fn withdraw(&self) {
        self.front.readiness.withdraw();
    }
}

/// What gets the packages. Nothing of it is built before a reference to a registry needs it.
fn store(config: &Config) -> Store {
    let on_lambda = config.home == Home::Lambda;
    let packages = &config.packages;
    Store::new(store::Settings {
        cache: packages.cache.clone(),
        cache_limit: packages.cache_limit as u64,
        plain_http: packages.plain_http.clone(),
        ecr_hosts: packages.ecr_hosts.clone(),
        docker: packages.docker.clone(),
        pinned: on_lambda,
        within: on_lambda.then_some(START_ON_LAMBDA),
    })
}
