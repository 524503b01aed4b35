//! The documents that describe the server and its models, and the small ones of the health checks.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::tensor::{Datatype, Signature, TensorSpec};

/// `$metadata_server_response`
#[derive(Clone, Debug, Serialize)]
pub struct Server {
    /// `twofold`
    pub name: &'static str,
    /// The version of the build.
    pub version: &'static str,
    /// See [`EXTENSIONS`](super::EXTENSIONS).
    pub extensions: &'static [&'static str],
}

/// `GET /v2/health/live`
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Live {
    /// The process runs.
    pub live: bool,
}

/// `GET /v2/health/ready`
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Ready {
    /// Requests are welcome.
    pub ready: bool,
}

/// `GET /v2/models/{model}/ready`
#[derive(Clone, Copy, Debug, Serialize)]
pub struct ModelReady<'a> {
    /// The model's name.
    pub name: &'a str,
    /// Whether it answers.
    pub ready: bool,
}

/// `$metadata_model_response`
#[derive(Clone, Debug, Serialize)]
pub struct Model<'a> {
    /// The model's name.
    pub name: &'a str,
    /// Its versions that are ready, the oldest first.
    pub versions: Vec<String>,
    /// The engine that runs it and the format that it was read from, such as `rten_onnx`.
    pub platform: String,
    /// Names, datatypes and shapes of what it takes.
    pub inputs: Vec<TensorMetadata<'a>>,
    /// The same of what it gives.
    pub outputs: Vec<TensorMetadata<'a>>,
    /// What its package says about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parameters: Option<ModelParameters<'a>>,
}

/// What a package says about its model.
#[derive(Clone, Debug, Serialize)]
pub struct ModelParameters<'a> {
    /// In a sentence or two.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<&'a str>,
    /// What pins it, where it came from a registry.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<&'a str>,
}

/// `$metadata_tensor`
#[derive(Clone, Debug, Serialize)]
pub struct TensorMetadata<'a> {
    name: &'a str,
    datatype: &'static str,
    shape: &'a [i64],
    #[serde(skip_serializing_if = "Option::is_none")]
    parameters: Option<TensorParameters<'a>>,
}

#[derive(Clone, Debug, Serialize)]
struct TensorParameters<'a> {
    /// What each column stands for, in their order.
    labels: &'a [String],
}

impl<'a> From<&'a TensorSpec> for TensorMetadata<'a> {
    fn from(spec: &'a TensorSpec) -> Self {
        let labels = &spec.labels;
        Self {
            name: &spec.name,
            datatype: spec.datatype.name(),
            shape: &spec.shape,
            parameters: (!labels.is_empty()).then_some(TensorParameters { labels }),
        }
    }
}

/// `GET /v2/models/{model}/config`: Triton's model configuration, as far as it has a meaning here. `max_batch_size` is 0,
/// since the batch is a dimension like the others.
#[derive(Clone, Debug, Serialize)]
pub struct Config<'a> {
    name: &'a str,
    platform: String,
    backend: &'a str,
    version_policy: BTreeMap<&'static str, BTreeMap<&'static str, u32>>,
    max_batch_size: u32,
    input: Vec<ConfigTensor<'a>>,
    output: Vec<ConfigTensor<'a>>,
}

#[derive(Clone, Debug, Serialize)]
struct ConfigTensor<'a> {
    name: &'a str,
    data_type: &'static str,
    dims: &'a [i64],
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    labels: &'a [String],
}

impl<'a> Config<'a> {
    /// The configuration of a model that `engine` runs.
    pub fn new(name: &'a str, engine: &'a str, signature: &'a Signature) -> Self {
        let tensors = |specs: &'a [TensorSpec]| specs.iter().map(ConfigTensor::from).collect();
        Self {
            name,
            platform: platform(engine),
            backend: engine,
            version_policy: BTreeMap::from([("all", BTreeMap::new())]),
            max_batch_size: 0,
            input: tensors(&signature.inputs),
            output: tensors(&signature.outputs),
        }
    }
}

impl<'a> From<&'a TensorSpec> for ConfigTensor<'a> {
    fn from(spec: &'a TensorSpec) -> Self {
        Self {
            name: &spec.name,
            data_type: config_datatype(spec.datatype),
            dims: &spec.shape,
            labels: &spec.labels,
        }
    }
}

/// The platform of a model that `engine` runs, in the protocol's form `<project>_<format>`.
pub fn platform(engine: &str) -> String {
    format!("{engine}_onnx")
}

/// The name of a datatype in Triton's model configuration.
fn config_datatype(datatype: Datatype) -> &'static str {
    match datatype {
        Datatype::Bool => "TYPE_BOOL",
        Datatype::Uint8 => "TYPE_UINT8",
        Datatype::Uint16 => "TYPE_UINT16",
        Datatype::Uint32 => "TYPE_UINT32",
        Datatype::Uint64 => "TYPE_UINT64",
        Datatype::Int8 => "TYPE_INT8",
        Datatype::Int16 => "TYPE_INT16",
        Datatype::Int32 => "TYPE_INT32",
        Datatype::Int64 => "TYPE_INT64",
        Datatype::Fp16 => "TYPE_FP16",
        Datatype::Fp32 => "TYPE_FP32",
        Datatype::Fp64 => "TYPE_FP64",
        Datatype::Bytes => "TYPE_STRING",
    }
}
