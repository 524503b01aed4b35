//! The same function of every element.

use crate::engine::tabular::element::{Element, Float, Number, for_floats, for_numbers};
use crate::engine::tabular::kernel::{Fallible, Inputs, Output, made};
use crate::engine::tabular::node::{Built, Op};
use crate::tensor::{Datatype, Tensor};

/// The functions of [`Float`] are named in full: by their short names they would be those of the C library.
pub(super) fn build(op: &Op<'_>) -> Fallible<Built> {
    let datatype = op.datatype(0)?;
    match op.node.op_type.as_str() {
        "Abs" => for_numbers!(datatype, T => each::<T, T>(T::abs)),
        "Neg" => for_numbers!(datatype, T => each::<T, T>(T::neg)),
        "Sign" => for_numbers!(datatype, T => each(sign::<T>)),
        "Floor" => for_floats!(datatype, T => each::<T, T>(T::floor)),
        "Ceil" => for_floats!(datatype, T => each::<T, T>(T::ceil)),
        "Sqrt" => for_floats!(datatype, T => each::<T, T>(<T as Float>::sqrt)),
        "Exp" => for_floats!(datatype, T => each::<T, T>(<T as Float>::exp)),
        "Log" => for_floats!(datatype, T => each::<T, T>(<T as Float>::ln)),
        "Reciprocal" => for_floats!(datatype, T => each::<T, T>(|x| T::ONE.div(x))),
        "Sigmoid" => for_floats!(datatype, T => each(sigmoid::<T>)),
        "Tanh" => for_floats!(datatype, T => each::<T, T>(<T as Float>::tanh)),
        "Relu" => for_numbers!(datatype, T => each(relu::<T>)),
        "IsNaN" => for_floats!(datatype, T => each(T::is_nan)),
        "Not" if datatype == Datatype::Bool => each(|x: bool| !x),
        "Clip" => for_numbers!(datatype, T => clip::<T>(op)),
        _ => Err(format!("{datatype} is not covered")),
    }
}

fn each<A: Element, B: Element>(function: impl Fn(A) -> B + Send + Sync + 'static) -> Fallible<Built> {
    Built::function(B::DATATYPE, move |inputs: &mut Inputs<'_>| {
        let values = inputs.values::<A>(0)?.iter().map(|&value| function(value)).collect::<Vec<B>>();
        made(inputs.sizes(0)?, values)
    })
}

fn sign<T: Number>(x: T) -> T {
    match x.partial_cmp(&T::default()) {
        Some(std::cmp::Ordering::Greater) => T::ONE,
        Some(std::cmp::Ordering::Less) => T::ONE.neg(),
        // NaN stays NaN, and zero keeps its sign.
        _ => x,
    }
}

/// From the side on which nothing overflows.
fn sigmoid<T: Float>(x: T) -> T {
    if x < T::default() {
        let small = x.exp();
        small.div(T::ONE.add(small))
    } else {
        T::ONE.div(T::ONE.add(x.neg().exp()))
    }
}

/// Not a maximum, which would turn NaN into zero.
fn relu<T: Number>(x: T) -> T {
    if x < T::default() { T::default() } else { x }
}

/// Bounds are attributes up to version 6 of the operator, inputs from 11 on; without one it is the type's largest finite number.
fn clip<T: Number>(op: &Op<'_>) -> Fallible<Built> {
    let bound = |name| Ok::<_, String>(op.float(name)?.map(|bound| T::from_f64(f64::from(bound))));
    let (least, largest) = (bound("min")?, bound("max")?);
    Built::function(T::DATATYPE, move |inputs: &mut Inputs<'_>| {
        let given = |index: usize| match inputs.find(index) {
            None => Ok(None),
            Some(bound) => super::super::kernel::values::<T>(bound).map(|values| values.first().copied()),
        };
        let least = given(1)?.or(least).unwrap_or(T::LEAST_FINITE);
        let largest = given(2)?.or(largest).unwrap_or(T::LARGEST_FINITE);
        let clipped = |&x: &T| {
            let x = if x < least { least } else { x };
            if x > largest { largest } else { x }
        };
        let values = inputs.values::<T>(0)?.iter().map(clipped).collect();
        let sizes = inputs.sizes(0)?.to_vec();
        made::<T>(sizes, values)
    })
}

/// One tensor through unchanged, without a copy where nobody else needs it.
pub(super) fn through(inputs: &mut Inputs<'_>) -> Fallible<Output> {
    inputs.take(0).map(Tensor::into)
}
