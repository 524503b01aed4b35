//! Packages for the tests: real models, and artifacts made by hand.

use std::path::Path;

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::front::Front;

pub(crate) const DIGITS: &str = "models/digits";

pub(crate) fn digest(bytes: &[u8]) -> String {
    let digits = |byte: &u8| [byte >> 4, byte & 15].map(|digit| char::from_digit(digit.into(), 16).unwrap());
    Sha256::digest(bytes)
        .iter()
        .fold("sha256:".to_owned(), |hex, byte| hex + &String::from_iter(digits(byte)))
}

/// A layer of a manifest.
pub(crate) fn layer(digest: &str, size: usize, path: &str) -> Value {
    json!({
        "mediaType": "application/vnd.cncf.model.weight.v1.raw", "digest": digest, "size": size,
        "annotations": { "org.opencontainers.image.title": path }
    })
}

pub(crate) fn manifest(layers: &[Value]) -> Vec<u8> {
    let config = json!({ "mediaType": "application/vnd.cncf.model.config.v1+json", "digest": digest(b"{}"), "size": 2 });
    serde_json::to_vec(&json!({ "schemaVersion": 2, "config": config, "layers": layers })).unwrap()
}

/// Plants an artifact of these files in a repository, by its digest and as `v1`; gives the digest.
pub(crate) fn plant(front: &Front, repository: &str, files: &[(&str, &[u8])]) -> String {
    let mut layers = Vec::new();
    for (path, bytes) in files {
        layers.push(layer(&digest(bytes), bytes.len(), path));
        front.plant(&format!("/v2/{repository}/blobs/{}", digest(bytes)), bytes.to_vec());
    }
    plant_manifest(front, repository, &manifest(&layers))
}

pub(crate) fn plant_manifest(front: &Front, repository: &str, manifest: &[u8]) -> String {
    let digest = digest(manifest);
    for pointer in [&digest, "v1"] {
        front.plant(&format!("/v2/{repository}/manifests/{pointer}"), manifest.to_vec());
    }
    digest
}

pub(crate) fn digits() -> Vec<u8> {
    std::fs::read(Path::new(DIGITS).join("model.onnx")).unwrap()
}

/// Bytes that no compression and no luck makes equal.
pub(crate) fn noise(size: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut bytes = Vec::with_capacity(size + 8);
    while bytes.len() < size {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(size);
    bytes
}
