//! Constants that an engine would take for something else: values that 32 bits cannot hold, which it would saturate without a
//! word, and shapes whose product wraps. They are looked for at load.

use std::collections::{HashMap, HashSet};

use bytes::Bytes;

use super::onnx::{Constant, Graph, Model, Node, data_type};
use super::{LoadError, LoadErrorKind, Source};
use crate::tensor::Excerpt;

/// Refuses a model with an INT64 constant beyond INT32, an FP64 constant beyond FP32, or a constant with a shape that no
/// memory holds: rten multiplies sizes without a check, so that such a shape may seem to fit no data at all.
///
/// One use of INT64's extremes is let through: as starts or ends of a Slice they mean "from the very beginning" or "to the
/// very end", and the extremes of INT32 mean the same there.
pub(super) fn check(model: &Model, source: &Source) -> Result<(), LoadError> {
    let graphs = model.graphs();
    let bounds = bounds(&graphs);
    let refuse = |name: &str, value: String| {
        let message =
            format!("constant {} holds {value}, beyond the 32 bits that rten computes in", Excerpt(name));
        Err(LoadError::new(LoadErrorKind::OutOfRange, message))
    };
    for graph in &graphs {
        for (name, constant) in constants(graph) {
            if !countable(constant) {
                let shape = format!("{:?}", constant.dims);
                let (name, shape) = (Excerpt(name), Excerpt(&shape));
                let message = format!("constant {name} has a shape that no memory holds: {shape}");
                return Err(LoadError::new(LoadErrorKind::Malformed, message));
            }
            if bounds.contains(name) {
                continue;
            }
            if let Some(value) = misfit(constant, source) {
                return refuse(name, value);
            }
        }
        for node in graph.node.iter().filter(|node| node.op_type == "Constant") {
            let name = node.output.first().map_or("", String::as_str);
            let mut integers = node
                .attribute
                .iter()
                .flat_map(|attribute| attribute.i.into_iter().chain(attribute.ints.iter()));
            if let Some(value) = integers.find(|&value| i32::try_from(value).is_err())
                && !bounds.contains(name)
            {
                return refuse(name, value.to_string());
            }
        }
    }
    Ok(())
}

/// Every constant tensor of one graph, with the name by which it is used.
fn constants(graph: &Graph) -> impl Iterator<Item = (&str, &Constant)> {
    let initializers = graph.initializer.iter().map(|constant| (constant.name.as_str(), constant));
    let attributes = graph.node.iter().flat_map(|node| {
        let name = node.output.first().map_or("", String::as_str);
        node.attribute.iter().filter_map(move |attribute| Some((name, attribute.t.as_deref()?)))
    });
    initializers.chain(attributes)
}

/// Whether a machine can count the elements, sizes of zero aside: these hide the others from a product, not from strides.
fn countable(constant: &Constant) -> bool {
    let sizes = constant.dims.iter().filter(|&&size| size != 0);
    sizes
        .map(|&size| isize::try_from(size).ok())
        .try_fold(1_isize, |product, size| product.checked_mul(size?))
        .is_some()
}

/// The first value that does not fit, as text.
fn misfit(constant: &Constant, source: &Source) -> Option<String> {
    match constant.data_type {
        data_type::INT64 => {
            let raw = raw(constant, source);
            let raw = raw.as_chunks::<8>().0.iter().map(|&bytes| i64::from_le_bytes(bytes));
            let mut values = raw.chain(constant.int64_data.iter().copied());
            values.find(|&value| i32::try_from(value).is_err()).map(|value| value.to_string())
        }
        data_type::DOUBLE => {
            let raw = raw(constant, source);
            let raw = raw.as_chunks::<8>().0.iter().map(|&bytes| f64::from_le_bytes(bytes));
            let mut values = raw.chain(constant.double_data.iter().copied());
            values.find(|&value| overflows(value)).map(|value| value.to_string())
        }
        _ => None,
    }
}

/// Whether a finite number becomes infinite as an FP32.
#[allow(clippy::cast_possible_truncation)] // that is the question
pub(super) fn overflows(value: f64) -> bool {
    value.is_finite() && (value as f32).is_infinite()
}

/// The raw bytes of a constant, from the file or from a side file.
fn raw(constant: &Constant, source: &Source) -> Bytes {
    if constant.data_location != 1 {
        return constant.raw_data.clone().unwrap_or_default();
    }
    let entry = |key: &str| {
        let pair = constant.external_data.iter().find(|pair| pair.key == key);
        pair.map(|pair| pair.value.as_str())
    };
    let file =
        entry("location").and_then(|location| source.side_files.iter().find(|(name, _)| name == location));
    let Some((_, file)) = file else { return Bytes::new() };
    let number = |key: &str| entry(key).and_then(|text| text.parse::<usize>().ok());
    let start = number("offset").unwrap_or(0).min(file.len());
    let length = number("length").unwrap_or(file.len() - start).min(file.len() - start);
    file.slice(start..start + length)
}

/// Names of values that end up as starts or ends of a Slice and nowhere else, also by way of operators that only move
/// elements about.
fn bounds(graphs: &[&Graph]) -> HashSet<String> {
    let mut uses: HashMap<&str, Vec<(&Node, usize)>> = HashMap::new();
    let mut outputs: HashSet<&str> = HashSet::new();
    for graph in graphs {
        outputs.extend(graph.output.iter().map(|output| output.name.as_str()));
        for node in &graph.node {
            for (position, name) in node.input.iter().enumerate() {
                uses.entry(name).or_default().push((node, position));
            }
        }
    }
    // Taken for bounds until a use shows that they are not; that shows the same of what they are made from.
    let mut bounds: HashSet<&str> = uses.keys().copied().filter(|name| !outputs.contains(name)).collect();
    let (mut others, mut made_from) = (Vec::new(), HashMap::<&str, Vec<&str>>::new());
    for (name, uses) in uses {
        for (node, position) in uses {
            let output = match node.op_type.as_str() {
                "Slice" if matches!(position, 1 | 2) => continue,
                "Unsqueeze" | "Squeeze" | "Reshape" if position > 0 => None,
                "Unsqueeze" | "Squeeze" | "Reshape" | "Concat" | "Identity" => node.output.first(),
                _ => None,
            };
            match output.filter(|output| bounds.contains(output.as_str())) {
                Some(output) => made_from.entry(output).or_default().push(name),
                None => others.push(name),
            }
        }
    }
    while let Some(name) = others.pop() {
        if bounds.remove(name) {
            others.extend(made_from.remove(name).unwrap_or_default());
        }
    }
    bounds.into_iter().map(str::to_owned).collect()
}
