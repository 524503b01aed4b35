//! What a step of a plan is to the engine: a function from tensors to tensors.

use super::budget::{Budget, weight};
use super::element::Element;
use crate::tensor::{Data, Datatype, Shape, Strings, Tensor};

/// The reason is for whoever reads the log or sent the request: it names what does not fit.
pub(super) type Fallible<T> = Result<T, String>;

/// More elements than this are not made at once: 64 MiB of floats, as much as a request may bring.
const LARGEST: usize = 1 << 24;

/// Strings of more bytes than this in all are not made at once: as much.
const MOST_BYTES: usize = 1 << 26;

/// More dimensions than this, no tensor has. Some loops look at each one for each.
const MOST_DIMENSIONS: usize = 64;

/// What a node does once its model is loaded.
pub(super) trait Kernel: Send + Sync {
    fn run(&self, inputs: &mut Inputs<'_>) -> Fallible<Output>;

    /// Multiply-adds per row, where that is what a step costs; `None` = not known.
    fn multiply_adds(&self) -> Option<usize> {
        Some(0)
    }
}

impl<F: Fn(&mut Inputs<'_>) -> Fallible<Output> + Send + Sync> Kernel for F {
    fn run(&self, inputs: &mut Inputs<'_>) -> Fallible<Output> {
        self(inputs)
    }
}

/// What a step makes: nearly all make one tensor.
pub(super) enum Output {
    One(Tensor),
    Many(Vec<Tensor>),
}

impl From<Tensor> for Output {
    fn from(tensor: Tensor) -> Self {
        Self::One(tensor)
    }
}

/// Where a step finds an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Place {
    /// An optional input that is not given.
    Nowhere,
    /// Made by a step before, or by the client.
    Slot(usize),
    /// Known when the model was loaded.
    Constant(usize),
}

/// The inputs of one step.
pub(super) struct Inputs<'a> {
    pub(super) slots: &'a mut [Option<Tensor>],
    pub(super) constants: &'a [Tensor],
    /// Each input's place, and whether nobody needs it later.
    pub(super) places: &'a [(Place, bool)],
    /// While the model is loaded.
    pub(super) budget: Option<&'a Budget>,
}

impl Inputs<'_> {
    /// Runs a kernel with these inputs, within the budget.
    pub(super) fn run(&mut self, kernel: &dyn Kernel) -> Fallible<Output> {
        let Some(budget) = self.budget else { return kernel.run(self) };
        for tensor in (0..self.len()).filter_map(|index| self.find(index)) {
            budget.step(weight(tensor))?;
        }
        let made = kernel.run(self)?;
        match &made {
            Output::One(tensor) => budget.make(weight(tensor))?,
            Output::Many(tensors) => tensors.iter().try_for_each(|tensor| budget.make(weight(tensor)))?,
        }
        Ok(made)
    }

    /// Counts what a kernel does beyond going through its inputs and outputs.
    pub(super) fn step(&self, steps: usize) -> Fallible<()> {
        self.budget.map_or(Ok(()), |budget| budget.step(steps))
    }

    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    /// An input that must be there.
    pub(super) fn get(&self, index: usize) -> Fallible<&Tensor> {
        self.find(index).ok_or_else(|| format!("input {index} is missing"))
    }

    pub(super) fn find(&self, index: usize) -> Option<&Tensor> {
        match self.places.get(index)?.0 {
            Place::Nowhere => None,
            Place::Slot(slot) => self.slots.get(slot)?.as_ref(),
            Place::Constant(constant) => self.constants.get(constant),
        }
    }

    /// An input to keep: without a copy where nobody else needs it.
    pub(super) fn take(&mut self, index: usize) -> Fallible<Tensor> {
        if let Some(&(Place::Slot(slot), true)) = self.places.get(index)
            && let Some(tensor) = self.slots.get_mut(slot).and_then(Option::take)
        {
            return Ok(tensor);
        }
        self.get(index).cloned()
    }

    /// The elements of an input, which must be of a type.
    pub(super) fn values<T: Element>(&self, index: usize) -> Fallible<&[T]> {
        values(self.get(index)?)
    }

    /// The sizes of an input.
    pub(super) fn sizes(&self, index: usize) -> Fallible<&[usize]> {
        Ok(self.get(index)?.shape().sizes())
    }

    /// An input of whole numbers, such as axes or sizes.
    pub(super) fn integers(&self, index: usize) -> Fallible<Option<Vec<i64>>> {
        match self.find(index).map(Tensor::data) {
            None => Ok(None),
            Some(Data::Int64(values)) => Ok(Some(values.clone())),
            Some(Data::Int32(values)) => Ok(Some(values.iter().map(|&value| i64::from(value)).collect())),
            Some(other) => Err(format!("input {index}: expected INT64, got {}", other.datatype())),
        }
    }
}

