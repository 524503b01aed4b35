//! The statistics extension, in the form that Triton's clients read.

use serde::Serialize;

/// `GET /v2/models/stats` and the like.
#[derive(Clone, Debug, Serialize)]
pub struct Statistics {
    /// One for each version of each model that is meant.
    pub model_stats: Vec<ModelStatistics>,
}

/// What one version of a model did since it was loaded.
#[derive(Clone, Debug, Serialize)]
pub struct ModelStatistics {
    /// The model's name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Milliseconds since the Unix epoch; 0 before the first.
    pub last_inference: u64,
    /// Rows that were inferred: the first size of the first input, 1 for a scalar.
    pub inference_count: u64,
    /// Runs of the model.
    pub execution_count: u64,
    /// Where the time went.
    pub inference_stats: InferenceStatistics,
    /// Not broken down by batch size: always empty.
    pub batch_stats: [(); 0],
}

/// Counts and times by outcome and by part.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct InferenceStatistics {
    /// Requests that were answered, and their whole time.
    pub success: Duration,
    /// Requests that were not.
    pub fail: Duration,
    /// Waiting for a thread.
    pub queue: Duration,
    /// Binding inputs to the model's.
    pub compute_input: Duration,
    /// The engine.
    pub compute_infer: Duration,
    /// Writing the answer.
    pub compute_output: Duration,
    /// There is no cache: zero.
    pub cache_hit: Duration,
    /// There is no cache: zero.
    pub cache_miss: Duration,
}

/// How often, and how long in all.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Duration {
    /// Times that it happened.
    pub count: u64,
    /// Nanoseconds that it took in all.
    pub ns: u64,
}
