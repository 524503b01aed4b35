//! Metadata, configuration, statistics and metrics.

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::Response;

use super::Front;
use super::error::{Error, document};
use super::extract::ModelPath;
use crate::catalog;
use crate::protocol::EXTENSIONS;
use crate::protocol::metadata::{Config, Model, ModelParameters, Server, platform};
use crate::protocol::statistics::{Duration, InferenceStatistics, ModelStatistics, Statistics};
use crate::telemetry::Metrics;

/// `GET /v2`
pub(super) async fn server() -> Result<Response, Error> {
    document(&Server { name: "twofold", version: env!("CARGO_PKG_VERSION"), extensions: &EXTENSIONS })
}

/// `GET /v2/models/{model}`
pub(super) async fn model(State(front): State<Front>, path: ModelPath) -> Result<Response, Error> {
    let model = front.catalog.model(&path.model, path.version.as_deref())?;
    let versions = front.catalog.ready_versions(model.name())?;
    document(&Model {
        name: model.name(),
        versions: versions.iter().map(|model| model.version().to_owned()).collect(),
        platform: platform(model.engine()),
        inputs: model.signature().inputs.iter().map(Into::into).collect(),
        outputs: model.signature().outputs.iter().map(Into::into).collect(),
        parameters: (model.description().is_some() || model.digest().is_some())
            .then(|| ModelParameters { description: model.description(), digest: model.digest() }),
    })
}

/// `GET /v2/models/{model}/config`
pub(super) async fn config(State(front): State<Front>, path: ModelPath) -> Result<Response, Error> {
    let model = front.catalog.model(&path.model, path.version.as_deref())?;
    document(&Config::new(model.name(), model.engine(), model.signature()))
}

/// `GET /v2/models/{model}/stats`
pub(super) async fn statistics(State(front): State<Front>, path: ModelPath) -> Result<Response, Error> {
    // Where none is ready, there are no figures to give.
    let asked = front.catalog.model(&path.model, path.version.as_deref())?;
    let models =
        if path.version.is_some() { vec![asked] } else { front.catalog.ready_versions(&path.model)? };
    document(&Statistics { model_stats: models.iter().map(|model| statistics_of(model)).collect() })
}

/// `GET /v2/models/stats`
pub(super) async fn all_statistics(State(front): State<Front>) -> Result<Response, Error> {
    let models = front.catalog.all_ready();
    document(&Statistics { model_stats: models.iter().map(|model| statistics_of(model)).collect() })
}

fn statistics_of(model: &catalog::Model) -> ModelStatistics {
    let statistics = model.statistics();
    let duration = |span: catalog::Span| Duration { count: span.count, ns: span.ns };
    ModelStatistics {
        name: model.name().to_owned(),
        version: model.version().to_owned(),
        last_inference: statistics.last_inference,
        inference_count: statistics.rows,
        execution_count: statistics.success.count,
        inference_stats: InferenceStatistics {
            success: duration(statistics.success),
            fail: duration(statistics.fail),
            queue: duration(statistics.queue),
            compute_input: duration(statistics.input),
            compute_infer: duration(statistics.compute),
            compute_output: duration(statistics.output),
            ..InferenceStatistics::default()
        },
        batch_stats: [],
    }
}

/// `GET /metrics`
pub(super) async fn metrics(State(front): State<Front>) -> Response {
    let mut response = Response::new(Body::from(front.metrics.encode()));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(Metrics::CONTENT_TYPE));
    response
}
