//! How many bytes of bodies are held at once, by all requests together: counted as they come, and given back when they
//! are gone.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use bytes::Bytes;

use crate::http::error::Error;

/// Seconds until another try makes sense: bodies are gone as soon as they are read, or their time is over.
const RETRY_AFTER: u64 = 1;

/// What all requests together may hold of bodies.
#[derive(Clone, Debug)]
pub(super) struct Memory(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    /// Relaxed: a counter that no other data hangs on.
    held: AtomicUsize,
    allowed: usize,
}

impl Memory {
    /// Room for so many bytes.
    pub(super) fn new(allowed: usize) -> Self {
        Self(Arc::new(Shared { held: AtomicUsize::new(0), allowed }))
    }

    /// A share of it, with nothing in it yet.
    pub(super) fn share(&self) -> Held {
        Held { memory: Arc::clone(&self.0), bytes: 0 }
    }
}

/// What one request holds. Given back when it is dropped.
pub(in crate::http) struct Held {
    memory: Arc<Shared>,
    bytes: usize,
}

impl Held {
    /// Counts bytes that have come. Whoever is alone is never refused: the limit of one body is its only one.
    pub(in crate::http) fn add(&mut self, bytes: usize) -> Result<(), Error> {
        let Shared { held, allowed } = &*self.memory;
        let room = |held: usize| {
            let sum = held.saturating_add(bytes);
            (sum <= *allowed || held == self.bytes).then_some(sum)
        };
        match held.fetch_update(Relaxed, Relaxed, room) {
            Ok(_) => {
                self.bytes += bytes;
                Ok(())
            }
            Err(held) => Err(Error::Full(
                format!(
                    "the bodies of all requests take {held} bytes, TWOFOLD_BODY_MEMORY allows {allowed}; try again in \
                     {RETRY_AFTER} s"
                ),
                RETRY_AFTER,
            )),
        }
    }

    /// Gives back bytes that are gone.
    pub(in crate::http) fn give_back(&mut self, bytes: usize) {
        let bytes = bytes.min(self.bytes);
        self.bytes -= bytes;
        self.memory.held.fetch_sub(bytes, Relaxed);
    }

    /// Bytes that are counted until the last part of them is dropped, which is when it was written to the client.
    pub(in crate::http) fn with(self, bytes: Vec<u8>) -> Bytes {
        Bytes::from_owner(Counted { bytes, _held: self })
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.memory.held.fetch_sub(self.bytes, Relaxed);
    }
}

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Held({})", self.bytes)
    }
}

struct Counted {
    bytes: Vec<u8>,
    _held: Held,
}

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_is_bounded_and_given_back() {
        let memory = Memory::new(100);
        let (mut first, mut second) = (memory.share(), memory.share());
        first.add(60).unwrap();
        second.add(40).unwrap();
        let Err(Error::Full(text, 1)) = first.add(1) else { panic!("there was room") };
        assert_eq!(
            text,
            "the bodies of all requests take 100 bytes, TWOFOLD_BODY_MEMORY allows 100; try again in 1 s"
        );
        first.give_back(10);
        second.add(10).unwrap();
        drop(first);
        second.add(50).unwrap();
        let bytes = second.with(vec![0; 100]);
        let part = bytes.slice(99..);
        drop(bytes);
        let mut third = memory.share();
        assert!(third.add(101).is_err(), "a part of the bytes is there");
        drop(part);
        third.add(101).expect("it is alone");
        assert!(memory.share().add(1).is_err());
        third.add(1000).expect("still alone");
    }
}
