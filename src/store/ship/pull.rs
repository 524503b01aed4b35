//! Pulls a package into a folder that `dir:` serves.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use super::Staging;
use crate::store::cache::{Cache, Fault};
use crate::store::package::{Form, Layer, MANIFEST, MODEL, Manifest, Unpacked, is_part};
use crate::store::reference::Artifact;
use crate::store::remote::Remote;
use crate::store::{Error, ErrorKind, Store};

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
        let made = staging.folder.join("package");
        fs::create_dir(&made).map_err(|error| Error::of_io(to.display(), "the folder", &error))?;
        let mut unpacked = Unpacked::default();
        for Layer { blob, form } in &pulled.layers {
            let kept = match form {
                Form::File(path) => {
                    let name = path.rsplit('/').next().unwrap_or(path);
                    let name = if is_part(name) { name } else { MODEL };
                    remote.cache.link(&blob.digest, &made.join(name))
                }
                Form::Tar | Form::TarGzip => {
                    remote.cache.with(&blob.digest, |reader| unpacked.add(form, blob.size, reader))
                }
            };
            kept.map_err(|fault| match fault {
                Fault::Contents(reason) => broken(reason),
                fault => Error::new(ErrorKind::Cache, artifact, format_args!("cannot be kept: {fault:?}")),
            })?;
        }
        for (name, bytes) in unpacked.parts().map_err(broken)? {
            fs::write(made.join(&name), bytes).map_err(|error| Error::of_io(to.display(), name, &error))?;
        }
        if !made.join(MODEL).is_file() {
            return Err(broken("holds no model: there is no model.onnx in it".into()));
        }
        if let Ok(text) = fs::read(made.join(MANIFEST)) {
            Manifest::parse(&text).map_err(|reason| broken(format!("{MANIFEST}: {reason}")))?;
        }
        staging.finish(&made)?;
        Ok(artifact.at(pulled.digest))
    }
}
