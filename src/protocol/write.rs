//! Writing JSON: strings, and elements such that whoever parses them as their datatype gets the same bits.

use half::f16;

use crate::tensor::Data;

/// Appends a string with its quotes.
pub(super) fn string(body: &mut Vec<u8>, text: &str) {
    body.push(b'"');
    let mut rest = text.as_bytes();
    while let Some(at) = rest.iter().position(|&byte| byte < 0x20 || byte == b'"' || byte == b'\\') {
        let (plain, special) = rest.split_at(at);
        body.extend_from_slice(plain);
        let Some((&byte, behind)) = special.split_first() else { break };
        match byte {
            b'"' => body.extend_from_slice(b"\\\""),
            b'\\' => body.extend_from_slice(b"\\\\"),
            b'\n' => body.extend_from_slice(b"\\n"),
            b'\r' => body.extend_from_slice(b"\\r"),
            b'\t' => body.extend_from_slice(b"\\t"),
            _ => body.extend_from_slice(format!("\\u{byte:04x}").as_bytes()),
        }
        rest = behind;
    }
    body.extend_from_slice(rest);
    body.push(b'"');
}

/// Appends an integer.
pub(super) fn integer(body: &mut Vec<u8>, value: impl itoa::Integer) {
    body.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// Appends all elements as one flat array. Says which element is not UTF-8, where strings are not.
pub(super) fn elements(body: &mut Vec<u8>, data: &Data) -> Result<(), usize> {
    match data {
        Data::Bool(values) => {
            list(body, values, |body, &value| body.extend_from_slice(if value { b"true" } else { b"false" }));
        }
        Data::Uint8(values) => list(body, values, |body, &value| integer(body, value)),
        Data::Uint16(values) => list(body, values, |body, &value| integer(body, value)),
        Data::Uint32(values) => list(body, values, |body, &value| integer(body, value)),
        Data::Uint64(values) => list(body, values, |body, &value| integer(body, value)),
        Data::Int8(values) => list(body, values, |body, &value| integer(body, value)),
        Data::Int16(values) => list(body, values, |body, &value| integer(body, value)),
        Data::Int32(values) => list(body, values, |body, &value| integer(body, value)),
        Data::Int64(values) => list(body, values, |body, &value| integer(body, value)),
        Data::Fp16(values) => list(body, values, |body, &value| binary16(body, value)),
        Data::Fp32(values) => list(body, values, |body, &value| float(body, value, value.is_finite())),
        Data::Fp64(values) => list(body, values, |body, &value| float(body, value, value.is_finite())),
        Data::Bytes(strings) => {
            body.push(b'[');
            for (index, bytes) in strings.iter().enumerate() {
                if index > 0 {
                    body.push(b',');
                }
                string(body, std::str::from_utf8(bytes).map_err(|_| index)?);
            }
            body.push(b']');
        }
    }
    Ok(())
}

fn list<T>(body: &mut Vec<u8>, values: &[T], write: impl Fn(&mut Vec<u8>, &T)) {
    body.push(b'[');
    if let Some((first, rest)) = values.split_first() {
        write(body, first);
        for value in rest {
            body.push(b',');
            write(body, value);
        }
    }
    body.push(b']');
}

/// Every binary16 is a binary32: its shortest decimal there reads back as the same binary16.
fn binary16(body: &mut Vec<u8>, value: f16) {
    float(body, value.to_f32(), value.is_finite());
}

/// The shortest decimal that reads back as the same bits; JSON has no word for the others but `null`.
fn float(body: &mut Vec<u8>, value: impl zmij::Float, finite: bool) {
    if finite {
        body.extend_from_slice(zmij::Buffer::new().format_finite(value).as_bytes());
    } else {
        body.extend_from_slice(b"null");
    }
}