/// The elements of a tensor, which must be of a type.
pub(super) fn values<T: Element>(tensor: &Tensor) -> Fallible<&[T]> {
    T::of(tensor.data()).ok_or_else(|| format!("expected {}, got {}", T::DATATYPE, tensor.datatype()))
}

/// A tensor from its parts.
pub(super) fn tensor(sizes: impl Into<Vec<usize>>, data: Data) -> Fallible<Tensor> {
    let sizes = sizes.into();
    if elements(&sizes)? != data.len() {
        return Err(format!("{} elements do not fit shape {}", data.len(), Shape::new(sizes)));
    }
    Tensor::new(Shape::new(sizes), data).map_err(|_| "its elements do not fit its shape".to_owned())
}

/// The same from values of a type.
pub(super) fn made<T: Element>(sizes: impl Into<Vec<usize>>, values: Vec<T>) -> Fallible<Output> {
    tensor(sizes, T::wrap(values)).map(Output::One)
}

/// Refuses a tensor of so many dimensions.
pub(super) fn dimensions(count: usize) -> Fallible<()> {
    if count > MOST_DIMENSIONS {
        return Err(format!("{count} dimensions are more than {MOST_DIMENSIONS}"));
    }
    Ok(())
}

/// The number of elements of a shape, if there may be so many. A size of zero excuses no other: loops run along each.
pub(super) fn elements(sizes: &[usize]) -> Fallible<usize> {
    dimensions(sizes.len())?;
    let others = sizes.iter().try_fold(1_usize, |product, &size| product.checked_mul(size.max(1)));
    match others {
        Some(others) if others <= LARGEST => Ok(if sizes.contains(&0) { 0 } else { others }),
        _ => Err(format!("{} has more than {LARGEST} elements", Shape::new(sizes))),
    }
}

/// An axis counted from the front.
pub(super) fn axis(axis: i64, rank: usize) -> Fallible<usize> {
    let counted = if axis < 0 { axis + i64::try_from(rank).unwrap_or(0) } else { axis };
    usize::try_from(counted)
        .ok()
        .filter(|&counted| counted < rank)
        .ok_or_else(|| format!("axis {axis} is not one of {rank} dimensions"))
}

/// The products of the sizes before an axis and behind it, and its own size.
pub(super) fn around(sizes: &[usize], axis: usize) -> (usize, usize, usize) {
    let (before, rest) = sizes.split_at(axis.min(sizes.len()));
    let (size, behind) = rest.split_first().map_or((1, &[][..]), |(&size, behind)| (size, behind));
    (before.iter().product(), size, behind.iter().product())
}

/// The elements at some flat positions, whatever their type. A position outside is an error.
pub(super) fn pick(data: &Data, positions: &[usize]) -> Fallible<Data> {
    fn of<T: Copy>(values: &[T], positions: &[usize]) -> Fallible<Vec<T>> {
        let picked = positions.iter().map(|&position| values.get(position).copied());
        picked.collect::<Option<_>>().ok_or_else(|| "an index is outside".to_owned())
    }
    Ok(match data {
        Data::Bool(values) => Data::Bool(of(values, positions)?),
        Data::Int32(values) => Data::Int32(of(values, positions)?),
        Data::Int64(values) => Data::Int64(of(values, positions)?),
        Data::Fp32(values) => Data::Fp32(of(values, positions)?),
        Data::Fp64(values) => Data::Fp64(of(values, positions)?),
        Data::Bytes(strings) => {
            let picked = positions.iter().map(|&position| strings.get(position)).collect::<Option<Vec<_>>>();
            texts(picked.ok_or("an index is outside")?)?
        }
        other => return Err(format!("{} is not covered", other.datatype())),
    })
}

/// Strings, unless they are too many bytes in all.
pub(super) fn texts<S: AsRef<[u8]>>(strings: impl IntoIterator<Item = S>) -> Fallible<Data> {
    let mut all = Strings::default();
    for string in strings {
        let string = string.as_ref();
        if string.len() > MOST_BYTES - all.total() || !all.push(string) {
            return Err(format!("its strings have more than {MOST_BYTES} bytes"));
        }
    }
    Ok(Data::Bytes(all))
}

/// The datatypes that the engine has.
pub(super) fn covered(datatype: Datatype) -> bool {
    matches!(
        datatype,
        Datatype::Fp32
            | Datatype::Fp64
            | Datatype::Int64
            | Datatype::Int32
            | Datatype::Bool
            | Datatype::Bytes
    )
}
