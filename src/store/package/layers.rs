//! Reads the manifest of an artifact leniently: what was packed here, by other tools for models, or by `oras push`.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::{MANIFEST, MODEL, is_side_file, media};
use crate::store::Digest;

/// Largest manifest, as the distribution specification has it.
pub(in crate::store) const MANIFEST_LIMIT: usize = 4 << 20;

/// Most layers that a manifest may list.
const LAYERS_LIMIT: usize = 1000;

/// Bytes that a registry has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::store) struct Blob {
    pub(in crate::store) digest: Digest,
    pub(in crate::store) size: u64,
}

/// A layer that is worth pulling.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::store) struct Layer {
    pub(in crate::store) blob: Blob,
    pub(in crate::store) form: Form,
}

/// How a layer holds its files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::store) enum Form {
    /// One file, by the name that it has in the package.
    File(String),
    /// Files in a tar.
    Tar,
    /// Files in a tar that is compressed.
    TarGzip,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    media_type: Option<String>,
    config: Option<Descriptor>,
    layers: Option<Vec<Descriptor>>,
    manifests: Option<serde::de::IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor {
    media_type: String,
    digest: String,
    size: u64,
    annotations: Option<BTreeMap<String, String>>,
}

/// The layers that a package is made of; others (documents, data sets, what has no known name) are left out.
///
/// Fails for a manifest of no single artifact, for one that is too large, and for paths that lead out of the package.
pub(in crate::store) fn layers(manifest: &[u8]) -> Result<Vec<Layer>, String> {
    if manifest.len() > MANIFEST_LIMIT {
        return Err(format!("the manifest is larger than {MANIFEST_LIMIT} bytes"));
    }
    let document: Document =
        serde_json::from_slice(manifest).map_err(|error| format!("the manifest cannot be read: {error}"))?;
    let (Some(_), Some(described)) = (&document.config, document.layers) else {
        let found = document.media_type.unwrap_or_else(|| "no media type".into());
        return Err(match document.manifests {
            Some(_) => "an index of several manifests: give the digest of one of them".into(),
            None => format!("a manifest without config and layers ({found})"),
        });
    };
    if described.len() > LAYERS_LIMIT {
        return Err(format!("has {} layers, more than {LAYERS_LIMIT}", described.len()));
    }
    let mut layers = Vec::new();
    for descriptor in described {
        if media::ASIDE.iter().any(|aside| descriptor.media_type.starts_with(aside)) {
            continue;
        }
        let blob = blob(&descriptor)?;
        let path = path(&descriptor)?;
        let form = form(&descriptor.media_type, path)?;
        if let Some(form) = form {
            layers.push(Layer { blob, form });
        }
    }
    choose(layers)
}

/// Every blob that a manifest names, its configuration included: what goes with it from place to place.
pub(in crate::store) fn blobs(manifest: &[u8]) -> Result<Vec<Blob>, String> {
    let document: Document =
        serde_json::from_slice(manifest).map_err(|error| format!("the manifest cannot be read: {error}"))?;
    let (Some(config), Some(layers)) = (document.config, document.layers) else {
        return Err("a manifest without config and layers".into());
    };
    let mut blobs: Vec<Blob> = Vec::new();
    for descriptor in layers.iter().chain([&config]) {
        let blob = blob(descriptor)?;
        if !blobs.contains(&blob) {
            blobs.push(blob);
        }
    }
    Ok(blobs)
}

fn blob(descriptor: &Descriptor) -> Result<Blob, String> {
    match Digest::parse(&descriptor.digest) {
        Some(digest) => Ok(Blob { digest, size: descriptor.size }),
        None => Err(format!("the layer's digest {:?} is no sha256 digest", excerpt(&descriptor.digest))),
    }
}

fn path(descriptor: &Descriptor) -> Result<Option<&str>, String> {
    let annotation = |key| descriptor.annotations.as_ref().and_then(|all| all.get(key));
    let Some(path) = annotation(media::FILEPATH).or_else(|| annotation(media::TITLE)) else {
        return Ok(None);
    };
    check_path(path).map(Some)
}

