//! Constants of a model as tensors.

use super::kernel::{Fallible, elements};
use crate::engine::onnx::{Constant, data_type};
use crate::tensor::{Data, Shape, Strings, Tensor};

/// Reads a constant. Its data is raw bytes or the list of its type, never in another file.
pub(super) fn read(constant: &Constant) -> Fallible<Tensor> {
    if constant.data_location != 0 {
        return Err("its data is in a side file".into());
    }
    let size = |&size: &i64| usize::try_from(size).map_err(|_| format!("{size} is not a size"));
    let sizes = constant.dims.iter().map(size).collect::<Fallible<Vec<_>>>()?;
    let expected = elements(&sizes)?;
    let raw = constant.raw_data.as_deref().filter(|raw| !raw.is_empty());
    let data = match constant.data_type {
        data_type::FLOAT => Data::Fp32(list(raw, &constant.float_data, f32::from_le_bytes)?),
        data_type::DOUBLE => Data::Fp64(list(raw, &constant.double_data, f64::from_le_bytes)?),
        data_type::INT64 => Data::Int64(list(raw, &constant.int64_data, i64::from_le_bytes)?),
        data_type::INT32 => Data::Int32(list(raw, &constant.int32_data, i32::from_le_bytes)?),
        data_type::BOOL => {
            let listed: Vec<_> = constant.int32_data.iter().map(|&value| value != 0).collect();
            Data::Bool(list(raw, &listed, |[byte]| byte != 0)?)
        }
        data_type::STRING => Data::Bytes(constant.string_data.iter().collect::<Strings>()),
        other => return Err(format!("ONNX data type {other} is not covered")),
    };
    if data.len() != expected {
        return Err(format!("it has {} elements where its shape has {expected}", data.len()));
    }
    Tensor::new(Shape::new(sizes), data).map_err(|_| "its data and its shape differ".into())
}

/// Whether the engine has its type, and looks for its data where it is.
pub(super) fn is_covered(constant: &Constant) -> bool {
    use data_type::{BOOL, DOUBLE, FLOAT, INT32, INT64, STRING};
    constant.data_location == 0
        && matches!(constant.data_type, FLOAT | DOUBLE | INT64 | INT32 | BOOL | STRING)
}

fn list<T: Clone, const SIZE: usize>(
    raw: Option<&[u8]>,
    listed: &[T],
    element: impl Fn([u8; SIZE]) -> T,
) -> Fallible<Vec<T>> {
    let Some(raw) = raw else { return Ok(listed.to_vec()) };
    match raw.as_chunks() {
        (elements, []) => Ok(elements.iter().map(|&bytes| element(bytes)).collect()),
        _ => Err("its data is cut off".into()),
    }
}
