//! Tree ensembles.
//!
//! `read` takes an operator's lists apart and checks them, `forest` is what they become, packed for the walk from roots to
//! leaves, and `score` makes scores and labels of what the leaves hold.

mod forest;
mod read;
mod score;

use super::labels::Labels;
use super::transform::Transform;
use crate::engine::tabular::kernel::Fallible;
use crate::engine::tabular::node::{Built, Op};
use crate::tensor::Datatype;
use read::Leaves;
use score::{Aggregate, Classifier, Regressor};

/// Integers are compared as FP32, FP64 as what it is.
pub(super) fn classifier(op: &Op<'_>) -> Fallible<Built> {
    let labels = Labels::read(op, "classlabels_strings", "classlabels_int64s")?;
    let labels = labels.ok_or("its class labels are missing")?;
    let outputs = vec![labels.datatype(), Datatype::Fp32];
    let transform = Transform::read(op)?;
    if op.datatype(0)? == Datatype::Fp64 {
        let forest = read::forest::<f64>(op, Leaves::Classes, labels.len())?;
        let base = read::base_values(op)?;
        let kernel = Classifier::new(forest, labels, base, transform)?;
        return Ok(Built { kernel: Box::new(kernel), outputs });
    }
    let forest = read::forest::<f32>(op, Leaves::Classes, labels.len())?;
    let kernel = Classifier::new(forest, labels, read::base_values(op)?, transform)?;
    Ok(Built { kernel: Box::new(kernel), outputs })
}

pub(super) fn regressor(op: &Op<'_>) -> Fallible<Built> {
    let targets = usize::try_from(op.integer("n_targets")?.unwrap_or(1)).map_err(|_| "n_targets is negative")?;
    let aggregate = match op.text("aggregate_function")?.unwrap_or("SUM") {
        "SUM" => Aggregate::Sum,
        "AVERAGE" => Aggregate::Average,
        "MIN" => Aggregate::Min,
        "MAX" => Aggregate::Max,
        other => return Err(op.unknown("aggregate_function", other)),
    };
    let transform = Transform::read(op)?;
    if op.datatype(0)? == Datatype::Fp64 {
        let forest = read::forest::<f64>(op, Leaves::Targets, targets)?;
        let kernel = Regressor::<f64, f32>::new(forest, aggregate, read::base_values(op)?, transform)?;
        return Built::new(kernel, Datatype::Fp32);
    }
    let forest = read::forest::<f32>(op, Leaves::Targets, targets)?;
    let kernel = Regressor::<f32, f32>::new(forest, aggregate, read::base_values(op)?, transform)?;
    Built::new(kernel, Datatype::Fp32)
}

/// Version 5 of ai.onnx.ml has one operator for all, whose scores have the type of its input.
pub(super) fn ensemble(op: &Op<'_>) -> Fallible<Built> {
    let targets = usize::try_from(op.integer("n_targets")?.unwrap_or(1)).map_err(|_| "n_targets is negative")?;
    let aggregate = match op.integer("aggregate_function")?.unwrap_or(1) {
        0 => Aggregate::Average,
        1 => Aggregate::Sum,
        2 => Aggregate::Min,
        3 => Aggregate::Max,
        other => return Err(format!("aggregate_function {other} is not known")),
    };
    let transform = Transform::numbered(op.integer("post_transform")?.unwrap_or(0))?;
    match op.datatype(0)? {
        Datatype::Fp32 => {
            let forest = read::ensemble::<f32>(op, targets)?;
            Built::new(Regressor::<f32, f32>::new(forest, aggregate, vec![], transform)?, Datatype::Fp32)
        }
        Datatype::Fp64 => {
            let forest = read::ensemble::<f64>(op, targets)?;
            Built::new(Regressor::<f64, f64>::new(forest, aggregate, vec![], transform)?, Datatype::Fp64)
        }
        other => Err(format!("{other} is not covered")),
    }
}
