//! Functions of several tensors, element by element, with ONNX's multidirectional broadcasting.

use crate::engine::tabular::element::{Element, Float, Number, for_floats, for_numbers};
use crate::engine::tabular::kernel::{Fallible, Inputs, elements, made, pick, tensor, texts, values};
use crate::engine::tabular::node::{Built, Op};
use crate::tensor::{Data, Datatype, Tensor};

pub(super) fn build(op: &Op<'_>) -> Fallible<Built> {
    let name = op.node.op_type.as_str();
    // Before version 7 broadcasting was another, by attributes.
    if op.attribute("broadcast").is_some() || op.attribute("axis").is_some() {
        return Err("broadcasting by attributes, from before version 7, is not covered".into());
    }
    match name {
        "Where" => return select(op),
        "Max" | "Min" | "Sum" | "Mean" => return variadic(op),
        "Pow" => return power(op),
        _ => {}
    }
    let datatype = op.shared([0, 1])?;
    match name {
        "Add" => for_numbers!(datatype, T => pairs::<T, T>(T::add)),
        "Sub" => for_numbers!(datatype, T => pairs::<T, T>(T::sub)),
        "Mul" => for_numbers!(datatype, T => pairs::<T, T>(T::mul)),
        "Div" => for_numbers!(datatype, T => pairs::<T, T>(T::div)),
        "Less" => for_numbers!(datatype, T => pairs::<T, bool>(|a, b| a < b)),
        "LessOrEqual" => for_numbers!(datatype, T => pairs::<T, bool>(|a, b| a <= b)),
        "Greater" => for_numbers!(datatype, T => pairs::<T, bool>(|a, b| a > b)),
        "GreaterOrEqual" => for_numbers!(datatype, T => pairs::<T, bool>(|a, b| a >= b)),
        "And" if datatype == Datatype::Bool => pairs(|a: bool, b: bool| a && b),
        "Or" if datatype == Datatype::Bool => pairs(|a: bool, b: bool| a || b),
        "Xor" | "Equal" if datatype == Datatype::Bool => {
            let equal = name == "Equal";
            pairs(move |a: bool, b: bool| (a == b) == equal)
        }
        "Equal" if datatype == Datatype::Bytes => Built::function(Datatype::Bool, equal_strings),
        #[allow(clippy::float_cmp)] // what is asked
        "Equal" => for_numbers!(datatype, T => pairs::<T, bool>(|a, b| a == b)),
        _ => Err(format!("{datatype} is not covered")),
    }
}

/// The shape to which several are broadcast.
pub(super) fn broadcast<'a>(shapes: impl IntoIterator<Item = &'a [usize]>) -> Fallible<Vec<usize>> {
    let mut joint: Vec<usize> = Vec::new();
    for sizes in shapes {
        if sizes.len() > joint.len() {
            joint.splice(0..0, vec![1; sizes.len() - joint.len()]);
        }
        let offset = joint.len() - sizes.len();
        for (joint, &size) in joint.iter_mut().skip(offset).zip(sizes) {
            match (*joint, size) {
                (1, size) => *joint = size,
                (joint, size) if joint == size || size == 1 => {}
                (joint, size) => return Err(format!("sizes {joint} and {size} do not fit each other")),
            }
        }
    }
    Ok(joint)
}

/// For each element of a shape, where it comes from in a tensor that is broadcast to it.
pub(super) fn positions(sizes: &[usize], to: &[usize]) -> Fallible<Vec<usize>> {
    let mut strides = vec![0; to.len()];
    let mut stride = 1;
    for (own, &size) in strides.iter_mut().rev().zip(sizes.iter().rev()) {
        *own = if size == 1 { 0 } else { stride };
        stride *= size;
    }
    walk(to, &strides, 0)
}

/// The positions that one comes by walking through a shape with some strides from a start.
pub(super) fn walk(sizes: &[usize], strides: &[usize], start: usize) -> Fallible<Vec<usize>> {
    let mut positions = Vec::with_capacity(elements(sizes)?);
    positions.extend((!sizes.contains(&0)).then_some(start));
    for (&size, &stride) in sizes.iter().zip(strides) {
        if size != 1 {
            positions = positions
                .iter()
                .flat_map(|&position| {
                    (0..size).map(move |step| position.wrapping_add(step.wrapping_mul(stride)))
                })
                .collect();
        }
    }
    Ok(positions)
}

