//! Why a job is not done.

use std::fmt;

/// Why a job was not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// As many jobs of this model wait as may; about so many seconds from now they should be done.
    Full {
        /// From 1 to 60.
        retry_after: u64,
    },
    /// What waits already takes longer than the deadline allows: it would wait in vain, and keep others waiting.
    Late {
        /// As of a full queue.
        retry_after: u64,
    },
    /// The deadline passed, while it waited or while it ran.
    Deadline,
    /// The pool is being taken down.
    Closed,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full { retry_after } => {
                write!(f, "the queue is full; try again in {retry_after} s")
            }
            Self::Late { retry_after } => {
                write!(f, "what waits already takes longer than the deadline; try again in {retry_after} s")
            }
            Self::Deadline => f.write_str("the deadline passed"),
            Self::Closed => f.write_str("the compute threads are gone"),
        }
    }
}
