//! Sums and the like along axes. Sums run in the order of the elements.

use super::arithmetic::walk;
use crate::engine::tabular::element::{Element, Float, Number, for_floats, for_numbers};
use crate::engine::tabular::kernel::{Fallible, Inputs, around, axis, elements, made};
use crate::engine::tabular::node::{Built, Op};
use crate::tensor::Datatype;

pub(super) fn build(op: &Op<'_>) -> Fallible<Built> {
    let datatype = op.datatype(0)?;
    match op.node.op_type.as_str() {
        "ReduceMax" if datatype == Datatype::Bool => {
            reduce(op, |mut values| Iterator::any(&mut values, |value| value))
        }
        "ReduceMin" if datatype == Datatype::Bool => {
            reduce(op, |mut values| Iterator::all(&mut values, |value| value))
        }
        "CumSum" => for_numbers!(datatype, T => running::<T>(op)),
        "ReduceSum" => for_numbers!(datatype, T => reduce::<T>(op, sum)),
        "ReduceProd" => for_numbers!(datatype, T => reduce::<T>(op, |values| values.fold(T::ONE, T::mul))),
        "ReduceMax" => for_numbers!(datatype, T => reduce::<T>(op, |values| {
            values.fold(T::LEAST, |a, b| if b > a || b.is_nan() { b } else { a })
        })),
        "ReduceMin" => for_numbers!(datatype, T => reduce::<T>(op, |values| {
            values.fold(T::LARGEST, |a, b| if b < a || b.is_nan() { b } else { a })
        })),
        "ReduceSumSquare" => {
            for_numbers!(datatype, T => reduce::<T>(op, |values| sum(&mut values.map(|x| x.mul(x)))))
        }
        "ReduceL1" => for_numbers!(datatype, T => reduce::<T>(op, |values| sum(&mut values.map(T::abs)))),
        "ReduceMean" => for_numbers!(datatype, T => reduce::<T>(op, mean)),
        name @ ("ReduceL2" | "ReduceLogSum" | "ReduceLogSumExp")
            if matches!(datatype, Datatype::Int64 | Datatype::Int32) =>
        {
            let of: fn(&mut dyn Iterator<Item = f64>) -> f64 = match name {
                "ReduceL2" => length,
                "ReduceLogSum" => log_sum,
                _ => log_sum_exp,
            };
            for_numbers!(datatype, T => reduce::<T>(op, move |values| T::from_f64(of(&mut values.map(T::to_f64)))))
        }
        "ReduceL2" => for_floats!(datatype, T => reduce::<T>(op, length)),
        "ReduceLogSum" => for_floats!(datatype, T => reduce::<T>(op, log_sum)),
        _ => for_floats!(datatype, T => reduce::<T>(op, log_sum_exp)),
    }
}

fn sum<T: Number>(values: &mut dyn Iterator<Item = T>) -> T {
    values.fold(T::default(), T::add)
}

fn length<T: Float>(values: &mut dyn Iterator<Item = T>) -> T {
    sum(&mut values.map(|x| x.mul(x))).sqrt()
}

fn log_sum<T: Float>(values: &mut dyn Iterator<Item = T>) -> T {
    sum(values).ln()
}

fn mean<T: Number>(values: &mut dyn Iterator<Item = T>) -> T {
    let (sum, count) = values.fold((T::default(), 0_u32), |(sum, count), x| (sum.add(x), count + 1));
    sum.div(T::from_f64(f64::from(count)))
}

/// Relative to the largest, so that no power overflows.
fn log_sum_exp<T: Float>(values: &mut dyn Iterator<Item = T>) -> T {
    let values: Vec<T> = values.collect();
    let largest = values.iter().fold(T::LEAST, |a, &b| if b > a || b.is_nan() { b } else { a });
    if largest == T::LEAST || largest == T::LARGEST {
        return largest;
    }
    sum(&mut values.iter().map(|x| x.sub(largest).exp())).ln().add(largest)
}

fn reduce<T: Element>(
    op: &Op<'_>,
    function: impl Fn(&mut dyn Iterator<Item = T>) -> T + Send + Sync + 'static,
) -> Fallible<Built> {
    let attribute = op.given_integers("axes")?;
    let keep = op.flag("keepdims", true)?;
    let none_is_none = op.flag("noop_with_empty_axes", false)?;
    Built::function(T::DATATYPE, move |inputs: &mut Inputs<'_>| {
        let sizes = inputs.sizes(0)?;
        let axes = inputs.integers(1)?.or_else(|| attribute.clone()).unwrap_or_default();
        let values = inputs.values::<T>(0)?;
        let gone: Vec<bool> = if axes.is_empty() {
            vec![!none_is_none; sizes.len()]
        } else {
            let axes = axes.iter().map(|&at| axis(at, sizes.len())).collect::<Fallible<Vec<_>>>()?;
            (0..sizes.len()).map(|place| axes.contains(&place)).collect()
        };
        let kept = sizes.iter().zip(&gone);
        let shape: Vec<usize> = if keep {
            kept.map(|(&size, &gone)| if gone { 1 } else { size }).collect()
        } else {
            kept.filter(|(_, gone)| !**gone).map(|(&size, _)| size).collect()
        };
        elements(&shape)?;
        // Where the elements of each result begin, and how far from there each lies.
        let (mut stays, mut goes) = ((Vec::new(), Vec::new()), (Vec::new(), Vec::new()));
        let mut stride = 1;
        for (&size, &gone) in sizes.iter().zip(&gone).rev() {
            let (own, strides) = if gone { &mut goes } else { &mut stays };
            own.insert(0, size);
            strides.insert(0, stride);
            stride *= size;
        }
        let steps = walk(&goes.0, &goes.1, 0)?;
        let reduced: Vec<T> = walk(&stays.0, &stays.1, 0)?
            .into_iter()
            .map(|start| function(&mut steps.iter().filter_map(|step| values.get(start + step).copied())))
            .collect();
        made(shape, reduced)
    })
}

fn running<T: Number>(op: &Op<'_>) -> Fallible<Built> {
    let (exclusive, reverse) = (op.flag("exclusive", false)?, op.flag("reverse", false)?);
    op.datatype(1)?;
    Built::function(T::DATATYPE, move |inputs: &mut Inputs<'_>| {
        let along =
            inputs.integers(1)?.and_then(|axes| axes.first().copied()).ok_or("its axis is missing")?;
        let sizes = inputs.sizes(0)?.to_vec();
        let (before, size, behind) = around(&sizes, axis(along, sizes.len())?);
        let values = inputs.values::<T>(0)?;
        let mut sums = vec![T::default(); values.len()];
        for (row, column) in (0..before).flat_map(|row| (0..behind).map(move |column| (row, column))) {
            let mut sum = T::default();
            for step in 0..size {
                let step = if reverse { size - 1 - step } else { step };
                let at = (row * size + step) * behind + column;
                let (Some(&value), Some(place)) = (values.get(at), sums.get_mut(at)) else { continue };
                let next = sum.add(value);
                *place = if exclusive { sum } else { next };
                sum = next;
            }
        }
        made(sizes, sums)
    })
}
