//! The engine for tabular models: the operators of ai.onnx.ml and what converters put around them, and small dense networks. Pure
//! Rust, on the thread that calls it.
//!
//! A graph becomes a [`plan`] when it is loaded: values are numbered, datatypes are known, constants are computed ahead, weights and
//! trees are laid out for the loops that read them. A step of a plan is a [`kernel`]; `plain` holds those of ONNX itself, `ml` those
//! of ai.onnx.ml, a file per family. Values are FP32, FP64, INT64, INT32, BOOL and BYTES.
//!
//! Its bits depend on no processor feature and on no C library: sums are made in a fixed order, for each row by itself,
//! without fused multiply-add, and transcendental functions are the libm crate's.

mod budget;
mod constant;
mod element;
mod kernel;
mod ml;
mod node;
mod plain;
mod plan;
#[cfg(test)]
mod tests;

use std::collections::HashSet;

use super::onnx::{Constant, Model, Node};
use super::{Engine, InferError, LoadError, LoadErrorKind, Spread};
use crate::tensor::{Excerpt, Shape, Signature, Tensor, TensorSpec};

use budget::Budget;
use kernel::{Inputs, Output, Place};
use plan::{ML, Plan};

/// The name of this engine.
pub(super) const NAME: &str = "tabular";

/// The most multiply-adds per row for which this engine is chosen: about as many as it does in the tens of microseconds that
/// rten's hand-over to its own thread takes. `tests::what_an_inference_costs_beside_rten` prints the times of both for growing
/// widths.
pub(super) const SMALL: usize = 1 << 17;

/// Whether the file alone shows that the model is not this engine's by choice: a layer has more weights than [`SMALL`]. To load such a
/// model only to see that takes longer than anything else at a start.
pub(super) fn is_too_large(model: &Model) -> bool {
    let Some(graph) = &model.graph else { return false };
    let count = |all: usize, &size: &i64| all.checked_mul(usize::try_from(size).ok()?);
    let is_large =
        |constant: &&Constant| constant.dims.iter().try_fold(1, count).is_none_or(|count| count > SMALL);
    let large: HashSet<&str> =
        graph.initializer.iter().filter(is_large).map(|constant| constant.name.as_str()).collect();
    let multiplies = |node: &Node| {
        matches!(node.op_type.as_str(), "MatMul" | "Gemm")
            && node.input.iter().any(|input| large.contains(input.as_str()))
    };
    !graph.node.iter().any(|node| node.domain == ML) && graph.node.iter().any(multiplies)
}

/// A model loaded by this engine.
pub(super) struct Tabular {
    signature: Signature,
    plan: Plan,
}

impl Tabular {
    /// Loads a model from a file of so many bytes; the error says what of it is not covered.
    pub(super) fn load(model: &Model, signature: Signature, file: usize) -> Result<Self, LoadError> {
        let budget = Budget::new(file);
        let mut plan = Plan::of(model, &signature, &budget)?;
        let labels = std::mem::take(&mut plan.labels);
        let mut loaded = Self { signature, plan };
        let one = loaded.try_zeros(1, &budget)?;
        let undeclared = super::signature::undeclared(model);
        let of_rows = loaded.signature.inputs.iter().all(is_free);
        // Only where its outcome is looked at.
        let two = if of_rows || !undeclared.is_empty() { loaded.try_zeros(2, &budget)? } else { None };
        for (place, spec) in loaded.signature.outputs.iter_mut().enumerate() {
            let made =
                one.as_ref().and_then(|one| one.get(place)).zip(two.as_ref().and_then(|two| two.get(place)));
            match made.and_then(|(one, two)| shape_of(one, two)) {
                Some(made) if undeclared.contains(&place) => spec.shape = made,
                Some(made) if of_rows => correct(spec, made),
                None if undeclared.contains(&place) => {
                    let reason = "an output's number of dimensions is neither declared nor to be found out by a row of zeros";
                    return Err(LoadError::new(LoadErrorKind::Unsupported, reason));
                }
                Some(_) | None => {}
            }
        }
        for (spec, labels) in loaded.signature.outputs.iter_mut().zip(labels) {
            if spec.labels.is_empty() && fits(spec, &labels) {
                spec.labels = labels.to_vec();
            }
        }
        Ok(loaded)
    }

    /// Whether the model is this engine's by choice: by its operators, or because it is a small dense network.
    pub(super) fn is_chosen(&self) -> bool {
        let small = self.plan.multiply_adds().is_some_and(|multiply_adds| multiply_adds <= SMALL);
        self.plan.is_tabular || (self.plan.is_dense() && small)
    }

