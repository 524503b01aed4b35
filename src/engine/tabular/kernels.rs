//! What the steps of a plan do. Rows are independent of each other: a row's answer does not depend on its batch.

use super::Value;

/// One operation on a matrix of rows.
#[derive(Clone, Debug)]
pub(super) enum Operation {
    /// `x · weights + bias`, and perhaps Relu after it.
    Dense(Dense),
    /// The same function of every element.
    Map(Function),
    /// Shares of one along each row of so many columns.
    Softmax(usize),
    /// The column of each row's first largest element, of so many columns; with whether the column's dimension stays.
    ArgMax(usize),
}

/// Sums that grow together: as many as fit the vector registers of any `x86_64` or `arm64` beside what they are made from.
const LANES: usize = 16;

/// A layer of a network.
#[derive(Clone, Debug)]
pub(super) struct Dense {
    inputs: usize,
    /// One per output column.
    bias: Vec<f32>,
    /// For each group of 16 output columns, their weights of each input column, one row of 16 after the other; the last group is
    /// filled up with zeros.
    groups: Vec<Vec<[f32; LANES]>>,
    pub(super) relu: bool,
}

/// A function of one element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Function {
    Identity,
    Relu,
    Sigmoid,
    Tanh,
}

impl Operation {
    /// Multiply-adds per row.
    pub(super) fn multiply_adds(&self) -> usize {
        match self {
            Self::Dense(dense) => dense.inputs.saturating_mul(dense.bias.len()),
            Self::Map(_) | Self::Softmax(_) | Self::ArgMax(_) => 0,
        }
    }

    pub(super) fn run(&self, input: &[f32], rows: usize) -> Value {
        match self {
            Self::Dense(dense) => Value::Floats(dense.run(input, rows)),
            Self::Map(function) => Value::Floats(input.iter().map(|&x| function.of(x)).collect()),
            Self::Softmax(columns) => {
                let mut shares = input.to_vec();
                shares.chunks_exact_mut((*columns).max(1)).for_each(softmax);
                Value::Floats(shares)
            }
            Self::ArgMax(columns) => {
                Value::Labels(input.chunks_exact((*columns).max(1)).map(largest).collect())
            }
        }
    }
}

impl Dense {
    /// A layer of these weights, one row of output columns per input column.
    ///
    /// Subnormal weights become the smallest normal one. Training with weight decay leaves them where an input is always zero,
    /// and a multiplication by one costs a processor as much as a hundred others; what changes is below 1.2e-38 of an input.
    pub(super) fn new(weights: &[f32], bias: Vec<f32>) -> Self {
        let columns = bias.len().max(1);
        let groups = (0..bias.len()).step_by(LANES).map(|first| {
            let row = |row: &[f32]| {
                let mut lanes = [0.0; LANES];
                for (lane, &weight) in lanes.iter_mut().zip(row.get(first..).unwrap_or_default()) {
                    *lane = if weight.is_subnormal() { f32::MIN_POSITIVE.copysign(weight) } else { weight };
                }
                lanes
            };
            weights.chunks_exact(columns).map(row).collect()
        });
        Self { inputs: weights.len() / columns, groups: groups.collect(), bias, relu: false }
    }

    /// Whether nothing is added to the products yet.
    pub(super) fn is_unbiased(&self) -> bool {
        self.bias.iter().all(|&bias| bias == 0.0)
    }

    /// Sets what is added to the products, one number per output column.
    pub(super) fn set_bias(&mut self, bias: Vec<f32>) {
        self.bias = bias;
    }

    /// One row after the other. Within a row 16 sums grow together, one input column at a time: what any vector unit can take
    /// at once, while each sum keeps its one order.
    fn run(&self, input: &[f32], rows: usize) -> Vec<f32> {
        let mut output = Vec::with_capacity(rows.saturating_mul(self.bias.len()));
        for row in input.chunks_exact(self.inputs.max(1)).take(rows) {
            for (group, bias) in self.groups.iter().zip(self.bias.chunks(LANES)) {
                let mut sums = [0.0; LANES];
                for (sum, &bias) in sums.iter_mut().zip(bias) {
                    *sum = bias;
                }
                for (&x, weights) in row.iter().zip(group) {
                    for (sum, &weight) in sums.iter_mut().zip(weights) {
                        *sum += x * weight;
                    }
                }
                if self.relu {
                    sums = sums.map(|sum| Function::Relu.of(sum));
                }
                output.extend(sums.iter().take(bias.len()));
            }
        }
        output
    }
}

impl Function {
    fn of(self, x: f32) -> f32 {
        match self {
            Self::Identity => x,
            // Not `max`, which would turn NaN into zero.
            Self::Relu => {
                if x < 0.0 {
                    0.0
                } else {
                    x
                }
            }
            Self::Sigmoid => 1.0 / (1.0 + libm::expf(-x)),
            Self::Tanh => libm::tanhf(x),
        }
    }
}

fn softmax(row: &mut [f32]) {
    let largest =
        row.iter().copied().fold(f32::NEG_INFINITY, |largest, x| if x > largest { x } else { largest });
    let mut sum = 0.0;
    for x in row.iter_mut() {
        *x = libm::expf(*x - largest);
        sum += *x;
    }
    for x in row {
        *x /= sum;
    }
}

fn largest(row: &[f32]) -> i64 {
    let mut best = (0, f32::NAN);
    for (column, &x) in (0_i64..).zip(row) {
        if column == 0 || x > best.1 {
            best = (column, x);
        }
    }
    best.0
}
