//! The engine for small dense networks: pure Rust, on the thread that calls it, without a hand-over to any other.
//!
//! It covers graphs of one FP32 input of two dimensions, whose operators are Gemm, MatMul and Add with constants, Relu, Sigmoid,
//! Tanh, Softmax and ArgMax along the last axis, and Identity. A model becomes a plan when it is loaded: values are numbered,
//! weights laid out for the loop that reads them, so that nothing is looked up by name later.
//!
//! Its bits depend on no processor feature and on no C library: sums are made in a fixed order, for each row by itself,
//! without fused multiply-add, and transcendental functions are the libm crate's.

mod kernels;
mod plan;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use super::onnx::Model;
use super::{Engine, InferError, LoadError, Spread};
use crate::tensor::{Data, Datatype, Shape, Signature, Tensor};

use plan::{Plan, Step};

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

/// One value while a model runs: a matrix of floats, or a label for each row.
#[derive(Clone, Debug, Default)]
enum Value {
    #[default]
    None,
    Floats(Vec<f32>),
    Labels(Vec<i64>),
}

impl Tabular {
    /// Loads a model; the error says what of it is not covered.
    pub(super) fn load(model: &Model, signature: Signature) -> Result<Arc<dyn Engine>, LoadError> {
        let plan = Plan::of(model, &signature)?;
        Ok(Arc::new(Self { signature, plan }))
    }

    /// The same, only for a model that is small enough to be this engine's by choice.
    pub(super) fn load_small(model: &Model, signature: &Signature) -> Option<Arc<dyn Engine>> {
        let plan = Plan::of(model, signature).ok().filter(|plan| plan.multiply_adds() <= SMALL)?;
        Some(Arc::new(Self { signature: signature.clone(), plan }))
    }
}

impl Engine for Tabular {
    fn name(&self) -> &'static str {
        NAME
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn infer(&self, inputs: Vec<Tensor>, outputs: &[usize], _: Spread) -> Result<Vec<Tensor>, InferError> {
        let Some((shape, Data::Fp32(floats))) = inputs.into_iter().next().map(Tensor::into_parts) else {
            return Err(InferError::failed(format!("{NAME}: the input is not FP32")));
        };
        let rows = shape.sizes().first().copied().unwrap_or(0);
        let mut values = vec![Value::None; self.plan.values];
        if let Some(value) = values.first_mut() {
            *value = Value::Floats(floats);
        }
        for Step { operation, from, to } in &self.plan.steps {
            let Some(Value::Floats(input)) = values.get(*from) else {
                return Err(InferError::failed(format!("{NAME}: a step reads what no step before it wrote")));
            };
            let output = operation.run(input, rows);
            if let Some(value) = values.get_mut(*to) {
                *value = output;
            }
        }
        let wanted = outputs
            .iter()
            .filter_map(|&index| Some((self.signature.outputs.get(index)?, *self.plan.outputs.get(index)?)));
        wanted
            .map(|(spec, place)| {
                let columns = place.columns;
                let data = match (values.get(place.value), spec.datatype) {
                    (Some(Value::Floats(floats)), Datatype::Fp32) => Data::Fp32(floats.clone()),
                    (Some(Value::Labels(labels)), Datatype::Int64) => Data::Int64(labels.clone()),
                    _ => {
                        return Err(InferError::failed(format!(
                            "{NAME}: output '{}' was not made",
                            spec.name
                        )));
                    }
                };
                let shape = columns.map_or_else(|| vec![rows], |columns| vec![rows, columns]);
                Tensor::new(Shape::new(shape), data).map_err(|data| {
                    InferError::failed(format!("{NAME}: '{}' has {} elements", spec.name, data.len()))
                })
            })
            .collect()
    }
}
