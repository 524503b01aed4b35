//! One node of the graph while its model is loaded: typed access to its attributes and its inputs.

use super::budget::Budget;
use super::constant;
use super::kernel::{Fallible, Inputs, Kernel, Output, covered};
use crate::engine::onnx::{Attribute, Integers, Node, Strings, data_type};
use crate::tensor::{Datatype, Excerpt, Tensor};

/// A node, the version of its operator set, and what is known of its inputs.
pub(super) struct Op<'a> {
    pub(super) node: &'a Node,
    pub(super) version: i64,
    /// Datatypes of the inputs; `None` for one that is not given.
    pub(super) types: Vec<Option<Datatype>>,
    /// Inputs that are constants.
    pub(super) constants: Vec<Option<&'a Tensor>>,
    pub(super) budget: &'a Budget,
}

/// A type of lists, by the number that `AttributeProto.AttributeType` gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum List {
    Floats = 6,
    Integers = 7,
    Strings = 8,
}

/// Builds the kernel of a node.
pub(super) type Builder = fn(&Op<'_>) -> Fallible<Built>;

/// A kernel, and the datatypes of the outputs that it makes.
pub(super) struct Built {
    pub(super) kernel: Box<dyn Kernel>,
    pub(super) outputs: Vec<Datatype>,
    /// Whether it may refuse some values and take others of the same shape.
    pub(super) is_picky: bool,
}

impl Built {
    /// A kernel that makes one output.
    #[allow(clippy::unnecessary_wraps)] // what builds a node ends with it
    pub(super) fn new(kernel: impl Kernel + 'static, output: Datatype) -> Fallible<Self> {
        Ok(Self::several(kernel, vec![output]))
    }

    /// A kernel that makes several outputs.
    pub(super) fn several(kernel: impl Kernel + 'static, outputs: Vec<Datatype>) -> Self {
        Self { kernel: Box::new(kernel), outputs, is_picky: false }
    }

    /// The same kernel, known to refuse some values.
    pub(super) fn picky(self) -> Self {
        Self { is_picky: true, ..self }
    }

    /// The same from a function.
    pub(super) fn function(
        output: Datatype,
        function: impl Fn(&mut Inputs<'_>) -> Fallible<Output> + Send + Sync + 'static,
    ) -> Fallible<Self> {
        Self::new(function, output)
    }
}

impl<'a> Op<'a> {
    /// Whether all that the node is given is of types that the engine has. Bytes, which tell modes, are no tensor.
    pub(super) fn is_covered(&self) -> bool {
        let mut constants = self.node.attribute.iter().filter_map(|attribute| attribute.t.as_deref());
        self.types.iter().flatten().copied().all(covered)
            && constants.all(|t| constant::is_covered(t) || t.data_type == data_type::UINT8)
    }

    /// The datatype of an input that must be there and is only passed on: any that the protocol has.
    pub(super) fn any_datatype(&self, index: usize) -> Fallible<Datatype> {
        let datatype = self.types.get(index).copied().flatten();
        datatype.ok_or_else(|| format!("input {index} is missing"))
    }

    /// The datatype of an input that must be there.
    pub(super) fn datatype(&self, index: usize) -> Fallible<Datatype> {
        let datatype = self.any_datatype(index)?;
        if covered(datatype) { Ok(datatype) } else { Err(format!("{datatype} is not covered")) }
    }

    /// Whether an optional input is given.
    pub(super) fn has(&self, index: usize) -> bool {
        self.types.get(index).is_some_and(Option::is_some)
    }

    /// The datatype that some inputs share.
    pub(super) fn shared(&self, indices: impl IntoIterator<Item = usize>) -> Fallible<Datatype> {
        let mut shared = None;
        for index in indices {
            let datatype = self.datatype(index)?;
            if *shared.get_or_insert(datatype) != datatype {
                return Err(format!("its inputs are {} and {datatype}", shared.unwrap_or(datatype)));
            }
        }
        shared.ok_or_else(|| "it has no inputs".into())
    }

    pub(super) fn attribute(&self, name: &str) -> Option<&'a Attribute> {
        self.node.attribute.iter().find(|attribute| attribute.name == name)
    }

    pub(super) fn integer(&self, name: &str) -> Fallible<Option<i64>> {
        let value = |attribute: &Attribute| attribute.i.ok_or_else(|| format!("{name} is not an integer"));
        self.attribute(name).map(value).transpose()
    }

    pub(super) fn float(&self, name: &str) -> Fallible<Option<f32>> {
        let value = |attribute: &Attribute| attribute.f.ok_or_else(|| format!("{name} is not a float"));
        self.attribute(name).map(value).transpose()
    }

    pub(super) fn text(&self, name: &str) -> Fallible<Option<&'a str>> {
        let Some(attribute) = self.attribute(name) else { return Ok(None) };
        let bytes = attribute.s.as_ref().ok_or_else(|| format!("{name} is not a string"))?;
        std::str::from_utf8(bytes).map(Some).map_err(|_| format!("{name} is not UTF-8"))
    }

    /// A list, if its attribute is given. One of another type is as wrong as a single value is: it is never taken for none.
    fn list(&self, name: &str, list: List) -> Fallible<Option<&'a Attribute>> {
        let Some(attribute) = self.attribute(name) else { return Ok(None) };
        let holds = [
            (List::Floats, !attribute.floats.is_empty()),
            (List::Integers, attribute.ints.len() > 0),
            (List::Strings, attribute.strings.iter().next().is_some()),
        ];
        let single = attribute.f.is_some()
            || attribute.i.is_some()
            || attribute.s.is_some()
            || attribute.t.is_some()
            || attribute.g.is_some();
        let other =
            holds.iter().any(|&(held, holds)| holds && held != list) || (single && attribute.r#type == 0);
        // Old files do not say the type.
        if (attribute.r#type != 0 && attribute.r#type != list as i32) || other {
            let what = match list {
                List::Floats => "floats",
                List::Integers => "integers",
                List::Strings => "strings",
            };
            return Err(format!("{name} is not a list of {what}"));
        }
        Ok(Some(attribute))
    }

    /// Nothing where the attribute is not given.
    pub(super) fn given_integers(&self, name: &str) -> Fallible<Option<Vec<i64>>> {
        let attribute = self.list(name, List::Integers)?;
        Ok(attribute.map(|attribute| attribute.ints.iter().collect()))
    }

    /// Empty where the attribute is not given.
    pub(super) fn integers(&self, name: &str) -> Fallible<Vec<i64>> {
        Ok(self.given_integers(name)?.unwrap_or_default())
    }

    /// Those that a forest has by the million, where they are. Empty where the attribute is not given.
    pub(super) fn many_integers(&self, name: &str) -> Fallible<&'a Integers> {
        static NONE: Integers = Integers::new();
        Ok(self.list(name, List::Integers)?.map_or(&NONE, |attribute| &attribute.ints))
    }

    /// Empty where the attribute is not given.
    pub(super) fn floats(&self, name: &str) -> Fallible<&'a [f32]> {
        Ok(self.list(name, List::Floats)?.map_or(&[], |attribute| &attribute.floats))
    }

    /// As a forest has them by the million, where they are.
    pub(super) fn many_strings(&self, name: &str) -> Fallible<Option<&'a Strings>> {
        Ok(self.list(name, List::Strings)?.map(|attribute| &attribute.strings))
    }

    /// Empty where the attribute is not given.
    pub(super) fn strings(&self, name: &str) -> Fallible<Vec<&'a str>> {
        let strings = self.many_strings(name)?.into_iter().flat_map(Strings::iter);
        let text = |bytes| std::str::from_utf8(bytes).map_err(|_| format!("{name} is not UTF-8"));
        strings.map(|bytes| text(bytes)).collect()
    }

    pub(super) fn tensor(&self, name: &str) -> Fallible<Option<Tensor>> {
        let Some(attribute) = self.attribute(name) else { return Ok(None) };
        let tensor = attribute.t.as_ref().ok_or_else(|| format!("{name} is not a tensor"))?;
        constant::read(tensor).map(Some).map_err(|reason| format!("{name}: {reason}"))
    }

    /// A tensor of UINT8, which nothing else is made of.
    pub(super) fn modes(&self, name: &str) -> Fallible<Vec<i64>> {
        let tensor = self.attribute(name).and_then(|attribute| attribute.t.as_ref());
        let tensor = tensor.ok_or_else(|| format!("{name} is missing"))?;
        if tensor.data_type != data_type::UINT8 {
            return Err(format!("{name} is not UINT8"));
        }
        Ok(match tensor.raw_data.as_deref().filter(|raw| !raw.is_empty()) {
            Some(raw) => raw.iter().map(|&mode| mode.into()).collect(),
            None => tensor.int32_data.iter().map(|&mode| mode.into()).collect(),
        })
    }

    /// Whether a flag is set; `default` where it is not given.
    pub(super) fn flag(&self, name: &str, default: bool) -> Fallible<bool> {
        Ok(self.integer(name)?.map_or(default, |value| value != 0))
    }
}

/// Says that an attribute has a value that no version of the operator has.
pub(super) fn unknown(what: &str, value: &str) -> String {
    format!("{what} {} is not known", Excerpt(value))
}
