//! What is said of a model that is not taken.

use crate::engine::tabular::NAME;
use crate::engine::{LoadError, LoadErrorKind};

/// Why a node or an output is refused. A reason alone is one for which the engine, not the model, is too little.
pub(super) struct Refusal {
    pub(super) is_faulty: bool,
    pub(super) reason: String,
}

impl Refusal {
    pub(super) fn faulty(reason: impl Into<String>) -> Self {
        Self { is_faulty: true, reason: reason.into() }
    }

    /// The error, for the node or the output that it is about.
    pub(super) fn of(self, whose: &str) -> LoadError {
        let (kind, what) = if self.is_faulty {
            (LoadErrorKind::Malformed, "the model is faulty".to_owned())
        } else {
            (LoadErrorKind::Unsupported, format!("{NAME} does not cover the model"))
        };
        LoadError::new(kind, format!("{what}: {whose}: {}", self.reason))
    }
}

impl<S: Into<String>> From<S> for Refusal {
    fn from(reason: S) -> Self {
        Self { is_faulty: false, reason: reason.into() }
    }
}
