//! What has happened on a connection, told by its socket and its bodies, read by its clock.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

use super::House;

/// The two protocols.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    /// HTTP/1.0 and HTTP/1.1.
    Http1,
    /// HTTP/2 by prior knowledge.
    Http2,
}

/// What a connection is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// No request has begun yet.
    Fresh,
    /// A further request's head has begun to arrive (HTTP/1 only: HTTP/2 does not tell).
    Head,
    /// A request is worked on.
    Open,
    /// A request is worked on, and the client has closed its side (HTTP/1 only).
    HalfClosed,
    /// An answer waits for the client to take it.
    Writing,
    /// All requests are answered.
    Idle,
    /// Closed, but for what the client is still sending.
    Lingering,
}

/// What has happened on one connection.
///
/// Relaxed throughout: the connection's own task writes and reads nearly all of it, and the rest are counters that no
/// other data hangs on.
pub(super) struct Activity {
    pub(super) house: Arc<House>,
    pub(super) protocol: Protocol,
    /// Requests that began.
    begun: AtomicU32,
    /// Those whose answer was given, or that were dropped.
    answered: AtomicU32,
    /// Those whose answer was taken over for writing to its end (HTTP/1) or was written (HTTP/2), or that were dropped.
    ended: AtomicU32,
    /// HTTP/2: answers that were given and have not ended, with the time of each, the oldest first.
    untaken: Mutex<VecDeque<(u32, Instant)>>,
    /// Bytes came since the last request ended.
    heard: AtomicBool,
    /// The client takes no more bytes.
    pub(super) blocked: AtomicBool,
    /// HTTP/1: a request's body has not been read to its end.
    body: AtomicBool,
    /// HTTP/1: the last request's body never was.
    unread: AtomicBool,
    /// A body took too long.
    late: AtomicBool,
    /// The client closed its side, and the protocol has not been told.
    end_held: AtomicBool,
    /// It may be told.
    end_told: AtomicBool,
    /// See [`Phase::Lingering`].
    lingering: AtomicBool,
}

impl Activity {
    pub(super) fn new(house: Arc<House>, protocol: Protocol) -> Arc<Self> {
        Arc::new(Self {
            house,
            protocol,
            begun: AtomicU32::new(0),
            answered: AtomicU32::new(0),
            ended: AtomicU32::new(0),
            untaken: Mutex::default(),
            heard: AtomicBool::new(false),
            blocked: AtomicBool::new(false),
            body: AtomicBool::new(false),
            unread: AtomicBool::new(false),
            late: AtomicBool::new(false),
            end_held: AtomicBool::new(false),
            end_told: AtomicBool::new(false),
            lingering: AtomicBool::new(false),
        })
    }

    pub(super) fn phase(&self) -> Phase {
        let ended = self.ended();
        if self.lingering.load(Relaxed) {
            Phase::Lingering
        } else if self.blocked.load(Relaxed) || self.answered.load(Relaxed) != ended {
            Phase::Writing
        } else if self.begun() != ended {
            if self.end_held.load(Relaxed) { Phase::HalfClosed } else { Phase::Open }
        } else if self.begun() == 0 {
            Phase::Fresh
        } else if self.protocol == Protocol::Http1 && self.heard.load(Relaxed) {
            Phase::Head
        } else {
            Phase::Idle
        }
    }

    /// Requests that began; it wraps.
    pub(super) fn begun(&self) -> u32 {
        self.begun.load(Relaxed)
    }

    /// Requests that ended; it wraps.
    pub(super) fn ended(&self) -> u32 {
        self.ended.load(Relaxed)
    }

    /// HTTP/2: since when the oldest of the answers waits that the client has not taken.
    pub(super) fn untaken_since(&self) -> Option<Instant> {
        self.untaken().front().map(|&(_, since)| since)
    }

    fn untaken(&self) -> MutexGuard<'_, VecDeque<(u32, Instant)>> {
        self.untaken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Bytes came.
    pub(super) fn hear(&self) {
        self.heard.store(true, Relaxed);
    }

    /// The client closed its side. Whether to keep that from the protocol, which would drop the request that it works on.
    pub(super) fn hold_end(&self) -> bool {
        let busy = self.protocol == Protocol::Http1
            && matches!(self.phase(), Phase::Open | Phase::HalfClosed | Phase::Writing)
            && !self.end_told.load(Relaxed);
        if busy {
            self.end_held.store(true, Relaxed);
        }
        busy
    }

    /// Whether the client closed its side unbeknownst to the protocol.
    pub(super) fn holds_end(&self) -> bool {
        self.end_held.load(Relaxed)
    }

    /// Where the client closed its side in the middle of a body, lets the protocol know. Whether it was news.
    pub(super) fn tell_end(&self) -> bool {
        self.holds_end() && self.body.load(Relaxed) && !self.end_told.swap(true, Relaxed)
    }

    /// Whether the client may still be sending what nobody will read. Closed at once, the system would answer that with
    /// a reset, which can overtake the answer.
    pub(super) fn linger(&self) -> bool {
        let linger =
            self.protocol == Protocol::Http1 && (self.unread.load(Relaxed) || self.heard.load(Relaxed));
        self.lingering.store(linger, Relaxed);
        linger
    }

    /// A request's body begins, if it has one.
    pub(super) fn begin_body(&self, empty: bool) {
        self.body.store(!empty, Relaxed);
        self.unread.store(false, Relaxed);
    }

    /// A request's body was read, or was not and will not be.
    pub(super) fn end_body(&self, whole: bool) {
        self.body.store(false, Relaxed);
        self.unread.store(!whole, Relaxed);
    }

    /// A request's body took too long.
    pub(super) fn be_late(&self) {
        self.late.store(true, Relaxed);
    }

    /// Whether the next answer is the connection's last, and is to say so.
    pub(super) fn is_last(&self) -> bool {
        self.protocol == Protocol::Http1 && (self.house.draining.load(Relaxed) || self.late.load(Relaxed))
    }
}

/// A request, from when its head is read until its answer is handed over, or it is dropped.
pub(super) struct Request {
    activity: Arc<Activity>,
    number: u32,
    answered: bool,
}

impl Request {
    pub(super) fn begin(activity: &Arc<Activity>) -> Self {
        let number = activity.begun.fetch_add(1, Relaxed);
        activity.heard.store(false, Relaxed);
        Self { activity: Arc::clone(activity), number, answered: false }
    }

    pub(super) fn activity(&self) -> &Arc<Activity> {
        &self.activity
    }

    /// Its answer is there.
    pub(super) fn answer(&mut self) {
        self.answered = true;
        if self.activity.protocol == Protocol::Http2 {
            self.activity.untaken().push_back((self.number, Instant::now()));
        }
        self.activity.answered.fetch_add(1, Relaxed);
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        if !self.answered {
            self.activity.answered.fetch_add(1, Relaxed);
        } else if self.activity.protocol == Protocol::Http2 {
            self.activity.untaken().retain(|&(number, _)| number != self.number);
        }
        self.activity.heard.store(false, Relaxed);
        self.activity.ended.fetch_add(1, Relaxed);
    }
}
