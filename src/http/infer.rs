//! Inference.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::Response;
use bytes::Bytes;

use super::Front;
use super::bodies::{Bodies, Held};
use super::error::Error;
use super::extract::{self, ModelPath, Received};
use super::layers::{Note, Served};
use crate::catalog::{Inference, Model};
use crate::protocol::{self, Answer, Encoded, HEADER_LENGTH, Malformed, Wanted};
use crate::telemetry::metrics::Outcome;
use crate::tensor::Tensor;

/// The digest of the package that answered, where it came from a registry.
const MODEL_DIGEST: HeaderName = HeaderName::from_static("twofold-model-digest");

/// `POST /v2/models/{model}/infer`
pub(super) async fn infer(
    State(front): State<Front>,
    path: ModelPath,
    request: Request,
) -> Result<Response, Error> {
    let model = front.catalog.model(&path.model, path.version.as_deref())?;
    let (parts, body) = request.into_parts();
    let json = extract::json_length(&parts.headers)?;
    let body = extract::body(&front.bodies, &parts.headers, body).await?;

    let note = parts.extensions.get::<Note>().cloned().unwrap_or_default();
    let mut noted = Noted { inference: model.begin(body.arrived()), model: &model, note };
    let answered = answer(&front.bodies, &model, &mut noted.inference, json, body).await;
    noted.inference.finish(answered.as_ref().map_or_else(Error::outcome, |_| Outcome::Success));
    drop(noted);
    let mut response = match answered {
        Ok((body, json)) => reply(body, json),
        Err(error) => axum::response::IntoResponse::into_response(error),
    };
    if let Some(digest) = model.digest().and_then(|digest| HeaderValue::from_str(digest).ok()) {
        response.headers_mut().insert(MODEL_DIGEST, digest);
    }
    Ok(response)
}

/// An inference whose times are noted when this is dropped, also where that is because the client hung up.
struct Noted<'a> {
    inference: Inference<'a>,
    model: &'a Arc<Model>,
    note: Note,
}

impl Drop for Noted<'_> {
    fn drop(&mut self) {
        let served = Served { model: Arc::clone(self.model), times: self.inference.times() };
        // Empty until now: a request is one inference.
        let _ = self.note.0.set(served);
    }
}

/// Reads the request, runs the model and writes the answer.
async fn answer(
    bodies: &Bodies,
    model: &Arc<Model>,
    inference: &mut Inference<'_>,
    json: Option<usize>,
    body: Received,
) -> Result<(Bytes, Option<usize>), Error> {
    let (reader, writer, arrived) = (Arc::clone(model), Arc::clone(model), body.arrived());
    let (mut request, tensors) =
        bodies.work(effort(json, body.len()), arrived, move || read(&reader, json, body)).await??;
    let names: Vec<&str> = request.outputs.iter().map(|wanted| wanted.name.as_str()).collect();
    let wanted = model.outputs(&names)?;
    let outputs = inference.run(std::mem::take(&mut request.inputs), &wanted, tensors).await?;

    let size = outputs.iter().map(|tensor| tensor.data().size()).sum();
    let mut held = bodies.share();
    held.add(size)?;
    // What is held goes along: it is there until the last of it is written, whether or not that is still waited for.
    let write = bodies.work(size, arrived, move || (write(&writer, &request, &wanted, outputs), held));
    let (written, mut held) = inference.write(write).await?;
    let Encoded { body, json } = written?;
    held.add(body.len())?;
    held.give_back(size);
    Ok((held.with(body), json))
}

/// The bytes of JSON that take about as long to read as a body does. A raw tensor is copied, or cut into its strings.
fn effort(json: Option<usize>, body: usize) -> usize {
    let json = json.unwrap_or(body);
    json.saturating_add(body.saturating_sub(json) / 4)
}

/// Parses a body, which is gone with that. Gives the share of memory that its tensors have instead.
fn read(model: &Model, json: Option<usize>, body: Received) -> Result<(protocol::Request, Held), Error> {
    let request = match json {
        Some(0) => protocol::Request::raw(&body, model.signature())?,
        json => protocol::Request::parse(&body, json)?,
    };
    let tensors = request.inputs.iter().map(|(_, tensor)| tensor.data().size()).sum();
    Ok((request, body.replaced_by(tensors)?))
}

/// Writes the outputs that are wanted, each as it is asked for.
fn write(
    model: &Model,
    request: &protocol::Request,
    wanted: &[usize],
    outputs: Vec<Tensor>,
) -> Result<Encoded, Malformed> {
    let specs = wanted.iter().filter_map(|&index| model.signature().outputs.get(index));
    let raw = |position: usize| {
        let wanted: Option<&Wanted> = request.outputs.get(position);
        wanted.and_then(|wanted| wanted.binary).unwrap_or(request.binary)
    };
    let outputs = specs
        .zip(outputs)
        .enumerate()
        .map(|(position, (spec, tensor))| (spec.name.as_str(), tensor, raw(position)))
        .collect();
    Answer { model: model.name(), version: model.version(), id: request.id.as_deref(), outputs }.encode()
}

fn reply(body: Bytes, json: Option<usize>) -> Response {
    let mut response = Response::new(Body::from(body));
    let content_type = match json {
        None => "application/json",
        Some(length) => {
            response.headers_mut().insert(HeaderName::from_static(HEADER_LENGTH), HeaderValue::from(length));
            "application/octet-stream"
        }
    };
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}
