//! The application: built once, and taken down in order.

use std::fmt;
use std::sync::Arc;

use axum::Router;

use crate::catalog::Catalog;
use crate::config::Config;
use crate::engine::pool::Pool;
use crate::http::{self, Front, Readiness};
use crate::store::Reference;
use crate::telemetry::Metrics;

/// Everything between the configuration and the router.
pub struct App {
    front: Front,
}

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

impl App {
    /// Loads the models. Fails where not one of them is ready.
    pub fn start(config: &Config) -> Result<Self, BrokenStart> {
        let metrics = Metrics::new(config.home);
        let catalog = Catalog::new(
            metrics.clone(),
            Pool::new(config.compute.threads, config.compute.queue),
            config.compute.deadline,
        );
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
        reasons.extend(catalog.start(sources));
        if catalog.all_ready().is_empty() {
            reasons.extend(catalog.index().iter().map(ToString::to_string));
            return Err(BrokenStart {
                message: format!("TWOFOLD_MODELS: no model is ready: {}", reasons.join("; ")),
            });
        }
        let front = Front {
            catalog: Arc::new(catalog),
            metrics,
            readiness: Readiness::default(),
            admin: config.http.admin,
            body_limit: config.http.body_limit,
            home: config.home,
        };
        Ok(Self { front })
    }

    /// The router that both homes serve.
    pub fn router(&self) -> Router {
        http::router(&self.front)
    }

    /// Turns not ready, so that new requests go elsewhere.
    pub fn withdraw(&self) {
        self.front.readiness.withdraw();
    }
}
