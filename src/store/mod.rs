//! The store turns a reference into packages: what is there, and on demand its bytes.
//!
//! Everything here blocks; call it off the threads that answer requests.

mod cache;
mod credentials;
mod digest;
mod ecr;
mod embedded;
mod error;
mod folder;
mod package;
mod reference;
mod registry;
mod remote;
mod ship;

#[cfg(test)]
mod tests;

use std::sync::Arc;

pub use digest::Digest;
pub use ecr::Image;
pub use error::{Error, ErrorKind};
pub use package::{Manifest, Package};
pub use reference::{Artifact, Reference};
pub use remote::Settings;
pub use ship::{Destination, Sent, Shipment};

use remote::{Pulled, Remote};

/// Finds models and fetches their packages.
#[derive(Clone, Debug)]
pub struct Store {
    remote: Arc<Remote>,
}

impl Store {
    /// Nothing is built or asked before it is needed.
    pub fn new(settings: Settings) -> Self {
        Self { remote: Arc::new(settings.remote()) }
    }

    /// Lists what references hold, each with the name that is given beside it, as [`Store::resolve`] does for one. Packages in
    /// registries are pulled at the same time.
    pub fn resolve_all(&self, sources: &[(Reference, Option<String>)]) -> Vec<Result<Vec<Listing>, Error>> {
        let artifacts = sources.iter().filter_map(|(reference, _)| match reference {
            Reference::Oci(artifact) => Some(artifact),
            Reference::Embedded(_) | Reference::Dir(_) => None,
        });
        let mut pulled = self.remote.resolve(&artifacts.collect::<Vec<_>>()).into_iter();
        let listed = sources.iter().map(|(reference, name)| {
            let of_this = matches!(reference, Reference::Oci(_)).then(|| pulled.next()).flatten();
            if let Some(name) = name {
                package::check_name(name).map_err(|reason| Error::new(ErrorKind::Name, reference, reason))?;
            }
            match reference {
                Reference::Embedded(model) => embedded::list(reference, model, name.as_deref()),
                Reference::Dir(path) => folder::list(reference, path, name.as_deref()),
                Reference::Oci(artifact) => Ok(of_this
                    .map(|pulled| of_registry(artifact, name.as_deref(), pulled))
                    .into_iter()
                    .collect()),
            }
        });
        listed.collect()
    }

    /// Lists what a reference holds, without reading any model yet, by name and then by version.
    ///
    /// A folder is one of
    /// - a package: `PATH/model.onnx`, version 1;
    /// - a model with its versions: `PATH/VERSION/model.onnx`;
    /// - a repository of either: `PATH/NAME/model.onnx` or `PATH/NAME/VERSION/model.onnx`.
    ///
    /// A version is a positive integer without leading zeros. Entries that begin with a dot are not looked at, nor is
    /// `lost+found`; links are followed. A model of a repository that is broken is listed all the same, and fails when
    /// it is fetched.
    ///
    /// `name` is what to call the model, where one was given. Else a model of a repository has its folder's name, and
    /// any other the name in its `twofold.json`, or if there is none, the folder's.
    ///
    /// Fails where the reference itself is at fault: nothing is there, it cannot be read, `name` is no model's name or
    /// stands before a repository.
    /// A package in a registry is pulled, and is version 1. One that cannot be is listed all the same, under the name that is
    /// given or else its repository's last part.
    pub fn resolve(&self, reference: &Reference, name: Option<&str>) -> Result<Vec<Listing>, Error> {
        let mut listed = self.resolve_all(&[(reference.clone(), name.map(str::to_owned))]);
        listed.pop().unwrap_or_else(|| Ok(Vec::new()))
    }
}

fn of_registry(artifact: &Artifact, name: Option<&str>, pulled: Result<Pulled, Error>) -> Listing {
    match pulled {
        Ok(pulled) => {
            let name = name.map_or_else(|| pulled.name(), str::to_owned);
            Listing { name, version: 1, origin: Origin::Registry(pulled) }
        }
        Err(error) => {
            let name = name.unwrap_or(artifact.last_name()).to_owned();
            Listing { name, version: 1, origin: Origin::Broken(error) }
        }
    }
}

/// A model that a reference holds, its bytes not yet read.
#[derive(Clone, Debug)]
pub struct Listing {
    name: String,
    version: u64,
    origin: Origin,
}

#[derive(Clone, Debug)]
enum Origin {
    Embedded(&'static embedded::Embedded),
    Folder(folder::Source),
    Registry(Pulled),
    Broken(Error),
}

impl Listing {
    /// The model's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The model's version, 1 or above.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// Why nothing can be fetched, where that is known already. Such a listing's name may be a guess.
    pub fn broken(&self) -> Option<&Error> {
        match &self.origin {
            Origin::Broken(error) => Some(error),
            Origin::Embedded(_) | Origin::Folder(_) | Origin::Registry(_) => None,
        }
    }

    /// Reads the package, as it is now.
    pub fn fetch(&self) -> Result<Package, Error> {
        let contents = match &self.origin {
            Origin::Embedded(embedded) => embedded.read(),
            Origin::Folder(source) => source.read(),
            Origin::Registry(pulled) => pulled.fetch(),
            Origin::Broken(error) => Err(error.clone()),
        }?;
        Ok(Package { name: self.name.clone(), version: self.version, ..contents })
    }
}
