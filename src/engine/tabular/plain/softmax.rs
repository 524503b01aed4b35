//! Softmax and its logarithm.

use crate::engine::tabular::element::{Float, for_floats};
use crate::engine::tabular::kernel::{Fallible, Inputs, around, axis, made};
use crate::engine::tabular::node::{Built, Op};

pub(super) fn build(op: &Op<'_>) -> Fallible<Built> {
    let log = op.node.op_type == "LogSoftmax";
    for_floats!(op.datatype(0)?, T => along::<T>(op, log))
}

/// Before version 13 all dimensions from the axis on were one.
fn along<T: Float>(op: &Op<'_>, log: bool) -> Fallible<Built> {
    let joined = op.version < 13;
    let along = op.integer("axis")?.unwrap_or(if joined { 1 } else { -1 });
    Built::function(T::DATATYPE, move |inputs: &mut Inputs<'_>| {
        let sizes = inputs.sizes(0)?.to_vec();
        let along = axis(along, sizes.len())?;
        let (before, mut size, mut behind) = around(&sizes, along);
        if joined {
            (size, behind) = (size * behind, 1);
        }
        let mut values = inputs.values::<T>(0)?.to_vec();
        if behind == 1 {
            values.chunks_exact_mut(size.max(1)).for_each(|row| softmax(row, log));
        } else {
            for (row, column) in (0..before).flat_map(|row| (0..behind).map(move |column| (row, column))) {
                let from = row * size * behind + column;
                let mut line: Vec<T> = values.iter().skip(from).step_by(behind).take(size).copied().collect();
                softmax(&mut line, log);
                for (place, value) in values.iter_mut().skip(from).step_by(behind).zip(line) {
                    *place = value;
                }
            }
        }
        made(sizes, values)
    })
}

/// Makes values to shares of one.
pub(in crate::engine::tabular) fn shares<T: Float>(row: &mut [T]) {
    softmax(row, false);
}

/// Makes values to shares of one, or to their logarithms. They are taken relative to the largest, so that no power overflows.
fn softmax<T: Float>(row: &mut [T], log: bool) {
    let largest = row.iter().fold(T::LEAST, |largest, &x| if x > largest { x } else { largest });
    let mut sum = T::default();
    for x in row.iter_mut() {
        let relative = x.sub(largest);
        let power = relative.exp();
        sum = sum.add(power);
        *x = if log { relative } else { power };
    }
    let log_sum = sum.ln();
    for x in row {
        *x = if log { x.sub(log_sum) } else { x.div(sum) };
    }
}
