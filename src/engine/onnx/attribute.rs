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
    pub(in crate::engine) ints: Integers,
    pub(in crate::engine) strings: Strings,
}

/// A list of integers. A forest has them by the million, and what costs most is the memory that they are written to: so each is as
/// wide as the widest up to it needs: here are first bytes, then those of 16 bits, of 32 and of 64.
#[derive(Clone, Debug, Default)]
pub(in crate::engine) struct Integers {
    bytes: Vec<u8>,
    short: Vec<u16>,
    narrow: Vec<i32>,
    wide: Vec<i64>,
}

/// A list of strings. The modes of a forest's tests are two words, millions of times: the first few words are kept once each.
#[derive(Clone, Debug, Default)]
pub(in crate::engine) struct Strings {
    words: Vec<Bytes>,
    /// Of each element, which of the words it is.
    elements: Integers,
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
        self.ints.iter().for_each(|value| encoding::int64::encode(INTS, &value, to));
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
        match number {
            // What a file weighs is counted ahead without a look behind a list's first element. An attribute has one value.
            5 | 6 | 11 if self.ints.len() + self.fields.floats.len() + self.strings.elements.len() > 0 => {
                #[allow(deprecated)] // nothing else gives an error that says what is wrong
                return Err(DecodeError::new("an attribute has a tensor or a graph behind a list"));
            }
            INTS => {
                let mut values = Vec::new();
                encoding::int64::merge_repeated(wire_type, &mut values, from, context)?;
                for value in values {
                    self.ints.push(value);
                }
            }
            STRINGS => {
                let mut text = Bytes::new();
                encoding::bytes::merge(wire_type, &mut text, from, context)?;
                self.strings.push(text);
            }
            _ => self.fields.merge_field(number, wire_type, from, context)?,
        }
        let read = match number {
            FLOATS => floats(&mut self.fields.floats, from.chunk()),
            INTS => self.ints.repeated(from.chunk()),
            STRINGS => self.strings.repeated(from.chunk()),
            _ => 0,
        };
        from.advance(read);
        Ok(())
    }

    fn encoded_len(&self) -> usize {
        let ints = self.ints.iter().map(|value| encoding::int64::encoded_len(INTS, &value));
        let strings = self.strings.iter().map(|text| encoding::bytes::encoded_len(STRINGS, text));
        self.fields.encoded_len() + ints.sum::<usize>() + strings.sum::<usize>()
    }

    fn clear(&mut self) {
        *self = Self::default();
    }
}

impl Integers {
    pub(in crate::engine) const fn new() -> Self {
        Self { bytes: Vec::new(), short: Vec::new(), narrow: Vec::new(), wide: Vec::new() }
    }

    pub(in crate::engine) fn len(&self) -> usize {
        self.bytes.len() + self.short.len() + self.narrow.len() + self.wide.len()
    }

    #[inline]
    pub(in crate::engine) fn get(&self, place: usize) -> Option<i64> {
        if let Some(&value) = self.bytes.get(place) {
            return Some(value.into());
        }
        let place = place - self.bytes.len();
        if let Some(&value) = self.short.get(place) {
            return Some(value.into());
        }
        let place = place - self.short.len();
        match self.narrow.get(place) {
            Some(&value) => Some(value.into()),
            None => self.wide.get(place - self.narrow.len()).copied(),
        }
    }

    pub(in crate::engine) fn iter(&self) -> impl Iterator<Item = i64> + Clone {
        let bytes = self.bytes.iter().copied().map(i64::from);
        let short = self.short.iter().copied().map(i64::from);
        let narrow = self.narrow.iter().copied().map(i64::from);
        bytes.chain(short).chain(narrow).chain(self.wide.iter().copied())
    }

    fn push(&mut self, value: i64) {
        if let Ok(byte) = u8::try_from(value)
            && self.len() == self.bytes.len()
        {
            self.bytes.push(byte);
        } else if let Ok(short) = u16::try_from(value)
            && self.narrow.is_empty()
            && self.wide.is_empty()
        {
            self.short.push(short);
        } else if let Ok(narrow) = i32::try_from(value)
            && self.wide.is_empty()
        {
            self.narrow.push(narrow);
        } else {
            self.wide.push(value);
        }
    }

