//! One version of a model that is ready, and one inference by it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::statistics::{Counters, Statistics};
use super::{Error, ErrorKind};
use crate::engine::pool::{Lane, Pool, Refusal, Ticket};
use crate::engine::{self, Cost, Engine, Spread};
use crate::telemetry::metrics::{ModelMetrics, Outcome};
use crate::tensor::{Excerpt, Signature, Tensor};

/// One version of a model that is ready.
pub struct Model {
    name: String,
    version: String,
    description: Option<String>,
    digest: Option<String>,
    signature: Signature,
    engine: Arc<dyn Engine>,
    cost: Option<Cost>,
    compute: Arc<Compute>,
    lane: Lane,
    counters: Counters,
    metrics: ModelMetrics,
}

/// What a package says of its model.
pub(super) struct Said {
    pub(super) name: String,
    pub(super) version: u64,
    pub(super) description: Option<String>,
    pub(super) digest: Option<String>,
}

/// What all models compute with.
#[derive(Debug)]
pub(super) struct Compute {
    pub(super) pool: Pool,
    /// From the last byte of a request to the answer.
    pub(super) deadline: Duration,
}

impl Model {
    pub(super) fn new(
        said: Said,
        signature: Signature,
        engine: Arc<dyn Engine>,
        compute: Arc<Compute>,
        metrics: ModelMetrics,
    ) -> Self {
        let Said { name, version, description, digest } = said;
        let (version, counters) = (version.to_string(), Counters::default());
        let cost = Cost::measure(&*engine);
        let lane = compute.pool.lane(cost.as_ref().map_or(Duration::ZERO, Cost::smallest));
        Self { name, version, description, digest, signature, engine, cost, compute, lane, counters, metrics }
    }

    /// The name by which clients ask for it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A whole number from 1 up.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// What its package says about it.
    pub fn description(&self) -> Option<&str> {
        self.description.as_deref()
    }

    /// The digest that pins its package, where it came from a registry.
    pub fn digest(&self) -> Option<&str> {
        self.digest.as_deref()
    }

    /// The name of the engine that runs it.
    pub fn engine(&self) -> &'static str {
        self.engine.name()
    }

    /// What it takes and gives, with the labels that its package gives to outputs.
    pub fn signature(&self) -> &Signature {
        &self.signature
    }

    /// What it did since it was loaded.
    pub fn statistics(&self) -> Statistics {
        self.counters.read()
    }

    /// The outputs of these names, by their place in the signature; all of them where none is named.
    pub fn outputs(&self, names: &[&str]) -> Result<Vec<usize>, Error> {
        if names.is_empty() {
            return Ok((0..self.signature.outputs.len()).collect());
        }
        let mut found = Vec::with_capacity(names.len().min(self.signature.outputs.len()));
        for name in names {
            let index = self.signature.outputs.iter().position(|spec| spec.name == *name);
            let Some(index) = index else { return Err(self.no_output(name)) };
            if found.contains(&index) {
                return Err(Error::new(
                    ErrorKind::Input,
                    format!("output {}: asked for twice", Excerpt(name)),
                ));
            }
            found.push(index);
        }
        Ok(found)
    }

    fn no_output(&self, name: &str) -> Error {
        let has: Vec<_> = self.signature.outputs.iter().map(|spec| format!("'{}'", spec.name)).collect();
        Error::new(
            ErrorKind::Input,
            format!("output {}: the model has no such output; it gives {}", Excerpt(name), has.join(", ")),
        )
    }

    /// Begins to count and time one request, whose last byte came at `arrived`.
    pub fn begin(&self, arrived: Instant) -> Inference<'_> {
        Inference {
            model: self,
            rows: 0,
            times: Times::default(),
            outcome: Outcome::Abandoned,
            started: arrived,
        }
    }
}

/// Where the time of one request went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Times {
    /// All of it, from the body's last byte to the answer's.
    pub total: Duration,
    /// Reading the request and binding its tensors.
    pub input: Duration,
    /// Waiting for a compute thread; zero for what is run without one.
    pub queue: Duration,
    /// The engine.
    pub compute: Duration,
    /// Writing the answer.
    pub output: Duration,
}

