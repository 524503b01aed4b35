//! Attributes with long lists. A forest tells each of its nodes in a dozen of them, element by element, each with the number of its
//! field in front: read one at a time, they take longer than all else that loading does.

use std::ops::{Deref, DerefMut};

use bytes::{Buf, BufMut, Bytes};
use prost::encoding::{self, DecodeContext, WireType};
use prost::{DecodeError, Message};

use super::Fields;

/// `AttributeProto`
#[derive(Clone, Debug, Default, PartialEq)]
pub(in crate::engine) struct Attribute {
    fields: Fields,
    pub(in crate::engine) strings: Strings,
}

/// A list of strings. The modes of a forest's tests are two words, millions of times: the first few words are kept once each.
#[derive(Clone, Debug, Default)]
pub(in crate::engine) struct Strings {
    words: Vec<Bytes>,
    /// Of each element, which of the words it is.
    elements: Vec<u32>,
}

/// Words that an element may be one of.
const SHARED: usize = 8;

const FLOATS: u32 = 7;
const INTS: u32 = 8;
const STRINGS: u32 = 9;

/// What stands before an element of [`FLOATS`]: the field's number and that four bytes follow.
const FLOAT: u8 = 7 << 3 | 5;
/// The same of [`INTS`]: a varint follows.
const INT: u8 = 8 << 3;
/// The same of [`STRINGS`]: a length follows.
const STRING: u8 = 9 << 3 | 2;

impl Message for Attribute {
    fn encode_raw(&self, to: &mut impl BufMut) {
        self.fields.encode_raw(to);
        self.strings.iter().for_each(|text| encoding::bytes::encode(STRINGS, text, to));
    }

    /// After an element that was read in the usual way, those that follow it and are as short as nearly all are. What belongs to
    /// this attribute is said further out, where reading beyond it is an error.
    fn merge_field(
        &mut self,
        number: u32,
        wire_type: WireType,
        from: &mut impl Buf,
        context: DecodeContext,
    ) -> Result<(), DecodeError> {
        if number == STRINGS {
            let mut text = Bytes::new();
            encoding::bytes::merge(wire_type, &mut text, from, context)?;
            self.strings.push(text);
        } else {
            self.fields.merge_field(number, wire_type, from, context)?;
        }
        let read = match number {
            FLOATS => floats(&mut self.fields.floats, from.chunk()),
            INTS => integers(&mut self.fields.ints, from.chunk()),
            STRINGS => self.strings.repeated(from.chunk()),
            _ => 0,
        };
        from.advance(read);
        Ok(())
    }

    fn encoded_len(&self) -> usize {
        let strings = self.strings.iter().map(|text| encoding::bytes::encoded_len(STRINGS, text));
        self.fields.encoded_len() + strings.sum::<usize>()
    }

    fn clear(&mut self) {
        *self = Self::default();
    }
}

impl Strings {
    pub(in crate::engine) fn len(&self) -> usize {
        self.elements.len()
    }

    pub(in crate::engine) fn iter(&self) -> impl Iterator<Item = &Bytes> + Clone {
        self.elements.iter().filter_map(|&word| self.words.get(word as usize))
    }

    fn push(&mut self, text: Bytes) {
        let known = self.words.iter().take(SHARED).position(|word| *word == text);
        let word = known.unwrap_or(self.words.len());
        if known.is_none() {
            self.words.push(text);
        }
        // A file has less than 2^31 bytes, and an element two at least.
        self.elements.push(u32::try_from(word).unwrap_or(u32::MAX));
    }

    /// Reads elements for as long as they are short, whole and among the first words. Gives the number of bytes read.
    fn repeated(&mut self, bytes: &[u8]) -> usize {
        let mut rest = bytes;
        while let [STRING, length @ ..0x80, next @ ..] = rest
            && let Some((text, next)) = next.split_at_checked(usize::from(*length))
            && let Some(word) =
                self.words.iter().take(SHARED).zip(0..).find_map(|(word, at)| (word == text).then_some(at))
        {
            self.elements.push(word);
            rest = next;
        }
        bytes.len() - rest.len()
    }
}

impl FromIterator<Bytes> for Strings {
    fn from_iter<I: IntoIterator<Item = Bytes>>(texts: I) -> Self {
        let mut strings = Self::default();
        texts.into_iter().for_each(|text| strings.push(text));
        strings
    }
}

impl PartialEq for Strings {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

/// Gives the number of bytes read.
fn floats(values: &mut Vec<f32>, bytes: &[u8]) -> usize {
    let before = values.len();
    let elements = bytes.as_chunks().0.iter();
    values.extend(
        elements.map_while(|&[key, a, b, c, d]| (key == FLOAT).then(|| f32::from_le_bytes([a, b, c, d]))),
    );
    (values.len() - before) * 5
}

/// Integers from 0 to 2^21 - 1. Gives the number of bytes read.
fn integers(values: &mut Vec<i64>, bytes: &[u8]) -> usize {
    let mut rest = bytes;
    loop {
        let (value, next) = match rest {
            [INT, a @ ..0x80, next @ ..] => (i64::from(*a), next),
            [INT, a, b @ ..0x80, next @ ..] => (i64::from(a & 0x7f) | i64::from(*b) << 7, next),
            [INT, a, b, c @ ..0x80, next @ ..] => {
                (i64::from(a & 0x7f) | i64::from(b & 0x7f) << 7 | i64::from(*c) << 14, next)
            }
            _ => return bytes.len() - rest.len(),
        };
        values.push(value);
        rest = next;
    }
}

impl From<Fields> for Attribute {
    fn from(fields: Fields) -> Self {
        Self { fields, strings: Strings::default() }
    }
}

impl Deref for Attribute {
    type Target = Fields;

    fn deref(&self) -> &Fields {
        &self.fields
    }
}

impl DerefMut for Attribute {
    fn deref_mut(&mut self) -> &mut Fields {
        &mut self.fields
    }
}