    /// Reads elements from 0 to 2^21 - 1, for as long as there are any. Gives the number of bytes read.
    fn repeated(&mut self, bytes: &[u8]) -> usize {
        const FOUR: u64 = u64::from_le_bytes([INT, 0, INT, 0, INT, 0, INT, 0]);
        const REST: u64 = u64::from_le_bytes([0, 0x7f, 0, 0x7f, 0, 0x7f, 0, 0x7f]);
        let mut rest = bytes;
        if self.len() == self.bytes.len() {
            // Four of one byte each, and again: a tree's number, a feature, a class.
            while let Some((four, next)) = rest.split_first_chunk()
                && u64::from_le_bytes(*four) & !REST == FOUR
            {
                let [_, a, _, b, _, c, _, d] = *four;
                self.bytes.extend_from_slice(&[a, b, c, d]);
                rest = next;
            }
        }
        while let Some((value, next)) = small(rest) {
            self.push(value.into());
            rest = next;
            // Nearly all of a list that has left the bytes behind: what is asked for each is only whether it fits.
            if !self.short.is_empty() && self.narrow.is_empty() && self.wide.is_empty() {
                while let Some((value, next)) = small(rest)
                    && let Ok(short) = u16::try_from(value)
                {
                    self.short.push(short);
                    rest = next;
                }
            }
        }
        bytes.len() - rest.len()
    }
}

/// An element of at most three bytes, and what is behind it.
#[inline]
fn small(bytes: &[u8]) -> Option<(u32, &[u8])> {
    Some(match bytes {
        [INT, a @ ..0x80, next @ ..] => (u32::from(*a), next),
        [INT, a, b @ ..0x80, next @ ..] => (u32::from(a & 0x7f) | u32::from(*b) << 7, next),
        [INT, a, b, c @ ..0x80, next @ ..] => {
            (u32::from(a & 0x7f) | u32::from(b & 0x7f) << 7 | u32::from(*c) << 14, next)
        }
        _ => return None,
    })
}

impl FromIterator<i64> for Integers {
    fn from_iter<I: IntoIterator<Item = i64>>(values: I) -> Self {
        let mut integers = Self::default();
        values.into_iter().for_each(|value| integers.push(value));
        integers
    }
}

impl PartialEq for Integers {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Strings {
    pub(in crate::engine) fn iter(&self) -> impl Iterator<Item = &Bytes> + Clone {
        self.elements.iter().filter_map(|word| self.words.get(usize::try_from(word).ok()?))
    }

    /// What becomes of each element, of which equal ones are asked for once; or the first that nothing becomes of, with its place.
    pub(in crate::engine) fn map<T: Copy>(
        &self,
        of: impl Fn(&[u8]) -> Option<T>,
    ) -> Result<Vec<T>, (usize, &Bytes)> {
        let words: Vec<Option<T>> = self.words.iter().map(|word| of(word)).collect();
        if words.iter().any(Option::is_none)
            && let Some(unknown) = self.iter().enumerate().find(|(_, word)| of(word).is_none())
        {
            return Err(unknown);
        }
        let words: Vec<T> = words.into_iter().flatten().collect();
        let Some(&first) = words.first() else { return Ok(Vec::new()) };
        // The length is known ahead, since nothing is left out: an element is always one of the words.
        let of = |word: i64| usize::try_from(word).ok().and_then(|word| words.get(word)).copied();
        let mut mapped = Vec::with_capacity(self.elements.len());
        mapped.extend(self.elements.iter().map(|word| of(word).unwrap_or(first)));
        Ok(mapped)
    }

    fn push(&mut self, text: Bytes) {
        let known = self.words.iter().take(SHARED).position(|word| *word == text);
        let word = known.unwrap_or(self.words.len());
        if known.is_none() {
            self.words.push(text);
        }
        self.elements.push(i64::try_from(word).unwrap_or(i64::MAX));
    }