/// The path without a leading `./`. One that leads out of the package is refused.
pub(super) fn check_path(path: &str) -> Result<&str, String> {
    let plain = path.strip_prefix("./").unwrap_or(path);
    let inside = plain.split('/').all(|part| !matches!(part, "" | "." | ".."));
    if inside && !plain.contains(['\\', '\0', '\n']) && plain.len() <= 1024 {
        return Ok(plain);
    }
    Err(format!("the path {:?} is none within a package", excerpt(path)))
}

fn form(media_type: &str, path: Option<&str>) -> Result<Option<Form>, String> {
    let named = path.filter(|path| is_onnx(path) || is_part(path));
    if media_type == media::ORAS_FILE && path.is_some_and(|path| !ends(path, ".tar")) {
        Ok(named.map(|named| Form::File(named.to_owned())))
    } else if ends(media_type, ".tar") {
        Ok(Some(Form::Tar))
    } else if media_type.ends_with(".tar+gzip") {
        Ok(Some(Form::TarGzip))
    } else if media_type.ends_with(".tar+zstd") {
        Err(format!("a layer is compressed by zstd ({media_type}): pack it raw, as tar or as tar+gzip"))
    } else {
        Ok(named.map(|named| Form::File(named.to_owned())))
    }
}

/// Names are taken as they are: `Model.ONNX` is no model to any tool that writes packages.
fn ends(text: &str, end: &str) -> bool {
    text.as_bytes().ends_with(end.as_bytes())
}

pub(super) fn is_onnx(path: &str) -> bool {
    ends(path, ".onnx")
}

/// Whether a file's name is one that packages have.
pub(super) fn is_part(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    name == MODEL || name == MANIFEST || is_side_file(name)
}

/// The path of the model among these: `model.onnx`, or whatever is the only ONNX file.
pub(super) fn select<'a>(paths: &[&'a str]) -> Result<Option<&'a str>, String> {
    let onnx: Vec<&str> = paths.iter().copied().filter(|path| is_onnx(path)).collect();
    let by_name: Vec<&str> =
        onnx.iter().copied().filter(|path| path.rsplit('/').next() == Some(MODEL)).collect();
    match (by_name.as_slice(), onnx.as_slice()) {
        ([model], _) | ([], [model]) => Ok(Some(model)),
        ([], []) => Ok(None),
        _ => Err(format!("holds several models: {}", excerpt(&onnx.join(", ")))),
    }
}

/// Leaves out files that do not lie beside the model. What a tar holds is seen when it is read.
fn choose(layers: Vec<Layer>) -> Result<Vec<Layer>, String> {
    let paths: Vec<&str> = layers.iter().filter_map(Layer::file).collect();
    let mut seen = BTreeSet::new();
    if let Some(twice) = paths.iter().find(|path| !seen.insert(**path)) {
        return Err(format!("holds {:?} twice", excerpt(twice)));
    }
    let archives = layers.iter().any(|layer| layer.file().is_none());
    let Some(model) = select(&paths)?.map(str::to_owned) else {
        if archives {
            return Ok(layers);
        }
        return Err("holds no model: no layer is called model.onnx, nor is there a tar".into());
    };
    let folder = |path: &str| path.rsplit_once('/').map_or(String::new(), |(folder, _)| folder.to_owned());
    let beside = folder(&model);
    let belongs = |layer: &Layer| {
        layer.file().is_none_or(|path| path == model || is_part(path) && folder(path) == beside)
    };
    Ok(layers.into_iter().filter(belongs).collect())
}

impl Layer {
    fn file(&self) -> Option<&str> {
        match &self.form {
            Form::File(path) => Some(path),
            Form::Tar | Form::TarGzip => None,
        }
    }
}

/// As much of a foreign text as an error repeats.
pub(in crate::store) fn excerpt(text: &str) -> String {
    const LONGEST: usize = 200;
    let plain: String = text.chars().take(LONGEST).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.chars().nth(LONGEST).is_some() { format!("{plain}…") } else { plain }
}
