//! Engines: a loaded model that turns named tensors into named tensors.

pub mod error;

use crate::tensor::{Signature, Tensor};

pub use error::{InferError, LoadError};

/// A loaded model. Engines are shared by all requests and never change once they are loaded.
pub trait Engine: Send + Sync {
    /// Which engine this is: `rten`, `tabular` or `onnxruntime`.
    fn name(&self) -> &'static str;

    /// The inputs that [`Engine::infer`] takes, and the outputs that it gives, in this order.
    fn signature(&self) -> &Signature;

    /// Runs the model once. `inputs` are in the order of the signature and fit it; the answer holds the outputs at the
    /// indices `outputs` of the signature, in that order.
    fn infer(&self, inputs: Vec<Tensor>, outputs: &[usize]) -> Result<Vec<Tensor>, InferError>;
}
