//! Categories to numbers and back.

use std::collections::HashMap;
use std::hash::Hash;

use crate::engine::tabular::kernel::{Fallible, Inputs, Output, elements, made, pick, tensor};
use crate::engine::tabular::node::{Built, Op};
use crate::engine::tabular::plain::{cast, joined};
use crate::tensor::{Data, Datatype, Excerpt, Strings, Tensor};

/// A key that elements are looked up by. Floats are equal as numbers are, and NaN is equal to itself.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Key {
    Text(Box<[u8]>),
    Integer(i64),
    Float(u64),
}

impl Key {
    fn float(value: f64) -> Self {
        let value = if value.is_nan() { f64::NAN } else { value + 0.0 };
        Self::Float(value.to_bits())
    }
}

/// The keys of all elements. A table of strings is asked with the bytes as they lie, without a copy.
fn keys(data: &Data) -> Fallible<Vec<Key>> {
    Ok(match data {
        Data::Bytes(strings) => strings.iter().map(|text| Key::Text(text.into())).collect(),
        Data::Int64(values) => values.iter().map(|&value| Key::Integer(value)).collect(),
        Data::Int32(values) => values.iter().map(|&value| Key::Integer(value.into())).collect(),
        Data::Fp32(values) => values.iter().map(|&value| Key::float(value.into())).collect(),
        Data::Fp64(values) => values.iter().map(|&value| Key::float(value)).collect(),
        other => return Err(format!("{} is not covered", other.datatype())),
    })
}

/// Places by key; of equal keys the first counts.
fn table<K: Hash + Eq>(keys: impl IntoIterator<Item = K>) -> HashMap<K, usize> {
    let mut table = HashMap::new();
    for (place, key) in keys.into_iter().enumerate() {
        table.entry(key).or_insert(place);
    }
    table
}

/// Where elements stand among some categories.
enum Categories {
    Texts(HashMap<Box<[u8]>, usize>),
    Integers(HashMap<i64, usize>),
}

impl Categories {
    /// Strings are looked up as they are, numbers as whole ones.
    fn places(&self, data: &Data) -> Fallible<Vec<Option<usize>>> {
        match (self, data) {
            (Self::Texts(table), Data::Bytes(strings)) => {
                Ok(strings.iter().map(|text| table.get(text).copied()).collect())
            }
            (Self::Integers(table), data) if data.datatype() != Datatype::Bytes => {
                let Data::Int64(values) = cast(data, Datatype::Int64)? else {
                    return Err("no integers".into());
                };
                // NaN is no number, nor the zero that it is cast to.
                let lost = nans(data);
                let place = |(value, lost): (&i64, bool)| if lost { None } else { table.get(value).copied() };
                Ok(values.iter().zip(lost).map(place).collect())
            }
            (_, data) => Err(format!("{} is not what its categories are", data.datatype())),
        }
    }
}

fn nans(data: &Data) -> Vec<bool> {
    match data {
        Data::Fp32(values) => values.iter().map(|value| value.is_nan()).collect(),
        Data::Fp64(values) => values.iter().map(|value| value.is_nan()).collect(),
        other => vec![false; other.len()],
    }
}

pub(super) fn one_hot(op: &Op<'_>) -> Fallible<Built> {
    let datatype = op.datatype(0)?;
    let (texts, integers) = (op.strings("cats_strings")?, op.integers("cats_int64s")?);
    let (categories, count) = match (texts.is_empty(), integers.is_empty()) {
        (false, true) => {
            (Categories::Texts(table(texts.iter().map(|text| text.as_bytes().into()))), texts.len())
        }
        (true, false) => (Categories::Integers(table(integers.iter().copied())), integers.len()),
        _ => return Err("expected either cats_strings or cats_int64s".into()),
    };
    if (datatype == Datatype::Bytes) != matches!(categories, Categories::Texts(_)) {
        return Err(format!("{datatype} is not what its categories are"));
    }
    let lenient = op.flag("zeros", true)?;
    let built = Built::function(Datatype::Fp32, move |inputs: &mut Inputs<'_>| {
        let sizes = [inputs.sizes(0)?, &[count]].concat();
        let mut hot = vec![0.0_f32; elements(&sizes)?];
        let places = categories.places(inputs.get(0)?.data())?;
        for (at, (row, place)) in hot.chunks_exact_mut(count).zip(&places).enumerate() {
            match place.and_then(|place| row.get_mut(place)) {
                Some(column) => *column = 1.0,
                None if lenient => {}
                None => {
                    let got = pick(inputs.get(0)?.data(), &[at])?;
                    let got =
                        if got.datatype() == Datatype::Bytes { got } else { cast(&got, Datatype::Bytes)? };
                    let got = if let Data::Bytes(texts) = &got { texts.get(0) } else { None };
                    let got = String::from_utf8_lossy(got.unwrap_or_default());
                    return Err(format!("expected one of its {count} categories, got {}", Excerpt(&got)));
                }
            }
        }
        made(sizes, hot)
    })?;
    Ok(if lenient { built } else { built.picky() })
}

