//! Tensors: what the wire, the engines and the store have in common, and all that they share.

mod data;
mod excerpt;
mod signature;
#[cfg(test)]
mod tests;

use std::fmt;

pub use data::{Data, Strings};
pub use excerpt::Excerpt;
pub use signature::{Mismatch, Signature, TensorSpec};

/// Element type of a tensor, as the Open Inference Protocol names them (its section "Tensor Data Types").
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Datatype {
    /// One byte per element on the wire, 0 or 1.
    Bool,
    /// Unsigned, 1 byte.
    Uint8,
    /// Unsigned, 2 bytes.
    Uint16,
    /// Unsigned, 4 bytes.
    Uint32,
    /// Unsigned, 8 bytes.
    Uint64,
    /// Signed, 1 byte.
    Int8,
    /// Signed, 2 bytes.
    Int16,
    /// Signed, 4 bytes.
    Int32,
    /// Signed, 8 bytes.
    Int64,
    /// IEEE 754 binary16.
    Fp16,
    /// IEEE 754 binary32.
    Fp32,
    /// IEEE 754 binary64.
    Fp64,
    /// A byte string of any length per element; UTF-8 wherever it travels as JSON.
    Bytes,
}

impl Datatype {
    /// Every datatype, in the order in which the protocol lists them.
    pub const ALL: [Self; 13] = [
        Self::Bool,
        Self::Uint8,
        Self::Uint16,
        Self::Uint32,
        Self::Uint64,
        Self::Int8,
        Self::Int16,
        Self::Int32,
        Self::Int64,
        Self::Fp16,
        Self::Fp32,
        Self::Fp64,
        Self::Bytes,
    ];

    /// The protocol's name, such as `FP32`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bool => "BOOL",
            Self::Uint8 => "UINT8",
            Self::Uint16 => "UINT16",
            Self::Uint32 => "UINT32",
            Self::Uint64 => "UINT64",
            Self::Int8 => "INT8",
            Self::Int16 => "INT16",
            Self::Int32 => "INT32",
            Self::Int64 => "INT64",
            Self::Fp16 => "FP16",
            Self::Fp32 => "FP32",
            Self::Fp64 => "FP64",
            Self::Bytes => "BYTES",
        }
    }

    /// The datatype that the protocol calls `name`; names are upper case.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|datatype| datatype.name() == name)
    }

    /// Bytes per element, or `None` for [`Datatype::Bytes`], whose elements differ in length.
    pub const fn size(self) -> Option<usize> {
        match self {
            Self::Bool | Self::Uint8 | Self::Int8 => Some(1),
            Self::Uint16 | Self::Int16 | Self::Fp16 => Some(2),
            Self::Uint32 | Self::Int32 | Self::Fp32 => Some(4),
            Self::Uint64 | Self::Int64 | Self::Fp64 => Some(8),
            Self::Bytes => None,
        }
    }
}

impl fmt::Display for Datatype {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Size of a tensor along each of its dimensions; a scalar has none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shape(Vec<usize>);

impl Shape {
    /// A shape of these sizes; its product may be larger than any machine's memory.
    pub fn new(sizes: impl Into<Vec<usize>>) -> Self {
        Self(sizes.into())
    }

    /// The sizes, outermost first.
    pub fn sizes(&self) -> &[usize] {
        &self.0
    }

    /// The number of dimensions.
    pub fn rank(&self) -> usize {
        self.0.len()
    }

    /// The number of elements, or `None` where the sizes are beyond any memory: where the product of those that are not
    /// zero does not fit an `isize`. A size of zero does not excuse the others, since engines multiply them for strides.
    pub fn elements(&self) -> Option<usize> {
        let product = self.0.iter().try_fold(1_isize, |product, &size| {
            if size == 0 { Some(product) } else { product.checked_mul(isize::try_from(size).ok()?) }
        })?;
        if self.0.contains(&0) { Some(0) } else { usize::try_from(product).ok() }
    }
}

/// Written as JSON writes it: `[2,3]`.
impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_list(f, &self.0)
    }
}

fn write_list<T: fmt::Display>(f: &mut fmt::Formatter<'_>, sizes: &[T]) -> fmt::Result {
    f.write_str("[")?;
    for (position, size) in sizes.iter().enumerate() {
        if position > 0 {
            f.write_str(",")?;
        }
        write!(f, "{size}")?;
    }
    f.write_str("]")
}

/// A shape and exactly as many elements as it says, in row-major order.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    shape: Shape,
    data: Data,
}

impl Tensor {
    /// Joins a shape with its data; gives the data back where their number differs from the shape's product.
    pub fn new(shape: Shape, data: Data) -> Result<Self, Data> {
        if shape.elements() == Some(data.len()) { Ok(Self { shape, data }) } else { Err(data) }
    }

    /// Size along each dimension.
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// The elements' type.
    pub fn datatype(&self) -> Datatype {
        self.data.datatype()
    }

    /// The elements, typed.
    pub fn data(&self) -> &Data {
        &self.data
    }

    /// The parts, so that an engine can take the elements without a copy.
    pub fn into_parts(self) -> (Shape, Data) {
        (self.shape, self.data)
    }
}
