//! Pulls a package into a folder that `dir:` serves.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;

use super::Staging;
use crate::store::cache::{Cache, Fault};
use crate::store::package::{Form, Layer, MANIFEST, Manifest, Unpacked};
use crate::store::reference::Artifact;
use crate::store::remote::Remote;
use crate::store::{Digest, Error, ErrorKind, Store};

/// A pull has no cache with a limit, and files that are not in tars take no memory: they end where the disk does.
const UNPACKED_LIMIT: u64 = u64::MAX;

/// What a file of the package is made of.
enum Part {
    Blob(Digest),
    Bytes(Bytes),
}

impl From<Bytes> for Part {
    fn from(bytes: Bytes) -> Self {
        Self::Bytes(bytes)
    }
}

impl Store {
    /// Pulls a package into a folder, which must not hold anything yet and holds all of it or nothing afterwards. Gives the
    /// reference that pins it.
    ///
    /// Files are written once and never held in memory, except those of artifacts whose layers are tars.
    pub fn pull(&self, artifact: &Artifact, to: &Path) -> Result<Artifact, Error> {
        let staging = Staging::beside(to)?;
        let cache = Cache::new(staging.folder.join("cache"), u64::MAX);
        let remote = Arc::new(Remote { cache, ..self.remote.without_cache() });
        let mut pulled = remote.resolve(&[artifact]).into_iter().collect::<Result<Vec<_>, _>>()?;
        let Some(pulled) = pulled.pop() else {
            return Err(Error::new(ErrorKind::Absent, artifact, "was not pulled"));
        };
        let broken = |reason: String| Error::new(ErrorKind::Contents, artifact, reason);
        let fault = |fault| match fault {
            Fault::Contents(reason) => broken(reason),
            fault => Error::new(ErrorKind::Cache, artifact, format_args!("cannot be kept: {fault:?}")),
        };
        let made = staging.folder.join("package");
        fs::create_dir(&made).map_err(|error| Error::of_io(to.display(), "the folder", &error))?;
        let mut unpacked = Unpacked::<Part>::within(UNPACKED_LIMIT);
        for Layer { blob, form } in &pulled.layers {
            let kept = match form {
                Form::File(path) => {
                    unpacked.refer(path, blob.size, Part::Blob(blob.digest)).map_err(Fault::Contents)
                }
                Form::Tar | Form::TarGzip => {
                    remote.cache.with(&blob.digest, |reader| unpacked.add(form, blob.size, reader))
                }
            };
            kept.map_err(fault)?;
        }
        for (name, part) in unpacked.parts().map_err(broken)? {
            let path = made.join(&name);
            match part {
                Part::Bytes(bytes) => {
                    fs::write(path, bytes).map_err(|error| Error::of_io(to.display(), name, &error))?;
                }
                Part::Blob(digest) => remote.cache.link(&digest, &path).map_err(fault)?,
            }
        }
        if let Ok(text) = fs::read(made.join(MANIFEST)) {
            Manifest::parse(&text).map_err(|reason| broken(format!("{MANIFEST}: {reason}")))?;
        }
        staging.finish(&made)?;
        Ok(artifact.at(pulled.digest))
    }
}
