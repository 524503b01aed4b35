//! Products of matrices.

use super::arithmetic::{broadcast, positions};
use super::dense::{AT_ONCE, Dense, Layer, laid_out};
use crate::engine::tabular::element::{Element, Number, for_floats, for_numbers};
use crate::engine::tabular::kernel::{Fallible, Inputs, Kernel, Output, elements, made, values};
use crate::engine::tabular::node::{Built, Op};
use crate::tensor::{Datatype, Tensor};

pub(super) fn build(op: &Op<'_>) -> Fallible<Built> {
    if op.node.op_type == "Gemm" {
        let datatype = op.shared((0..3).filter(|&index| index < 2 || op.has(index)))?;
        return match datatype {
            Datatype::Int64 | Datatype::Int32 => for_numbers!(datatype, T => general::<T>(op)),
            _ => for_floats!(datatype, T => gemm::<T>(op)),
        };
    }
    let datatype = op.shared([0, 1])?;
    if let Some(Some(weights)) = op.constants.get(1)
        && let [rows, columns] = *weights.shape().sizes()
        && rows > 0
        && columns > 0
    {
        op.budget.make(laid_out(rows, columns))?;
        let layer: Fallible<Built> = for_floats!(datatype, T => Built::new(Dense::new(values::<T>(weights)?, vec![T::default(); columns], false), datatype));
        if layer.is_ok() {
            return layer;
        }
    }
    for_numbers!(datatype, T => Built::new(MatMul::<T>(std::marker::PhantomData), datatype))
}

/// With a constant bias, and with Relu, where they follow a product with constant weights and nothing else needs what is between.
pub(in crate::engine::tabular) fn layer(
    weights: &Tensor,
    bias: Option<&Tensor>,
    relu: bool,
) -> Fallible<Built> {
    for_floats!(weights.datatype(), T => {
        let [rows, columns] = *weights.shape().sizes() else { return Err("its weights are no matrix".into()) };
        if rows == 0 || columns == 0 {
            return Err("its weights are empty".into());
        }
        // What is added may have more dimensions than the product of a vector, and so has the sum.
        let dimensions = bias.map_or(0, |bias| bias.shape().rank());
        let bias = row::<T>(bias, columns)?;
        let layer = Dense::new(values::<T>(weights)?, bias, relu).of_at_least(dimensions);
        Built::new(layer, T::DATATYPE)
    })
}

/// A bias as a row: given as one, or as one number for all columns, or not at all.
fn row<T: Number>(bias: Option<&Tensor>, columns: usize) -> Fallible<Vec<T>> {
    let Some(bias) = bias else { return Ok(vec![T::default(); columns]) };
    let (sizes, values) = (bias.shape().sizes(), values::<T>(bias)?);
    match values {
        _ if sizes.len() > 2 || sizes.iter().rev().skip(1).any(|&size| size != 1) => {
            Err("its addend is not one row".into())
        }
        [one] => Ok(vec![*one; columns]),
        row if row.len() == columns => Ok(row.to_vec()),
        _ => Err("its addend does not fit".into()),
    }
}

fn transposed<T: Number>(values: &[T], rows: usize, columns: usize) -> Vec<T> {
    (0..columns)
        .flat_map(|column| values.iter().skip(column).step_by(columns.max(1)).take(rows).copied())
        .collect()
}

/// Any product, from the attributes that scale and turn its parts.
fn general<T: Number>(op: &Op<'_>) -> Fallible<Built> {
    Built::new(Gemm::<T>::read(op)?, T::DATATYPE)
}

/// A layer where it can be one.
fn gemm<T: Layer>(op: &Op<'_>) -> Fallible<Built> {
    let Gemm { alpha, beta, turn_a, turn_b } = Gemm::<T>::read(op)?;
    let weights = op.constants.get(1).copied().flatten();
    let bias = op.constants.get(2).copied().flatten();
    if let Some(weights) = weights
        && let [rows, columns] = *weights.shape().sizes()
        && (bias.is_some() || !op.has(2))
        && alpha.is_none()
        && beta.is_none()
        && !turn_a
        && rows > 0
        && columns > 0
    {
        let own = values::<T>(weights)?;
        let (turned, columns) =
            if turn_b { (transposed(own, rows, columns), rows) } else { (own.to_vec(), columns) };
        op.budget.make(laid_out(own.len() / columns, columns))?;
        if let Ok(bias) = row::<T>(bias, columns) {
            return Built::new(Dense::new(&turned, bias, false), T::DATATYPE);
        }
    }
    general::<T>(op)
}

struct Gemm<T> {
    alpha: Option<T>,
    beta: Option<T>,
    turn_a: bool,
    turn_b: bool,
}

