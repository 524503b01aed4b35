//! What is shipped: a model's bytes, the files beside them, and what `twofold.json` says about them.

mod archive;
mod layers;
mod media;
mod pack;
mod unpack;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::Path;

use bytes::Bytes;
use serde_json::Value;

use super::Digest;

pub(super) use layers::{Blob, Form, Layer, MANIFEST_LIMIT, blobs, excerpt, layers};
pub(super) use media::MANIFEST as MANIFEST_TYPE;
pub(super) use pack::{File, pack};
pub(super) use unpack::Unpacked;

/// Largest `model.onnx`: protobuf cannot say more. What is larger keeps its weights in side files.
pub(super) const MODEL_SIZE_LIMIT: u64 = 2 << 30;

/// Largest side file: beyond it something else was mistaken for one.
pub(super) const SIDE_SIZE_LIMIT: u64 = 64 << 30;

/// Largest `twofold.json`; the labels of a thousand classes take some 20 KB.
pub(super) const MANIFEST_SIZE_LIMIT: u64 = 1 << 20;

/// The model, in every package.
pub(super) const MODEL: &str = "model.onnx";

/// What its maker says about it, where there is such a file.
pub(super) const MANIFEST: &str = "twofold.json";

/// A model, ready for an engine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Package {
    /// What the model is called: letters, digits, `_`, `-` and `.`.
    pub name: String,
    /// Its version, 1 or above.
    pub version: u64,
    /// The bytes of `model.onnx`, not looked into.
    pub model: Bytes,
    /// Files that the model may refer to for its weights, by their names.
    pub side_files: Vec<(String, Bytes)>,
    /// What `twofold.json` says; empty where there is none.
    pub manifest: Manifest,
    /// The digest of the artifact that it came from, where it came from one.
    pub digest: Option<Digest>,
}

/// What `twofold.json` says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Manifest {
    /// `name`: what the model is called where nothing else names it.
    pub name: Option<String>,
    /// `engine`: the engine to load it with.
    pub engine: Option<String>,
    /// `labels`: by an output's name, what each column of its last dimension stands for.
    pub labels: BTreeMap<String, Vec<String>>,
    /// `description`: for people.
    pub description: Option<String>,
}

impl Manifest {
    /// Reads the text of a `twofold.json`. The error names the key.
    pub(super) fn parse(text: &[u8]) -> Result<Self, String> {
        let Value::Object(keys) =
            serde_json::from_slice(text).map_err(|error| format!("not JSON: {error}"))?
        else {
            return Err("expected an object".into());
        };
        let mut manifest = Self::default();
        for (key, value) in keys {
            match key.as_str() {
                "name" => {
                    let name = string("name", value)?;
                    check_name(&name).map_err(|reason| format!("name: {reason}"))?;
                    manifest.name = Some(name);
                }
                "engine" => manifest.engine = Some(string("engine", value)?),
                "description" => manifest.description = Some(string("description", value)?),
                "labels" => manifest.labels = labels(value)?,
                _ => {
                    return Err(format!("unknown key '{key}', expected name, engine, labels or description"));
                }
            }
        }
        Ok(manifest)
    }
}

fn labels(value: Value) -> Result<BTreeMap<String, Vec<String>>, String> {
    let Value::Object(outputs) = value else {
        return Err(format!("labels: expected an object of output names, got {}", kind(&value)));
    };
    let mut labels = BTreeMap::new();
    for (output, value) in outputs {
        let key = format!("labels.{output}");
        let Value::Array(values) = value else {
            return Err(format!("{key}: expected an array of strings, got {}", kind(&value)));
        };
        let strings =
            values.into_iter().enumerate().map(|(i, value)| string(format_args!("{key}[{i}]"), value));
        labels.insert(output, strings.collect::<Result<_, _>>()?);
    }
    Ok(labels)
}

fn string(key: impl std::fmt::Display, value: Value) -> Result<String, String> {
    match value {
        Value::String(text) => Ok(text),
        other => Err(format!("{key}: expected a string, got {}", kind(&other))),
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

/// A model's name stands in URLs and is a folder's name: one path segment that needs no escapes and hides nothing.
pub(super) fn check_name(name: &str) -> Result<(), String> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    if !name.is_empty() && !name.starts_with(['.', '-']) && name.bytes().all(plain) {
        return Ok(());
    }
    Err(format!(
        "'{name}' is no model's name, which has letters, digits, _, - and . and begins with none of - and ."
    ))
}

/// Names that exporters give to weights beside a model: `model.onnx.data`, `model.onnx_data`, `model.onnx_data_1`.
pub(super) fn is_side_file(name: &str) -> bool {
    let data = Path::new(name).extension().is_some_and(|extension| extension == "data");
    !name.starts_with('.') && (data || name.contains(".onnx_data"))
}
