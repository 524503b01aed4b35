//! Engines: a loaded model that turns named tensors into named tensors.

mod constants;
mod cost;
mod error;
mod onnx;
pub mod pool;
mod rten;
mod signature;
mod tabular;
#[cfg(test)]
mod tests;

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use bytes::Bytes;

pub use cost::Cost;
pub use error::{InferError, InferErrorKind, LoadError, LoadErrorKind};

use crate::tensor::{Excerpt, Signature, Tensor};

/// A loaded model. Engines are shared by all requests and never change once they are loaded.
pub trait Engine: Send + Sync {
    /// Which engine this is, such as `rten`.
    fn name(&self) -> &'static str;

    /// The inputs that [`Engine::infer`] takes, and the outputs that it gives, in this order.
    fn signature(&self) -> &Signature;

    /// Runs the model once. `inputs` are in the order of the signature and fit it; the answer holds the outputs at the
    /// indices `outputs` of the signature, in that order.
    fn infer(
        &self,
        inputs: Vec<Tensor>,
        outputs: &[usize],
        spread: Spread,
    ) -> Result<Vec<Tensor>, InferError>;
}

/// How many threads one inference may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spread {
    /// One: it is so small that handing parts of it around would cost more than it does.
    One,
    /// All that compute.
    All,
}

/// What an engine is made from.
#[derive(Clone, Debug, Default)]
pub struct Source {
    /// The ONNX file.
    pub model: Bytes,
    /// Files that it refers to for large constants, by the names that it uses.
    pub side_files: Vec<(String, Bytes)>,
    /// The engine that must run it; `None` = the first that can.
    pub engine: Option<String>,
    /// As many threads as [`Spread::All`] is.
    pub threads: usize,
}

/// Loads a model with the engine that its source names; else with the one that suits it.
pub fn load(source: &Source) -> Result<Arc<dyn Engine>, LoadError> {
    let loaded = guarded(|| {
        let model = onnx::Model::read(source.model.clone())?;
        let signature = signature::read(&model)?;
        match source.engine.as_deref() {
            Some(tabular::NAME) => {
                let engine: Arc<dyn Engine> =
                    Arc::new(tabular::Tabular::load(&model, signature, source.model.len())?);
                Ok(engine)
            }
            Some(rten::NAME) => rten::Rten::load(source, model, signature),
            Some(other) => {
                let message = format!(
                    "no engine {}; there are '{}' and '{}'",
                    Excerpt(other),
                    tabular::NAME,
                    rten::NAME
                );
                Err(LoadError::new(LoadErrorKind::Unsupported, message))
            }
            None => choose(source, model, &signature),
        }
    });
    loaded.unwrap_or_else(|panic| {
        let message = format!("the engine panicked while loading the model: {panic}");
        Err(LoadError::new(LoadErrorKind::Malformed, message))
    })
}

/// The tabular engine where the model is its by choice; else rten; else the tabular engine, for whatever it covers. Where neither
/// does, the error has the reason of each.
fn choose(source: &Source, model: onnx::Model, signature: &Signature) -> Result<Arc<dyn Engine>, LoadError> {
    let load = |model: &onnx::Model| tabular::Tabular::load(model, signature.clone(), source.model.len());
    let ours = (!tabular::is_too_large(&model)).then(|| load(&model));
    let ours = match ours {
        Some(Ok(ours)) if ours.is_chosen() => return Ok(Arc::new(ours)),
        ours => ours,
    };
    let theirs = match rten::Rten::load(source, model, signature.clone()) {
        Ok(theirs) => return Ok(theirs),
        Err(theirs) => theirs,
    };
    let ours = match ours {
        Some(ours) => ours,
        None => load(&onnx::Model::read(source.model.clone())?),
    };
    match ours {
        Ok(ours) => Ok(Arc::new(ours)),
        Err(ours) => {
            // What is wrong in the model, nobody has to look for in the engines.
            let kind = if ours.kind() == LoadErrorKind::Malformed { ours.kind() } else { theirs.kind() };
            Err(LoadError::new(kind, format!("no engine runs the model: {theirs}; {ours}")))
        }
    }
}

/// Runs an inference such that a panic in the engine fails that inference alone.
///
/// An engine holds nothing that a run changes, so that there is nothing to find half-changed after a panic.
pub fn infer(
    engine: &dyn Engine,
    inputs: Vec<Tensor>,
    outputs: &[usize],
    spread: Spread,
) -> Result<Vec<Tensor>, InferError> {
    guarded(|| engine.infer(inputs, outputs, spread)).unwrap_or_else(|panic| Err(InferError::panicked(panic)))
}

/// Turns a panic into what it said.
fn guarded<T>(run: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(run)).map_err(|panic| said(&*panic))
}

fn said(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic without a text").to_owned()
}
