//! Loading and unloading: from what the store lists to models that are ready, and back.

use std::collections::BTreeMap;
use std::collections::btree_map;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError, RwLockReadGuard, RwLockWriteGuard};

use super::model::Said;
use super::sources::Sources;
use super::{Catalog, Error, ErrorKind, Model, State, Versions};
use crate::engine;
use crate::store::{Listing, Package, Reference, Store};
use crate::tensor::{Excerpt, Signature};

impl Catalog {
    /// Loads everything that the references hold, each under the name that is given beside it, if one is. Gives the reasons of
    /// references that hold nothing; a model that cannot be loaded is entered with its own, and takes nothing else down.
    pub fn start(&self, store: Store, references: Vec<(Reference, Option<String>)>) -> Vec<String> {
        let mut held = self.sources.write().unwrap_or_else(PoisonError::into_inner);
        let sources = held.insert(Sources::new(store, references));
        let (mut listings, mut reasons) = sources.list(None);
        // All of them are known before the first is opened, which may take its time.
        listings.retain(|listing| {
            let (name, version) = (listing.name(), listing.version());
            match self.write().entry(name.to_owned()).or_default().entry(version) {
                btree_map::Entry::Vacant(entry) => {
                    entry.insert(State::Loading);
                    true
                }
                btree_map::Entry::Occupied(_) => {
                    let reason = format!(
                        "model '{name}' version {version} is in two references; the first one's is served"
                    );
                    tracing::error!(model = name, version, reason, "package refused");
                    reasons.push(reason);
                    false
                }
            }
        });
        for listing in &listings {
            let state = match self.open(listing) {
                Ok(model) => {
                    say_ready(&model);
                    State::Ready(model)
                }
                Err(reason) => State::Unavailable(reason),
            };
            self.write().entry(listing.name().to_owned()).or_default().insert(listing.version(), state);
        }
        self.starting.store(false, Ordering::Release);
        reasons
    }

    /// Loads a model again, with whatever versions its reference holds now: all of them or, where one cannot be loaded, none, and
    /// what was served before serves on. Requests in flight finish on the model that they began with. Blocks: call it off the
    /// request threads.
    pub fn load(&self, name: &str) -> Result<(), Error> {
        let sources = self.sources();
        let _change = self.changes.begin(name);
        let before = self.announce(name);
        match self.open_all(sources.as_ref(), name) {
            Ok(versions) => {
                for state in versions.values() {
                    if let State::Ready(model) = state {
                        say_ready(model);
                    }
                }
                let replaced = self.write().insert(name.to_owned(), versions);
                // What it frees, which may take its time, is freed after the lock.
                drop(replaced);
                Ok(())
            }
            Err((failed, error)) => {
                self.give_up(name, before, &failed);
                Err(error)
            }
        }
    }

    /// Says of the versions that do not answer that they are being loaded. Gives what they were.
    fn announce(&self, name: &str) -> Versions {
        let mut models = self.write();
        let versions = models.get_mut(name).into_iter().flatten();
        let at_rest = versions.filter(|(_, state)| !matches!(state, State::Ready(_)));
        at_rest.map(|(&version, state)| (version, std::mem::replace(state, State::Loading))).collect()
    }

    /// Opens all versions of a model that the references hold. Fails with the reason of each version that cannot be.
    fn open_all(
        &self,
        sources: Option<&Sources>,
        name: &str,
    ) -> Result<Versions, (BTreeMap<u64, String>, Error)> {
        let (mut listings, reasons) = sources.map(|sources| sources.list(Some(name))).unwrap_or_default();
        listings.retain(|listing| listing.name() == name);
        if listings.is_empty() {
            let known = self.read().contains_key(name);
            return Err((BTreeMap::new(), not_listed(name, known, &reasons)));
        }
        // The first reference that holds a version is the one that serves it, as at the start.
        let mut wanted: BTreeMap<u64, &Listing> = BTreeMap::new();
        for listing in &listings {
            wanted.entry(listing.version()).or_insert(listing);
        }
        // A reference that cannot be read holds perhaps what is missing now.
        let is_missing = |versions: &Versions| versions.keys().any(|version| !wanted.contains_key(version));
        if !reasons.is_empty() && self.read().get(name).is_some_and(is_missing) {
            return Err((BTreeMap::new(), not_loaded(name, &reasons)));
        }
        for version in wanted.keys() {
            let mut models = self.write();
            models.entry(name.to_owned()).or_default().entry(*version).or_insert(State::Loading);
        }
        let (mut opened, mut failed) = (Versions::new(), BTreeMap::new());
        for (version, listing) in wanted {
            match self.open(listing) {
                Ok(model) => drop(opened.insert(version, State::Ready(model))),
                Err(reason) => drop(failed.insert(version, reason)),
            }
        }
        if failed.is_empty() {
            return Ok(opened);
        }
        let reasons: Vec<_> =
            failed.iter().map(|(version, reason)| format!("version {version}: {reason}")).collect();
        Err((failed, not_loaded(name, &reasons)))
    }

