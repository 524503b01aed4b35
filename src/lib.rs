//! twofold serves ONNX models over the Open Inference Protocol from two homes: a container, and AWS Lambda.

pub mod config;
pub mod engine;
pub mod lambda;
pub mod protocol;
pub mod shutdown;
pub mod store;
pub mod telemetry;
pub mod tensor;
