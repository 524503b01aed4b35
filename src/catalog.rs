//! The catalog: the models that are loaded, by name and version, and the state of each.

mod error;
mod model;
mod statistics;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};
use std::time::Duration;

pub use error::{Error, ErrorKind};
use model::Compute;
pub use model::{Inference, Model, Times};
pub use statistics::{Span, Statistics};

use crate::engine::pool::Pool;
use crate::engine::{self, Engine};
use crate::store::{Listing, Package};
use crate::telemetry::Metrics;
use crate::tensor::{Excerpt, Signature};

/// All models that this process serves, or tried to.
pub struct Catalog {
    models: RwLock<BTreeMap<String, Versions>>,
    metrics: Metrics,
    compute: Arc<Compute>,
}

/// The versions of one model, the oldest first.
type Versions = BTreeMap<u64, State>;

enum State {
    Ready(Arc<Model>),
    /// With the reason.
    Unavailable(String),
}

/// One version of one model, and whether it answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The model's name.
    pub name: String,
    /// Its version.
    pub version: u64,
    /// Why it does not answer; `None` where it does.
    pub unavailable: Option<String>,
}

impl Catalog {
    /// A catalog without models. They compute with `pool`, each request within `deadline`.
    pub fn new(metrics: Metrics, pool: Pool, deadline: Duration) -> Self {
        Self { models: RwLock::default(), metrics, compute: Arc::new(Compute { pool, deadline }) }
    }

    /// Loads what the store lists, one after the other. What cannot be loaded is entered with its reason, and takes
    /// nothing else down.
    pub fn load(&self, listing: &Listing) {
        let state =
            match listing.fetch().map_err(|error| error.to_string()).and_then(|package| self.open(package)) {
                Ok(model) => State::Ready(Arc::new(model)),
                Err(reason) => State::Unavailable(reason),
            };
        let (name, version) = (listing.name(), listing.version());
        match &state {
            State::Ready(model) => {
                tracing::info!(model = name, version, engine = model.engine(), "model ready");
            }
            State::Unavailable(reason) => tracing::error!(model = name, version, reason, "model unavailable"),
        }
        let mut models = self.models.write().unwrap_or_else(PoisonError::into_inner);
        models.entry(name.to_owned()).or_default().insert(version, state);
    }

    /// Turns a package into a model that is ready; the error is the reason why not.
    fn open(&self, package: Package) -> Result<Model, String> {
        let Package { name, version, model, side_files, manifest } = package;
        let source = engine::Source {
            model,
            side_files,
            engine: manifest.engine,
            threads: self.compute.pool.threads(),
        };
        let engine = engine::load(&source).map_err(|error| error.to_string())?;
        let signature = labelled(engine.signature(), &manifest.labels)?;
        let metrics = self.metrics.model(&name, &version.to_string());
        let compute = Arc::clone(&self.compute);
        Ok(Model::new(name, version, manifest.description, signature, engine, compute, metrics))
    }

    /// Enters a model whose engine is given.
    ///
    /// The way in for an engine that is not read from a package, such as one that misbehaves on purpose.
    pub fn enter(&self, name: &str, version: u64, engine: Arc<dyn Engine>) {
        let metrics = self.metrics.model(name, &version.to_string());
        let signature = engine.signature().clone();
        let compute = Arc::clone(&self.compute);
        let model = Model::new(name.to_owned(), version, None, signature, engine, compute, metrics);
        let mut models = self.models.write().unwrap_or_else(PoisonError::into_inner);
        models.entry(name.to_owned()).or_default().insert(version, State::Ready(Arc::new(model)));
    }

    /// The model of this name: the version that is asked for, or else the newest that is ready.
    pub fn model(&self, name: &str, version: Option<&str>) -> Result<Arc<Model>, Error> {
        let models = self.read();
        let versions = versions(&models, name)?;
        let found = match version {
            Some(version) => state(versions, name, version)?,
            None => newest(versions).ok_or_else(|| unknown_model(name))?,
        };
        match found {
            (_, State::Ready(model)) => Ok(Arc::clone(model)),
            (version, State::Unavailable(reason)) => Err(Error::new(
                ErrorKind::NotReady,
                format!("model '{name}' version {version} is not ready: {reason}"),
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
        Ok(versions(&models, name)?.values().filter_map(ready).collect())
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
                unavailable: match state {
                    State::Ready(_) => None,
                    State::Unavailable(reason) => Some(reason.clone()),
                },
            })
        });
        entries.collect()
    }

    fn read(&self) -> RwLockReadGuard<'_, BTreeMap<String, Versions>> {
        // A writer that panicked left whole entries behind: they are inserted in one step.
        self.models.read().unwrap_or_else(PoisonError::into_inner)
    }
}

/// `NAME VERSION: REASON`, or `NAME VERSION: ready`.
impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.name, self.version, self.unavailable.as_deref().unwrap_or("ready"))
    }
}

fn ready(state: &State) -> Option<Arc<Model>> {
    match state {
        State::Ready(model) => Some(Arc::clone(model)),
        State::Unavailable(_) => None,
    }
}

fn versions<'a>(models: &'a BTreeMap<String, Versions>, name: &str) -> Result<&'a Versions, Error> {
    models.get(name).ok_or_else(|| unknown_model(name))
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

/// A signature with the class labels that the package gives to outputs.
fn labelled(signature: &Signature, labels: &BTreeMap<String, Vec<String>>) -> Result<Signature, String> {
    let mut signature = signature.clone();
    for (output, labels) in labels {
        let Some(spec) = signature.outputs.iter_mut().find(|spec| spec.name == *output) else {
            return Err(format!("twofold.json: labels: the model has no output {}", Excerpt(output)));
        };
        let columns = spec.shape.last().copied().unwrap_or(-1);
        if columns >= 0 && u64::try_from(columns).ok() != u64::try_from(labels.len()).ok() {
            return Err(format!(
                "twofold.json: labels: output '{output}' has {columns} columns, got {} labels",
                labels.len()
            ));
        }
        spec.labels.clone_from(labels);
    }
    Ok(signature)
}
