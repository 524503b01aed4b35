//! Constants, and the same elements in another shape.

use super::arithmetic::{broadcast, positions};
use super::map::through;
use crate::engine::tabular::kernel::{
    Fallible, Inputs, Output, axis, dimensions, elements, made, pick, tensor,
};
use crate::engine::tabular::node::{Built, Op};
use crate::tensor::{Data, Datatype};

pub(super) fn build(op: &Op<'_>) -> Fallible<Built> {
    match op.node.op_type.as_str() {
        "Constant" => constant(op),
        "ConstantOfShape" => constant_of_shape(op),
        "Shape" => shape(op),
        "Size" => Built::function(Datatype::Int64, |inputs: &mut Inputs<'_>| {
            made(vec![], vec![integer(inputs.get(0)?.data().len())])
        }),
        "Identity" => Built::function(op.any_datatype(0)?, through),
        "Reshape" => reshape(op),
        "Flatten" => {
            let at = op.integer("axis")?.unwrap_or(1);
            Built::function(op.datatype(0)?, move |inputs: &mut Inputs<'_>| {
                let sizes = inputs.sizes(0)?;
                // Unlike elsewhere the axis may be the rank itself.
                let at = if at == integer(sizes.len()) { sizes.len() } else { axis(at, sizes.len())? };
                let (before, behind) = sizes.split_at(at);
                let sizes = vec![before.iter().product(), behind.iter().product()];
                reshaped(inputs, sizes)
            })
        }
        "Squeeze" => squeeze(op),
        "Unsqueeze" => unsqueeze(op),
        _ => Built::function(op.datatype(0)?, |inputs: &mut Inputs<'_>| {
            let wanted = sizes(&inputs.integers(1)?.ok_or("its shape is missing")?)?;
            let sizes = broadcast([inputs.sizes(0)?, &wanted])?;
            let data = pick(inputs.get(0)?.data(), &positions(inputs.sizes(0)?, &sizes)?)?;
            tensor(sizes, data).map(Output::One)
        }),
    }
}

fn integer(value: usize) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn sizes(integers: &[i64]) -> Fallible<Vec<usize>> {
    let size = |&size: &i64| usize::try_from(size).map_err(|_| format!("{size} is not a size"));
    integers.iter().map(size).collect()
}

fn reshaped(inputs: &mut Inputs<'_>, sizes: Vec<usize>) -> Fallible<Output> {
    tensor(sizes, inputs.take(0)?.into_parts().1).map(Output::One)
}

fn constant(op: &Op<'_>) -> Fallible<Built> {
    let vector = |data: Data| tensor(vec![data.len()], data);
    let scalar = |data: Data| tensor(vec![], data);
    let value = if let Some(value) = op.tensor("value")? {
        value
    } else if let Some(value) = op.float("value_float")? {
        scalar(Data::Fp32(vec![value]))?
    } else if let Some(value) = op.integer("value_int")? {
        scalar(Data::Int64(vec![value]))?
    } else if let Some(value) = op.text("value_string")? {
        scalar(Data::Bytes([value].iter().collect()))?
    } else if op.attribute("value_floats").is_some() {
        vector(Data::Fp32(op.floats("value_floats")?.to_vec()))?
    } else if op.attribute("value_ints").is_some() {
        vector(Data::Int64(op.integers("value_ints")?))?
    } else if op.attribute("value_strings").is_some() {
        vector(Data::Bytes(op.strings("value_strings")?.iter().collect()))?
    } else {
        return Err("it holds no value that is covered".into());
    };
    Built::function(value.datatype(), move |_: &mut Inputs<'_>| Ok(value.clone().into()))
}

fn constant_of_shape(op: &Op<'_>) -> Fallible<Built> {
    op.datatype(0)?;
    let value = match op.tensor("value")? {
        Some(value) => value,
        None => tensor(vec![1], Data::Fp32(vec![0.0]))?,
    };
    if value.data().len() != 1 {
        return Err("its value is not one element".into());
    }
    Built::function(value.datatype(), move |inputs: &mut Inputs<'_>| {
        let sizes = sizes(&inputs.integers(0)?.ok_or("its shape is missing")?)?;
        let data = pick(value.data(), &vec![0; elements(&sizes)?])?;
        tensor(sizes, data).map(Output::One)
    })
}

