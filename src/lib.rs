//! twofold serves ONNX models over the Open Inference Protocol from two homes: a container, and AWS Lambda.

pub mod engine;
pub mod lambda;
pub mod protocol;
pub mod tensor;
