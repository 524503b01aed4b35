//! Writes a package as a ModelPack artifact: a manifest, its configuration, and each file as a layer of raw bytes.
//!
//! The same files give the same digest on any machine and any day: nothing here looks at a clock, a user or an
//! environment, and what else somebody wants to say (annotations) is said on request.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{MANIFEST, MODEL, media};
use crate::store::Digest;

/// A file of a package, whose bytes lie elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::store) struct File {
    pub(in crate::store) name: String,
    pub(in crate::store) digest: Digest,
    pub(in crate::store) size: u64,
}

/// The two documents of an artifact; the files are its other blobs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::store) struct Artifact {
    pub(in crate::store) manifest: Vec<u8>,
    pub(in crate::store) config: Vec<u8>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    schema_version: u32,
    media_type: &'static str,
    artifact_type: &'static str,
    config: Descriptor,
    layers: Vec<Descriptor>,
    #[serde(skip_serializing_if = "Option::is_none")]
    annotations: Option<&'a BTreeMap<String, String>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor {
    media_type: &'static str,
    digest: String,
    size: u64,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    annotations: BTreeMap<&'static str, String>,
}

/// The configuration's schema allows no other keys.
#[expect(clippy::struct_field_names, reason = "the schema's names")]
#[derive(Serialize)]
struct Config<'a> {
    descriptor: Named<'a>,
    config: Format,
    modelfs: ModelFs,
}

#[derive(Serialize)]
struct Named<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
}

#[derive(Serialize)]
struct Format {
    format: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ModelFs {
    r#type: &'static str,
    diff_ids: Vec<String>,
}

/// The artifact of these files. `name` is the model's own, where `twofold.json` gives one.
pub(in crate::store) fn pack(
    mut files: Vec<File>,
    name: Option<&str>,
    annotations: &BTreeMap<String, String>,
) -> Result<Artifact, String> {
    let unwritable = |error: serde_json::Error| error.to_string();
    // The model first and its twofold.json last, whatever the order in which a folder gave them.
    files.sort_by(|a, b| {
        let place = |file: &File| (file.name != MODEL, file.name == MANIFEST);
        place(a).cmp(&place(b)).then_with(|| a.name.cmp(&b.name))
    });
    let config = serde_json::to_vec(&Config {
        descriptor: Named { name },
        config: Format { format: "onnx" },
        modelfs: ModelFs {
            r#type: "layers",
            diff_ids: files.iter().map(|file| file.digest.to_string()).collect(),
        },
    })
    .map_err(unwritable)?;
    let layers = files.into_iter().map(|file| Descriptor {
        media_type: if file.name == MANIFEST { media::WEIGHT_CONFIG } else { media::WEIGHT },
        digest: file.digest.to_string(),
        size: file.size,
        annotations: [(media::FILEPATH, file.name.clone()), (media::TITLE, file.name)].into(),
    });
    let manifest = serde_json::to_vec(&Document {
        schema_version: 2,
        media_type: media::MANIFEST,
        artifact_type: media::ARTIFACT,
        config: Descriptor {
            media_type: media::CONFIG,
            digest: Digest::of(&config).to_string(),
            size: config.len() as u64,
            annotations: BTreeMap::new(),
        },
        layers: layers.collect(),
        annotations: Some(annotations).filter(|annotations| !annotations.is_empty()),
    })
    .map_err(unwritable)?;
    Ok(Artifact { manifest, config })
}
