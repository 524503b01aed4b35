//! What all bodies share: how much of them is held at once, and where large ones are worked on.

mod hands;
mod memory;

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
}

impl Bodies {
    /// Bodies of at most `limit` bytes each, as they are sent and after decompression, and of `memory` bytes together.
    pub fn new(limit: usize, memory: usize) -> Self {
        Self { limit, memory: Memory::new(memory), hands: Hands::new() }
    }

    /// The largest body.
    pub(super) fn limit(&self) -> usize {
        self.limit
    }

    /// A share of the memory, with nothing in it yet.
    pub(super) fn share(&self) -> Held {
        self.memory.share()
    }

    /// Does `work` on so many bytes: here where they are few, else on a thread for that.
    pub(super) async fn work<T: Send + 'static>(
        &self,
        bytes: usize,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Error> {
        if bytes <= SMALL { Ok(work()) } else { self.hands.work(work).await }
    }
}
