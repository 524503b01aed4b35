//! The state of one version of a model, and the line of the index that tells it.

use std::fmt;
use std::sync::{Arc, Weak};

use super::Model;

/// What a version of a model is doing.
pub(super) enum State {
    /// It is being loaded for the first time.
    Loading,
    /// It answers.
    Ready(Arc<Model>),
    /// It could not be loaded, with the reason.
    Unavailable(String),
    /// It was unloaded; requests that began before may still hold it.
    Unloaded(Weak<Model>),
}

/// The state's name, as Triton's repository index has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StateName {
    /// `LOADING`
    Loading,
    /// `READY`
    Ready,
    /// `UNLOADING`: unloaded, but requests in flight still compute with it.
    Unloading,
    /// `UNAVAILABLE`
    Unavailable,
}

impl StateName {
    /// In capitals.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Loading => "LOADING",
            Self::Ready => "READY",
            Self::Unloading => "UNLOADING",
            Self::Unavailable => "UNAVAILABLE",
        }
    }
}

impl State {
    pub(super) fn name(&self) -> StateName {
        match self {
            Self::Loading => StateName::Loading,
            Self::Ready(_) => StateName::Ready,
            Self::Unloaded(model) if model.strong_count() > 0 => StateName::Unloading,
            Self::Unavailable(_) | Self::Unloaded(_) => StateName::Unavailable,
        }
    }

    /// Why it does not answer; empty where it does.
    pub(super) fn reason(&self) -> &str {
        match self {
            Self::Loading => "loading",
            Self::Ready(_) => "",
            Self::Unavailable(reason) => reason,
            Self::Unloaded(_) => "unloaded",
        }
    }
}

/// One version of one model, and whether it answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The model's name.
    pub name: String,
    /// Its version.
    pub version: u64,
    /// What it is doing.
    pub state: StateName,
    /// Why it does not answer; empty where it does.
    pub reason: String,
}

/// `NAME VERSION: REASON`, or `NAME VERSION: READY`.
impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = if self.reason.is_empty() { self.state.as_str() } else { &self.reason };
        write!(f, "{} {}: {state}", self.name, self.version)
    }
}
