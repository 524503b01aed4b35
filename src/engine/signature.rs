//! The signature of a model, as its file declares it.

use std::collections::{HashMap, HashSet};

use super::onnx::{Graph, Model, Node, TensorShape, ValueInfo, data_type};
use super::{LoadError, LoadErrorKind};
use crate::tensor::{Datatype, Excerpt, Signature, TensorSpec};

/// More inputs or outputs than this, a client could hardly name.
const MOST: usize = 1 << 14;

/// Reads the inputs that a client has to give, and the outputs. An initializer that is listed among the inputs, as files
/// before IR version 4 have it, is none of them. An output whose number of dimensions is not declared has none here; see
/// [`undeclared`].
pub(super) fn read(model: &Model) -> Result<Signature, LoadError> {
    let none = Graph::default();
    let graph = model.graph.as_ref().unwrap_or(&none);
    for (what, count) in [("inputs", graph.input.len()), ("outputs", graph.output.len())] {
        if count > MOST {
            let message = format!("the graph has {count} {what}, more than {MOST}");
            return Err(LoadError::new(LoadErrorKind::Unsupported, message));
        }
    }
    let constants: HashSet<&str> = graph.initializer.iter().map(|constant| constant.name.as_str()).collect();
    let given = |input: &&ValueInfo| !constants.contains(input.name.as_str());
    let maps = graph.node.iter().filter(|node| node.op_type == "ZipMap");
    let maps: HashMap<&str, &Node> =
        maps.filter_map(|node| Some((node.output.first()?.as_str(), node))).collect();
    let inputs =
        graph.input.iter().filter(given).map(|input| spec("input", input)).collect::<Result<Vec<_>, _>>()?;
    let outputs = graph
        .output
        .iter()
        .map(|output| zip_map(&maps, output).map_or_else(|| spec("output", output), Ok))
        .collect::<Result<Vec<_>, _>>()?;
    if outputs.is_empty() {
        return Err(LoadError::new(LoadErrorKind::Malformed, "the graph has no outputs"));
    }
    for (what, specs) in [("inputs", &inputs), ("outputs", &outputs)] {
        let mut names: Vec<_> = specs.iter().map(|spec| spec.name.as_str()).collect();
        names.sort_unstable();
        if let Some([name, _]) = names.array_windows().find(|[first, second]| first == second) {
            let message = format!("two {what} are called {}", Excerpt(name));
            return Err(LoadError::new(LoadErrorKind::Malformed, message));
        }
    }
    Ok(Signature { inputs, outputs })
}

/// The outputs whose number of dimensions is not declared, by their place in the signature.
pub(super) fn undeclared(model: &Model) -> Vec<usize> {
    let outputs = model.graph.iter().flat_map(|graph| &graph.output).enumerate();
    let declared = |output: &ValueInfo| {
        let kind = output.r#type.as_ref();
        kind.and_then(|kind| kind.tensor.as_ref()).is_none_or(|tensor| tensor.shape.is_some())
    };
    outputs.filter(|(_, output)| !declared(output)).map(|(place, _)| place).collect()
}

/// The symbols that stand for sizes of the inputs, in the order of the signature: the same symbol is the same size.
pub(super) fn symbols(model: &Model, signature: &Signature) -> Vec<Vec<Option<String>>> {
    let inputs = model.graph.iter().flat_map(|graph| &graph.input);
    let inputs: HashMap<&str, &ValueInfo> = inputs.map(|input| (input.name.as_str(), input)).collect();
    let symbols_of = |spec: &TensorSpec| {
        let input = inputs.get(spec.name.as_str());
        let tensor = input.and_then(|input| input.r#type.as_ref()).and_then(|value| value.tensor.as_ref());
        let dims = tensor.and_then(|tensor| tensor.shape.as_ref()).map(|shape| shape.dim.as_slice());
        dims.unwrap_or_default()
            .iter()
            .map(|dim| dim.dim_param.clone().filter(|name| !name.is_empty()))
            .collect()
    };
    signature.inputs.iter().map(symbols_of).collect()
}

/// What the output of a `ZipMap`, a sequence with a map from labels to scores for each row, is to clients: the scores as a matrix,
/// whose columns are the labels in their order.
fn zip_map(maps: &HashMap<&str, &Node>, output: &ValueInfo) -> Option<TensorSpec> {
    let node = maps.get(output.name.as_str())?;
    let attributes = || node.attribute.iter();
    let strings = attributes().find(|attribute| attribute.name == "classlabels_strings");
    let integers = attributes().find(|attribute| attribute.name == "classlabels_int64s");
    let labels: Vec<String> = match (strings, integers) {
        (Some(labels), _) => {
            labels.strings.iter().map(|label| String::from_utf8_lossy(label).into_owned()).collect()
        }
        (None, labels) => labels?.ints.iter().map(|label| label.to_string()).collect(),
    };
    let columns = i64::try_from(labels.len()).ok()?;
    let spec = TensorSpec::new(&output.name, Datatype::Fp32, [-1, columns]);
    Some(TensorSpec { labels, ..spec })
}

fn spec(what: &str, value: &ValueInfo) -> Result<TensorSpec, LoadError> {
    let name = Excerpt(&value.name);
    let refused =
        |reason: &str| LoadError::new(LoadErrorKind::Unsupported, format!("{what} {name}: {reason}"));
    let tensor = value.r#type.as_ref().and_then(|value| value.tensor.as_ref());
    let tensor = tensor.ok_or_else(|| refused("it is not a tensor"))?;
    let datatype = datatype(tensor.elem_type).ok_or_else(|| {
        refused(&format!("ONNX data type {} has no datatype in the protocol", tensor.elem_type))
    })?;
    let none = TensorShape::default();
    let shape = match &tensor.shape {
        None if what == "input" => return Err(refused("its number of dimensions is not declared")),
        shape => shape.as_ref().unwrap_or(&none),
    };
    let sizes: Vec<i64> =
        shape.dim.iter().map(|dim| dim.dim_value.filter(|&size| size >= 0).unwrap_or(-1)).collect();
    Ok(TensorSpec::new(&value.name, datatype, sizes))
}

/// The datatype of the protocol that an ONNX data type is.
pub(super) fn datatype(number: i32) -> Option<Datatype> {
    Some(match number {
        data_type::BOOL => Datatype::Bool,
        data_type::UINT8 => Datatype::Uint8,
        data_type::UINT16 => Datatype::Uint16,
        data_type::UINT32 => Datatype::Uint32,
        data_type::UINT64 => Datatype::Uint64,
        data_type::INT8 => Datatype::Int8,
        data_type::INT16 => Datatype::Int16,
        data_type::INT32 => Datatype::Int32,
        data_type::INT64 => Datatype::Int64,
        data_type::FLOAT16 => Datatype::Fp16,
        data_type::FLOAT => Datatype::Fp32,
        data_type::DOUBLE => Datatype::Fp64,
        data_type::STRING => Datatype::Bytes,
        _ => return None,
    })
}
