//! Columns together and apart.

use crate::engine::tabular::kernel::{Fallible, Inputs, Output, elements, made, pick, tensor};
use crate::engine::tabular::node::{Built, Op};
use crate::engine::tabular::plain::floats;
use crate::tensor::Datatype;

/// Inputs side by side, as floats. A declared width cuts an input off, or fills it up with zeros.
pub(super) fn vectorizer(op: &Op<'_>) -> Fallible<Built> {
    let widths = op.integers("inputdimensions")?;
    for index in 0..op.types.len() {
        op.datatype(index)?;
    }
    Built::function(Datatype::Fp32, move |inputs: &mut Inputs<'_>| {
        let mut parts = Vec::with_capacity(inputs.len());
        let mut rows = None;
        for index in 0..inputs.len() {
            let sizes = inputs.sizes(index)?;
            let own_rows = if sizes.len() < 2 { 1 } else { sizes.first().copied().unwrap_or(1) };
            if *rows.get_or_insert(own_rows) != own_rows {
                return Err(format!("input {index} has {own_rows} rows, the first {}", rows.unwrap_or(0)));
            }
            let own: usize =
                if sizes.len() < 2 { sizes } else { sizes.get(1..).unwrap_or_default() }.iter().product();
            let values: Vec<f32> = floats(inputs.get(index)?.data())?;
            let width = widths.get(index).and_then(|&width| usize::try_from(width).ok()).unwrap_or(own);
            parts.push((values, own, width));
        }
        let rows = rows.unwrap_or(0);
        let columns = parts.iter().try_fold(0_usize, |columns, (_, _, width)| columns.checked_add(*width));
        let columns = columns.ok_or("its widths are more than there are numbers")?;
        elements(&[rows, columns])?;
        let mut joined = Vec::new();
        for row in 0..rows {
            for (values, own, width) in &parts {
                let values = values.get(row * own..(row + 1) * own).unwrap_or_default();
                joined.extend(values.iter().copied().chain(std::iter::repeat(0.0)).take(*width));
            }
        }
        made(vec![rows, columns], joined)
    })
}

/// The columns at some places, of any type.
pub(super) fn extractor(op: &Op<'_>) -> Fallible<Built> {
    let datatype = op.datatype(0)?;
    op.datatype(1)?;
    Built::function(datatype, |inputs: &mut Inputs<'_>| {
        let wanted = inputs.integers(1)?.ok_or("its indices are missing")?;
        let sizes = inputs.sizes(0)?;
        let Some((&columns, leading)) = sizes.split_last() else {
            return Err("its input is one element".into());
        };
        let place = |&at: &i64| {
            let inside = usize::try_from(at).ok().filter(|&at| at < columns);
            inside.ok_or_else(|| format!("its input has {columns} columns, it asks for column {at}"))
        };
        let places = wanted.iter().map(place).collect::<Fallible<Vec<_>>>()?;
        let rows: usize = leading.iter().product();
        elements(&[rows, places.len()])?;
        let positions: Vec<usize> =
            (0..rows).flat_map(|row| places.iter().map(move |&at| row * columns + at)).collect();
        // One dimension becomes two: a row of its own.
        let leading = if leading.is_empty() { &[1] } else { leading };
        let made = [leading, &[places.len()]].concat();
        tensor(made, pick(inputs.get(0)?.data(), &positions)?).map(Output::One)
    })
}
