//! What an inference costs: measured once when a model is loaded, and scaled by the size of a request.

use std::time::{Duration, Instant};

use super::{Engine, Spread, infer};
use crate::tensor::{Data, Datatype, Shape, Signature, Tensor, TensorSpec};

/// The first run also pays for pages and buffers, so that it is not the one that counts, unless it took so long that
/// another would only delay the start.
const RUNS: usize = 3;
const LONG: Duration = Duration::from_millis(20);

/// Elements that a measurement may allocate for all inputs.
const LARGEST: usize = 1 << 24;

/// The time that a model takes for its smallest request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    time: Duration,
    elements: usize,
}

impl Cost {
    /// Runs the model with zeros, every free size being 1. `None` where it does not take them, or would need too many.
    pub fn measure(engine: &dyn Engine) -> Option<Self> {
        let inputs = zeros(engine.signature(), 1)?;
        let outputs: Vec<_> = (0..engine.signature().outputs.len()).collect();
        let elements = elements(&inputs);
        let mut time = Duration::MAX;
        for _ in 0..RUNS {
            let started = Instant::now();
            if let Err(error) = infer(engine, inputs.clone(), &outputs, Spread::One) {
                // Zeros in the smallest shape need not suit a model; but if nothing does, this is the first sign of it.
                tracing::warn!(engine = engine.name(), reason = %error, "a run with zeros failed");
                return None;
            }
            time = time.min(started.elapsed());
            if time > LONG {
                break;
            }
        }
        Some(Self { time, elements })
    }

    /// What a request with these inputs should take: as many times as long as it has as many times the elements.
    pub fn estimate(&self, inputs: &[Tensor]) -> Duration {
        let times = elements(inputs).div_ceil(self.elements.max(1)).max(1);
        self.time.saturating_mul(u32::try_from(times).unwrap_or(u32::MAX))
    }
}

fn elements(tensors: &[Tensor]) -> usize {
    tensors.iter().map(|tensor| tensor.data().len()).sum()
}

/// Inputs of zeros: of so many rows where their number is free, any other free size being 1. `None` where they are too large.
pub(super) fn zeros(signature: &Signature, rows: usize) -> Option<Vec<Tensor>> {
    let mut left = LARGEST;
    let mut zeros = |spec: &TensorSpec| {
        let free = [rows].into_iter().chain(std::iter::repeat(1));
        let sizes = spec.shape.iter().zip(free).map(|(&size, free)| usize::try_from(size).unwrap_or(free));
        let shape = Shape::new(sizes.collect::<Vec<_>>());
        let elements = shape.elements()?;
        left = left.checked_sub(elements)?;
        let data = match spec.datatype {
            // A zero for whoever takes it for a number.
            Datatype::Bytes => Data::Bytes(std::iter::repeat_n("0", elements).collect()),
            datatype => Data::zeros(datatype, elements),
        };
        Tensor::new(shape, data).ok()
    };
    signature.inputs.iter().map(&mut zeros).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(rows: usize) -> Vec<Tensor> {
        vec![Tensor::new(Shape::new([rows, 2]), Data::Int8(vec![0; rows * 2])).unwrap()]
    }

    #[test]
    fn a_request_costs_as_many_times_as_it_has_rows() {
        let cost = Cost { time: Duration::from_micros(10), elements: 2 };
        assert_eq!(cost.estimate(&row(1)), Duration::from_micros(10));
        assert_eq!(cost.estimate(&row(0)), Duration::from_micros(10));
        assert_eq!(cost.estimate(&row(30)), Duration::from_micros(300));
    }
}
