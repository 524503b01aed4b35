//! The elements of a tensor: one vector per datatype, viewed as little-endian bytes where the wire wants them.

use half::f16;

use super::Datatype;

/// The elements of one tensor in row-major order, owned and typed.
#[derive(Clone, Debug, PartialEq)]
pub enum Data {
    /// BOOL
    Bool(Vec<bool>),
    /// UINT8
    Uint8(Vec<u8>),
    /// UINT16
    Uint16(Vec<u16>),
    /// UINT32
    Uint32(Vec<u32>),
    /// UINT64
    Uint64(Vec<u64>),
    /// INT8
    Int8(Vec<i8>),
    /// INT16
    Int16(Vec<i16>),
    /// INT32
    Int32(Vec<i32>),
    /// INT64
    Int64(Vec<i64>),
    /// FP16
    Fp16(Vec<f16>),
    /// FP32
    Fp32(Vec<f32>),
    /// FP64
    Fp64(Vec<f64>),
    /// BYTES
    Bytes(Strings),
}

/// Runs one expression for whichever vector a [`Data`] holds; strings have an arm of their own.
macro_rules! each {
    ($data:expr, $values:ident => $numbers:expr, $strings:ident => $bytes:expr) => {
        match $data {
            Data::Bool($values) => $numbers,
            Data::Uint8($values) => $numbers,
            Data::Uint16($values) => $numbers,
            Data::Uint32($values) => $numbers,
            Data::Uint64($values) => $numbers,
            Data::Int8($values) => $numbers,
            Data::Int16($values) => $numbers,
            Data::Int32($values) => $numbers,
            Data::Int64($values) => $numbers,
            Data::Fp16($values) => $numbers,
            Data::Fp32($values) => $numbers,
            Data::Fp64($values) => $numbers,
            Data::Bytes($strings) => $bytes,
        }
    };
}

impl Data {
    /// As many zeros, or empty strings.
    pub fn zeros(datatype: Datatype, elements: usize) -> Self {
        match datatype {
            Datatype::Bool => Self::Bool(vec![false; elements]),
            Datatype::Uint8 => Self::Uint8(vec![0; elements]),
            Datatype::Uint16 => Self::Uint16(vec![0; elements]),
            Datatype::Uint32 => Self::Uint32(vec![0; elements]),
            Datatype::Uint64 => Self::Uint64(vec![0; elements]),
            Datatype::Int8 => Self::Int8(vec![0; elements]),
            Datatype::Int16 => Self::Int16(vec![0; elements]),
            Datatype::Int32 => Self::Int32(vec![0; elements]),
            Datatype::Int64 => Self::Int64(vec![0; elements]),
            Datatype::Fp16 => Self::Fp16(vec![f16::ZERO; elements]),
            Datatype::Fp32 => Self::Fp32(vec![0.0; elements]),
            Datatype::Fp64 => Self::Fp64(vec![0.0; elements]),
            Datatype::Bytes => Self::Bytes(std::iter::repeat_n("", elements).collect()),
        }
    }

    /// The number of elements.
    pub fn len(&self) -> usize {
        each!(self, values => values.len(), strings => strings.len())
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes that the elements take, in memory and about as many on the wire: for strings, their content and four for
    /// each length.
    pub fn size(&self) -> usize {
        each!(self, values => size_of_val(&**values), strings => strings.total() + 4 * strings.len())
    }

    /// The elements' type.
    pub fn datatype(&self) -> Datatype {
        match self {
            Self::Bool(_) => Datatype::Bool,
            Self::Uint8(_) => Datatype::Uint8,
            Self::Uint16(_) => Datatype::Uint16,
            Self::Uint32(_) => Datatype::Uint32,
            Self::Uint64(_) => Datatype::Uint64,
            Self::Int8(_) => Datatype::Int8,
            Self::Int16(_) => Datatype::Int16,
            Self::Int32(_) => Datatype::Int32,
            Self::Int64(_) => Datatype::Int64,
            Self::Fp16(_) => Datatype::Fp16,
            Self::Fp32(_) => Datatype::Fp32,
            Self::Fp64(_) => Datatype::Fp64,
            Self::Bytes(_) => Datatype::Bytes,
        }
    }

    /// The elements as the machine holds them, or `None` for strings. The wire is little-endian, as is every machine
    /// that twofold is built for (see the check below).
    pub fn bytes(&self) -> Option<&[u8]> {
        each!(self, values => Some(bytemuck::cast_slice(values)), _strings => None)
    }
}

// Raw tensors are copied to and from the wire as they lie in memory.
const _: () = assert!(cfg!(target_endian = "little"), "twofold needs a little-endian machine");

/// Byte strings laid end to end: four bytes per element beside their content, however short they are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Strings {
    ends: Vec<u32>,
    bytes: Vec<u8>,
}

impl Strings {
    /// The number of strings.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Bytes in all strings together.
    pub fn total(&self) -> usize {
        self.bytes.len()
    }

    /// Appends one string; `false`, and nothing is appended, where the content would grow beyond 4 GiB.
    #[must_use]
    pub fn push(&mut self, string: &[u8]) -> bool {
        let Ok(end) = u32::try_from(self.bytes.len() + string.len()) else { return false };
        self.bytes.extend_from_slice(string);
        self.ends.push(end);
        true
    }

    /// The string at `index`.
    pub fn get(&self, index: usize) -> Option<&[u8]> {
        let end = *self.ends.get(index)? as usize;
        let start = match index.checked_sub(1) {
            Some(before) => *self.ends.get(before)? as usize,
            None => 0,
        };
        self.bytes.get(start..end)
    }

    /// The strings in order.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        (0..self.len()).filter_map(|index| self.get(index))
    }
}

impl<S: AsRef<[u8]>> FromIterator<S> for Strings {
    /// Collects strings; those beyond 4 GiB in all are left out, which [`Tensor::new`](super::Tensor::new) then reports.
    fn from_iter<I: IntoIterator<Item = S>>(strings: I) -> Self {
        let mut collected = Self::default();
        for string in strings {
            if !collected.push(string.as_ref()) {
                break;
            }
        }
        collected
    }
}
