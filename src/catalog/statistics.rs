//! What one version of a model did since it was loaded.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::Times;

/// How often something happened, and how long it took in all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// Times that it happened.
    pub count: u64,
    /// Nanoseconds in all.
    pub ns: u64,
}

/// A reading of the counters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Milliseconds since the Unix epoch; 0 before the first.
    pub last_inference: u64,
    /// Rows that were inferred.
    pub rows: u64,
    /// Requests that were answered, and their whole time.
    pub success: Span,
    /// Requests that were not.
    pub fail: Span,
    /// Reading the requests that were answered.
    pub input: Span,
    /// Waiting for a compute thread.
    pub queue: Span,
    /// The engine, for them.
    pub compute: Span,
    /// Writing their answers.
    pub output: Span,
}

#[derive(Debug, Default)]
struct Counter {
    count: AtomicU64,
    ns: AtomicU64,
}

impl Counter {
    fn add(&self, duration: Duration) {
        self.count.fetch_add(1, Ordering::Relaxed);
        self.ns.fetch_add(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    fn read(&self) -> Span {
        Span { count: self.count.load(Ordering::Relaxed), ns: self.ns.load(Ordering::Relaxed) }
    }
}

#[derive(Debug, Default)]
pub(super) struct Counters {
    last_inference: AtomicU64,
    rows: AtomicU64,
    success: Counter,
    fail: Counter,
    input: Counter,
    queue: Counter,
    compute: Counter,
    output: Counter,
}

impl Counters {
    pub(super) fn add(&self, success: bool, rows: u64, times: &Times) {
        if !success {
            self.fail.add(times.total);
            return;
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        self.last_inference.store(u64::try_from(now.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
        self.rows.fetch_add(rows, Ordering::Relaxed);
        self.success.add(times.total);
        self.input.add(times.input);
        self.queue.add(times.queue);
        self.compute.add(times.compute);
        self.output.add(times.output);
    }

    pub(super) fn read(&self) -> Statistics {
        Statistics {
            last_inference: self.last_inference.load(Ordering::Relaxed),
            rows: self.rows.load(Ordering::Relaxed),
            success: self.success.read(),
            fail: self.fail.read(),
            input: self.input.read(),
            queue: self.queue.read(),
            compute: self.compute.read(),
            output: self.output.read(),
        }
    }
}
