//! Media types and annotations of the artifacts that are written and read.

pub(in crate::store) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub(super) const ARTIFACT: &str = "application/vnd.cncf.model.manifest.v1+json";
pub(super) const CONFIG: &str = "application/vnd.cncf.model.config.v1+json";
pub(super) const WEIGHT: &str = "application/vnd.cncf.model.weight.v1.raw";
pub(super) const WEIGHT_CONFIG: &str = "application/vnd.cncf.model.weight.config.v1.raw";

/// Where a layer's file lies within the model; what ModelPack's tools write.
pub(super) const FILEPATH: &str = "org.cncf.model.filepath";
/// The name under which `oras pull` writes a layer.
pub(super) const TITLE: &str = "org.opencontainers.image.title";

/// Beginnings of the media types of layers that no engine reads: data sets, code and documents of `ModelPack` and `KitOps`.
pub(super) const ASIDE: [&str; 6] = [
    "application/vnd.cncf.model.dataset.",
    "application/vnd.cncf.model.code.",
    "application/vnd.cncf.model.doc.",
    "application/vnd.kitops.modelkit.dataset.",
    "application/vnd.kitops.modelkit.code.",
    "application/vnd.kitops.modelkit.docs.",
];

/// A tar of an image's layer; and what `oras push` calls a plain file whose type nobody gave.
pub(super) const ORAS_FILE: &str = "application/vnd.oci.image.layer.v1.tar";
