//! Reads one package from its folder, within limits.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use bytes::Bytes;

use crate::store::package::{
    MANIFEST, MANIFEST_SIZE_LIMIT, MODEL, MODEL_SIZE_LIMIT, Manifest, SIDE_SIZE_LIMIT, is_side_file,
};
use crate::store::{Error, ErrorKind, Package, Reference};

/// Where one package lies.
#[derive(Clone, Debug)]
pub(in crate::store) struct Source {
    pub(super) reference: Reference,
    /// The reference's path.
    pub(super) root: PathBuf,
    /// Relative to the root; holds `model.onnx`.
    pub(super) folder: PathBuf,
    /// Whether the folder is a version's, so that the one above may hold a `twofold.json` for all versions.
    pub(super) versioned: bool,
}

impl Source {
    pub(in crate::store) fn read(&self) -> Result<Package, Error> {
        let manifest = self.manifest()?;
        let model = self.file(&self.folder.join(MODEL), MODEL_SIZE_LIMIT)?;
        let mut side_files = Vec::new();
        let unreadable = |error: io::Error| Error::of_io(&self.reference, self.folder.display(), &error);
        for entry in fs::read_dir(self.root.join(&self.folder)).map_err(unreadable)? {
            let name = entry.map_err(unreadable)?.file_name();
            if let Some(name) = name.to_str().filter(|name| is_side_file(name)) {
                side_files.push((name.to_owned(), self.file(&self.folder.join(name), SIDE_SIZE_LIMIT)?));
            }
        }
        side_files.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        Ok(Package { model, side_files, manifest, ..Package::default() })
    }

    /// The `twofold.json` beside the model, else the one for all its versions, else none.
    pub(super) fn manifest(&self) -> Result<Manifest, Error> {
        let above = self.folder.parent().filter(|_| self.versioned);
        for folder in [Some(self.folder.as_path()), above].into_iter().flatten() {
            let file = folder.join(MANIFEST);
            match self.file(&file, MANIFEST_SIZE_LIMIT) {
                Ok(text) => {
                    return Manifest::parse(&text).map_err(|reason| {
                        let reason = format_args!("{}: {reason}", file.display());
                        Error::new(ErrorKind::Manifest, &self.reference, reason)
                    });
                }
                Err(error) if error.kind() == ErrorKind::Absent => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Manifest::default())
    }

    fn file(&self, file: &Path, limit: u64) -> Result<Bytes, Error> {
        let path = self.root.join(file);
        let unreadable = |error| Error::of_io(&self.reference, file.display(), &error);
        let refuse = |kind, reason: String| {
            Err(Error::new(kind, &self.reference, format_args!("{}: {reason}", file.display())))
        };
        // Looked at before it is opened: a pipe would wait for its writer.
        let metadata = fs::metadata(&path).map_err(unreadable)?;
        if !metadata.is_file() {
            return refuse(ErrorKind::Unreadable, "not a file".into());
        }
        let too_large = || refuse(ErrorKind::Size, format!("larger than {limit} bytes"));
        if metadata.len() > limit {
            return too_large();
        }
        let mut bytes = Vec::new();
        let size = usize::try_from(metadata.len()).unwrap_or(usize::MAX);
        if bytes.try_reserve_exact(size).is_err() {
            return refuse(ErrorKind::Size, format!("{size} bytes do not fit into memory"));
        }
        let reader = fs::File::open(&path).map_err(unreadable)?;
        // It may have grown since it was looked at.
        if reader.take(limit + 1).read_to_end(&mut bytes).map_err(unreadable)? as u64 > limit {
            return too_large();
        }
        Ok(bytes.into())
    }
}