    /// Runs some rows of zeros through the model and gives the outputs, or none where its inputs' other sizes are not known. What does
    /// not fit then never will, if rows are what is free; without any, a zero may be a size that no request would give.
    ///
    /// Whatever is known of the sizes, a single row is all that [`Cost`](super::Cost) tries, and must be within the budget.
    fn try_zeros(&self, rows: usize, budget: &Budget) -> Result<Option<Vec<Tensor>>, LoadError> {
        let inputs = &self.signature.inputs;
        let is_known = inputs.iter().all(|spec| spec.shape.iter().skip(1).all(|&size| size >= 0));
        let Some(zeros) = super::cost::zeros(&self.signature, rows) else { return Ok(None) };
        match self.run(zeros, Some(budget)) {
            Ok(mut slots) if is_known => {
                Ok(self.outputs(&mut slots, &(0..self.plan.outputs.len()).collect::<Vec<_>>()).ok())
            }
            Err(Failure { reason, .. }) if budget.is_spent() => Err(LoadError::new(
                LoadErrorKind::Unsupported,
                format!("{NAME} does not cover the model: {reason}"),
            )),
            Err(Failure { of_values: false, reason, .. }) if is_known && inputs.iter().all(is_free) => {
                Err(LoadError::new(
                    LoadErrorKind::Malformed,
                    format!("{NAME} cannot run a row of zeros through the model: {reason}"),
                ))
            }
            Ok(_) | Err(_) => Ok(None),
        }
    }

    /// Runs all steps and gives the values that are left.
    fn run(&self, inputs: Vec<Tensor>, budget: Option<&Budget>) -> Result<Vec<Option<Tensor>>, Failure> {
        for (input, spec) in inputs.iter().zip(&self.signature.inputs) {
            kernel::elements(input.shape().sizes()).map_err(|reason| Failure {
                of_values: false,
                sources: Vec::new(),
                reason: format!("input {}: {reason}", Excerpt(&spec.name)),
            })?;
        }
        let mut slots: Vec<Option<Tensor>> = inputs.into_iter().map(Some).collect();
        slots.resize(self.plan.slots, None);
        for (place, step) in self.plan.steps.iter().enumerate() {
            let mut given =
                Inputs { slots: &mut slots, constants: &self.plan.constants, places: &step.inputs, budget };
            let failed = |reason: String| Failure {
                of_values: step.is_picky,
                sources: self.plan.sources(place, self.signature.inputs.len()),
                reason: format!("{}: {reason}", step.name),
            };
            let made = given.run(&*step.kernel).map_err(failed)?;
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
                    step.outputs
                        .iter()
                        .zip(tensors)
                        .for_each(|(slot, tensor)| put(&mut slots, Some(slot), tensor));
                }
            }
        }
        Ok(slots)
    }
}

/// Why a step made nothing.
struct Failure {
    reason: String,
    /// The inputs that it is made from, in order.
    sources: Vec<usize>,
    /// Other values of the same shape may do.
    of_values: bool,
}

fn put(slots: &mut [Option<Tensor>], slot: Option<&usize>, tensor: Tensor) {
    if let Some(slot) = slot.and_then(|&slot| slots.get_mut(slot)) {
        *slot = Some(tensor);
    }
}

/// The shape of an output that was made of one row and of two: what is the same for both is fixed.
fn shape_of(one: &Tensor, two: &Tensor) -> Option<Vec<i64>> {
    let (one, two) = (one.shape().sizes(), two.shape().sizes());
    let size =
        |(&one, &two): (&usize, &usize)| if one == two { i64::try_from(one).unwrap_or(-1) } else { -1 };
    (one.len() == two.len()).then(|| one.iter().zip(two).map(size).collect())
}

/// Whether rows are what is free of an input.
fn is_free(spec: &TensorSpec) -> bool {
    spec.shape.first().is_some_and(|&size| size < 0)
}

/// Converters declare shapes that are not what their graphs make, such as one label however many rows there are. A size that is
/// not declared stays so: it may depend on values, as all may of inputs that are not rows.
fn correct(spec: &mut TensorSpec, made: Vec<i64>) {
    if spec.shape.len() != made.len() {
        spec.shape = made;
        return;
    }
    for (declared, made) in spec.shape.iter_mut().zip(made) {
        if *declared >= 0 {
            *declared = made;
        }
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
        // They are gone by the time that a step fails.
        let sizes: Vec<usize> = inputs.iter().flat_map(|input| input.shape().sizes()).copied().collect();
        let failed = |failure| InferError::input(self.explain(failure, &sizes));
        let mut slots = self.run(inputs, None).map_err(failed)?;
        self.outputs(&mut slots, outputs)
    }
}

/// As many inputs as an error names.
const NAMED: usize = 8;

impl Tabular {
    /// What the client is told: the inputs that did not suit a step, and why. `sizes` are those of all inputs, one after the other.
    fn explain(&self, failure: Failure, mut sizes: &[usize]) -> String {
        let Failure { reason, sources, .. } = failure;
        let (mut told, mut more) = (Vec::new(), 0);
        for (index, spec) in self.signature.inputs.iter().enumerate() {
            let (own, rest) = sizes.split_at(spec.shape.len().min(sizes.len()));
            sizes = rest;
            if sources.binary_search(&index).is_err() {
                continue;
            }
            if told.len() == NAMED {
                more += 1;
            } else {
                told.push(format!("input {}, {} {}", Excerpt(&spec.name), spec.datatype, Shape::new(own)));
            }
        }
        if told.is_empty() {
            return reason;
        }
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        format!("{}{more}: {reason}", told.join(", "))
    }

    /// Takes outputs from where the steps left them.
    fn outputs(&self, slots: &mut [Option<Tensor>], outputs: &[usize]) -> Result<Vec<Tensor>, InferError> {
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
