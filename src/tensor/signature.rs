//! A model's named inputs and outputs, and the check of what a client sent against them.

use std::fmt;

use super::{Datatype, Excerpt, Tensor, write_list};

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
        Err(Mismatch::Differs { name: self.name.clone(), expected, got })
    }
}

struct Sizes<'a>(&'a [i64]);

impl fmt::Display for Sizes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_list(f, self.0)
    }
}

/// Inputs that are not the ones that a model takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mismatch {
    /// The model has no input of this name.
    Unknown {
        /// As the client wrote it.
        name: String,
        /// The inputs that the model has.
        expected: Vec<String>,
    },
    /// The same input was given twice.
    Repeated {
        /// The input's name.
        name: String,
    },
    /// An input of the model was not given.
    Missing {
        /// The input's name.
        name: String,
        /// Its datatype and shape.
        expected: String,
    },
    /// Datatype, shape or both differ.
    Differs {
        /// The input's name.
        name: String,
        /// What differs, as the model declares it.
        expected: String,
        /// The same of what came.
        got: String,
    },
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown { name, expected } => {
                write!(f, "input {}: the model has no such input; it takes ", Excerpt(name))?;
                for (position, name) in expected.iter().enumerate() {
                    write!(f, "{}'{name}'", if position > 0 { ", " } else { "" })?;
                }
                Ok(())
            }
            Self::Repeated { name } => write!(f, "input '{name}': given twice"),
            Self::Missing { name, expected } => write!(f, "input '{name}': missing; expected {expected}"),
            Self::Differs { name, expected, got } => {
                write!(f, "input '{name}': expected {expected}, got {got}")
            }
        }
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

impl Signature {
    /// Puts named tensors into the order of the inputs, each of them once and fitting.
    pub fn bind(&self, named: Vec<(String, Tensor)>) -> Result<Vec<Tensor>, Mismatch> {
        let mut slots: Vec<Option<Tensor>> = self.inputs.iter().map(|_| None).collect();
        for (name, tensor) in named {
            let found = self.inputs.iter().zip(&mut slots).find(|(spec, _)| spec.name == name);
            let Some((spec, slot)) = found else {
                let expected = self.inputs.iter().map(|spec| spec.name.clone()).collect();
                return Err(Mismatch::Unknown { name, expected });
            };
            spec.check(&tensor)?;
            if slot.replace(tensor).is_some() {
                return Err(Mismatch::Repeated { name });
            }
        }
        self.inputs
            .iter()
            .zip(slots)
            .map(|(spec, slot)| {
                slot.ok_or_else(|| Mismatch::Missing {
                    name: spec.name.clone(),
                    expected: format!("{} {}", spec.datatype, Sizes(&spec.shape)),
                })
            })
            .collect()
    }
}
