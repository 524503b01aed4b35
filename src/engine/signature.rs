//! The signature of a model, as its file declares it.

use super::onnx::{Graph, Model, ValueInfo, data_type};
use super::{LoadError, LoadErrorKind};
use crate::tensor::{Datatype, Excerpt, Signature, TensorSpec};

/// Reads the inputs that a client has to give, and the outputs. An initializer that is listed among the inputs, as files
/// before IR version 4 have it, is none of them.
pub(super) fn read(model: &Model) -> Result<Signature, LoadError> {
    let none = Graph::default();
    let graph = model.graph.as_ref().unwrap_or(&none);
    let given = |input: &&ValueInfo| !graph.initializer.iter().any(|constant| constant.name == input.name);
    let inputs =
        graph.input.iter().filter(given).map(|input| spec("input", input)).collect::<Result<Vec<_>, _>>()?;
    let outputs = graph.output.iter().map(|output| spec("output", output)).collect::<Result<Vec<_>, _>>()?;
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

/// The symbols that stand for sizes of the inputs, in the order of the signature: the same symbol is the same size.
pub(super) fn symbols(model: &Model, signature: &Signature) -> Vec<Vec<Option<String>>> {
    let graph = model.graph.as_ref();
    let symbols_of = |spec: &TensorSpec| {
        let input = graph.and_then(|graph| graph.input.iter().find(|input| input.name == spec.name));
        let tensor = input.and_then(|input| input.r#type.as_ref()).and_then(|value| value.tensor.as_ref());
        let dims = tensor.and_then(|tensor| tensor.shape.as_ref()).map(|shape| shape.dim.as_slice());
        dims.unwrap_or_default()
            .iter()
            .map(|dim| dim.dim_param.clone().filter(|name| !name.is_empty()))
            .collect()
    };
    signature.inputs.iter().map(symbols_of).collect()
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
    let shape = tensor.shape.as_ref().ok_or_else(|| refused("its number of dimensions is not declared"))?;
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
