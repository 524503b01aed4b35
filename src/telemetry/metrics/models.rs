//! What models do, by name and version.

use std::collections::BTreeMap;
use std::fmt::Error;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use prometheus_client::encoding::{EncodeMetric, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::exemplar::Exemplar;

use super::Durations;

/// What became of a request that reached a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was answered.
    Success,
    /// It is at fault itself: it cannot be read, or does not fit the model.
    Refused,
    /// It was not taken on, since too much was waiting.
    Overload,
    /// It was not answered within the deadline.
    Deadline,
    /// Its client hung up before the answer.
    Abandoned,
    /// The engine could not compute it.
    Failed,
}

impl Outcome {
    /// In the order of the metric's help.
    const ALL: [Self; 6] =
        [Self::Success, Self::Refused, Self::Overload, Self::Deadline, Self::Abandoned, Self::Failed];

    /// Its label.
    fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Refused => "refused",
            Self::Overload => "overload",
            Self::Deadline => "deadline",
            Self::Abandoned => "abandoned",
            Self::Failed => "failed",
        }
    }
}

/// One model's figures, found once, when it is loaded. Clones share them.
#[derive(Clone, Debug)]
pub struct ModelMetrics(Arc<Figures>);

#[derive(Debug, Default)]
struct Figures {
    compute: Durations,
    queue: Durations,
    waiting: AtomicU64,
    success: AtomicU64,
    refused: AtomicU64,
    overload: AtomicU64,
    deadline: AtomicU64,
    abandoned: AtomicU64,
    failed: AtomicU64,
}

impl ModelMetrics {
    /// How long the model computed, per request.
    pub fn compute(&self) -> &Durations {
        &self.0.compute
    }

    /// How long requests waited for a compute thread; those that need none are not counted.
    pub fn queue(&self) -> &Durations {
        &self.0.queue
    }

    /// Counts a request as waiting for a compute thread, until what is given is dropped.
    pub fn wait(&self) -> Waiting {
        self.0.waiting.fetch_add(1, Ordering::Relaxed);
        Waiting(Arc::clone(&self.0))
    }

    /// Counts a request that reached the model.
    pub fn count(&self, outcome: Outcome) {
        self.0.requests(outcome).fetch_add(1, Ordering::Relaxed);
    }

    /// How many requests ended so.
    pub fn counted(&self, outcome: Outcome) -> u64 {
        self.0.requests(outcome).load(Ordering::Relaxed)
    }
}

/// A request that waits for a compute thread.
#[derive(Debug)]
pub struct Waiting(Arc<Figures>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Figures {
    fn requests(&self, outcome: Outcome) -> &AtomicU64 {
        match outcome {
            Outcome::Success => &self.success,
            Outcome::Refused => &self.refused,
            Outcome::Overload => &self.overload,
            Outcome::Deadline => &self.deadline,
            Outcome::Abandoned => &self.abandoned,
            Outcome::Failed => &self.failed,
        }
    }
}

/// The loaded models. A series lives exactly as long as the model that holds it: what is kept here is weak.
#[derive(Clone, Debug, Default)]
pub(super) struct Models(Arc<Mutex<BTreeMap<Key, Weak<Figures>>>>);

/// Name, version and the digest of the package, empty where it has none.
type Key = (Box<str>, Box<str>, Box<str>);

/// The labels of a model's series.
fn labels((name, version, digest): &Key) -> Vec<(&str, &str)> {
    let mut labels = vec![("model", name.as_ref()), ("version", version.as_ref())];
    if !digest.is_empty() {
        labels.push(("digest", digest.as_ref()));
    }
    labels
}

impl Models {
    pub(super) fn find(&self, name: &str, version: &str, digest: Option<&str>) -> ModelMetrics {
        let mut models = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        models.retain(|_, figures| figures.strong_count() > 0);
        let kept =
            models.entry((name.into(), version.into(), digest.unwrap_or_default().into())).or_default();
        let figures = kept.upgrade().unwrap_or_default();
        *kept = Arc::downgrade(&figures);
        ModelMetrics(figures)
    }

    fn live(&self) -> Vec<(Key, Arc<Figures>)> {
        let models = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        models.iter().filter_map(|(key, figures)| Some((key.clone(), figures.upgrade()?))).collect()
    }
}

/// One of the durations of every model.
#[derive(Debug)]
pub(super) struct PerModel {
    models: Models,
    of: fn(&Figures) -> &Durations,
}

impl Models {
    pub(super) fn compute(&self) -> PerModel {
        PerModel { models: self.clone(), of: |figures| &figures.compute }
    }

    pub(super) fn queue(&self) -> PerModel {
        PerModel { models: self.clone(), of: |figures| &figures.queue }
    }
}

impl EncodeMetric for PerModel {
    fn encode(&self, mut encoder: MetricEncoder) -> Result<(), Error> {
        for (key, figures) in self.models.live() {
            (self.of)(&figures).encode(encoder.encode_family(&labels(&key))?)?;
        }
        Ok(())
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Histogram
    }
}

#[derive(Debug)]
pub(super) struct Requests(pub(super) Models);

impl EncodeMetric for Requests {
    fn encode(&self, mut encoder: MetricEncoder) -> Result<(), Error> {
        for (key, figures) in self.0.live() {
            for outcome in Outcome::ALL {
                let mut labels = labels(&key);
                labels.push(("outcome", outcome.as_str()));
                let count = figures.requests(outcome).load(Ordering::Relaxed);
                let none = None::<&Exemplar<NoLabelSet, f64>>;
                encoder.encode_family(&labels)?.encode_counter(&count, none)?;
            }
        }
        Ok(())
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Counter
    }
}

/// Requests that wait, by model.
#[derive(Debug)]
pub(super) struct Queued(pub(super) Models);

impl EncodeMetric for Queued {
    fn encode(&self, mut encoder: MetricEncoder) -> Result<(), Error> {
        for (key, figures) in self.0.live() {
            let waiting = i64::try_from(figures.waiting.load(Ordering::Relaxed)).unwrap_or(i64::MAX);
            encoder.encode_family(&labels(&key))?.encode_gauge(&waiting)?;
        }
        Ok(())
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Gauge
    }
}

#[derive(Debug)]
pub(super) struct Loaded(pub(super) Models);

impl EncodeMetric for Loaded {
    fn encode(&self, mut encoder: MetricEncoder) -> Result<(), Error> {
        let count = i64::try_from(self.0.live().len()).unwrap_or(i64::MAX);
        encoder.encode_gauge(&count)
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Gauge
    }
}