/// One request to a model. It is counted when it is dropped: as abandoned, unless it was finished, so that a request whose
/// client hung up is counted too.
pub struct Inference<'a> {
    model: &'a Model,
    rows: u64,
    times: Times,
    outcome: Outcome,
    started: Instant,
}

impl Inference<'_> {
    /// Binds the tensors to the model's inputs and runs it; gives the outputs at the indices `wanted`, in that order. What
    /// is `kept` is dropped with the tensors, which may wait or compute after this future is gone.
    pub async fn run(
        &mut self,
        named: Vec<(String, Tensor)>,
        wanted: &[usize],
        kept: impl Send + 'static,
    ) -> Result<Vec<Tensor>, Error> {
        let inputs = self.model.signature.bind(named)?;
        self.rows = rows(&inputs);
        self.times.input = self.started.elapsed();
        self.compute(inputs, wanted, kept).await
    }

    /// Runs the engine, here or on a compute thread.
    async fn compute(
        &mut self,
        inputs: Vec<Tensor>,
        wanted: &[usize],
        kept: impl Send + 'static,
    ) -> Result<Vec<Tensor>, Error> {
        let Model { name, engine, cost, compute, lane, metrics, .. } = self.model;
        let refused = |refusal| Error::refused(name, refusal, compute.deadline);
        let deadline = self.started + compute.deadline;
        let sized = cost.as_ref().map(|cost| (cost, cost.size(&inputs)));
        let started = Instant::now();
        if started > deadline {
            return Err(refused(Refusal::Deadline));
        }
        let outputs = if sized.is_some_and(|(cost, size)| cost.is_small(size)) {
            let outputs = engine::infer(&**engine, inputs, wanted, Spread::One);
            self.times.compute = started.elapsed();
            drop(kept);
            outputs
        } else {
            let (engine, wanted, waiting) = (Arc::clone(engine), wanted.to_vec(), metrics.wait());
            let work = move || {
                drop(waiting);
                let started = Instant::now();
                let outputs = engine::infer(&*engine, inputs, &wanted, Spread::All);
                drop(kept);
                (outputs, started.elapsed())
            };
            let ticket = compute.pool.submit(lane, deadline, work).map_err(refused)?;
            let mut queued = Queued { ticket, queue: &mut self.times.queue, metrics };
            let ran = queued.ticket.done(deadline).await;
            drop(queued);
            let (outputs, computed) = ran.map_err(refused)?;
            self.times.compute = computed;
            outputs
        };
        // One that is refused by the engine says nothing of those that are not.
        if let Some((cost, size)) = sized.filter(|_| outputs.is_ok()) {
            cost.observe(size, self.times.compute);
        }
        metrics.compute().observe(self.times.compute);
        Ok(outputs?)
    }

    /// Where the time went so far.
    pub fn times(&self) -> Times {
        Times { total: self.started.elapsed(), ..self.times }
    }

    /// Notes how long `write` takes.
    pub async fn write<T>(&mut self, write: impl Future<Output = T>) -> T {
        let started = Instant::now();
        let written = write.await;
        self.times.output = started.elapsed();
        written
    }

    /// Ends the request.
    pub fn finish(&mut self, outcome: Outcome) {
        self.outcome = outcome;
    }
}

impl Drop for Inference<'_> {
    fn drop(&mut self) {
        if self.outcome == Outcome::Abandoned && std::thread::panicking() {
            self.outcome = Outcome::Failed;
        }
        self.times.total = self.started.elapsed();
        self.model.counters.add(self.outcome == Outcome::Success, self.rows, &self.times);
        self.model.metrics.count(self.outcome);
    }
}

/// A job of a request, while somebody waits for it. What it waited is noted when this is dropped: with the answer, at the
/// deadline, or when the client hung up.
struct Queued<'a, T> {
    ticket: Ticket<T>,
    queue: &'a mut Duration,
    metrics: &'a ModelMetrics,
}

impl<T> Drop for Queued<'_, T> {
    fn drop(&mut self) {
        *self.queue = self.ticket.waited();
        self.metrics.queue().observe(*self.queue);
    }
}

/// Rows of a batch: the first size of the first input, 1 for a scalar.
fn rows(inputs: &[Tensor]) -> u64 {
    let first = inputs.first().and_then(|input| input.shape().sizes().first());
    first.map_or(1, |&rows| rows as u64)
}