fn pairs<A: Element, B: Element>(function: impl Fn(A, A) -> B + Send + Sync + 'static) -> Fallible<Built> {
    Built::function(B::DATATYPE, move |inputs: &mut Inputs<'_>| {
        let (a, b) = (inputs.get(0)?, inputs.get(1)?);
        let (sizes, values) = paired(a, b, &function)?;
        made(sizes, values)
    })
}

fn paired<A: Element, B>(
    a: &Tensor,
    b: &Tensor,
    function: impl Fn(A, A) -> B,
) -> Fallible<(Vec<usize>, Vec<B>)> {
    let (left, right) = (values::<A>(a)?, values::<A>(b)?);
    let (own, other) = (a.shape().sizes(), b.shape().sizes());
    let sizes = broadcast([own, other])?;
    elements(&sizes)?;
    let made = if own == other {
        left.iter().zip(right).map(|(&a, &b)| function(a, b)).collect()
    } else if let ([b], true) = (right, sizes == own) {
        left.iter().map(|&a| function(a, *b)).collect()
    } else if let ([a], true) = (left, sizes == other) {
        right.iter().map(|&b| function(*a, b)).collect()
    } else if sizes == own && own.ends_with(other) && !right.is_empty() {
        // A row for every row, as biases and scales are.
        left.chunks(right.len())
            .flat_map(|row| row.iter().zip(right).map(|(&a, &b)| function(a, b)))
            .collect()
    } else {
        let (own, other) = (positions(own, &sizes)?, positions(other, &sizes)?);
        let pairs = own.iter().zip(&other).map(|(&a, &b)| Some(function(*left.get(a)?, *right.get(b)?)));
        pairs.collect::<Option<_>>().ok_or("an index is outside")?
    };
    Ok((sizes, made))
}

fn equal_strings(inputs: &mut Inputs<'_>) -> Fallible<super::super::kernel::Output> {
    let (a, b) = (inputs.get(0)?, inputs.get(1)?);
    let (Data::Bytes(left), Data::Bytes(right)) = (a.data(), b.data()) else {
        return Err("expected strings".into());
    };
    let sizes = broadcast([a.shape().sizes(), b.shape().sizes()])?;
    let own = positions(a.shape().sizes(), &sizes)?;
    let other = positions(b.shape().sizes(), &sizes)?;
    made(sizes, own.iter().zip(&other).map(|(&a, &b)| left.get(a) == right.get(b)).collect::<Vec<bool>>())
}

/// The power may be of another type than the base, whose type the result has.
fn power(op: &Op<'_>) -> Fallible<Built> {
    let (base, exponent) = (op.datatype(0)?, op.datatype(1)?);
    for_numbers!(exponent, E => match base {
        Datatype::Fp32 => mixed::<f32, E>(|base, power| float_power(base, f32::from_f64(power.to_f64()))),
        Datatype::Fp64 => mixed::<f64, E>(|base, power| float_power(base, power.to_f64())),
        Datatype::Int64 => mixed::<i64, E>(|base, power| i64::from_f64(libm::pow(base.to_f64(), power.to_f64()))),
        Datatype::Int32 => mixed::<i32, E>(|base, power| i32::from_f64(libm::pow(base.to_f64(), power.to_f64()))),
        other => Err(format!("{other} is not covered")),
    })
}

/// Squares, which is what models have most, are exact.
fn float_power<T: Float>(base: T, power: T) -> T {
    if power == T::ONE.add(T::ONE) { base.mul(base) } else { base.pow(power) }
}

fn mixed<A: Element, E: Element>(function: impl Fn(A, E) -> A + Send + Sync + 'static) -> Fallible<Built> {
    Built::function(A::DATATYPE, move |inputs: &mut Inputs<'_>| {
        let (bases, powers) = (inputs.values::<A>(0)?, inputs.values::<E>(1)?);
        let sizes = broadcast([inputs.sizes(0)?, inputs.sizes(1)?])?;
        let values: Vec<A> = match powers {
            [power] if sizes == inputs.sizes(0)? => {
                bases.iter().map(|&base| function(base, *power)).collect()
            }
            _ => {
                let (own, other) =
                    (positions(inputs.sizes(0)?, &sizes)?, positions(inputs.sizes(1)?, &sizes)?);
                let pairs =
                    own.iter().zip(&other).map(|(&a, &b)| Some(function(*bases.get(a)?, *powers.get(b)?)));
                pairs.collect::<Option<_>>().ok_or("an index is outside")?
            }
        };
        made(sizes, values)
    })
}

