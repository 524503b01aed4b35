//! Operators that move elements about, whatever their type.

use super::arithmetic::walk;
use crate::engine::tabular::element::{Element, for_numbers};
use crate::engine::tabular::kernel::{
    Fallible, Inputs, Output, around, axis, elements, pick, tensor, texts, values,
};
use crate::engine::tabular::node::{Built, Op};
use crate::tensor::{Data, Datatype, Strings, Tensor};

pub(super) fn build(op: &Op<'_>) -> Fallible<Built> {
    match op.node.op_type.as_str() {
        "Concat" => concat(op),
        "Split" => split(op),
        "Slice" => slice(op),
        "Gather" => gather(op),
        "GatherElements" => gather_elements(op),
        "Transpose" => transpose(op),
        _ => tile(op),
    }
}

fn concat(op: &Op<'_>) -> Fallible<Built> {
    let datatype = op.shared(0..op.types.len())?;
    let along = op.integer("axis")?.unwrap_or(1);
    Built::function(datatype, move |inputs: &mut Inputs<'_>| {
        if inputs.len() == 1 {
            return inputs.take(0).map(Output::One);
        }
        let tensors = (0..inputs.len()).map(|index| inputs.get(index)).collect::<Fallible<Vec<_>>>()?;
        joined(&tensors, along).map(Output::One)
    })
}

/// Tensors one behind the other along an axis.
pub(in crate::engine::tabular) fn joined(tensors: &[&Tensor], along: i64) -> Fallible<Tensor> {
    let first = tensors.first().ok_or("it has no inputs")?;
    let mut sizes = first.shape().sizes().to_vec();
    let along = axis(along, sizes.len())?;
    let mut size = 0;
    for tensor in tensors {
        let own = tensor.shape().sizes();
        let others = |sizes: &[usize]| -> Vec<usize> {
            sizes.iter().enumerate().filter(|&(place, _)| place != along).map(|(_, &size)| size).collect()
        };
        if own.len() != sizes.len() || others(own) != others(&sizes) {
            return Err(format!("shapes {} and {} do not fit each other", first.shape(), tensor.shape()));
        }
        size += own.get(along).copied().unwrap_or(0);
    }
    if let Some(place) = sizes.get_mut(along) {
        *place = size;
    }
    let count = elements(&sizes)?;
    let (rows, ..) = around(&sizes, along);
    let datatype = first.datatype();
    if datatype == Datatype::Bytes {
        let mut parts: Vec<&Strings> = Vec::with_capacity(tensors.len());
        for tensor in tensors {
            let Data::Bytes(strings) = tensor.data() else { return Err("types differ".into()) };
            parts.push(strings);
        }
        let parts = &parts;
        let joined = (0..rows).flat_map(|row| {
            parts.iter().flat_map(move |strings| {
                let width = strings.len() / rows;
                (row * width..(row + 1) * width).filter_map(|at| strings.get(at))
            })
        });
        return tensor(sizes, texts(joined)?);
    }
    if datatype == Datatype::Bool {
        return tensor(sizes, rows_of::<bool>(tensors, rows, count)?);
    }
    for_numbers!(datatype, T => tensor(sizes, rows_of::<T>(tensors, rows, count)?))
}

fn rows_of<T: Element>(tensors: &[&Tensor], rows: usize, count: usize) -> Fallible<Data> {
    let mut parts = Vec::with_capacity(tensors.len());
    for tensor in tensors {
        let values = values::<T>(tensor)?;
        parts.push(values.chunks((values.len() / rows.max(1)).max(1)));
    }
    let mut joined = Vec::with_capacity(count);
    for _ in 0..rows {
        for part in &mut parts {
            joined.extend_from_slice(part.next().unwrap_or_default());
        }
    }
    Ok(T::wrap(joined))
}

