//! What goes wrong between a request and a model.

use std::fmt;
use std::time::Duration;

use crate::engine;
use crate::engine::pool::Refusal;
use crate::tensor::Mismatch;

/// Why a model did not answer. Its text names the model, the version or the input that it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    kind: ErrorKind,
    message: String,
    retry_after: Option<u64>,
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
    /// As many requests to the model wait as may, or as can be computed in time.
    Full,
    /// The deadline passed first.
    Deadline,
    /// The model's package cannot be loaded.
    Load,
    /// The engine failed; the text is not for the client.
    Failed,
}

impl Error {
    pub(super) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), retry_after: None }
    }

    /// Says what became of a job for the model `name`.
    pub(super) fn refused(name: &str, refusal: Refusal, deadline: Duration) -> Self {
        match refusal {
            Refusal::Full { retry_after } | Refusal::Late { retry_after } => Self {
                retry_after: Some(retry_after),
                ..Self::new(ErrorKind::Full, format!("model '{name}': {refusal}"))
            },
            Refusal::Deadline => {
                Self::new(ErrorKind::Deadline, format!("model '{name}': no answer within {deadline:?}"))
            }
            Refusal::Closed => Self::new(ErrorKind::Failed, format!("model '{name}': {refusal}")),
        }
    }

    /// Whose fault it is.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// Seconds until another try makes sense, where the queue is full.
    pub fn retry_after(&self) -> Option<u64> {
        self.retry_after
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
