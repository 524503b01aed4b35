//! Folders that hold a package, a model with its versions, or a repository of either.

mod source;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::package::{MODEL, check_name};
use super::{Error, ErrorKind, Listing, Origin, Reference};

pub(super) use source::Source;

pub(super) fn list(reference: &Reference, path: &Path, name: Option<&str>) -> Result<Vec<Listing>, Error> {
    let found = Found::within(path).map_err(|error| Error::of_io(reference, "the folder", &error))?;
    let layout = |reason: String| Error::new(ErrorKind::Layout, reference, reason);
    if found.model || !found.versions.is_empty() {
        if !found.model && !found.others.is_empty() {
            return Err(layout(format!(
                "holds versions ({}) as a model does and other folders ({}) as a repository does",
                join(&found.versions),
                found.others.join(", ")
            )));
        }
        let sources = found.sources(reference, path, Path::new("")).map_err(layout)?;
        return sources
            .into_iter()
            .map(|(version, source)| {
                // A manifest that cannot be read is told when the package is fetched.
                let told = || source.manifest().ok()?.name;
                let name = match name.map(str::to_owned).or_else(told) {
                    Some(name) => name,
                    None => folder_name(reference, path)?,
                };
                Ok(Listing { name, version, origin: Origin::Folder(source) })
            })
            .collect();
    }
    if found.others.is_empty() {
        let reason = "holds no model: expected model.onnx, VERSION/model.onnx, NAME/model.onnx or NAME/VERSION/model.onnx";
        return Err(Error::new(ErrorKind::Absent, reference, reason));
    }
    if let Some(name) = name {
        let reason = format!(
            "holds a repository ({}), for which the name '{name}' cannot stand: name one of its folders",
            found.others.join(", ")
        );
        return Err(Error::new(ErrorKind::Name, reference, reason));
    }
    Ok(found.others.into_iter().flat_map(|folder| of_repository(reference, path, folder)).collect())
}

/// The versions of one folder of a repository; where it is broken, one listing that says why.
fn of_repository(reference: &Reference, path: &Path, folder: String) -> Vec<Listing> {
    let sources =
        check_name(&folder).map_err(|reason| Error::new(ErrorKind::Name, reference, reason)).and_then(|()| {
            let found = Found::within(&path.join(&folder))
                .map_err(|error| Error::of_io(reference, &folder, &error))?;
            found.sources(reference, path, Path::new(&folder)).map_err(|reason| {
                Error::new(ErrorKind::Layout, reference, format_args!("{folder}: {reason}"))
            })
        });
    match sources {
        Ok(sources) => sources
            .into_iter()
            .map(|(version, source)| Listing {
                name: folder.clone(),
                version,
                origin: Origin::Folder(source),
            })
            .collect(),
        Err(error) => vec![Listing { name: folder, version: 1, origin: Origin::Broken(error) }],
    }
}

/// What a model is called that only its folder names.
fn folder_name(reference: &Reference, path: &Path) -> Result<String, Error> {
    // `.` and `..` have names only once they are resolved; a link keeps its own.
    let resolved = path.file_name().map_or_else(|| path.canonicalize().unwrap_or_default(), PathBuf::from);
    let name = resolved.file_name().unwrap_or_default().to_string_lossy().into_owned();
    match check_name(&name) {
        Ok(()) => Ok(name),
        Err(reason) => {
            let reason = format_args!("{reason}; give one: NAME={reference}");
            Err(Error::new(ErrorKind::Name, reference, reason))
        }
    }
}

/// What a folder holds, in order. Whatever begins with a dot is left out: Kubernetes mounts keep `..data` there.
struct Found {
    model: bool,
    versions: Vec<u64>,
    others: Vec<String>,
}

impl Found {
    fn within(folder: &Path) -> io::Result<Self> {
        let mut found = Self { model: false, versions: Vec::new(), others: Vec::new() };
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            // The root of an ext4 volume has a lost+found.
            if name.starts_with('.') || name == "lost+found" {
                continue;
            }
            if name == MODEL {
                found.model = true;
            } else if fs::metadata(entry.path()).map_or(true, |metadata| metadata.is_dir()) {
                // What cannot be looked at counts as a folder: it is listed, and says why it is broken.
                match version(&name) {
                    Some(version) => found.versions.push(version),
                    None => found.others.push(name),
                }
            }
        }
        found.versions.sort_unstable();
        found.others.sort_unstable();
        Ok(found)
    }

    /// The packages of a folder that is one model's. Other folders within are the model's own affair.
    fn sources(
        self,
        reference: &Reference,
        root: &Path,
        folder: &Path,
    ) -> Result<Vec<(u64, Source)>, String> {
        let source = |folder, versioned| {
            let (reference, root) = (reference.clone(), root.to_owned());
            Source { reference, root, folder, versioned }
        };
        match (self.model, self.versions.is_empty()) {
            (true, true) => Ok(vec![(1, source(folder.to_owned(), false))]),
            (false, false) => Ok(self
                .versions
                .into_iter()
                .map(|version| (version, source(folder.join(version.to_string()), true)))
                .collect()),
            (true, false) => Err(format!("holds both {MODEL} and versions ({})", join(&self.versions))),
            (false, true) => {
                Err(format!("holds neither {MODEL} nor a version (a folder named by a positive integer)"))
            }
        }
    }
}

/// A positive integer as it would be written; `01` is none, so that no two folders are one version.
fn version(name: &str) -> Option<u64> {
    let version = name.parse::<u64>().ok()?;
    (version > 0 && version.to_string() == name).then_some(version)
}

fn join(versions: &[u64]) -> String {
    versions.iter().map(u64::to_string).collect::<Vec<_>>().join(", ")
}
