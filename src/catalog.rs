//! The catalog: the models that are loaded, by name and version, and the state of each.

mod changes;
mod error;
mod loading;
mod model;
mod sources;
mod state;
mod statistics;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};
use std::time::Duration;

use changes::Changes;
pub use error::{Error, ErrorKind};
use model::{Compute, Said};
pub use model::{Inference, Model, Times};
use sources::Sources;
use state::State;
pub use state::{Entry, StateName};
pub use statistics::{Span, Statistics};

use crate::engine::Engine;
use crate::engine::pool::Pool;
use crate::telemetry::Metrics;
use crate::tensor::Excerpt;

/// All models that this process serves, or tried to.
pub struct Catalog {
    models: RwLock<BTreeMap<String, Versions>>,
    metrics: Metrics,
    compute: Arc<Compute>,
    /// Where packages come from. A start holds it alone, so that changes come after it.
    sources: RwLock<Option<Sources>>,
    changes: Changes,
    /// What there will be is not known yet.
    starting: AtomicBool,
}

/// The versions of one model, the oldest first.
type Versions = BTreeMap<u64, State>;

impl Catalog {
    /// A catalog without models. They compute with `pool`, each request within `deadline`.
    pub fn new(metrics: Metrics, pool: Pool, deadline: Duration) -> Self {
        let compute = Arc::new(Compute { pool, deadline });
        Self {
            models: RwLock::default(),
            metrics,
            compute,
            sources: RwLock::default(),
            changes: Changes::default(),
            starting: AtomicBool::new(false),
        }
    }

    /// Until [`Catalog::start`] has ended, a model that is not known may still come: it is not ready, in place of unknown.
    pub fn await_start(&self) {
        self.starting.store(true, Ordering::Release);
    }

    /// Enters a model whose engine is given.
    ///
    /// The way in for an engine that is not read from a package, such as one that misbehaves on purpose.
    pub fn enter(&self, name: &str, version: u64, engine: Arc<dyn Engine>) {
        let metrics = self.metrics.model(name, &version.to_string(), None);
        let signature = engine.signature().clone();
        let compute = Arc::clone(&self.compute);
        let said = Said { name: name.to_owned(), version, description: None, digest: None };
        let model = Model::new(said, signature, engine, compute, metrics);
        let mut models = self.models.write().unwrap_or_else(PoisonError::into_inner);
        let replaced =
            models.entry(name.to_owned()).or_default().insert(version, State::Ready(Arc::new(model)));
        // What it frees, which may take its time, is freed after the lock.
        drop(models);
        drop(replaced);
    }

    /// The model of this name: the version that is asked for, or else the newest that is ready.
    pub fn model(&self, name: &str, version: Option<&str>) -> Result<Arc<Model>, Error> {
        let models = self.read();
        let versions = self.versions(&models, name)?;
        let found = match version {
            Some(version) => state(versions, name, version)?,
            None => newest(versions).ok_or_else(|| unknown_model(name))?,
        };
        match found {
            (_, State::Ready(model)) => Ok(Arc::clone(model)),
            (version, state) => Err(Error::new(
                ErrorKind::NotReady,
                format!("model '{name}' version {version} is not ready: {}", state.reason()),
            )),
        }
    }

    /// Whether the model, or this version of it, answers.
    pub fn is_ready(&self, name: &str, version: Option<&str>) -> Result<bool, Error> {
        match self.model(name, version) {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == ErrorKind::NotReady => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The versions of a model that are ready, the oldest first.
    pub fn ready_versions(&self, name: &str) -> Result<Vec<Arc<Model>>, Error> {
        let models = self.read();
        Ok(self.versions(&models, name)?.values().filter_map(ready).collect())
    }

    /// Every version of every model that is ready, by name and then by age.
    pub fn all_ready(&self) -> Vec<Arc<Model>> {
        self.read().values().flat_map(BTreeMap::values).filter_map(ready).collect()
    }

    /// Every version of every model, in the same order.
    pub fn index(&self) -> Vec<Entry> {
        let models = self.read();
        let entries = models.iter().flat_map(|(name, versions)| {
            versions.iter().map(|(&version, state)| Entry {
                name: name.clone(),
                version,
                state: state.name(),
                reason: state.reason().to_owned(),
            })
        });
        entries.collect()
    }

    fn versions<'a>(
        &self,
        models: &'a BTreeMap<String, Versions>,
        name: &str,
    ) -> Result<&'a Versions, Error> {
        models.get(name).ok_or_else(|| {
            if self.starting.load(Ordering::Acquire) {
                let reason = format!("model {} is not ready: models are still being loaded", Excerpt(name));
                Error::new(ErrorKind::NotReady, reason)
            } else {
                unknown_model(name)
            }
        })
    }

    fn read(&self) -> RwLockReadGuard<'_, BTreeMap<String, Versions>> {
        // A writer that panicked left whole entries behind: they are inserted in one step.
        self.models.read().unwrap_or_else(PoisonError::into_inner)
    }
}

fn ready(state: &State) -> Option<Arc<Model>> {
    match state {
        State::Ready(model) => Some(Arc::clone(model)),
        State::Loading | State::Unavailable(_) | State::Unloaded(_) => None,
    }
}

fn unknown_model(name: &str) -> Error {
    Error::new(ErrorKind::UnknownModel, format!("no model {}", Excerpt(name)))
}

/// The newest version that is ready, else the newest.
fn newest(versions: &Versions) -> Option<(u64, &State)> {
    let ready = versions.iter().rev().find(|(_, state)| matches!(state, State::Ready(_)));
    ready.or_else(|| versions.iter().next_back()).map(|(&version, state)| (version, state))
}

fn state<'a>(versions: &'a Versions, name: &str, version: &str) -> Result<(u64, &'a State), Error> {
    // "01" or "+1" would be a second name for the same version.
    let number = version.parse().ok().filter(|number: &u64| number.to_string() == version);
    let found = number.and_then(|number| versions.get_key_value(&number));
    let Some((&number, state)) = found else {
        let has: Vec<_> = versions.keys().map(u64::to_string).collect();
        let message =
            format!("model '{name}' has no version {}; it has {}", Excerpt(version), has.join(", "));
        return Err(Error::new(ErrorKind::UnknownVersion, message));
    };
    Ok((number, state))
}