impl<T: Number> Gemm<T> {
    fn read(op: &Op<'_>) -> Fallible<Self> {
        let factor = |name| {
            let Some(factor) = op.float(name)? else { return Ok(None) };
            let own = T::from_f64(f64::from(factor));
            #[allow(clippy::float_cmp)] // what is asked
            if !factor.is_nan() && own.to_f64() != f64::from(factor) {
                return Err(format!("{name} is {factor}, which {} cannot hold", T::DATATYPE));
            }
            Ok(Some(own).filter(|&own| own != T::ONE))
        };
        let (turn_a, turn_b) = (op.flag("transA", false)?, op.flag("transB", false)?);
        Ok(Self { alpha: factor("alpha")?, beta: factor("beta")?, turn_a, turn_b })
    }
}

impl<T: Number> Kernel for Gemm<T> {
    fn run(&self, inputs: &mut Inputs<'_>) -> Fallible<Output> {
        let matrix = |index: usize, turn: bool| {
            let [rows, columns] = *inputs.sizes(index)? else {
                return Err(format!("input {index} is no matrix"));
            };
            let own = inputs.values::<T>(index)?;
            Ok(if turn {
                (transposed(own, rows, columns), columns, rows)
            } else {
                (own.to_vec(), rows, columns)
            })
        };
        let ((a, rows, inner), (b, other, columns)) = (matrix(0, self.turn_a)?, matrix(1, self.turn_b)?);
        if inner != other {
            return Err(format!("{inner} columns and {other} rows do not fit each other"));
        }
        let sizes = vec![rows, columns];
        inputs.step(elements(&sizes)?.saturating_mul(inner) / AT_ONCE)?;
        let mut sums = product(&a, &b, inner, columns, rows);
        if let Some(alpha) = self.alpha {
            for sum in &mut sums {
                *sum = sum.mul(alpha);
            }
        }
        if let Some(addend) = inputs.find(2) {
            let own = positions(addend.shape().sizes(), &sizes)?;
            broadcast([addend.shape().sizes(), &sizes]).and_then(|joint| {
                if joint == sizes { Ok(()) } else { Err("its addend does not fit".into()) }
            })?;
            let addend = values::<T>(addend)?;
            for (sum, &at) in sums.iter_mut().zip(&own) {
                let addend = addend.get(at).copied().unwrap_or_default();
                *sum = sum.add(self.beta.map_or(addend, |beta| beta.mul(addend)));
            }
        }
        made(sizes, sums)
    }

    fn multiply_adds(&self) -> Option<usize> {
        None
    }
}

/// Each sum in the order of the inner dimension; rows of the right matrix are read as they lie.
fn product<T: Number>(a: &[T], b: &[T], inner: usize, columns: usize, rows: usize) -> Vec<T> {
    let mut sums = vec![T::default(); rows * columns];
    if columns > 0 && inner > 0 {
        for (row, sums) in a.chunks_exact(inner).zip(sums.chunks_exact_mut(columns)) {
            for (&x, weights) in row.iter().zip(b.chunks_exact(columns)) {
                for (sum, &weight) in sums.iter_mut().zip(weights) {
                    *sum = sum.add(x.mul(weight));
                }
            }
        }
    }
    sums
}

struct MatMul<T>(std::marker::PhantomData<T>);

impl<T: Number> Kernel for MatMul<T> {
    fn run(&self, inputs: &mut Inputs<'_>) -> Fallible<Output> {
        let (own, other) = (inputs.sizes(0)?.to_vec(), inputs.sizes(1)?.to_vec());
        // A vector on the left is one row, on the right one column, and the dimension that it gets goes again.
        let left = if let [columns] = own[..] { vec![1, columns] } else { own.clone() };
        let right = if let [rows] = other[..] { vec![rows, 1] } else { other.clone() };
        let ([outer @ .., rows, inner], [others @ .., again, columns]) = (&left[..], &right[..]) else {
            return Err("its inputs are single numbers".into());
        };
        if inner != again {
            return Err(format!("{inner} columns and {again} rows do not fit each other"));
        }
        let batches = broadcast([outer, others])?;
        let mut sizes = batches.clone();
        sizes.extend([*rows, *columns]);
        inputs.step(elements(&sizes)?.saturating_mul(*inner) / AT_ONCE)?;
        let (a, b) = (inputs.values::<T>(0)?, inputs.values::<T>(1)?);
        let mut sums = Vec::new();
        for (left, right) in positions(outer, &batches)?.into_iter().zip(positions(others, &batches)?) {
            let (size, other) = (rows * inner, inner * columns);
            let a = a.get(left * size..(left + 1) * size).unwrap_or_default();
            let b = b.get(right * other..(right + 1) * other).unwrap_or_default();
            sums.extend(product(a, b, *inner, *columns, *rows));
        }
        if other.len() == 1 {
            sizes.pop();
        }
        if own.len() == 1 {
            sizes.remove(sizes.len() - if other.len() == 1 { 1 } else { 2 });
        }
        made(sizes, sums)
    }

    fn multiply_adds(&self) -> Option<usize> {
        None
    }
}
