//! Packages on their way: packed into a layout, pushed to a registry, pulled into a folder.

mod images;
mod layout;
mod pull;
mod push;
mod staging;

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::digest::Hasher;
use super::package::{self, Blob, File, MANIFEST, MANIFEST_SIZE_LIMIT, MODEL, Manifest, is_side_file};
use super::{Digest, Error, ErrorKind};

pub use push::{Destination, Sent};
use staging::Staging;

/// A package with its manifest, its bytes still in the files where they lie.
#[derive(Clone, Debug)]
pub struct Shipment {
    manifest: Vec<u8>,
    blobs: Vec<(Blob, Contents)>,
}

/// Where a blob's bytes are.
#[derive(Clone, Debug)]
enum Contents {
    Memory(Vec<u8>),
    File(PathBuf),
}

impl Contents {
    fn open(&self) -> io::Result<Box<dyn Read + Send>> {
        Ok(match self {
            Self::Memory(bytes) => Box::new(io::Cursor::new(bytes.clone())),
            Self::File(path) => Box::new(fs::File::open(path)?),
        })
    }
}

impl Shipment {
    /// Packs what a path holds: a folder with `model.onnx`, an ONNX file alone, or a layout that was packed before, which stays
    /// as it is. The same files and annotations are the same bytes on any machine and day.
    ///
    /// Fails where there is no model, where `twofold.json` says what it may not, and for annotations to a finished layout.
    pub fn pack(path: &Path, annotations: &BTreeMap<String, String>) -> Result<Self, Error> {
        let about = path.display();
        if path.join("oci-layout").is_file() {
            if annotations.is_empty() {
                return layout::read(path);
            }
            let reason = "is packed already: annotations would change its digest";
            return Err(Error::new(ErrorKind::Layout, about, reason));
        }
        let files = files(path).map_err(|error| Error::of_io(about.to_string(), "the package", &error))?;
        if !files.iter().any(|(name, _)| name == MODEL) {
            let reason = format!("holds no model: expected {MODEL}, a folder that holds one, or a layout");
            return Err(Error::new(ErrorKind::Absent, about, reason));
        }
        let mut name = None;
        if let Some((_, file)) = files.iter().find(|(name, _)| name == MANIFEST) {
            let refuse = |reason: String| {
                Error::new(ErrorKind::Manifest, path.display(), format_args!("{MANIFEST}: {reason}"))
            };
            let mut text = Vec::new();
            let read = fs::File::open(file)
                .and_then(|file| file.take(MANIFEST_SIZE_LIMIT + 1).read_to_end(&mut text));
            if read.map_err(|error| refuse(error.to_string()))? as u64 > MANIFEST_SIZE_LIMIT {
                return Err(refuse(format!("larger than {MANIFEST_SIZE_LIMIT} bytes")));
            }
            name = Manifest::parse(&text).map_err(refuse)?.name;
        }
        let mut described = Vec::new();
        let mut blobs = Vec::new();
        for (name, file) in files {
            let (digest, size) =
                measure(&file).map_err(|error| Error::of_io(path.display(), &name, &error))?;
            described.push(File { name, digest, size });
            blobs.push((Blob { digest, size }, Contents::File(file)));
        }
        let packed = package::pack(described, name.as_deref(), annotations)
            .map_err(|reason| Error::new(ErrorKind::Layout, path.display(), reason))?;
        let config = Blob { digest: Digest::of(&packed.config), size: packed.config.len() as u64 };
        blobs.push((config, Contents::Memory(packed.config)));
        Ok(Self { manifest: packed.manifest, blobs })
    }

    /// The digest that pins the package.
    pub fn digest(&self) -> Digest {
        Digest::of(&self.manifest)
    }
}

/// The files of a package, by the names that they have in it.
fn files(path: &Path) -> io::Result<Vec<(String, PathBuf)>> {
    if fs::metadata(path)?.is_file() {
        let onnx = path.extension().is_some_and(|extension| extension == "onnx");
        return Ok(if onnx { vec![(MODEL.to_owned(), path.to_owned())] } else { Vec::new() });
    }
    let mut files = Vec::new();
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        let part = |name: &String| name == MODEL || name == MANIFEST || is_side_file(name);
        if let Some(name) = entry.file_name().into_string().ok().filter(part)
            && fs::metadata(entry.path())?.is_file()
        {
            files.push((name, entry.path()));
        }
    }
    files.sort_unstable();
    Ok(files)
}

