//! A model's named inputs and outputs, and the check of what a client sent against them.

use std::fmt;

use super::{Datatype, Tensor, write_list};

/// One named input or output of a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorSpec {
    /// Name, unique among the inputs or the outputs of its model.
    pub name: String,
    /// The elements' type on the wire.
    pub datatype: Datatype,
    /// Size along each dimension; -1 stands for any size.
    pub shape: Vec<i64>,
    /// What each column of the last dimension stands for, where the model's package says so; else empty.
    pub labels: Vec<String>,
}

impl TensorSpec {
    /// A spec without labels.
    pub fn new(name: impl Into<String>, datatype: Datatype, shape: impl Into<Vec<i64>>) -> Self {
        Self { name: name.into(), datatype, shape: shape.into(), labels: Vec::new() }
    }

    /// Whether a tensor may be bound to this name.
    pub fn check(&self, tensor: &Tensor) -> Result<(), Mismatch> {
        let sizes = tensor.shape().sizes();
        let fits = sizes.len() == self.shape.len()
            && sizes.iter().zip(&self.shape).all(|(&got, &expected)| {
                expected < 0 || u64::try_from(expected).is_ok_and(|expected| expected == got as u64)
            });
        if fits && tensor.datatype() == self.datatype {
            return Ok(());
        }
        let got = if fits {
            tensor.datatype().to_string()
        } else if tensor.datatype() == self.datatype {
            tensor.shape().to_string()
        } else {
            format!("{} {}", tensor.datatype(), tensor.shape())
        };
        let expected = match (fits, tensor.datatype() == self.datatype) {
            (true, _) => self.datatype.to_string(),
            (_, true) => Sizes(&self.shape).to_string(),
            _ => format!("{} {}", self.datatype, Sizes(&self.shape)),
        };
        Err(Mismatch { name: self.name.clone(), expected, got })
    }
}

struct Sizes<'a>(&'a [i64]);

impl fmt::Display for Sizes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_list(f, self.0)
    }
}

/// A tensor whose datatype or shape is not the one that the model takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// The input's name.
    pub name: String,
    /// Datatype, shape or both, as the model declares them.
    pub expected: String,
    /// The same of what came.
    pub got: String,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "input '{}': expected {}, got {}", self.name, self.expected, self.got)
    }
}

/// What a model takes and gives, in the order of its graph.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Signature {
    /// The inputs, all of them required.
    pub inputs: Vec<TensorSpec>,
    /// The outputs.
    pub outputs: Vec<TensorSpec>,
}
