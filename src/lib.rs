//! twofold serves ONNX models over the Open Inference Protocol from two homes: a container, and AWS Lambda.
//!
//! The modules, in the order in which a model and then a request pass through them:

/// Store, catalog and router, built once.
pub mod app;
/// The models that are loaded, by name and version.
pub mod catalog;
/// Every variable, flag and default; the only reader of the environment.
pub mod config;
/// Packages turned into loaded models: named tensors in, named tensors out.
pub mod engine;
/// Routes, layers and handlers.
pub mod http;
/// What only AWS Lambda needs.
pub mod lambda;
/// The Open Inference Protocol on the wire.
pub mod protocol;
/// SIGTERM or ctrl-c as a future.
pub mod shutdown;
/// References to packages, turned into packages.
pub mod store;
/// Logs, and every metric by name.
pub mod telemetry;
/// Datatypes, shapes, tensors and signatures: all that the others share.
pub mod tensor;