/// Elements of one type by elements of another.
fn translate(keys_of: &Data, values: Tensor, default: Tensor, from: Datatype) -> Fallible<Built> {
    let places = table(keys(keys_of)?);
    translate_by(places, keys_of, values, default, from)
}

fn translate_by(
    table: HashMap<Key, usize>,
    keys_of: &Data,
    values: Tensor,
    default: Tensor,
    from: Datatype,
) -> Fallible<Built> {
    if keys_of.datatype() != from {
        return Err(format!("its keys are {}, its input is {from}", keys_of.datatype()));
    }
    if keys_of.len() != values.data().len() || default.data().len() != 1 {
        return Err(format!("{} keys are not for {} values", keys_of.len(), values.data().len()));
    }
    // The default stands behind the values, so that every element has a place.
    let flat = |tensor: Tensor| {
        let data = tensor.into_parts().1;
        tensor_of(data)
    };
    let (values, default) = (flat(values)?, flat(default)?);
    let all = joined(&[&values, &default], 0)?;
    let unknown = values.data().len();
    Built::function(all.datatype(), move |inputs: &mut Inputs<'_>| {
        let input = inputs.get(0)?;
        let places: Vec<usize> =
            keys(input.data())?.iter().map(|key| table.get(key).copied().unwrap_or(unknown)).collect();
        let data = pick(all.data(), &places)?;
        tensor(input.shape().sizes(), data).map(Output::One)
    })
}

fn tensor_of(data: Data) -> Fallible<Tensor> {
    tensor(vec![data.len()], data)
}

fn strings<'a>(texts: impl IntoIterator<Item = &'a str>) -> Data {
    Data::Bytes(texts.into_iter().collect::<Strings>())
}

/// In version 1 a list of strings by their places; later keys and values, from version 4 on also as tensors.
pub(super) fn label_encoder(op: &Op<'_>) -> Fallible<Built> {
    let from = op.datatype(0)?;
    let text = |name| Ok::<_, String>(op.text(name)?.unwrap_or("_Unused"));
    let whole = |name| Ok::<_, String>(op.integer(name)?.unwrap_or(-1));
    if op.attribute("classes_strings").is_some() {
        let classes = op.strings("classes_strings")?;
        let numbers = Data::Int64((0..).take(classes.len()).collect());
        let classes = strings(classes);
        return if from == Datatype::Bytes {
            let default = Data::Int64(vec![whole("default_int64")?]);
            translate(&classes, tensor_of(numbers)?, tensor_of(default)?, from)
        } else {
            let default = strings([text("default_string")?]);
            translate(&numbers, tensor_of(classes)?, tensor_of(default)?, from)
        };
    }
    let side = |side: &str| -> Fallible<Data> {
        let name = |kind: &str| format!("{side}_{kind}");
        if let Some(tensor) = op.tensor(&name("tensor"))? {
            return Ok(tensor.into_parts().1);
        }
        if op.attribute(&name("strings")).is_some() {
            return Ok(strings(op.strings(&name("strings"))?));
        }
        if op.attribute(&name("int64s")).is_some() {
            return Ok(Data::Int64(op.integers(&name("int64s"))?));
        }
        if op.attribute(&name("floats")).is_some() {
            return Ok(Data::Fp32(op.floats(&name("floats"))?.to_vec()));
        }
        Err(format!("its {side} are missing"))
    };
    let (keys, values) = (side("keys")?, side("values")?);
    let default = match (op.tensor("default_tensor")?, values.datatype()) {
        (Some(default), _) => default,
        (None, Datatype::Bytes) => tensor_of(strings([text("default_string")?]))?,
        (None, Datatype::Int64) => tensor_of(Data::Int64(vec![whole("default_int64")?]))?,
        // Only a tensor holds these, and so nothing but a tensor their default.
        (None, Datatype::Int32) => tensor_of(Data::Int32(vec![-1]))?,
        (None, to) => tensor_of(cast(&Data::Fp32(vec![op.float("default_float")?.unwrap_or(-0.0)]), to)?)?,
    };
    if default.datatype() != values.datatype() {
        return Err(format!("its default is {}, its values are {}", default.datatype(), values.datatype()));
    }
    // "If a key is repeated, the last key takes precedence", version 4 says; before that nothing is said, and ONNX Runtime takes
    // the first.
    let given = self::keys(&keys)?;
    let table = if op.version >= 4 { given.into_iter().zip(0..).collect() } else { table(given) };
    translate_by(table, &keys, tensor_of(values)?, default, from)
}

pub(super) fn mapper(op: &Op<'_>) -> Fallible<Built> {
    let from = op.datatype(0)?;
    let (texts, numbers) = (strings(op.strings("cats_strings")?), Data::Int64(op.integers("cats_int64s")?));
    if from == Datatype::Bytes {
        let default = Data::Int64(vec![op.integer("default_int64")?.unwrap_or(-1)]);
        translate(&texts, tensor_of(numbers)?, tensor_of(default)?, from)
    } else {
        let default = strings([op.text("default_string")?.unwrap_or("_Unused")]);
        translate(&numbers, tensor_of(texts)?, tensor_of(default)?, from)
    }
}
