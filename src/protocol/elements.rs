//! The `data` of a tensor in JSON, flat or nested as its shape says, read element by element into typed vectors.

use half::f16;

use super::{Malformed, cursor::Cursor, number};
use crate::tensor::{Data, Datatype, Excerpt, Shape, Strings, Tensor};

type Read<T> = Result<T, Malformed>;

/// Reads a tensor's data; the cursor stands before it.
pub(super) fn read(cursor: &mut Cursor<'_>, datatype: Datatype, shape: Shape) -> Read<Tensor> {
    let data = match datatype {
        Datatype::Bool => Data::Bool(collect(cursor, &shape, boolean)?),
        Datatype::Uint8 => Data::Uint8(collect(cursor, &shape, integer(datatype))?),
        Datatype::Uint16 => Data::Uint16(collect(cursor, &shape, integer(datatype))?),
        Datatype::Uint32 => Data::Uint32(collect(cursor, &shape, integer(datatype))?),
        Datatype::Uint64 => Data::Uint64(collect(cursor, &shape, integer(datatype))?),
        Datatype::Int8 => Data::Int8(collect(cursor, &shape, integer(datatype))?),
        Datatype::Int16 => Data::Int16(collect(cursor, &shape, integer(datatype))?),
        Datatype::Int32 => Data::Int32(collect(cursor, &shape, integer(datatype))?),
        Datatype::Int64 => Data::Int64(collect(cursor, &shape, integer(datatype))?),
        Datatype::Fp16 => Data::Fp16(collect(cursor, &shape, binary16)?),
        Datatype::Fp32 => Data::Fp32(gather(cursor, &shape, binary32, plain)?),
        Datatype::Fp64 => Data::Fp64(gather(cursor, &shape, binary64, plain)?),
        Datatype::Bytes => Data::Bytes(strings(cursor, &shape)?),
    };
    Tensor::new(shape, data).map_err(|_| Malformed::new("data and shape differ"))
}

