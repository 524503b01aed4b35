//! What all bodies share: how much of them is held at once, and where large ones are worked on.

mod hands;
mod memory;

use std::time::{Duration, Instant};

use hands::Hands;
pub(super) use hands::SMALL;
pub(super) use memory::Held;
use memory::Memory;

use super::error::Error;

/// What all bodies share.
#[derive(Clone, Debug)]
pub struct Bodies {
    limit: usize,
    memory: Memory,
    hands: Hands,
    deadline: Duration,
}

impl Bodies {
    /// Bodies of at most `limit` bytes each, as they are sent and after decompression, and of `memory` bytes together. One that has
    /// not had its turn at a thread within the deadline is not worked on.
    pub fn new(limit: usize, memory: usize, deadline: Duration) -> Self {
        Self { limit, memory: Memory::new(memory), hands: Hands::new(), deadline }
    }

    /// The largest body.
    pub(super) fn limit(&self) -> usize {
        self.limit
    }

    /// A share of the memory, with nothing in it yet.
    pub(super) fn share(&self) -> Held {
        self.memory.share()
    }

    /// Does `work` on so many bytes of a request that arrived then: here where they are few, else elsewhere.
    pub(super) async fn work<T: Send + 'static>(
        &self,
        bytes: usize,
        arrived: Instant,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Error> {
        if bytes <= SMALL { Ok(work()) } else { self.work_elsewhere(arrived, work).await }
    }

    /// Does `work` for a request that arrived then, on a thread for large bodies.
    pub(super) async fn work_elsewhere<T: Send + 'static>(
        &self,
        arrived: Instant,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Error> {
        let late = || {
            Error::Deadline(format!("no answer within {:?}: large bodies wait for a thread", self.deadline))
        };
        self.hands.work(arrived + self.deadline, work).await?.ok_or_else(late)
    }
}