fn shape(op: &Op<'_>) -> Fallible<Built> {
    op.datatype(0)?;
    let (start, end) = (op.integer("start")?.unwrap_or(0), op.integer("end")?.unwrap_or(i64::MAX));
    Built::function(Datatype::Int64, move |inputs: &mut Inputs<'_>| {
        let sizes = inputs.sizes(0)?;
        let rank = integer(sizes.len());
        let bound = |at: i64| {
            let at = if at < 0 { at.saturating_add(rank) } else { at };
            usize::try_from(at.clamp(0, rank)).unwrap_or(0)
        };
        let kept = sizes.get(bound(start)..bound(end).max(bound(start))).unwrap_or_default();
        made(vec![kept.len()], kept.iter().map(|&size| integer(size)).collect::<Vec<i64>>())
    })
}

fn reshape(op: &Op<'_>) -> Fallible<Built> {
    let attribute = op.given_integers("shape")?;
    let keeps_zero = op.flag("allowzero", false)?;
    Built::function(op.datatype(0)?, move |inputs: &mut Inputs<'_>| {
        let wanted = match inputs.integers(1)? {
            Some(wanted) => wanted,
            None => attribute.clone().ok_or("its shape is missing")?,
        };
        let (own, count) = (inputs.sizes(0)?, inputs.get(0)?.data().len());
        let mut sizes = Vec::with_capacity(wanted.len());
        for (place, &size) in wanted.iter().enumerate() {
            sizes.push(match size {
                -1 => 1,
                0 if !keeps_zero => *own.get(place).ok_or("its shape has a 0 where its input has no size")?,
                size => usize::try_from(size).map_err(|_| format!("{size} is not a size"))?,
            });
        }
        let mut open = wanted.iter().enumerate().filter(|&(_, &size)| size == -1).map(|(place, _)| place);
        if let Some(place) = open.next() {
            if open.next().is_some() {
                return Err("two sizes of its shape are -1".into());
            }
            let known: usize = elements(&sizes)?;
            let rest = count.checked_div(known).unwrap_or(0);
            if let Some(size) = sizes.get_mut(place) {
                *size = rest;
            }
        }
        reshaped(inputs, sizes)
    })
}

/// The axes, which are an attribute before version 13 and an input from then on.
fn axes(inputs: &Inputs<'_>, attribute: Option<&Vec<i64>>, rank: usize) -> Fallible<Option<Vec<usize>>> {
    let Some(given) = inputs.integers(1)?.or_else(|| attribute.cloned()) else { return Ok(None) };
    given.iter().map(|&given| axis(given, rank)).collect::<Fallible<_>>().map(Some)
}

fn squeeze(op: &Op<'_>) -> Fallible<Built> {
    let attribute = op.given_integers("axes")?;
    Built::function(op.datatype(0)?, move |inputs: &mut Inputs<'_>| {
        let own = inputs.sizes(0)?;
        let axes = axes(inputs, attribute.as_ref(), own.len())?;
        let goes = |place: usize, size: usize| match &axes {
            Some(axes) => axes.contains(&place),
            None => size == 1,
        };
        if let Some((place, size)) =
            own.iter().enumerate().find(|&(place, &size)| goes(place, size) && size != 1)
        {
            return Err(format!("dimension {place} has size {size}, not 1"));
        }
        let kept = own.iter().enumerate().filter(|&(place, &size)| !goes(place, size));
        let sizes = kept.map(|(_, &size)| size).collect();
        reshaped(inputs, sizes)
    })
}

fn unsqueeze(op: &Op<'_>) -> Fallible<Built> {
    let attribute = op.given_integers("axes")?;
    Built::function(op.datatype(0)?, move |inputs: &mut Inputs<'_>| {
        let count = inputs.integers(1)?.as_ref().or(attribute.as_ref()).map_or(0, Vec::len);
        let rank = inputs.sizes(0)?.len() + count;
        // Before any is looked for among all others.
        dimensions(rank)?;
        let axes = axes(inputs, attribute.as_ref(), rank)?.ok_or("its axes are missing")?;
        let mut own = inputs.sizes(0)?.iter();
        let sizes: Option<Vec<usize>> = (0..rank)
            .map(|place| if axes.contains(&place) { Some(1) } else { own.next().copied() })
            .collect();
        let sizes = sizes.ok_or("an axis is given twice")?;
        reshaped(inputs, sizes)
    })
}
