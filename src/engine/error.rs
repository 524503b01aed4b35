//! What goes wrong in an engine, at load and at inference.

use std::fmt;

/// Why a model could not be loaded. Its text names the node, the tensor or the operators that it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadError {
    kind: LoadErrorKind,
    message: String,
}

/// What is wrong with a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoadErrorKind {
    /// It is not ONNX, not whole, or contradicts itself.
    Malformed,
    /// It asks for operators, datatypes, an engine or a size that there are not.
    Unsupported,
    /// It holds a constant that the engine's own datatypes cannot hold.
    OutOfRange,
}

impl LoadError {
    pub(super) fn new(kind: LoadErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }

    /// What is wrong.
    pub fn kind(&self) -> LoadErrorKind {
        self.kind
    }
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for LoadError {}

/// Why an inference gave no outputs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InferError {
    kind: InferErrorKind,
    message: String,
}

/// Whose fault it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InferErrorKind {
    /// The client's: the text names the input, what was expected and what came.
    Input,
    /// The engine's, or the model's: the text is not for the client.
    Failed,
    /// The engine panicked.
    Panicked,
}

impl InferError {
    /// An input that the engine cannot take; `message` is for the client.
    pub fn input(message: impl Into<String>) -> Self {
        Self { kind: InferErrorKind::Input, message: message.into() }
    }

    /// A failure; `message` is for the log.
    pub fn failed(message: impl Into<String>) -> Self {
        Self { kind: InferErrorKind::Failed, message: message.into() }
    }

    /// A panic; `message` is what it said.
    pub fn panicked(message: impl Into<String>) -> Self {
        Self { kind: InferErrorKind::Panicked, message: message.into() }
    }

    /// Whose fault it is.
    pub fn kind(&self) -> InferErrorKind {
        self.kind
    }
}

impl fmt::Display for InferError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for InferError {}
