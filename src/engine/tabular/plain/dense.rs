//! A product with constant weights, laid out for the loop that reads them.

use crate::engine::tabular::element::{Element, Float};
use crate::engine::tabular::kernel::{Fallible, Inputs, Kernel, Output, elements, made};

/// Sums that grow together: as many FP32 as fit the vector registers of any `x86_64` or `arm64` beside what they are made from.
const LANES: usize = 16;

/// `x · weights + bias`, and perhaps Relu after it.
#[derive(Clone, Debug)]
pub(in crate::engine::tabular) struct Dense<T> {
    inputs: usize,
    /// One per output column.
    bias: Vec<T>,
    /// For each group of 16 output columns, their weights of each input column, one row of 16 after the other; the last group is
    /// filled up with zeros.
    groups: Vec<Vec<[T; LANES]>>,
    relu: bool,
    /// The same as `groups` with the subnormal weights as they are, where there are any.
    exact: Option<Vec<Vec<[T; LANES]>>>,
    /// The fewest dimensions of what it makes.
    dimensions: usize,
}

/// Multiply-adds that take about as long as a step of a load's [`Budget`](crate::engine::tabular::budget::Budget).
pub(super) const AT_ONCE: usize = LANES;

/// The elements that weights are laid out in.
pub(super) fn laid_out(rows: usize, columns: usize) -> usize {
    rows.saturating_mul(columns.next_multiple_of(LANES))
}

/// A type that layers can be made of.
pub(in crate::engine::tabular) trait Layer: Float {
    /// Up to this an input weighs nothing with a subnormal weight: their product is below 1e-18.
    const MODEST: Self;

    /// The same, or the smallest normal number for a subnormal one. Training with weight decay leaves those where an input is
    /// always zero, and a multiplication by one costs a processor as much as a hundred others; what changes is below 1.2e-38 of an
    /// input. Rows with an input beyond [`Self::MODEST`], of which that may be much, are multiplied by the exact weights.
    fn normal(self) -> Self;
    fn is_subnormal(self) -> bool;
}

impl Layer for f32 {
    const MODEST: Self = 18_446_744_073_709_551_616.0;

    fn is_subnormal(self) -> bool {
        Self::is_subnormal(self)
    }

    fn normal(self) -> Self {
        if self.is_subnormal() { Self::MIN_POSITIVE.copysign(self) } else { self }
    }
}

impl Layer for f64 {
    const MODEST: Self = 18_446_744_073_709_551_616.0;

    fn is_subnormal(self) -> bool {
        Self::is_subnormal(self)
    }

    fn normal(self) -> Self {
        if self.is_subnormal() { Self::MIN_POSITIVE.copysign(self) } else { self }
    }
}

impl<T: Layer> Dense<T> {
    /// A layer of these weights, one row of output columns per input column.
    pub(in crate::engine::tabular) fn new(weights: &[T], bias: Vec<T>, relu: bool) -> Self {
        let columns = bias.len().max(1);
        let groups = |weight_of: fn(T) -> T| {
            let group = |first| {
                let row = |row: &[T]| {
                    let mut lanes = [T::default(); LANES];
                    for (lane, &weight) in lanes.iter_mut().zip(row.get(first..).unwrap_or_default()) {
                        *lane = weight_of(weight);
                    }
                    lanes
                };
                weights.chunks_exact(columns).map(row).collect()
            };
            (0..bias.len()).step_by(LANES).map(group).collect()
        };
        let exact = weights.iter().any(|weight| weight.is_subnormal()).then(|| groups(|weight| weight));
        let (inputs, groups) = (weights.len() / columns, groups(T::normal));
        Self { inputs, groups, bias, relu, exact, dimensions: 0 }
    }

    /// The same layer, what it makes having so many dimensions or more.
    pub(super) fn of_at_least(self, dimensions: usize) -> Self {
        Self { dimensions, ..self }
    }

    /// One row after the other. Within a row 16 sums grow together, one input column at a time: what any vector unit can take
    /// at once, while each sum keeps its one order.
    pub(in crate::engine::tabular) fn apply(&self, input: &[T], rows: usize) -> Vec<T> {
        let mut output = Vec::with_capacity(rows.saturating_mul(self.bias.len()));
        if self.inputs == 0 {
            (0..rows).for_each(|_| output.extend_from_slice(&self.bias));
        }
        for row in input.chunks_exact(self.inputs.max(1)).take(rows) {
            let groups = match &self.exact {
                Some(exact) if row.iter().any(|x| x.abs() > T::MODEST) => exact,
                _ => &self.groups,
            };
            for (group, bias) in groups.iter().zip(self.bias.chunks(LANES)) {
                let mut sums = [T::default(); LANES];
                for (sum, &bias) in sums.iter_mut().zip(bias) {
                    *sum = bias;
                }
                for (&x, weights) in row.iter().zip(group) {
                    for (sum, &weight) in sums.iter_mut().zip(weights) {
                        *sum = sum.add(x.mul(weight));
                    }
                }
                if self.relu {
                    // Not a maximum, which would turn NaN into zero.
                    sums = sums.map(|sum| if sum < T::default() { T::default() } else { sum });
                }
                output.extend(sums.iter().take(bias.len()));
            }
        }
        output
    }
}

impl<T: Layer> Kernel for Dense<T> {
    fn run(&self, inputs: &mut Inputs<'_>) -> Fallible<Output> {
        let sizes = inputs.sizes(0)?;
        let Some((&columns, leading)) = sizes.split_last() else {
            return Err("its input is one number".into());
        };
        if columns != self.inputs {
            return Err(format!("its input has {columns} columns, its weights have {}", self.inputs));
        }
        let mut made_sizes = [leading, &[self.bias.len()]].concat();
        if made_sizes.len() < self.dimensions {
            made_sizes.splice(0..0, vec![1; self.dimensions - made_sizes.len()]);
        }
        elements(&made_sizes)?;
        let rows = leading.iter().product();
        inputs.step(self.steps(rows))?;
        let output = self.apply(inputs.values::<T>(0)?, rows);
        made(made_sizes, output)
    }

    fn multiply_adds(&self) -> Option<usize> {
        Some(self.inputs.saturating_mul(self.bias.len()))
    }
}

impl<T: Element> Dense<T> {
    /// What some rows take.
    pub(in crate::engine::tabular) fn steps(&self, rows: usize) -> usize {
        laid_out(self.inputs, self.bias.len()).saturating_mul(rows) / AT_ONCE
    }

    /// The columns that it takes.
    pub(in crate::engine::tabular) fn inputs(&self) -> usize {
        self.inputs
    }

    /// The columns that it makes.
    pub(in crate::engine::tabular) fn columns(&self) -> usize {
        self.bias.len()
    }
}
