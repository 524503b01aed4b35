//! Models within the binary.

use bytes::Bytes;

use super::package::{MANIFEST, Manifest};
use super::{Error, ErrorKind, Listing, Origin, Package, Reference};

/// A package that was there at compile time.
#[derive(Debug)]
pub(super) struct Embedded {
    name: &'static str,
    model: &'static [u8],
    manifest: &'static [u8],
}

static MODELS: [Embedded; 1] = [Embedded {
    name: "digits",
    model: include_bytes!("../../models/digits/model.onnx"),
    manifest: include_bytes!("../../models/digits/twofold.json"),
}];

pub(super) fn list(reference: &Reference, model: &str, name: Option<&str>) -> Result<Vec<Listing>, Error> {
    let Some(embedded) = MODELS.iter().find(|embedded| embedded.name == model) else {
        let known: Vec<&str> = MODELS.iter().map(|embedded| embedded.name).collect();
        let reason = format!("no such model in the binary, which holds {}", known.join(", "));
        return Err(Error::new(ErrorKind::Absent, reference, reason));
    };
    let name = name.unwrap_or(embedded.name).to_owned();
    Ok(vec![Listing { name, version: 1, origin: Origin::Embedded(embedded) }])
}

impl Embedded {
    pub(super) fn read(&self) -> Result<Package, Error> {
        let manifest = Manifest::parse(self.manifest).map_err(|reason| {
            let reference = format_args!("embedded:{}", self.name);
            Error::new(ErrorKind::Manifest, reference, format_args!("{MANIFEST}: {reason}"))
        })?;
        Ok(Package { model: Bytes::from_static(self.model), manifest, ..Package::default() })
    }
}
