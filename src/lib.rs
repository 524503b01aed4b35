//! twofold serves ONNX models over the Open Inference Protocol from two homes: a container, and AWS Lambda.
//!
//! The modules, in the order in which a model and then a request pass through them:

/// Every variable, flag and default; the only reader of the environment.
pub mod config;
/// Logs, and every metric by name.
pub mod telemetry;
/// Datatypes, shapes, tensors and signatures: all that the others share.
pub mod tensor;
/// References to packages, turned into packages.
pub mod store;
/// Packages turned into loaded models: named tensors in, named tensors out.
pub mod engine;
/// The models that are loaded, by name and version.
pub mod catalog;
/// The Open Inference Protocol on the wire.
pub mod protocol;
/// Routes, layers and handlers.
pub mod http;
/// Store, catalog and router, built once.
pub mod app;
/// The question of a container's health check: is the server ready?
pub mod check;
/// What only AWS Lambda needs.
pub mod lambda;
/// The tool beside the server: packs, pushes and pulls packages.
pub mod cli;
/// SIGTERM or ctrl-c as a future.
pub mod shutdown;