/// The parts are an attribute before version 13, an input from then on, and equal ones where neither is given.
fn split(op: &Op<'_>) -> Fallible<Built> {
    let datatype = op.datatype(0)?;
    let along = op.integer("axis")?.unwrap_or(0);
    let attribute = op.given_integers("split")?;
    let count = op.node.output.len();
    let kernel = move |inputs: &mut Inputs<'_>| {
        let sizes = inputs.sizes(0)?.to_vec();
        let along = axis(along, sizes.len())?;
        let (before, size, behind) = around(&sizes, along);
        let parts = if let Some(parts) = inputs.integers(1)?.or_else(|| attribute.clone()) {
            let parts = parts.iter().map(|&part| usize::try_from(part).ok()).collect::<Option<Vec<_>>>();
            parts.ok_or("a part has a negative size")?
        } else {
            // The last is smaller where they cannot be equal.
            let part = size.div_ceil(count.max(1));
            (0..count).map(|index| part.min(size.saturating_sub(index * part))).collect()
        };
        let all = parts.iter().try_fold(0_usize, |all, &part| all.checked_add(part));
        if all != Some(size) || parts.len() != count {
            return Err(format!("parts {parts:?} are not the {count} of size {size}"));
        }
        let mut start = 0;
        let mut outputs = Vec::with_capacity(count);
        for part in parts {
            let mut own = sizes.clone();
            if let Some(place) = own.get_mut(along) {
                *place = part;
            }
            let rows = (0..before).flat_map(|row| {
                let from = (row * size + start) * behind;
                from..from + part * behind
            });
            outputs.push(tensor(own, pick(inputs.get(0)?.data(), &rows.collect::<Vec<_>>())?)?);
            start += part;
        }
        Ok(Output::Many(outputs))
    };
    Ok(Built::several(kernel, vec![datatype; count]))
}

/// Starts, ends, axes and steps are attributes before version 10, inputs from then on.
fn slice(op: &Op<'_>) -> Fallible<Built> {
    let given = |name: &str| op.given_integers(name);
    let (starts, ends, axes) = (given("starts")?, given("ends")?, given("axes")?);
    Built::function(op.datatype(0)?, move |inputs: &mut Inputs<'_>| {
        let sizes = inputs.sizes(0)?.to_vec();
        let starts = inputs.integers(1)?.or_else(|| starts.clone()).ok_or("its starts are missing")?;
        let ends = inputs.integers(2)?.or_else(|| ends.clone()).ok_or("its ends are missing")?;
        let axes = inputs.integers(3)?.or_else(|| axes.clone());
        let axes = axes.unwrap_or_else(|| (0_i64..).take(starts.len()).collect());
        let steps = inputs.integers(4)?.unwrap_or_else(|| vec![1; starts.len()]);
        if ends.len() != starts.len() || axes.len() != starts.len() || steps.len() != starts.len() {
            return Err("its starts, ends, axes and steps are not as many".into());
        }
        let mut kept = sizes.clone();
        let mut strides = strides(&sizes);
        let mut first = 0_usize;
        for (((&start, &end), &along), &step) in starts.iter().zip(&ends).zip(&axes).zip(&steps) {
            let along = axis(along, sizes.len())?;
            let (Some(kept), Some(stride)) = (kept.get_mut(along), strides.get_mut(along)) else { continue };
            let size = i64::try_from(*kept).unwrap_or(i64::MAX);
            let counted = |at: i64| if at < 0 { at.saturating_add(size) } else { at };
            let (from, count) = match step {
                0 => return Err("a step is 0".into()),
                1.. => {
                    let (from, to) = (counted(start).clamp(0, size), counted(end).clamp(0, size));
                    (from, to.saturating_sub(from).max(0).unsigned_abs().div_ceil(step.unsigned_abs()))
                }
                _ => {
                    let from = counted(start).clamp(0, (size - 1).max(0));
                    let to = counted(end).clamp(-1, size - 1);
                    (
                        from,
                        from.min(size - 1)
                            .saturating_sub(to)
                            .max(0)
                            .unsigned_abs()
                            .div_ceil(step.unsigned_abs()),
                    )
                }
            };
            *kept = usize::try_from(count).map_err(|_| "too many elements")?;
            first = first.wrapping_add(usize::try_from(from).unwrap_or(0).wrapping_mul(*stride));
            // A negative step wraps, and so do the sums of positions: in the end each is inside.
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
            {
                *stride = stride.wrapping_mul(step as usize);
            }
        }
        let data = pick(inputs.get(0)?.data(), &walk(&kept, &strides, first)?)?;
        tensor(kept, data).map(Output::One)
    })
}

/// How far apart neighbours along each dimension are.
fn strides(sizes: &[usize]) -> Vec<usize> {
    let mut strides = vec![1; sizes.len()];
    let mut stride = 1;
    for (own, &size) in strides.iter_mut().rev().zip(sizes.iter().rev()) {
        *own = stride;
        stride *= size;
    }
    strides
}

fn index(at: i64, size: usize) -> Fallible<usize> {
    let counted = if at < 0 { at.saturating_add(i64::try_from(size).unwrap_or(0)) } else { at };
    let counted = usize::try_from(counted).ok().filter(|&counted| counted < size);
    counted.ok_or_else(|| format!("index {at} is not below {size}"))
}