    /// Reads elements for as long as they are short, whole and among the first words. Gives the number of bytes read.
    fn repeated(&mut self, bytes: &[u8]) -> usize {
        /// Sixteen bytes, of which those behind a word do not count.
        fn number(text: &[u8; 16], length: u8) -> u128 {
            let unused = 8 * (16 - u32::from(length.min(16)));
            u128::from_le_bytes(*text).checked_shl(unused).unwrap_or(0)
        }
        let mut words: [Option<(u8, u128)>; SHARED] = [None; SHARED];
        for (word, known) in self.words.iter().zip(&mut words).filter(|(word, _)| word.len() <= 16) {
            let mut text = [0; 16];
            text.iter_mut().zip(word.iter()).for_each(|(to, &byte)| *to = byte);
            let length = u8::try_from(word.len()).unwrap_or(u8::MAX);
            *known = Some((length, number(&text, length)));
        }
        let mut rest = bytes;
        while let [STRING, length @ ..=16, next @ ..] = rest
            && let Some(text) = next.first_chunk()
            && let text = Some((*length, number(text, *length)))
            && let Some(word) = words.iter().zip(0..).find_map(|(word, at)| (*word == text).then_some(at))
        {
            self.elements.push(word);
            rest = next.get(usize::from(*length)..).unwrap_or_default();
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

impl From<Fields> for Attribute {
    fn from(fields: Fields) -> Self {
        Self { fields, ints: Integers::default(), strings: Strings::default() }
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

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    /// An element of either list as a file has it, key and all.
    fn written(number: u32, value: &[u8]) -> Vec<u8> {
        let mut file = Vec::new();
        encoding::encode_key(number, WireType::LengthDelimited, &mut file);
        encoding::encode_varint(value.len() as u64, &mut file);
        [file.as_slice(), value].concat()
    }

    fn integer() -> impl Strategy<Value = i64> {
        prop_oneof![4 => 0_i64..128, 2 => 0_i64..1 << 22, 1 => any::<i32>().prop_map(i64::from), 1 => any::<i64>()]
    }

    proptest! {
        #[test]
        fn integers_of_any_width_come_back(values in vec(integer(), 0..40), others in vec(integer(), 0..40)) {
            let mut file = Vec::new();
            for value in &values {
                encoding::int64::encode(INTS, value, &mut file);
            }
            // Something else in between, and the rest in the other form that the format has.
            encoding::float::encode(FLOATS, &0.5, &mut file);
            encoding::int64::encode_packed(INTS, &others, &mut file);
            let read = Attribute::decode(Bytes::from(file)).unwrap();
            let all = [values, others].concat();
            prop_assert_eq!(read.ints.len(), all.len());
            prop_assert_eq!(&read.ints.iter().collect::<Vec<_>>(), &all);
            prop_assert_eq!(&(0..all.len()).filter_map(|place| read.ints.get(place)).collect::<Vec<_>>(), &all);
            prop_assert_eq!(read.ints.get(all.len()), None);
            prop_assert_eq!(&read.floats, &[0.5]);
            prop_assert_eq!(&Attribute::decode(Bytes::from(read.encode_to_vec())).unwrap(), &read);
        }

        #[test]
        fn strings_of_any_length_come_back(texts in vec("[ab]{0,3}|[a-c]{15,18}", 0..60)) {
            let file: Vec<u8> = texts.iter().flat_map(|text| written(STRINGS, text.as_bytes())).collect();
            let read = Attribute::decode(Bytes::from(file)).unwrap();
            let as_bytes = |text: &String| Bytes::from(text.clone());
            prop_assert_eq!(&read.strings, &texts.iter().map(as_bytes).collect::<Strings>());
            let lengths = read.strings.map(|text| Some(text.len())).unwrap();
            prop_assert_eq!(lengths, texts.iter().map(String::len).collect::<Vec<_>>());
            let unknown = texts.iter().position(|text| text.len() == 16);
            let refused = read.strings.map(|text| (text.len() != 16).then_some(())).map_err(|(place, _)| place);
            prop_assert_eq!(refused.err(), unknown);
            prop_assert_eq!(&Attribute::decode(Bytes::from(read.encode_to_vec())).unwrap(), &read);
        }
    }
}
