//! The largest and the smallest, by their places.

use crate::engine::tabular::element::{Number, for_numbers};
use crate::engine::tabular::kernel::{Fallible, Inputs, Output, around, axis, made, tensor};
use crate::engine::tabular::node::{Built, Op};
use crate::tensor::{Data, Datatype};

pub(super) fn build(op: &Op<'_>) -> Fallible<Built> {
    let datatype = op.datatype(0)?;
    match op.node.op_type.as_str() {
        "TopK" => for_numbers!(datatype, T => top::<T>(op)),
        name => {
            let largest = name == "ArgMax";
            for_numbers!(datatype, T => place::<T>(op, largest))
        }
    }
}

fn place<T: Number>(op: &Op<'_>, largest: bool) -> Fallible<Built> {
    let along = op.integer("axis")?.unwrap_or(0);
    let (keep, last) = (op.flag("keepdims", true)?, op.flag("select_last_index", false)?);
    Built::function(Datatype::Int64, move |inputs: &mut Inputs<'_>| {
        let mut sizes = inputs.sizes(0)?.to_vec();
        let along = axis(along, sizes.len())?;
        let (before, size, behind) = around(&sizes, along);
        if size == 0 {
            return Err("it has nothing to choose from".into());
        }
        let values = inputs.values::<T>(0)?;
        let mut places = Vec::with_capacity(before * behind);
        for (row, column) in (0..before).flat_map(|row| (0..behind).map(move |column| (row, column))) {
            let line = values.iter().skip(row * size * behind + column).step_by(behind.max(1)).take(size);
            let mut best: Option<(i64, T)> = None;
            for (index, &value) in (0_i64..).zip(line) {
                let better = best.is_none_or(|(_, best)| {
                    let beats = if largest { value > best } else { value < best };
                    beats || (last && value == best)
                });
                if better {
                    best = Some((index, value));
                }
            }
            places.extend(best.map(|(index, _)| index));
        }
        if keep {
            sizes.splice(along..=along, [1]);
        } else {
            sizes.remove(along);
        }
        made(sizes, places)
    })
}

fn top<T: Number>(op: &Op<'_>) -> Fallible<Built> {
    let along = op.integer("axis")?.unwrap_or(-1);
    let attribute = op.integer("k")?;
    let largest = op.flag("largest", true)?;
    let kernel = move |inputs: &mut Inputs<'_>| {
        let given = inputs.integers(1)?.and_then(|k| k.first().copied()).or(attribute);
        let wanted = given.and_then(|k| usize::try_from(k).ok()).ok_or("k is missing or negative")?;
        let mut sizes = inputs.sizes(0)?.to_vec();
        let along = axis(along, sizes.len())?;
        let (before, size, behind) = around(&sizes, along);
        if wanted > size {
            return Err(format!("k is {wanted}, of {size}"));
        }
        let values = inputs.values::<T>(0)?;
        let total = before * wanted * behind;
        let (mut best, mut places) = (vec![T::default(); total], vec![0_i64; total]);
        for (row, column) in (0..before).flat_map(|row| (0..behind).map(move |column| (row, column))) {
            let line = values.iter().skip(row * size * behind + column).step_by(behind.max(1)).take(size);
            let mut line: Vec<(i64, T)> = (0..).zip(line.copied()).collect();
            // Stable: of equal ones the first stays first. NaN is above all.
            line.sort_by(|(_, a), (_, b)| {
                let order = a.partial_cmp(b).unwrap_or_else(|| a.is_nan().cmp(&b.is_nan()));
                if largest { order.reverse() } else { order }
            });
            for (rank, (index, value)) in line.into_iter().take(wanted).enumerate() {
                let at = (row * wanted + rank) * behind + column;
                if let (Some(best), Some(place)) = (best.get_mut(at), places.get_mut(at)) {
                    (*best, *place) = (value, index);
                }
            }
        }
        sizes.splice(along..=along, [wanted]);
        let places = tensor(sizes.clone(), Data::Int64(places))?;
        Ok(Output::Many(vec![tensor(sizes, T::wrap(best))?, places]))
    };
    Ok(Built::several(kernel, vec![T::DATATYPE, Datatype::Int64]))
}
