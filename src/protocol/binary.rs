//! Raw tensors of the binary tensor extension: little-endian elements, strings with their length in front.

use half::f16;

use super::Malformed;
use crate::tensor::{Data, Datatype, Shape, Signature, Strings, Tensor};

/// Reads a tensor whose raw bytes are exactly `raw`.
pub(super) fn read(raw: &[u8], datatype: Datatype, shape: Shape) -> Result<Tensor, Malformed> {
    let Some(elements) = shape.elements() else {
        return Err(Malformed::new(format!("shape {shape} has more elements than memory has bytes")));
    };
    if let Some(size) = datatype.size()
        && elements.checked_mul(size) != Some(raw.len())
    {
        return Err(Malformed::new(format!(
            "{datatype} {shape} takes {} bytes, got {}",
            elements as u128 * size as u128,
            raw.len()
        )));
    }
    let data = match datatype {
        Datatype::Bool => Data::Bool(booleans(raw)?),
        Datatype::Uint8 => Data::Uint8(raw.to_vec()),
        Datatype::Uint16 => Data::Uint16(copy(raw, u16::from_le_bytes)),
        Datatype::Uint32 => Data::Uint32(copy(raw, u32::from_le_bytes)),
        Datatype::Uint64 => Data::Uint64(copy(raw, u64::from_le_bytes)),
        Datatype::Int8 => Data::Int8(copy(raw, i8::from_le_bytes)),
        Datatype::Int16 => Data::Int16(copy(raw, i16::from_le_bytes)),
        Datatype::Int32 => Data::Int32(copy(raw, i32::from_le_bytes)),
        Datatype::Int64 => Data::Int64(copy(raw, i64::from_le_bytes)),
        Datatype::Fp16 => Data::Fp16(copy(raw, f16::from_le_bytes)),
        Datatype::Fp32 => Data::Fp32(copy(raw, f32::from_le_bytes)),
        Datatype::Fp64 => Data::Fp64(copy(raw, f64::from_le_bytes)),
        Datatype::Bytes => Data::Bytes(strings(raw)?),
    };
    if data.len() != elements {
        return Err(Malformed::new(format!(
            "{datatype} {shape} has {elements} elements, got {}",
            data.len()
        )));
    }
    Tensor::new(shape, data).map_err(|_| Malformed::new("data and shape differ"))
}

/// One pass over the bytes, wherever they begin: an aligned copy would have to be cleared first.
fn copy<const SIZE: usize, T>(raw: &[u8], element: impl Fn([u8; SIZE]) -> T) -> Vec<T> {
    raw.as_chunks().0.iter().map(|&bytes| element(bytes)).collect()
}

fn booleans(raw: &[u8]) -> Result<Vec<bool>, Malformed> {
    match raw.iter().find(|&&byte| byte > 1) {
        Some(byte) => Err(Malformed::new(format!("expected a BOOL element, byte 0 or 1, got byte {byte}"))),
        None => Ok(raw.iter().map(|&byte| byte == 1).collect()),
    }
}

fn strings(mut raw: &[u8]) -> Result<Strings, Malformed> {
    let mut strings = Strings::default();
    while let Some((length, rest)) = raw.split_first_chunk::<4>() {
        let length = u32::from_le_bytes(*length) as usize;
        let Some((string, rest)) = rest.split_at_checked(length) else {
            return Err(Malformed::new(format!(
                "a BYTES element says that it has {length} bytes where {} are left",
                rest.len()
            )));
        };
        if !strings.push(string) {
            return Err(Malformed::new("more than 4 GiB of strings"));
        }
        raw = rest;
    }
    if raw.is_empty() {
        Ok(strings)
    } else {
        Err(Malformed::new(format!(
            "{} bytes are left behind the last BYTES element, too few for a length",
            raw.len()
        )))
    }
}

/// Reads a body that is nothing but the raw elements of a model's only input. Its shape is the declared one, where one
/// size may be free and follows from the length; of several free ones the first does, and the others are 1.
pub(super) fn only_input(raw: &[u8], signature: &Signature) -> Result<(String, Tensor), Malformed> {
    let [spec] = signature.inputs.as_slice() else {
        return Err(Malformed::new(format!(
            "a body without JSON is for a model with one input; this one has {}",
            signature.inputs.len()
        )));
    };
    let mut sizes: Vec<usize> = spec.shape.iter().map(|&size| usize::try_from(size).unwrap_or(1)).collect();
    let free = spec.shape.iter().position(|&size| size < 0);
    if let Some(free) = free.and_then(|free| sizes.get_mut(free)) {
        *free = match spec.datatype.size() {
            None => strings(raw).map_err(|error| error.about("input", &spec.name))?.len(),
            Some(size) => {
                let fixed = spec.shape.iter().filter(|&&size| size >= 0);
                let row = fixed
                    .fold(size, |row, &size| row.saturating_mul(usize::try_from(size).unwrap_or(usize::MAX)));
                raw.len() / row.max(1)
            }
        };
    }
    let tensor =
        read(raw, spec.datatype, Shape::new(sizes)).map_err(|error| error.about("input", &spec.name))?;
    Ok((spec.name.clone(), tensor))
}

/// Appends the raw elements: [`Data::size`] bytes.
pub(super) fn write(body: &mut Vec<u8>, data: &Data) {
    match data {
        Data::Bytes(strings) => {
            for string in strings.iter() {
                // `Strings` holds 4 GiB in all, so that each length fits.
                body.extend_from_slice(&u32::try_from(string.len()).unwrap_or(u32::MAX).to_le_bytes());
                body.extend_from_slice(string);
            }
        }
        _ => body.extend_from_slice(data.bytes().unwrap_or_default()),
    }
}
