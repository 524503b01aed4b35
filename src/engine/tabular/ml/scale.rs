//! Scaler, Normalizer, Imputer and Binarizer: numbers to numbers, column by column or row by row.

use super::linear::rows_and_width;
use crate::engine::tabular::element::{Element, Number, for_numbers};
use crate::engine::tabular::kernel::{Fallible, Inputs, made};
use crate::engine::tabular::node::{Built, Op, unknown};
use crate::engine::tabular::plain::floats;
use crate::tensor::Datatype;

/// A value per column, or one for all.
fn per_column<T: Copy>(values: &[T], columns: usize, what: &str) -> Fallible<Vec<T>> {
    match values {
        [one] => Ok(vec![*one; columns]),
        values if values.len() == columns => Ok(values.to_vec()),
        values => Err(format!("{} values in {what} are not for {columns} columns", values.len())),
    }
}

pub(super) fn scaler(op: &Op<'_>) -> Fallible<Built> {
    op.datatype(0)?;
    let (offset, scale) = (op.floats("offset")?.to_vec(), op.floats("scale")?.to_vec());
    Built::function(Datatype::Fp32, move |inputs: &mut Inputs<'_>| {
        let sizes = inputs.sizes(0)?.to_vec();
        let columns = sizes.last().copied().unwrap_or(1);
        let (offset, scale) =
            (per_column(&offset, columns, "offset")?, per_column(&scale, columns, "scale")?);
        let mut values: Vec<f32> = floats(inputs.get(0)?.data())?;
        for row in values.chunks_exact_mut(columns.max(1)) {
            for (value, (offset, scale)) in row.iter_mut().zip(offset.iter().zip(&scale)) {
                *value = (*value - offset) * scale;
            }
        }
        made(sizes, values)
    })
}

pub(super) fn normalizer(op: &Op<'_>) -> Fallible<Built> {
    op.datatype(0)?;
    let normalize: fn(&mut [f32]) = match op.text("norm")?.unwrap_or("MAX") {
        "MAX" => |row| divide(row, row.iter().fold(f32::NEG_INFINITY, |largest, &x| largest.max(x))),
        "L1" => |row| divide(row, row.iter().fold(0.0, |sum, x| sum + x.abs())),
        "L2" => |row| divide(row, libm::sqrtf(row.iter().fold(0.0, |sum, x| sum + x * x))),
        other => return Err(unknown("norm", other)),
    };
    Built::function(Datatype::Fp32, move |inputs: &mut Inputs<'_>| {
        let sizes = inputs.sizes(0)?.to_vec();
        let (_, columns) = rows_and_width(&sizes)?;
        let mut values: Vec<f32> = floats(inputs.get(0)?.data())?;
        values.chunks_exact_mut(columns.max(1)).for_each(normalize);
        made(sizes, values)
    })
}

/// A row whose norm is zero stays what it is.
fn divide(row: &mut [f32], norm: f32) {
    if norm != 0.0 {
        for x in row {
            *x /= norm;
        }
    }
}

pub(super) fn imputer(op: &Op<'_>) -> Fallible<Built> {
    let datatype = op.datatype(0)?;
    for_numbers!(datatype, T => {
        let (imputed, replaced): (Vec<T>, T) = if op.attribute("imputed_value_int64s").is_some() {
            let number = T::from_i64;
            let imputed = op.integers("imputed_value_int64s")?.iter().map(|&value| number(value)).collect();
            (imputed, number(op.integer("replaced_value_int64")?.unwrap_or(0)))
        } else {
            let number = |value: f32| T::from_f64(f64::from(value));
            let imputed = op.floats("imputed_value_floats")?.iter().map(|&value| number(value)).collect();
            (imputed, number(op.float("replaced_value_float")?.unwrap_or(0.0)))
        };
        Built::function(datatype, move |inputs: &mut Inputs<'_>| {
            let sizes = inputs.sizes(0)?.to_vec();
            let columns = sizes.last().copied().unwrap_or(1);
            let imputed = per_column(&imputed, columns, "imputed_value")?;
            let mut values = inputs.values::<T>(0)?.to_vec();
            for row in values.chunks_exact_mut(columns.max(1)) {
                for (value, &imputed) in row.iter_mut().zip(&imputed) {
                    #[allow(clippy::float_cmp)] // what is asked
                    if *value == replaced || (replaced.is_nan() && value.is_nan()) {
                        *value = imputed;
                    }
                }
            }
            made(sizes, values)
        })
    })
}

pub(super) fn binarizer(op: &Op<'_>) -> Fallible<Built> {
    let threshold = op.float("threshold")?.unwrap_or(0.0);
    for_numbers!(op.datatype(0)?, T => {
        let exact = f64::from(threshold);
        // Below an integer's range is everything above it, though no integer is there to compare with.
        let all = exact < T::LEAST.to_f64();
        let threshold = T::at_most(exact);
        Built::function(T::DATATYPE, move |inputs: &mut Inputs<'_>| {
            let is_above = |value: T| all || threshold.is_some_and(|threshold| value > threshold);
            let above = |&value: &T| if is_above(value) { T::ONE } else { T::default() };
            let values: Vec<T> = inputs.values::<T>(0)?.iter().map(above).collect();
            made(inputs.sizes(0)?, values)
        })
    })
}
