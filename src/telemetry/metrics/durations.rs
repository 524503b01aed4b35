//! A histogram of durations without a lock.

use std::collections::HashMap;
use std::fmt::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use prometheus_client::encoding::{EncodeMetric, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::exemplar::Exemplar;

/// Upper bounds in nanoseconds, about three to a decade. A small tabular model computes for microseconds and answers in
/// some tens of them: 10 µs is the finest that tells one from another. The default deadline is 20 s: nothing that is
/// answered takes longer than 30 s.
const BOUNDS: [u64; 20] = {
    const US: u64 = 1_000;
    const MS: u64 = 1_000 * US;
    const S: u64 = 1_000 * MS;
    [
        10 * US,
        25 * US,
        50 * US,
        100 * US,
        250 * US,
        500 * US,
        MS,
        2_500 * US,
        5 * MS,
        10 * MS,
        25 * MS,
        50 * MS,
        100 * MS,
        250 * MS,
        500 * MS,
        S,
        2_500 * MS,
        5 * S,
        10 * S,
        30 * S,
    ]
};

/// How often something took how long, from 10 µs to 30 s. Clones share their counts.
#[derive(Clone, Debug, Default)]
pub struct Durations(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    /// One per bound.
    within: [AtomicU64; BOUNDS.len()],
    beyond: AtomicU64,
    nanos: AtomicU64,
}

impl Durations {
    /// Counts one that took so long.
    pub fn observe(&self, duration: Duration) {
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        let bound = BOUNDS.partition_point(|&bound| bound < nanos);
        self.0.within.get(bound).unwrap_or(&self.0.beyond).fetch_add(1, Ordering::Relaxed);
        self.0.nanos.fetch_add(nanos, Ordering::Relaxed);
    }

    /// How many were counted.
    pub fn count(&self) -> u64 {
        self.0.within.iter().chain([&self.0.beyond]).map(|count| count.load(Ordering::Relaxed)).sum()
    }

    /// How long they took together.
    pub fn total(&self) -> Duration {
        Duration::from_nanos(self.0.nanos.load(Ordering::Relaxed))
    }
}

impl EncodeMetric for Durations {
    fn encode(&self, mut encoder: MetricEncoder) -> Result<(), Error> {
        let load = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let bounds = BOUNDS.iter().map(|&nanos| Duration::from_nanos(nanos).as_secs_f64());
        let mut buckets: Vec<(f64, u64)> = bounds.zip(self.0.within.iter().map(load)).collect();
        buckets.push((f64::INFINITY, load(&self.0.beyond)));
        // From the same loads as the buckets, so that the count is the last bucket's even while requests go on.
        let count = buckets.iter().map(|(_, count)| count).sum();
        let none = None::<&HashMap<usize, Exemplar<NoLabelSet, f64>>>;
        encoder.encode_histogram(self.total().as_secs_f64(), count, &buckets, none)
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Histogram
    }
}
