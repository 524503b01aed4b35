//! What loading a model may cost. A file of a few KB can ask for any amount of memory and time, one modest tensor after the other:
//! what nodes make ahead or of a row of zeros, and what they go through for it, is counted together.

use std::cell::Cell;

use super::kernel::Fallible;
use crate::tensor::{Data, Tensor};

/// Elements that may be made while any model is loaded, and how many more for each byte of its file: converted models need a few
/// thousand.
const MADE: usize = 1 << 24;
const MADE_PER_BYTE: usize = 4;

/// Steps that may be taken: of the size of reading an element from memory. A second or so.
const STEPS: usize = 1 << 27;
const STEPS_PER_BYTE: usize = 16;

/// What is left.
pub(super) struct Budget {
    made: Purse,
    steps: Purse,
}

impl Budget {
    /// For a file of so many bytes.
    pub(super) fn new(file: usize) -> Self {
        Self { made: Purse::new(MADE, MADE_PER_BYTE, file), steps: Purse::new(STEPS, STEPS_PER_BYTE, file) }
    }

    /// Takes so many elements that are made.
    pub(super) fn make(&self, elements: usize) -> Fallible<()> {
        let made = self.made.take(elements);
        made.map_err(|whole| {
            format!("up to here the model makes more than {whole} elements when it is loaded")
        })
    }

    /// Takes so many steps.
    pub(super) fn step(&self, steps: usize) -> Fallible<()> {
        let taken = self.steps.take(steps);
        taken.map_err(|whole| format!("up to here the model takes more than {whole} steps when it is loaded"))
    }

    /// Whether more was asked for than there was.
    pub(super) fn is_spent(&self) -> bool {
        self.made.left.get().is_none() || self.steps.left.get().is_none()
    }
}

struct Purse {
    whole: usize,
    /// Nothing once more was asked for.
    left: Cell<Option<usize>>,
}

impl Purse {
    fn new(free: usize, per_byte: usize, file: usize) -> Self {
        let whole = file.saturating_mul(per_byte).saturating_add(free);
        Self { whole, left: Cell::new(Some(whole)) }
    }

    /// The error is how much there was.
    fn take(&self, count: usize) -> Result<(), usize> {
        self.left.set(self.left.get().and_then(|left| left.checked_sub(count)));
        self.left.get().map(|_| ()).ok_or(self.whole)
    }
}

/// What a tensor counts: its elements, and the bytes of its strings. A size of zero excuses no other, since loops run along each.
pub(super) fn weight(tensor: &Tensor) -> usize {
    let sizes = tensor.shape().sizes().iter();
    let extent = sizes.fold(1_usize, |product, &size| product.saturating_mul(size.max(1)));
    let bytes = if let Data::Bytes(strings) = tensor.data() { strings.total() } else { 0 };
    extent.saturating_add(bytes)
}
