//! What goes wrong between a reference and its package.

use std::fmt;
use std::io;

/// Why a reference or a package was not usable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    kind: ErrorKind,
    reference: String,
    reason: String,
}

/// What was at fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// The reference is of no known form.
    Reference,
    /// Nothing is where it points.
    Absent,
    /// The system refused to read what is there.
    Unreadable,
    /// A folder is laid out as no model and no repository is.
    Layout,
    /// A model's name is none, or given to several models.
    Name,
    /// `twofold.json` says what it may not.
    Manifest,
    /// A file is larger than what may be read.
    Size,
    /// A registry cannot be reached, or is too slow.
    Unreachable,
    /// A registry does not let this process in.
    Denied,
    /// An artifact is not what was promised, or is no package.
    Contents,
    /// The cache cannot be used.
    Cache,
}

impl Error {
    pub(super) fn new(kind: ErrorKind, reference: impl fmt::Display, reason: impl fmt::Display) -> Self {
        Self { kind, reference: reference.to_string(), reason: reason.to_string() }
    }

    /// A file or folder within the reference could not be read.
    pub(super) fn of_io(reference: impl fmt::Display, file: impl fmt::Display, error: &io::Error) -> Self {
        let kind = match error.kind() {
            io::ErrorKind::NotFound => ErrorKind::Absent,
            _ => ErrorKind::Unreadable,
        };
        Self::new(kind, reference, format_args!("{file}: {error}"))
    }

    /// What was at fault.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The reference that it is about, as it was written.
    pub fn reference(&self) -> &str {
        &self.reference
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.reference, self.reason)
    }
}

impl std::error::Error for Error {}
