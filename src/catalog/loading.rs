//! Loading and unloading: from what the store lists to models that are ready, and back.

use std::collections::BTreeMap;
use std::collections::btree_map;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError, RwLockWriteGuard};

use super::model::Said;
use super::{Catalog, Error, ErrorKind, Model, Sources, State, Versions};
use crate::engine;
use crate::store::{Listing, Package, Reference, Store};
use crate::tensor::{Excerpt, Signature};

impl Catalog {
    /// Loads everything that the references hold, each under the name that is given beside it, if one is. Gives the reasons of
    /// references that hold nothing; a model that cannot be loaded is entered with its own, and takes nothing else down.
    pub fn start(&self, store: Store, references: Vec<(Reference, Option<String>)>) -> Vec<String> {
        let mut held = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        let told = vec![None; references.len()];
        let sources = held.insert(Sources { store, references, told });
        let (mut listings, mut reasons) = list(sources, None);
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
                Ok(model) => State::Ready(model),
                Err(reason) => State::Unavailable(reason),
            };
            self.write().entry(listing.name().to_owned()).or_default().insert(listing.version(), state);
        }
        self.starting.store(false, Ordering::Release);
        reasons
    }

    /// Loads a model again, with whatever versions its reference holds now. Requests in flight finish on the model that they
    /// began with; a version that cannot be loaded again serves on as it was. Blocks: call it off the request threads.
    pub fn load(&self, name: &str) -> Result<(), Error> {
        let mut held = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut listings, reasons) =
            held.as_mut().map(|sources| list(sources, Some(name))).unwrap_or_default();
        listings.retain(|listing| listing.name() == name);
        if listings.is_empty() {
            if !reasons.is_empty() && self.read().contains_key(name) {
                return Err(not_loaded(name, &reasons));
            }
            let more = if reasons.is_empty() { String::new() } else { format!(": {}", reasons.join("; ")) };
            let message = format!("no reference holds a model {}{more}", Excerpt(name));
            return Err(Error::new(ErrorKind::UnknownModel, message));
        }
        // The first reference that holds a version is the one that serves it, as at the start.
        let mut wanted: BTreeMap<u64, &Listing> = BTreeMap::new();
        for listing in &listings {
            wanted.entry(listing.version()).or_insert(listing);
        }
        for version in wanted.keys() {
            let mut models = self.write();
            let state = models.entry(name.to_owned()).or_default().entry(*version).or_insert(State::Loading);
            if !matches!(state, State::Ready(_)) {
                *state = State::Loading;
            }
        }
        let opened: Vec<_> =
            wanted.into_iter().map(|(version, listing)| (version, self.open(listing))).collect();

        let mut failed = Vec::new();
        let mut models = self.write();
        let mut before = models.remove(name).unwrap_or_default();
        let mut versions = Versions::new();
        for (version, opened) in opened {
            let state = match (opened, before.remove(&version)) {
                (Ok(model), _) => State::Ready(model),
                (Err(reason), old) => {
                    failed.push(format!("version {version}: {reason}"));
                    match old {
                        Some(State::Ready(model)) => State::Ready(model),
                        _ => State::Unavailable(reason),
                    }
                }
            };
            versions.insert(version, state);
        }
        models.insert(name.to_owned(), versions);
        drop(models);
        if failed.is_empty() {
            return Ok(());
        }
        Err(not_loaded(name, &failed))
    }

    /// Takes a model out of service. Requests in flight finish; the memory is free after the last of them.
    pub fn unload(&self, name: &str) -> Result<(), Error> {
        let _held = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        let mut models = self.write();
        let Some(versions) = models.get_mut(name) else { return Err(super::unknown_model(name)) };
        for (version, state) in versions {
            if let State::Ready(model) = state {
                tracing::info!(model = name, version, "model unloaded");
                *state = State::Unloaded(Arc::downgrade(model));
            }
        }
        Ok(())
    }

    /// Fetches and loads one package, and says so in the log; the error is the reason why not.
    fn open(&self, listing: &Listing) -> Result<Arc<Model>, String> {
        let (name, version) = (listing.name(), listing.version());
        let package = listing.fetch().map_err(|error| error.to_string());
        let opened = package.and_then(|package| self.model_of(package));
        match &opened {
            Ok(model) => {
                let digest = model.digest().unwrap_or_default();
                tracing::info!(model = name, version, engine = model.engine(), digest, "model ready");
            }
            Err(reason) => tracing::error!(model = name, version, reason, "model unavailable"),
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

    fn write(&self) -> RwLockWriteGuard<'_, BTreeMap<String, Versions>> {
        self.models.write().unwrap_or_else(PoisonError::into_inner)
    }
}

fn not_loaded(name: &str, reasons: &[String]) -> Error {
    Error::new(ErrorKind::Load, format!("model '{name}' could not be loaded: {}", reasons.join("; ")))
}

/// Whether it is worth looking for a model at a reference: not where it has another name, given to it or `told` by its package.
fn may_hold(reference: &Reference, given: Option<&str>, told: Option<&str>, name: &str) -> bool {
    match reference {
        Reference::Oci(_) => given.or(told).is_none_or(|its| its == name),
        Reference::Dir(_) | Reference::Embedded(_) => given.is_none_or(|its| its == name),
    }
}

/// What the references hold now that may hold the model `only`, or all of them; and what is wrong with those that hold nothing.
fn list(sources: &mut Sources, only: Option<&str>) -> (Vec<Listing>, Vec<String>) {
    let (mut listings, mut reasons) = (Vec::new(), Vec::new());
    let Sources { store, references, told } = sources;
    let (asked, told): (Vec<_>, Vec<_>) = references
        .iter()
        .zip(told)
        .filter(|((reference, given), told)| {
            only.is_none_or(|name| may_hold(reference, given.as_deref(), told.as_deref(), name))
        })
        .map(|(source, told)| (source.clone(), told))
        .unzip();
    let found = store.resolve_all(&asked);
    for (((reference, given), told), found) in asked.iter().zip(told).zip(found) {
        match found {
            Ok(found) if given.is_none() && matches!(reference, Reference::Oci(_)) => {
                for listing in found {
                    match listing.broken() {
                        // Its name is not known now, but it was.
                        Some(error) if told.is_some() => reasons.push(error.to_string()),
                        Some(_) => listings.push(listing),
                        None => {
                            *told = Some(listing.name().to_owned());
                            listings.push(listing);
                        }
                    }
                }
            }
            Ok(found) => listings.extend(found),
            Err(error) => {
                tracing::error!(%reference, reason = %error, "reference refused");
                reasons.push(error.to_string());
            }
        }
    }
    (listings, reasons)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_is_not_looked_for_where_another_is() {
        let registry = Reference::parse("oci://127.0.0.1:5000/models/iris:1").unwrap();
        let folder = Reference::parse("dir:/mnt/models").unwrap();
        let cases = [
            (&registry, Some("iris"), None, true),
            (&registry, Some("other"), None, false),
            (&registry, Some("other"), Some("iris"), false),
            (&registry, None, Some("iris"), true),
            (&registry, None, Some("other"), false),
            (&registry, None, None, true),
            (&folder, Some("other"), None, false),
            (&folder, None, None, true),
        ];
        for (reference, given, told, held) in cases {
            assert_eq!(may_hold(reference, given, told, "iris"), held, "{reference} {given:?} {told:?}");
        }
    }
}
