//! OCI image layouts: a package in a folder, as `skopeo` and `oras` read and write them.

use std::fs;
use std::io;
use std::path::Path;

use serde_json::{Value, json};

use super::{Contents, Shipment, Staging, measure};
use crate::store::package::{Blob, MANIFEST_LIMIT, MANIFEST_TYPE, blobs, excerpt};
use crate::store::{Digest, Error, ErrorKind};

const INDEX_TYPE: &str = "application/vnd.oci.image.index.v1+json";

/// By which name a layout's manifest is asked for.
const NAME: &str = "org.opencontainers.image.ref.name";

impl Shipment {
    /// Writes the package as a layout, under `name` where one is given. `to` must not hold anything yet, and holds all of it or
    /// nothing afterwards.
    pub fn write_layout(&self, to: &Path, name: Option<&str>) -> Result<(), Error> {
        let staging = Staging::beside(to)?;
        let made = staging.folder.join("layout");
        self.write(&made, name).map_err(|error| Error::of_io(to.display(), "the layout", &error))?;
        staging.finish(&made)
    }

    fn write(&self, to: &Path, name: Option<&str>) -> io::Result<()> {
        let folder = to.join("blobs/sha256");
        fs::create_dir_all(&folder)?;
        for (blob, contents) in &self.blobs {
            let path = folder.join(blob.digest.hex());
            io::copy(&mut contents.open()?, &mut fs::File::create(&path)?)?;
            if measure(&path)?.0 != blob.digest {
                return Err(io::Error::other("a file has changed while it was packed"));
            }
        }
        fs::write(folder.join(self.digest().hex()), &self.manifest)?;
        let mut manifest = json!({
            "mediaType": MANIFEST_TYPE, "digest": self.digest().to_string(), "size": self.manifest.len()
        });
        if let (Some(name), Some(manifest)) = (name, manifest.as_object_mut()) {
            manifest.insert("annotations".into(), json!({ NAME: name }));
        }
        let index = json!({ "schemaVersion": 2, "mediaType": INDEX_TYPE, "manifests": [manifest] });
        fs::write(to.join("index.json"), index.to_string())?;
        fs::write(to.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#)
    }
}

/// Reads a layout that holds one artifact. Its blobs are checked where they are used.
pub(super) fn read(path: &Path) -> Result<Shipment, Error> {
    let broken = |reason: String| Error::new(ErrorKind::Layout, path.display(), reason);
    let file = |name: &str| {
        let file = path.join(name);
        let size = fs::metadata(&file).map_err(|error| Error::of_io(path.display(), name, &error))?.len();
        if size > MANIFEST_LIMIT as u64 {
            return Err(broken(format!("{name} is larger than {MANIFEST_LIMIT} bytes")));
        }
        fs::read(file).map_err(|error| Error::of_io(path.display(), name, &error))
    };
    let index: Value = serde_json::from_slice(&file("index.json")?)
        .map_err(|error| broken(format!("index.json is not JSON: {error}")))?;
    let manifests = index.get("manifests").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let [one] = manifests else {
        return Err(broken(format!("the layout holds {} artifacts; expected one", manifests.len())));
    };
    let text = one.get("digest").and_then(Value::as_str).unwrap_or_default();
    let digest = Digest::parse(text)
        .ok_or_else(|| broken(format!("index.json: {:?} is no sha256 digest", excerpt(text))))?;
    let manifest = file(&format!("blobs/sha256/{}", digest.hex()))?;
    if Digest::of(&manifest) != digest {
        return Err(broken(format!("the manifest is not what its digest {digest} says")));
    }
    let blobs = blobs(&manifest).map_err(broken)?;
    let at = |blob: Blob| {
        let path = path.join("blobs/sha256").join(blob.digest.hex());
        (blob, Contents::File(path))
    };
    Ok(Shipment { manifest, blobs: blobs.into_iter().map(at).collect() })
}
