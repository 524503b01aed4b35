//! What goes wrong between a request and a model.

use std::fmt;

use crate::engine;
use crate::tensor::Mismatch;

/// Why a model did not answer. Its text names the model, the version or the input that it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    kind: ErrorKind,
    message: String,
}

/// Whose fault it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// No model has this name.
    UnknownModel,
    /// The model does not have this version.
    UnknownVersion,
    /// The model is known, but is not ready.
    NotReady,
    /// The inputs, or the wanted outputs, are not the model's.
    Input,
    /// The engine failed; the text is not for the client.
    Failed,
}

impl Error {
    pub(super) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }

    /// Whose fault it is.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

impl From<Mismatch> for Error {
    fn from(mismatch: Mismatch) -> Self {
        Self::new(ErrorKind::Input, mismatch.to_string())
    }
}

impl From<engine::InferError> for Error {
    fn from(error: engine::InferError) -> Self {
        let kind = match error.kind() {
            engine::InferErrorKind::Input => ErrorKind::Input,
            engine::InferErrorKind::Failed | engine::InferErrorKind::Panicked => ErrorKind::Failed,
        };
        Self::new(kind, error.to_string())
    }
}
