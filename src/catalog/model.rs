//! One version of a model that is ready, and one inference by it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::statistics::{Counters, Statistics};
use super::{Error, ErrorKind};
use crate::engine::{self, Engine};
use crate::telemetry::metrics::{ModelMetrics, Outcome};
use crate::tensor::{Excerpt, Signature, Tensor};

/// One version of a model that is ready.
pub struct Model {
    name: String,
    version: String,
    description: Option<String>,
    signature: Signature,
    engine: Arc<dyn Engine>,
    counters: Counters,
    metrics: ModelMetrics,
}

impl Model {
    pub(super) fn new(
        name: String,
        version: u64,
        description: Option<String>,
        signature: Signature,
        engine: Arc<dyn Engine>,
        metrics: ModelMetrics,
    ) -> Self {
        let counters = Counters::default();
        Self { name, version: version.to_string(), description, signature, engine, counters, metrics }
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

    /// Begins to count and time one request.
    pub fn begin(&self) -> Inference<'_> {
        Inference {
            model: self,
            rows: 0,
            times: Times::default(),
            outcome: Outcome::Refused,
            started: Instant::now(),
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
    /// The engine.
    pub compute: Duration,
    /// Writing the answer.
    pub output: Duration,
}

/// One request to a model. It is counted when it is dropped: as refused, unless it got further, so that a
/// request whose client hung up is counted too.
pub struct Inference<'a> {
    model: &'a Model,
    rows: u64,
    times: Times,
    outcome: Outcome,
    started: Instant,
}

impl Inference<'_> {
    /// Binds the tensors to the model's inputs and runs it; gives the outputs at the indices `wanted`, in that order.
    #[allow(clippy::unused_async)] // what holds the thread for long will wait for one
    pub async fn run(
        &mut self,
        named: Vec<(String, Tensor)>,
        wanted: &[usize],
    ) -> Result<Vec<Tensor>, Error> {
        let inputs = self.model.signature.bind(named)?;
        self.rows = rows(&inputs);
        self.times.input = self.started.elapsed();
        let started = Instant::now();
        let outputs = engine::infer(&*self.model.engine, inputs, wanted);
        self.times.compute = started.elapsed();
        self.model.metrics.compute().observe(self.times.compute);
        let outputs = outputs.map_err(Error::from);
        if outputs.as_ref().is_err_and(|error| error.kind() == ErrorKind::Failed) {
            self.outcome = Outcome::Failed;
        }
        outputs
    }

    /// Runs `write` and notes how long it took.
    pub fn write<T>(&mut self, write: impl FnOnce() -> T) -> T {
        let started = Instant::now();
        let written = write();
        self.times.output = started.elapsed();
        written
    }

    /// Ends the request.
    pub fn finish(mut self, success: bool) -> Times {
        if success {
            self.outcome = Outcome::Success;
        }
        self.times.total = self.started.elapsed();
        self.times
    }
}

impl Drop for Inference<'_> {
    fn drop(&mut self) {
        self.times.total = self.started.elapsed();
        self.model.counters.add(self.outcome == Outcome::Success, self.rows, &self.times);
        self.model.metrics.count(self.outcome);
    }
}

/// Rows of a batch: the first size of the first input, 1 for a scalar.
fn rows(inputs: &[Tensor]) -> u64 {
    let first = inputs.first().and_then(|input| input.shape().sizes().first());
    first.map_or(1, |&rows| rows as u64)
}
