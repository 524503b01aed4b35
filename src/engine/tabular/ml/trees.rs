//! Tree ensembles.
//!
//! `lists` and `ensemble` take an operator's lists apart and check them, `build` makes of them a `forest`, which is packed for the
//! walk from roots to `leaves`, and `score` makes scores and labels of what those hold.

mod build;
mod ensemble;
mod forest;
mod leaves;
mod lists;
mod score;

use super::labels::Labels;
use super::transform::Transform;
use crate::engine::tabular::kernel::Fallible;
use crate::engine::tabular::node::{Built, Op, unknown};
use crate::tensor::Datatype;
use lists::Leaves;
use score::{Aggregate, Classifier, Regressor};

/// Integers are compared as FP32, FP64 as what it is.
pub(super) fn classifier(op: &Op<'_>) -> Fallible<Built> {
    let labels = Labels::read(op, "classlabels_strings", "classlabels_int64s")?;
    let labels = labels.ok_or("its class labels are missing")?;
    let outputs = vec![labels.datatype(), Datatype::Fp32];
    let transform = Transform::read(op)?;
    if op.datatype(0)? == Datatype::Fp64 {
        let forest = lists::forest::<f64>(op, Leaves::Classes, labels.len())?;
        let base = lists::base_values(op)?;
        let kernel = Classifier::new(forest, labels, base, transform)?;
        return Ok(Built::several(kernel, outputs));
    }
    let forest = lists::forest::<f32>(op, Leaves::Classes, labels.len())?;
    let kernel = Classifier::new(forest, labels, lists::base_values(op)?, transform)?;
    Ok(Built::several(kernel, outputs))
}

pub(super) fn regressor(op: &Op<'_>) -> Fallible<Built> {
    let targets = targets(op)?;
    let aggregate = match op.text("aggregate_function")?.unwrap_or("SUM") {
        "SUM" => Aggregate::Sum,
        "AVERAGE" => Aggregate::Average,
        "MIN" => Aggregate::Min,
        "MAX" => Aggregate::Max,
        other => return Err(unknown("aggregate_function", other)),
    };
    let transform = Transform::read(op)?;
    if op.datatype(0)? == Datatype::Fp64 {
        let forest = lists::forest::<f64>(op, Leaves::Targets, targets)?;
        let kernel = Regressor::<f64, f32>::new(forest, aggregate, lists::base_values(op)?, transform)?;
        return Built::new(kernel, Datatype::Fp32);
    }
    let forest = lists::forest::<f32>(op, Leaves::Targets, targets)?;
    let kernel = Regressor::<f32, f32>::new(forest, aggregate, lists::base_values(op)?, transform)?;
    Built::new(kernel, Datatype::Fp32)
}

/// More scores than this, no model has for a row: each costs memory whether leaves weigh on it or not.
const MOST: i64 = 1 << 16;

fn targets(op: &Op<'_>) -> Fallible<usize> {
    let targets = op.integer("n_targets")?.unwrap_or(1);
    let known = usize::try_from(targets).ok().filter(|_| (1..=MOST).contains(&targets));
    known.ok_or_else(|| format!("n_targets is {targets}, not 1 to {MOST}"))
}

/// Version 5 of ai.onnx.ml has one operator for all, whose scores have the type of its input.
pub(super) fn ensemble(op: &Op<'_>) -> Fallible<Built> {
    let targets = targets(op)?;
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
            let forest = ensemble::ensemble::<f32>(op, targets)?;
            Built::new(Regressor::<f32, f32>::new(forest, aggregate, vec![], transform)?, Datatype::Fp32)
        }
        Datatype::Fp64 => {
            let forest = ensemble::ensemble::<f64>(op, targets)?;
            Built::new(Regressor::<f64, f64>::new(forest, aggregate, vec![], transform)?, Datatype::Fp64)
        }
        other => Err(format!("{other} is not covered")),
    }
}
