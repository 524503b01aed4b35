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

/// A layer of a network.
#[derive(Clone, Debug)]
pub(super) struct Dense {
    /// Row by row, one row per input column.
    pub(super) weights: Vec<f32>,
    /// One per output column.
    pub(super) bias: Vec<f32>,
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
            Self::Dense(dense) => dense.weights.len(),
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
    /// One row after the other. Within a row the sums of all columns grow together, one input column at a time: a loop over
    /// neighbours that any vector unit can take, while each sum keeps its one order.
    fn run(&self, input: &[f32], rows: usize) -> Vec<f32> {
        let columns = self.bias.len();
        let mut output = Vec::with_capacity(rows.saturating_mul(columns));
        let width = self.weights.len().checked_div(columns).unwrap_or(0);
        for row in 0..rows {
            let at = output.len();
            output.extend_from_slice(&self.bias);
            let Some(sums) = output.get_mut(at..) else { break };
            let Some(row) = input.get(row * width..(row + 1) * width) else { break };
            for (&x, weights) in row.iter().zip(self.weights.chunks_exact(columns.max(1))) {
                for (sum, &weight) in sums.iter_mut().zip(weights) {
                    *sum += x * weight;
                }
            }
            if self.relu {
                for sum in sums {
                    *sum = Function::Relu.of(*sum);
                }
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