fn gather(op: &Op<'_>) -> Fallible<Built> {
    let along = op.integer("axis")?.unwrap_or(0);
    op.datatype(1)?;
    Built::function(op.datatype(0)?, move |inputs: &mut Inputs<'_>| {
        let sizes = inputs.sizes(0)?;
        let along = axis(along, sizes.len())?;
        let (before, size, behind) = around(sizes, along);
        let wanted = inputs.integers(1)?.ok_or("its indices are missing")?;
        let wanted = wanted.iter().map(|&at| index(at, size)).collect::<Fallible<Vec<_>>>()?;
        let (front, back) =
            (sizes.get(..along).unwrap_or_default(), sizes.get(along + 1..).unwrap_or_default());
        let made = [front, inputs.sizes(1)?, back].concat();
        elements(&made)?;
        let positions = (0..before).flat_map(|row| {
            wanted.iter().flat_map(move |&at| {
                let from = (row * size + at) * behind;
                from..from + behind
            })
        });
        let data = pick(inputs.get(0)?.data(), &positions.collect::<Vec<_>>())?;
        tensor(made, data).map(Output::One)
    })
}

fn gather_elements(op: &Op<'_>) -> Fallible<Built> {
    let along = op.integer("axis")?.unwrap_or(0);
    op.datatype(1)?;
    Built::function(op.datatype(0)?, move |inputs: &mut Inputs<'_>| {
        let (sizes, kept) = (inputs.sizes(0)?, inputs.sizes(1)?.to_vec());
        let along = axis(along, sizes.len())?;
        let fits = kept.len() == sizes.len()
            && kept.iter().zip(sizes).enumerate().all(|(place, (kept, size))| place == along || kept <= size);
        if !fits {
            return Err("its indices do not fit its input".into());
        }
        let mut strides = strides(sizes);
        let size = sizes.get(along).copied().unwrap_or(0);
        let stride = strides.get_mut(along).map_or(0, std::mem::take);
        let wanted = inputs.integers(1)?.ok_or("its indices are missing")?;
        let mut positions = walk(&kept, &strides, 0)?;
        for (position, &at) in positions.iter_mut().zip(&wanted) {
            *position += index(at, size)? * stride;
        }
        let data = pick(inputs.get(0)?.data(), &positions)?;
        tensor(kept, data).map(Output::One)
    })
}

fn transpose(op: &Op<'_>) -> Fallible<Built> {
    let order = op.integers("perm")?;
    Built::function(op.datatype(0)?, move |inputs: &mut Inputs<'_>| {
        let sizes = inputs.sizes(0)?;
        let order: Vec<usize> = match order.as_slice() {
            [] => (0..sizes.len()).rev().collect(),
            order => order.iter().map(|&place| axis(place, sizes.len())).collect::<Fallible<_>>()?,
        };
        let mut seen = order.clone();
        seen.sort_unstable();
        if !seen.iter().copied().eq(0..sizes.len()) {
            return Err(format!("perm {order:?} is no order of {} dimensions", sizes.len()));
        }
        let strides = strides(sizes);
        let turned =
            |of: &[usize]| order.iter().filter_map(|&place| of.get(place).copied()).collect::<Vec<_>>();
        let made = turned(sizes);
        let data = pick(inputs.get(0)?.data(), &walk(&made, &turned(&strides), 0)?)?;
        tensor(made, data).map(Output::One)
    })
}

fn tile(op: &Op<'_>) -> Fallible<Built> {
    op.datatype(1)?;
    Built::function(op.datatype(0)?, |inputs: &mut Inputs<'_>| {
        let sizes = inputs.sizes(0)?;
        let repeats = inputs.integers(1)?.ok_or("its repeats are missing")?;
        if repeats.len() != sizes.len() {
            return Err(format!("{} repeats for {} dimensions", repeats.len(), sizes.len()));
        }
        let repeats = repeats.iter().map(|&times| usize::try_from(times).map_err(|_| "a repeat is negative"));
        let repeats = repeats.collect::<Result<Vec<_>, _>>()?;
        // Each dimension is two for the walk: the repeats, which stand still, and the elements.
        let (mut steps, mut twice, mut made) = (Vec::new(), Vec::new(), Vec::new());
        for ((&size, &stride), &times) in sizes.iter().zip(&strides(sizes)).zip(&repeats) {
            twice.extend([times, size]);
            steps.extend([0, stride]);
            made.push(times.checked_mul(size).ok_or("too many elements")?);
        }
        let data = pick(inputs.get(0)?.data(), &walk(&twice, &steps, 0)?)?;
        tensor(made, data).map(Output::One)
    })
}
