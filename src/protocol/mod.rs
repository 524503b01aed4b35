//! The Open Inference Protocol (version 2) on the wire: bytes to tensors and tensors to bytes, without any I/O.
//!
//! `request` reads an inference request and `response` writes its answer, both as JSON and with Triton's binary tensor
//! extension; `metadata`, `statistics` and `repository` are the small documents around them.

mod binary;
mod cursor;
mod elements;
mod error;
pub mod metadata;
mod number;
pub mod repository;
mod request;
mod response;
pub mod statistics;
#[cfg(test)]
mod tests;
mod write;

pub use error::{Malformed, error_body};
pub use request::{Request, Wanted};
pub use response::{Answer, Encoded};

/// The header that gives the length of the JSON in front of raw tensors, both ways.
pub const HEADER_LENGTH: &str = "inference-header-content-length";

/// The extensions of the protocol that this server speaks, as its metadata lists them.
pub const EXTENSIONS: [&str; 4] =
    ["binary_tensor_data", "model_configuration", "model_repository", "statistics"];
