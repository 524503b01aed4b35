//! The engine for tabular models: the operators of ai.onnx.ml and what converters put around them, and small dense networks. Pure
//! Rust, on the thread that calls it.
//!
//! A graph becomes a [`plan`] when it is loaded: values are numbered, datatypes are known, constants are computed ahead, weights and
//! trees are laid out for the loops that read them. A step of a plan is a [`kernel`]; `plain` holds those of ONNX itself, `ml` those
//! of ai.onnx.ml, a file per family. Values are FP32, FP64, INT64, INT32, BOOL and BYTES.
//!
//! Its bits depend on no processor feature and on no C library: sums are made in a fixed order, for each row by itself,
//! without fused multiply-add, and transcendental functions are the libm crate's.

mod constant;
mod element;
mod kernel;
mod ml;
mod node;
mod plain;
mod plan;
#[cfg(test)]
mod tests;

use super::onnx::Model;
use super::{Engine, InferError, LoadError, LoadErrorKind, Spread};
use crate::tensor::{Data, Shape, Signature, Tensor, TensorSpec};

use kernel::{Inputs, Output, Place};
use plan::Plan;

/// The name of this engine.
pub(super) const NAME: &str = "tabular";

/// The most multiply-adds per row for which this engine is chosen: about as many as it does in the tens of microseconds that
/// rten's hand-over to its own thread takes. `tests::what_an_inference_costs_beside_rten` prints the times of both for growing
/// widths.
pub(super) const SMALL: usize = 1 << 17;

/// A model loaded by this engine.
pub(super) struct Tabular {
    signature: Signature,
    plan: Plan,
}

impl Tabular {
    /// Loads a model; the error says what of it is not covered.
    pub(super) fn load(model: &Model, signature: Signature) -> Result<Self, LoadError> {
        let mut plan = Plan::of(model, &signature)?;
        let mut signature = signature;
        for (spec, labels) in signature.outputs.iter_mut().zip(std::mem::take(&mut plan.labels)) {
            if spec.labels.is_empty() && fits(spec, &labels) {
                spec.labels = labels;
            }
        }
        let loaded = Self { signature, plan };
        loaded.try_once()?;
        Ok(loaded)
    }

    /// Whether the model is this engine's by choice: by its operators, or because it is a small dense network.
    pub(super) fn is_chosen(&self) -> bool {
        let small = self.plan.multiply_adds().is_some_and(|multiply_adds| multiply_adds <= SMALL);
        self.plan.is_tabular || (self.plan.is_dense() && small)
    }

    /// Runs a row of zeros through a model whose inputs have free sizes only in front. What does not fit then never will.
    fn try_once(&self) -> Result<(), LoadError> {
        let mut inputs = Vec::with_capacity(self.signature.inputs.len());
        for spec in &self.signature.inputs {
            if spec.shape.iter().skip(1).any(|&size| size < 0) {
                return Ok(());
            }
            let sizes: Vec<usize> = spec.shape.iter().map(|&size| usize::try_from(size).unwrap_or(1)).collect();
            let Ok(elements) = kernel::elements(&sizes) else { return Ok(()) };
            let Ok(zeros) = Tensor::new(Shape::new(sizes), Data::zeros(spec.datatype, elements)) else { return Ok(()) };
            inputs.push(zeros);
        }
        match self.run(inputs) {
            // A value may be refused, a zero or an empty string; a shape not.
            Ok(_) | Err(Failure { of_values: true, .. }) => Ok(()),
            Err(Failure { reason, .. }) => Err(LoadError::new(
                LoadErrorKind::Malformed,
                format!("{NAME} cannot run a row of zeros through the model: {reason}"),
            )),
        }
    }

    /// Runs all steps and gives the values that are left.
    fn run(&self, inputs: Vec<Tensor>) -> Result<Vec<Option<Tensor>>, Failure> {
        let mut slots: Vec<Option<Tensor>> = inputs.into_iter().map(Some).collect();
        slots.resize(self.plan.slots, None);
        for step in &self.plan.steps {
            let mut given =
                Inputs { slots: &mut slots, constants: &self.plan.constants, places: &step.inputs };
            let failed = |reason: String| Failure {
                of_values: reason.contains("expected") || reason.contains("category"),
                reason: format!("{}: {reason}", step.name),
            };
            let made = step.kernel.run(&mut given).map_err(failed)?;
            for (place, is_last) in &step.inputs {
                if let (Place::Slot(slot), true) = (place, is_last)
                    && let Some(slot) = slots.get_mut(*slot)
                {
                    *slot = None;
                }
            }
            match made {
                Output::One(tensor) => put(&mut slots, step.outputs.first(), tensor),
                Output::Many(tensors) => {
                    step.outputs.iter().zip(tensors).for_each(|(slot, tensor)| put(&mut slots, Some(slot), tensor));
                }
            }
        }
        Ok(slots)
    }
}

/// Why a step made nothing.
struct Failure {
    reason: String,
    /// Other values of the same shape may do.
    of_values: bool,
}

fn put(slots: &mut [Option<Tensor>], slot: Option<&usize>, tensor: Tensor) {
    if let Some(slot) = slot.and_then(|&slot| slots.get_mut(slot)) {
        *slot = Some(tensor);
    }
}

/// Whether there is a label for each column.
fn fits(spec: &TensorSpec, labels: &[String]) -> bool {
    spec.shape.last().is_none_or(|&columns| columns < 0 || usize::try_from(columns) == Ok(labels.len()))
}

impl Engine for Tabular {
    fn name(&self) -> &'static str {
        NAME
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn infer(&self, inputs: Vec<Tensor>, outputs: &[usize], _: Spread) -> Result<Vec<Tensor>, InferError> {
        let mut slots = self.run(inputs).map_err(|failure| InferError::input(failure.reason))?;
        let places = outputs.iter().map(|&index| self.plan.outputs.get(index).copied());
        let places = places.collect::<Option<Vec<_>>>().unwrap_or_default();
        let mut found = Vec::with_capacity(places.len());
        for (rank, place) in places.iter().enumerate() {
            let wanted_again = places.get(rank + 1..).unwrap_or_default().contains(place);
            let tensor = match *place {
                Place::Slot(slot) if !wanted_again => slots.get_mut(slot).and_then(Option::take),
                Place::Slot(slot) => slots.get(slot).cloned().flatten(),
                Place::Constant(constant) => self.plan.constants.get(constant).cloned(),
                Place::Nowhere => None,
            };
            found.push(tensor.ok_or_else(|| InferError::failed(format!("{NAME}: an output was not made")))?);
        }
        Ok(found)
    }
}
