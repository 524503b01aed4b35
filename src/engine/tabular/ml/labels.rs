//! The labels of classes.

use crate::engine::tabular::kernel::{Fallible, texts};
use crate::engine::tabular::node::Op;
use crate::tensor::{Data, Datatype};

/// One label per class.
#[derive(Clone, Debug)]
pub(in crate::engine::tabular) enum Labels {
    Integers(Vec<i64>),
    Strings(Vec<String>),
}

impl Labels {
    /// From the attributes of which one is given; none where neither is.
    pub(in crate::engine::tabular) fn read(
        op: &Op<'_>,
        strings: &str,
        integers: &str,
    ) -> Fallible<Option<Self>> {
        let (texts, numbers) = (op.strings(strings)?, op.integers(integers)?);
        match (texts.is_empty(), numbers.is_empty()) {
            (true, true) => Ok(None),
            (false, true) => Ok(Some(Self::Strings(texts.into_iter().map(str::to_owned).collect()))),
            (true, false) => Ok(Some(Self::Integers(numbers))),
            (false, false) => Err(format!("both {strings} and {integers} are given")),
        }
    }

    pub(in crate::engine::tabular) fn len(&self) -> usize {
        match self {
            Self::Integers(labels) => labels.len(),
            Self::Strings(labels) => labels.len(),
        }
    }

    pub(super) fn datatype(&self) -> Datatype {
        match self {
            Self::Integers(_) => Datatype::Int64,
            Self::Strings(_) => Datatype::Bytes,
        }
    }

    /// The labels of some classes, in order.
    pub(super) fn of(&self, classes: &[usize]) -> Fallible<Data> {
        let outside = "a class has no label";
        Ok(match self {
            Self::Integers(labels) => {
                let found = classes.iter().map(|&class| labels.get(class).copied());
                Data::Int64(found.collect::<Option<_>>().ok_or(outside)?)
            }
            Self::Strings(labels) => {
                let found = classes.iter().map(|&class| labels.get(class));
                let found = found.collect::<Option<Vec<_>>>().ok_or(outside)?;
                texts(found)?
            }
        })
    }

    /// As metadata tells them.
    pub(in crate::engine::tabular) fn texts(&self) -> Vec<String> {
        match self {
            Self::Integers(labels) => labels.iter().map(i64::to_string).collect(),
            Self::Strings(labels) => labels.clone(),
        }
    }
}