/// Takes elements as a walk through the lists comes by them.
trait Elements {
    /// Reads the one that the cursor stands before; `wanted` = the shape has room for it.
    fn one(&mut self, cursor: &mut Cursor<'_>, wanted: bool) -> Read<()>;

    /// Reads some in one go, at most `room`, each with the comma behind it, and says how many.
    fn many(&mut self, cursor: &mut Cursor<'_>, room: usize) -> usize;
}

struct Gather<T, R> {
    values: Vec<T>,
    read: R,
    /// Reads most elements, and leaves to `read` whatever needs a closer look.
    plain: fn(&mut Cursor<'_>, &mut Vec<T>, usize),
}

impl<T, R: Fn(&mut Cursor<'_>) -> Read<T>> Elements for Gather<T, R> {
    #[inline]
    fn one(&mut self, cursor: &mut Cursor<'_>, wanted: bool) -> Read<()> {
        let value = (self.read)(cursor)?;
        if wanted {
            self.values.push(value);
        }
        Ok(())
    }

    fn many(&mut self, cursor: &mut Cursor<'_>, room: usize) -> usize {
        let before = self.values.len();
        (self.plain)(cursor, &mut self.values, room);
        self.values.len() - before
    }
}

impl Elements for Strings {
    fn one(&mut self, cursor: &mut Cursor<'_>, wanted: bool) -> Read<()> {
        if cursor.peek() != Some(b'"') {
            return Err(cursor.unexpected("a BYTES element, a string"));
        }
        let string = cursor.string()?;
        if wanted && !self.push(string.as_bytes()) {
            return Err(Malformed::new("more than 4 GiB of strings"));
        }
        Ok(())
    }

    fn many(&mut self, _: &mut Cursor<'_>, _: usize) -> usize {
        0
    }
}

fn collect<T>(
    cursor: &mut Cursor<'_>,
    shape: &Shape,
    read: impl Fn(&mut Cursor<'_>) -> Read<T>,
) -> Read<Vec<T>> {
    gather(cursor, shape, read, |_, _, _| ())
}

fn gather<T>(
    cursor: &mut Cursor<'_>,
    shape: &Shape,
    read: impl Fn(&mut Cursor<'_>) -> Read<T>,
    plain: fn(&mut Cursor<'_>, &mut Vec<T>, usize),
) -> Read<Vec<T>> {
    // An element takes two bytes of JSON at least: what a shape claims beyond that is never allocated.
    let possible = cursor.rest().len() / 2 + 1;
    let values = Vec::with_capacity(shape.elements().unwrap_or(0).min(possible));
    let mut elements = Gather { values, read, plain };
    walk(cursor, shape, &mut elements)?;
    Ok(elements.values)
}

fn strings(cursor: &mut Cursor<'_>, shape: &Shape) -> Read<Strings> {
    let mut strings = Strings::default();
    walk(cursor, shape, &mut strings)?;
    Ok(strings)
}

/// Reads all elements, in one list or in lists of lists.
fn walk(cursor: &mut Cursor<'_>, shape: &Shape, elements: &mut impl Elements) -> Read<()> {
    if !cursor.take(b'[') {
        return Err(cursor.unexpected("data, an array"));
    }
    if shape.rank() > 1 && cursor.peek() == Some(b'[') {
        nested(cursor, shape, elements)
    } else {
        flat(cursor, shape, elements)
    }
}

/// All elements in one list, whose opening bracket is behind.
fn flat(cursor: &mut Cursor<'_>, shape: &Shape, elements: &mut impl Elements) -> Read<()> {
    let Some(expected) = shape.elements() else {
        return Err(Malformed::new(format!("shape {shape} has more elements than memory has bytes")));
    };
    let mut count = 0;
    if !cursor.take(b']') {
        loop {
            count += elements.many(cursor, expected.saturating_sub(count));
            elements.one(cursor, count < expected)?;
            count += 1;
            if !cursor.take(b',') {
                cursor.expect(b']', "or ',' after an element")?;
                break;
            }
        }
    }
    if count == expected {
        Ok(())
    } else {
        Err(Malformed::new(format!("shape {shape} has {expected} elements, got {count}")))
    }
}

/// Lists in lists, as deep as the shape has dimensions and each as long as its dimension; the outermost opening bracket
/// is behind.
fn nested(cursor: &mut Cursor<'_>, shape: &Shape, elements: &mut impl Elements) -> Read<()> {
    let mut counts = vec![0_usize];
    loop {
        if counts.len() < shape.rank() {
            // Words are only made where something is wrong: a batch has many lists.
            let words = match cursor.peek() {
                Some(b'[') => String::new(),
                _ => format!("to open a list of level {} of shape {shape}", counts.len() + 1),
            };
            cursor.expect(b'[', &words)?;
            counts.push(0);
        }
        let empty = cursor.peek() == Some(b']');
        if !empty && counts.len() < shape.rank() {
            continue;
        }
        if !empty {
            let (Some(count), Some(&size)) = (counts.last_mut(), shape.sizes().last()) else { return Ok(()) };
            *count += elements.many(cursor, size.saturating_sub(*count));
            elements.one(cursor, *count < size)?;
            *count += 1;
        }
        while !cursor.take(b',') {
            cursor.expect(b']', "or ',' after an element")?;
            let level = counts.len();
            let (count, size) = (counts.pop(), level.checked_sub(1).and_then(|at| shape.sizes().get(at)));
            if count.as_ref() != size {
                let (count, size) = (count.unwrap_or_default(), size.copied().unwrap_or_default());
                return Err(Malformed::new(format!(
                    "a list of level {level} of shape {shape} has {size} elements, got {count}"
                )));
            }
            let Some(outer) = counts.last_mut() else { return Ok(()) };
            *outer += 1;
        }
    }
}

fn boolean(cursor: &mut Cursor<'_>) -> Read<bool> {
    cursor.peek();
    cursor.boolean().map_err(|_| cursor.unexpected("a BOOL element, true or false"))
}

fn integer<T: TryFrom<i128>>(datatype: Datatype) -> impl Fn(&mut Cursor<'_>) -> Read<T> {
    move |cursor| {
        let decimal = decimal(cursor, datatype)?;
        decimal.integer().and_then(|value| T::try_from(value).ok()).ok_or_else(|| unfit(&decimal, datatype))
    }
}

fn binary16(cursor: &mut Cursor<'_>) -> Read<f16> {
    if let Some(value) = word(cursor) {
        return Ok(f16::from_f64(value));
    }
    let decimal = decimal(cursor, Datatype::Fp16)?;
    let value = f16::from_f64(decimal.binary64());
    if value.is_finite() { Ok(value) } else { Err(unfit(&decimal, Datatype::Fp16)) }
}

fn plain<T: number::Real>(cursor: &mut Cursor<'_>, values: &mut Vec<T>, room: usize) {
    let length = number::plain(cursor.rest(), values, room);
    cursor.advance(length);
}

#[allow(clippy::cast_possible_truncation)] // NaN and the infinities are the same in both
fn binary32(cursor: &mut Cursor<'_>) -> Read<f32> {
    if let Some(value) = word(cursor) {
        return Ok(value as f32);
    }
    let decimal = decimal(cursor, Datatype::Fp32)?;
    let value = decimal.binary32();
    if value.is_finite() { Ok(value) } else { Err(unfit(&decimal, Datatype::Fp32)) }
}

fn binary64(cursor: &mut Cursor<'_>) -> Read<f64> {
    if let Some(value) = word(cursor) {
        return Ok(value);
    }
    let decimal = decimal(cursor, Datatype::Fp64)?;
    let value = decimal.binary64();
    if value.is_finite() { Ok(value) } else { Err(unfit(&decimal, Datatype::Fp64)) }
}

/// The words that stand for what no decimal can say: `null` as JSON has to, and the three that Python's json writes.
#[inline]
fn word(cursor: &mut Cursor<'_>) -> Option<f64> {
    match cursor.peek()? {
        b'n' => cursor.take_word("null").then_some(f64::NAN),
        b'N' => cursor.take_word("NaN").then_some(f64::NAN),
        b'I' => cursor.take_word("Infinity").then_some(f64::INFINITY),
        b'-' => cursor.take_word("-Infinity").then_some(f64::NEG_INFINITY),
        _ => None,
    }
}

#[inline]
fn decimal<'a>(cursor: &mut Cursor<'a>, datatype: Datatype) -> Read<number::Decimal<'a>> {
    cursor.peek();
    match number::scan(cursor.rest()) {
        Some((decimal, length)) => {
            cursor.advance(length);
            Ok(decimal)
        }
        None => Err(cursor.unexpected(&format!("{} element, a number", article(datatype)))),
    }
}

fn article(datatype: Datatype) -> String {
    let vowel = matches!(datatype.name().as_bytes().first(), Some(b'I' | b'F'));
    format!("{} {datatype}", if vowel { "an" } else { "a" })
}

fn unfit(decimal: &number::Decimal<'_>, datatype: Datatype) -> Malformed {
    let text = String::from_utf8_lossy(decimal.text);
    Malformed::new(format!(
        "expected {} element, got {}, which does not fit",
        article(datatype),
        Excerpt(&text)
    ))
}