/// A file's digest and size.
fn measure(path: &Path) -> io::Result<(Digest, u64)> {
    let mut file = fs::File::open(path)?;
    let mut hasher = Hasher::default();
    let mut piece = vec![0; 256 << 10];
    let mut size = 0;
    loop {
        let read = file.read(&mut piece)?;
        if read == 0 {
            return Ok((hasher.finish(), size));
        }
        hasher.update(piece.get(..read).unwrap_or_default());
        size += read as u64;
    }
}

/// Whether something may be made at a path: nothing is there, or a folder that is empty and that a finished one can replace.
fn check_free(path: &Path) -> Result<(), Error> {
    match fs::read_dir(path).map(|mut entries| entries.next().is_none()) {
        Ok(true) if is_mount(path) => {
            let reason =
                "is where a volume is mounted, which no folder can replace: expected a folder within it";
            Err(Error::new(ErrorKind::Layout, path.display(), reason))
        }
        Ok(true) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Ok(false) => {
            Err(Error::new(ErrorKind::Layout, path.display(), "is not empty: nothing is written over"))
        }
        Err(error) => Err(Error::of_io(path.display(), "the folder", &error)),
    }
}

/// Whether another file system begins at a folder.
#[cfg(unix)]
fn is_mount(path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;

    let device = |path: &Path| fs::metadata(path).map(|found| found.dev()).ok();
    device(path) != device(&path.join(".."))
}

#[cfg(not(unix))]
fn is_mount(_: &Path) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_os = "linux")]
    #[test]
    fn a_mounted_volume_is_no_place_for_a_folder() {
        let folder = tempfile::tempdir().unwrap();
        assert!(!is_mount(folder.path()));
        assert!(is_mount(Path::new("/proc")));
    }

    fn none() -> BTreeMap<String, String> {
        BTreeMap::new()
    }

    fn package(folder: &Path) {
        for (name, text) in [
            ("model.onnx", "onnx"),
            ("model.onnx.data", "weights"),
            ("twofold.json", r#"{"name":"iris"}"#),
            ("README.md", "not packed"),
        ] {
            fs::write(folder.join(name), text).unwrap();
        }
    }

    #[test]
    fn a_layout_is_packed_once_and_for_all() {
        let folder = tempfile::tempdir().unwrap();
        package(folder.path());
        let shipment = Shipment::pack(folder.path(), &none()).unwrap();
        assert_eq!(shipment.blobs.len(), 4);
        let out = folder.path().join("out/layout");
        shipment.write_layout(&out, Some("v1")).unwrap();
        let again = Shipment::pack(&out, &none()).unwrap();
        assert_eq!(again.digest(), shipment.digest());
        assert_eq!(fs::read(out.join("oci-layout")).unwrap(), br#"{"imageLayoutVersion":"1.0.0"}"#);
        let blobs = fs::read_dir(out.join("blobs/sha256")).unwrap();
        for blob in blobs.map(|blob| blob.unwrap().path()) {
            assert_eq!(measure(&blob).unwrap().0.hex(), blob.file_name().unwrap().to_str().unwrap());
        }
        let error = shipment.write_layout(&out, None).unwrap_err().to_string();
        assert!(error.ends_with("is not empty: nothing is written over"), "{error}");
        let one = [("a".to_owned(), "b".to_owned())].into();
        assert!(Shipment::pack(&out, &one).unwrap_err().to_string().contains("is packed already"));
        assert_ne!(Shipment::pack(folder.path(), &one).unwrap().digest(), shipment.digest());
        let left = fs::read_dir(folder.path().join("out")).unwrap().count();
        assert_eq!(left, 1, "staging is left behind");
    }

    #[test]
    fn a_file_alone_is_a_model_and_what_holds_none_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("iris.onnx");
        fs::write(&file, "onnx").unwrap();
        let alone = Shipment::pack(&file, &none()).unwrap();
        fs::rename(&file, folder.path().join("model.onnx")).unwrap();
        assert_eq!(Shipment::pack(folder.path(), &none()).unwrap().digest(), alone.digest());
        fs::write(folder.path().join("twofold.json"), r#"{"nam":1}"#).unwrap();
        let error = Shipment::pack(folder.path(), &none()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Manifest);
        let empty = tempfile::tempdir().unwrap();
        assert_eq!(Shipment::pack(empty.path(), &none()).unwrap_err().kind(), ErrorKind::Absent);
        assert_eq!(Shipment::pack(&empty.path().join("x"), &none()).unwrap_err().kind(), ErrorKind::Absent);
    }
}
