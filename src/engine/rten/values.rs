//! Tensors to rten's values and back; see the rules in the module above.

use half::f16;
use rten::Value;
use rten_tensor::Tensor as RtenTensor;
use rten_tensor::prelude::*;

use crate::engine::{InferError, constants};
use crate::tensor::{Data, Datatype, Shape, Tensor, TensorSpec};

/// Converts an input; INT64 and FP64 values that do not fit are refused.
pub(super) fn to_rten(name: &str, tensor: Tensor) -> Result<Value, InferError> {
    let (shape, data) = tensor.into_parts();
    match data {
        Data::Fp32(values) => value(&shape, values),
        Data::Int32(values) => value(&shape, values),
        Data::Int8(values) => value(&shape, values),
        Data::Uint8(values) => value(&shape, values),
        Data::Bool(values) => value(&shape, values.into_iter().map(i32::from).collect::<Vec<_>>()),
        Data::Fp16(values) => value(&shape, values.into_iter().map(f16::to_f32).collect::<Vec<_>>()),
        Data::Int64(values) => {
            value(&shape, convert(name, Datatype::Int64, &values, |value| i32::try_from(value).ok())?)
        }
        Data::Fp64(values) => value(&shape, convert(name, Datatype::Fp64, &values, to_fp32)?),
        Data::Uint16(_) | Data::Uint32(_) | Data::Uint64(_) | Data::Int16(_) | Data::Bytes(_) => {
            Err(InferError::failed(format!("input '{name}': {} is not carried", data.datatype())))
        }
    }
}

fn value<T>(shape: &Shape, values: Vec<T>) -> Result<Value, InferError>
where
    Value: From<RtenTensor<T>>,
{
    Value::from_shape(shape.sizes(), values).map_err(|error| InferError::failed(error.to_string()))
}

fn convert<T: Copy + std::fmt::Display, U>(
    name: &str,
    datatype: Datatype,
    values: &[T],
    to: impl Fn(T) -> Option<U>,
) -> Result<Vec<U>, InferError> {
    let converted: Option<Vec<U>> = values.iter().map(|&value| to(value)).collect();
    converted.ok_or_else(|| {
        let misfit = values.iter().enumerate().find(|&(_, &value)| to(value).is_none());
        let (index, value) = misfit.map_or((0, String::new()), |(index, value)| (index, value.to_string()));
        InferError::input(format!(
            "input '{name}': element {index} is {value}, beyond the 32 bits in which this model's engine computes {datatype}"
        ))
    })
}

#[allow(clippy::cast_possible_truncation)] // rounding is documented, overflow is checked
fn to_fp32(value: f64) -> Option<f32> {
    (!constants::overflows(value)).then_some(value as f32)
}

/// Converts an output to the datatype that the model declares for it.
pub(super) fn from_rten(spec: &TensorSpec, value: Value) -> Result<Tensor, InferError> {
    let (name, declared) = (&spec.name, spec.datatype);
    let wrong =
        |got: &str| InferError::failed(format!("output '{name}': declared {declared}, rten gave {got}"));
    let (shape, data) = match value {
        Value::FloatTensor(tensor) => {
            let (shape, values) = parts(tensor);
            let data = match declared {
                Datatype::Fp32 => Data::Fp32(values),
                Datatype::Fp64 => Data::Fp64(values.into_iter().map(f64::from).collect()),
                Datatype::Fp16 => Data::Fp16(values.into_iter().map(f16::from_f32).collect()),
                _ => return Err(wrong("floats")),
            };
            (shape, data)
        }
        Value::Int32Tensor(tensor) => {
            let (shape, values) = parts(tensor);
            let data = match declared {
                Datatype::Int32 => Data::Int32(values),
                Datatype::Int64 => Data::Int64(values.into_iter().map(i64::from).collect()),
                Datatype::Bool => Data::Bool(values.into_iter().map(|value| value != 0).collect()),
                _ => return Err(wrong("32-bit integers")),
            };
            (shape, data)
        }
        Value::Int8Tensor(tensor) if declared == Datatype::Int8 => {
            let (shape, values) = parts(tensor);
            (shape, Data::Int8(values))
        }
        Value::UInt8Tensor(tensor) if declared == Datatype::Uint8 => {
            let (shape, values) = parts(tensor);
            (shape, Data::Uint8(values))
        }
        Value::Int8Tensor(_) => return Err(wrong("signed bytes")),
        Value::UInt8Tensor(_) => return Err(wrong("unsigned bytes")),
        _ => return Err(wrong("what is no tensor")),
    };
    Tensor::new(shape, data).map_err(|data| wrong(&format!("{} elements for its shape", data.len())))
}

fn parts<T: Clone>(tensor: RtenTensor<T>) -> (Shape, Vec<T>) {
    (Shape::new(tensor.shape().to_vec()), tensor.into_data())
}