    /// Takes back what was said of versions that are not loaded after all: each tells why, or is what it was `before`.
    fn give_up(&self, name: &str, mut before: Versions, failed: &BTreeMap<u64, String>) {
        let mut models = self.write();
        let versions = models.get_mut(name).into_iter().flatten();
        for (version, state) in versions.filter(|(_, state)| matches!(state, State::Loading)) {
            *state = match (failed.get(version), before.remove(version), failed.keys().next()) {
                (Some(reason), _, _) => State::Unavailable(reason.clone()),
                (None, Some(before @ State::Unloaded(_)), _) | (None, Some(before), None) => before,
                (None, _, Some(other)) => {
                    State::Unavailable(format!("not loaded, since version {other} could not be"))
                }
                (None, None, None) => State::Unavailable("not loaded".to_owned()),
            };
        }
    }

    /// Takes a model out of service. Requests in flight finish; the memory is free after the last of them.
    pub fn unload(&self, name: &str) -> Result<(), Error> {
        // Not before a start has ended, which would load it once more.
        let _sources = self.sources();
        let _change = self.changes.begin(name);
        let mut freed = Vec::new();
        let mut models = self.write();
        let Some(versions) = models.get_mut(name) else { return Err(super::unknown_model(name)) };
        for (version, state) in versions {
            if let State::Ready(model) = state {
                tracing::info!(model = name, version, "model unloaded");
                let unloaded = State::Unloaded(Arc::downgrade(model));
                freed.push(std::mem::replace(state, unloaded));
            }
        }
        // What it frees, which may take its time, is freed after the lock.
        drop(models);
        drop(freed);
        Ok(())
    }

    /// Fetches and loads one package; the error is the reason why not, which the log has.
    fn open(&self, listing: &Listing) -> Result<Arc<Model>, String> {
        let (name, version) = (listing.name(), listing.version());
        let package = listing.fetch().map_err(|error| error.to_string());
        let opened = package.and_then(|package| self.model_of(package));
        if let Err(reason) = &opened {
            tracing::error!(model = name, version, reason, "model unavailable");
        }
        opened.map(Arc::new)
    }

    fn model_of(&self, package: Package) -> Result<Model, String> {
        let Package { name, version, model, side_files, manifest, digest } = package;
        let digest = digest.map(|digest| digest.to_string());
        let threads = self.compute.pool.threads();
        let source = engine::Source { model, side_files, engine: manifest.engine, threads };
        let engine = engine::load(&source).map_err(|error| error.to_string())?;
        let signature = labelled(engine.signature(), &manifest.labels)?;
        let metrics = self.metrics.model(&name, &version.to_string(), digest.as_deref());
        let compute = Arc::clone(&self.compute);
        let said = Said { name, version, description: manifest.description, digest };
        Ok(Model::new(said, signature, engine, compute, metrics))
    }

    /// Waits until a start has ended.
    fn sources(&self) -> RwLockReadGuard<'_, Option<Sources>> {
        self.sources.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, BTreeMap<String, Versions>> {
        self.models.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A model serves from now on.
fn say_ready(model: &Model) {
    let digest = model.digest().unwrap_or_default();
    let (name, version) = (model.name(), model.version());
    tracing::info!(model = name, version, engine = model.engine(), digest, "model ready");
}

/// Why a model is not loaded that no reference holds, or none that can be read.
fn not_listed(name: &str, known: bool, reasons: &[String]) -> Error {
    if known && !reasons.is_empty() {
        return not_loaded(name, reasons);
    }
    let more = if reasons.is_empty() { String::new() } else { format!(": {}", reasons.join("; ")) };
    Error::new(ErrorKind::UnknownModel, format!("no reference holds a model {}{more}", Excerpt(name)))
}

fn not_loaded(name: &str, reasons: &[String]) -> Error {
    Error::new(ErrorKind::Load, format!("model '{name}' could not be loaded: {}", reasons.join("; ")))
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
