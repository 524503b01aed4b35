//! The store turns a reference into packages: what is there, and on demand its bytes.
//!
//! Everything here blocks; call it off the threads that answer requests.

mod embedded;
mod error;
mod folder;
mod package;

#[cfg(test)]
mod tests;

use std::fmt;
use std::path::PathBuf;

pub use error::{Error, ErrorKind};
pub use package::{Manifest, Package};

/// Where a package is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reference {
    /// `embedded:NAME`: a model within the binary.
    Embedded(String),
    /// `dir:PATH`: a folder that holds one model or several.
    Dir(PathBuf),
}

impl Reference {
    /// Reads `embedded:NAME` or `dir:PATH`.
    pub fn parse(text: &str) -> Result<Self, Error> {
        match text.split_once(':') {
            Some(("embedded", name)) if !name.is_empty() => Ok(Self::Embedded(name.to_owned())),
            Some(("dir", path)) if !path.is_empty() => Ok(Self::Dir(path.into())),
            _ => Err(Error::new(ErrorKind::Reference, text, "expected embedded:NAME or dir:PATH")),
        }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Embedded(name) => write!(f, "embedded:{name}"),
            Self::Dir(path) => write!(f, "dir:{}", path.display()),
        }
    }
}

/// Finds models and fetches their packages.
#[derive(Clone, Debug, Default)]
pub struct Store {}

impl Store {
    /// A store with nothing to configure.
    pub fn new() -> Self {
        Self::default()
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
    pub fn resolve(&self, reference: &Reference, name: Option<&str>) -> Result<Vec<Listing>, Error> {
        if let Some(name) = name {
            package::check_name(name).map_err(|reason| Error::new(ErrorKind::Name, reference, reason))?;
        }
        match reference {
            Reference::Embedded(model) => embedded::list(reference, model, name),
            Reference::Dir(path) => folder::list(reference, path, name),
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

    /// Reads the package, as it is now.
    pub fn fetch(&self) -> Result<Package, Error> {
        let contents = match &self.origin {
            Origin::Embedded(embedded) => embedded.read(),
            Origin::Folder(source) => source.read(),
            Origin::Broken(error) => Err(error.clone()),
        }?;
        Ok(Package { name: self.name.clone(), version: self.version, ..contents })
    }
}