fn variadic(op: &Op<'_>) -> Fallible<Built> {
    let datatype = op.shared(0..op.types.len())?;
    // NaN wins, whichever side it is on.
    match op.node.op_type.as_str() {
        "Max" => {
            for_numbers!(datatype, T => fold::<T>(|a, b| if b > a || b.is_nan() { b } else { a }, false))
        }
        "Min" => {
            for_numbers!(datatype, T => fold::<T>(|a, b| if b < a || b.is_nan() { b } else { a }, false))
        }
        "Sum" => for_floats!(datatype, T => fold::<T>(T::add, false)),
        _ => for_floats!(datatype, T => fold::<T>(T::add, true)),
    }
}

fn fold<T: Number>(function: impl Fn(T, T) -> T + Send + Sync + 'static, mean: bool) -> Fallible<Built> {
    Built::function(T::DATATYPE, move |inputs: &mut Inputs<'_>| {
        // For the budget only: each pair looks by itself whether it fits.
        if inputs.budget.is_some() {
            let shapes = (0..inputs.len()).map(|index| inputs.sizes(index)).collect::<Fallible<Vec<_>>>()?;
            inputs.step(elements(&broadcast(shapes)?)?.saturating_mul(inputs.len()))?;
        }
        let mut joint = inputs.take(0)?;
        for index in 1..inputs.len() {
            let (sizes, values) = paired(&joint, inputs.get(index)?, &function)?;
            joint = tensor(sizes, T::wrap(values))?;
        }
        if mean {
            #[allow(clippy::cast_precision_loss)] // nodes have a handful of inputs
            let count = T::from_f64(inputs.len() as f64);
            let values = values::<T>(&joint)?.iter().map(|value| value.div(count)).collect();
            return made::<T>(joint.shape().sizes(), values);
        }
        Ok(joint.into())
    })
}

/// `Where`: of two tensors of any type.
fn select(op: &Op<'_>) -> Fallible<Built> {
    let datatype = op.shared([1, 2])?;
    if op.datatype(0)? != Datatype::Bool {
        return Err("its condition is not BOOL".into());
    }
    Built::function(datatype, move |inputs: &mut Inputs<'_>| {
        let sizes = broadcast([inputs.sizes(0)?, inputs.sizes(1)?, inputs.sizes(2)?])?;
        let conditions = pick(inputs.get(0)?.data(), &positions(inputs.sizes(0)?, &sizes)?)?;
        let conditions = bool::of(&conditions).unwrap_or_default();
        let yes = pick(inputs.get(1)?.data(), &positions(inputs.sizes(1)?, &sizes)?)?;
        let no = pick(inputs.get(2)?.data(), &positions(inputs.sizes(2)?, &sizes)?)?;
        if let (Data::Bytes(yes), Data::Bytes(no)) = (&yes, &no) {
            let chosen = conditions.iter().zip(yes.iter().zip(no.iter()));
            let chosen = texts(chosen.map(|(&condition, (yes, no))| if condition { yes } else { no }))?;
            return tensor(sizes, chosen).map(Into::into);
        }
        if datatype == Datatype::Bool {
            return made(sizes, chosen::<bool>(conditions, &yes, &no)?);
        }
        for_numbers!(datatype, T => made(sizes, chosen::<T>(conditions, &yes, &no)?))
    })
}

fn chosen<T: Element>(conditions: &[bool], yes: &Data, no: &Data) -> Fallible<Vec<T>> {
    let (Some(yes), Some(no)) = (T::of(yes), T::of(no)) else { return Err("types differ".into()) };
    let both = conditions.iter().zip(yes.iter().zip(no));
    Ok(both.map(|(&condition, (&yes, &no))| if condition { yes } else { no }).collect())
}
