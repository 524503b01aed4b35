//! Cast.

use crate::engine::signature::datatype;
use crate::engine::tabular::element::{Element, Number};
use crate::engine::tabular::kernel::{Fallible, Inputs, covered, tensor, texts};
use crate::engine::tabular::node::{Built, Op};
use crate::tensor::{Data, Datatype, Excerpt, Strings};

pub(super) fn build(op: &Op<'_>) -> Fallible<Built> {
    let number = op.integer("to")?.ok_or("to is missing")?;
    let to = i32::try_from(number).ok().and_then(datatype).filter(|&to| covered(to));
    let to = to.ok_or_else(|| format!("ONNX data type {number} is not covered"))?;
    let from = op.datatype(0)?;
    let built = Built::function(to, move |inputs: &mut Inputs<'_>| {
        if inputs.get(0)?.datatype() == to {
            return inputs.take(0).map(Into::into);
        }
        let from = inputs.get(0)?;
        tensor(from.shape().sizes(), cast(from.data(), to)?).map(Into::into)
    })?;
    // Not every text is a number.
    Ok(if from == Datatype::Bytes { built.picky() } else { built })
}

/// Elements as another type. As text floats have eight digits, the operator's specification being silent and ONNX Runtime's so
/// many. As integers they lose their fraction; what does not fit an integer is saturated, and NaN is zero.
pub(in crate::engine::tabular) fn cast(data: &Data, to: Datatype) -> Fallible<Data> {
    match data {
        Data::Fp32(values) => numbers(values, to, |value| general(f64::from(value), 8)),
        Data::Fp64(values) => numbers(values, to, |value| general(value, 8)),
        Data::Int64(values) => integers(values, to),
        Data::Int32(values) => integers(values, to),
        Data::Bool(values) => {
            let values: Vec<i64> = values.iter().map(|&value| value.into()).collect();
            integers(&values, to)
        }
        Data::Bytes(strings) => parse(strings, to),
        other => Err(format!("{} is not covered", other.datatype())),
    }
}

fn numbers<T: Number>(values: &[T], to: Datatype, text: impl Fn(T) -> String) -> Fallible<Data> {
    Ok(match to {
        Datatype::Fp32 => Data::Fp32(values.iter().map(|value| f32::from_f64(value.to_f64())).collect()),
        Datatype::Fp64 => Data::Fp64(values.iter().map(|value| value.to_f64()).collect()),
        Datatype::Int64 => Data::Int64(values.iter().map(|value| i64::from_f64(value.to_f64())).collect()),
        Datatype::Int32 => Data::Int32(values.iter().map(|value| i32::from_f64(value.to_f64())).collect()),
        Datatype::Bool => Data::Bool(values.iter().map(|&value| value != T::default()).collect()),
        Datatype::Bytes => texts(values.iter().map(|&value| text(value)))?,
        other => return Err(format!("{other} is not covered")),
    })
}

/// Between integers nothing goes by way of a float: the low bits are kept.
fn integers<T: Number + Into<i64> + std::fmt::Display>(values: &[T], to: Datatype) -> Fallible<Data> {
    let whole = |&value: &T| -> i64 { value.into() };
    match to {
        Datatype::Int64 => Ok(Data::Int64(values.iter().map(whole).collect())),
        #[allow(clippy::cast_possible_truncation)] // said above
        Datatype::Int32 => Ok(Data::Int32(values.iter().map(|value| whole(value) as i32).collect())),
        #[allow(clippy::cast_precision_loss)] // the nearest
        Datatype::Fp32 => Ok(Data::Fp32(values.iter().map(|value| whole(value) as f32).collect())),
        _ => numbers(values, to, |value| value.to_string()),
    }
}

fn parse(strings: &Strings, to: Datatype) -> Fallible<Data> {
    fn all<T: std::str::FromStr>(strings: &Strings, to: Datatype) -> Fallible<Vec<T>> {
        let read = |bytes: &[u8]| std::str::from_utf8(bytes).ok().and_then(|text| text.trim().parse().ok());
        let refused =
            |bytes: &[u8]| format!("expected {to}, got {}", Excerpt(&String::from_utf8_lossy(bytes)));
        strings.iter().map(|bytes| read(bytes).ok_or_else(|| refused(bytes))).collect()
    }
    match to {
        Datatype::Fp32 => all(strings, to).map(Data::Fp32),
        Datatype::Fp64 => all(strings, to).map(Data::Fp64),
        Datatype::Int64 => all(strings, to).map(Data::Int64),
        Datatype::Int32 => all(strings, to).map(Data::Int32),
        other => Err(format!("strings as {other} are not covered")),
    }
}

/// A number as C's `%g` writes it with so many digits: the shorter of decimals and an exponent, without trailing zeros. Specials
/// are as the operator's specification spells them.
pub(in crate::engine::tabular) fn general(value: f64, digits: usize) -> String {
    if value.is_nan() {
        return "NaN".into();
    }
    if value.is_infinite() {
        return if value > 0.0 { "INF" } else { "-INF" }.into();
    }
    let scientific = format!("{value:.*e}", digits - 1);
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let trimmed = |text: &str| {
        let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { text };
        text.to_owned()
    };
    let places = i32::try_from(digits).unwrap_or(17) - 1 - exponent;
    match usize::try_from(places) {
        Ok(places) if exponent >= -4 => trimmed(&format!("{value:.places$}")),
        _ => {
            let sign = if exponent < 0 { '-' } else { '+' };
            format!("{}e{sign}{:02}", trimmed(mantissa), exponent.abs())
        }
    }
}

/// Elements of any type as floats: what the operators of ai.onnx.ml compute in.
pub(in crate::engine::tabular) fn floats<T: Element + Number>(data: &Data) -> Fallible<Vec<T>> {
    let cast = cast(data, T::DATATYPE)?;
    T::own(cast).ok_or_else(|| format!("{} is not covered", data.datatype()))
}
