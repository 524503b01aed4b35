//! What an inference costs: measured once when a model is loaded, scaled by the size of a request, and corrected by what
//! requests take.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use super::{Engine, Spread, infer};
use crate::tensor::{Data, Datatype, Shape, Signature, Tensor, TensorSpec};

/// What is expected to take no longer is small: it is run on the thread that holds the request. A hand-over costs tens of
/// microseconds, and the others behind that thread hardly notice.
const SMALL: Duration = Duration::from_micros(200);

/// The first run also pays for pages and buffers, so that it is not the one that counts, unless it took so long that
/// another would only delay the start.
const RUNS: usize = 3;
const LONG: Duration = Duration::from_millis(20);

/// Elements that a measurement may allocate for all inputs.
const LARGEST: usize = 1 << 24;

/// A run counts for what was expected or for so many times what is small, at most: the system may have interrupted it, and how
/// much longer than small it was makes no difference.
const MOST: u64 = 3;

/// By which part of the difference a run that took longer than expected moves what is expected, and one that took less. Up
/// is faster than down: what holds a request's thread up holds up all requests behind it, and a needless hand-over only itself.
/// So two or three long runs close to each other are believed, and one in twenty is enough to go on believing them.
const UP: u64 = 4;
const DOWN: u64 = 128;

/// The time that a model takes for its smallest request.
#[derive(Debug)]
pub struct Cost {
    /// Nanoseconds; less than that where it was measured to be large, and such requests take less.
    measured: AtomicU64,
    /// What was measured.
    elements: usize,
    /// Nanoseconds that requests took, for as many elements, where they take longer than was measured; else 0. Zeros may be
    /// cheaper than what people send, and larger requests dearer than their size says.
    ///
    /// Relaxed, and read and written in two steps: where two requests end at once, what one of them says may be lost.
    observed: AtomicU64,
}

/// How many times as large as the smallest a request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size(u64);

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
        Some(Self::new(time, elements))
    }

    fn new(time: Duration, elements: usize) -> Self {
        Self { measured: AtomicU64::new(nanos(time)), elements: elements.max(1), observed: AtomicU64::new(0) }
    }

    /// What the smallest request should take.
    pub fn smallest(&self) -> Duration {
        self.estimate(Size(1))
    }

    /// The size of a request with these inputs.
    pub fn size(&self, inputs: &[Tensor]) -> Size {
        Size((elements(inputs).div_ceil(self.elements) as u64).max(1))
    }

    /// What a request of this size should take: as many times as long as it is larger than the smallest.
    pub fn estimate(&self, size: Size) -> Duration {
        Duration::from_nanos(self.each().saturating_mul(size.0))
    }

    /// Whether a request of this size should be run where it is.
    pub fn is_small(&self, size: Size) -> bool {
        self.estimate(size) <= SMALL
    }

    /// Takes note of what a request of this size took.
    pub fn observe(&self, size: Size, took: Duration) {
        let (measured, observed) = (self.measured.load(Relaxed), self.observed.load(Relaxed));
        let each = measured.max(observed);
        let expected = each.saturating_mul(size.0);
        if observed == 0 && expected <= nanos(SMALL) && took <= SMALL {
            return;
        }
        let took = nanos(took).min(expected.max(nanos(SMALL).saturating_mul(MOST))) / size.0;
        if took > each {
            self.observed.store(each + (took - each).div_ceil(UP), Relaxed);
        } else if observed > measured {
            let less = observed - (observed - took).div_ceil(DOWN);
            self.observed.store(if less > measured { less } else { 0 }, Relaxed);
        } else if size.0 == 1 {
            // Only the smallest tell: rows may be cheaper together than alone.
            self.measured.store(measured - (measured - took).div_ceil(DOWN), Relaxed);
        }
    }

    /// Nanoseconds for the smallest request.
    fn each(&self) -> u64 {
        self.measured.load(Relaxed).max(self.observed.load(Relaxed))
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
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

    const ONE: Size = Size(1);
    const CHEAP: Duration = Duration::from_micros(5);
    const DEAR: Duration = Duration::from_millis(10);

    fn row(rows: usize) -> Vec<Tensor> {
        vec![Tensor::new(Shape::new([rows, 2]), Data::Int8(vec![0; rows * 2])).unwrap()]
    }

    /// Requests of the smallest size that take so long, until the next of them changes sides.
    fn until(cost: &Cost, small: bool, took: Duration) -> usize {
        let runs = (0..1000).take_while(|_| {
            let go_on = cost.is_small(ONE) != small;
            if go_on {
                cost.observe(ONE, took);
            }
            go_on
        });
        runs.count()
    }

    #[test]
    fn a_request_costs_as_many_times_as_it_has_rows() {
        let cost = Cost::new(Duration::from_micros(10), 2);
        let estimate = |rows| cost.estimate(cost.size(&row(rows)));
        assert_eq!(estimate(1), Duration::from_micros(10));
        assert_eq!(estimate(0), Duration::from_micros(10));
        assert_eq!(estimate(30), Duration::from_micros(300));
        assert!(cost.is_small(cost.size(&row(20))) && !cost.is_small(cost.size(&row(21))));
    }

    #[test]
    fn one_run_that_was_interrupted_changes_nothing_and_some_that_are_long_do() {
        let cost = Cost::new(CHEAP, 2);
        cost.observe(ONE, DEAR);
        assert!(cost.is_small(ONE));
        assert_eq!(until(&cost, false, DEAR), 1, "more long runs than two");
        for measured in [1, 50, 199] {
            let cost = Cost::new(Duration::from_micros(measured), 2);
            assert!(until(&cost, false, DEAR) <= 2, "{measured}");
        }
    }

    #[test]
    fn a_cost_that_was_taken_for_too_high_recovers_to_what_was_measured() {
        let cost = Cost::new(CHEAP, 2);
        for _ in 0..100 {
            cost.observe(ONE, DEAR);
        }
        let runs = until(&cost, true, CHEAP);
        assert!((100..=150).contains(&runs), "{runs}");
        for _ in 0..2000 {
            cost.observe(ONE, CHEAP / 2);
        }
        assert_eq!(cost.estimate(ONE), CHEAP);
        assert_eq!(cost.observed.load(Relaxed), 0);
    }

    #[test]
    fn a_cost_that_was_measured_too_high_comes_down() {
        let cost = Cost::new(Duration::from_micros(300), 2);
        for _ in 0..1000 {
            cost.observe(Size(10), CHEAP);
        }
        assert_eq!(cost.estimate(ONE), Duration::from_micros(300), "a batch says nothing of one row");
        let runs = until(&cost, true, CHEAP);
        assert!((20..=80).contains(&runs), "{runs}");
        assert!(!cost.is_small(Size(2)), "{cost:?}");
    }

    #[test]
    fn long_runs_among_many_short_ones_are_enough() {
        let cost = Cost::new(CHEAP, 2);
        let mut held_up = 0;
        for run in 0..10_000 {
            let is_long = run % 20 == 0;
            held_up += usize::from(is_long && cost.is_small(ONE));
            cost.observe(ONE, if is_long { DEAR } else { CHEAP });
        }
        assert!(held_up < 20, "{held_up} of 500 held a request's thread up");
    }

    #[test]
    fn what_a_batch_takes_counts_for_each_of_its_rows() {
        let cost = Cost::new(CHEAP, 2);
        // Rows that are cheaper together than alone do not make one alone cheaper.
        cost.observe(Size(1000), Duration::from_millis(1));
        assert_eq!(cost.estimate(ONE), CHEAP);
        // Where a batch is known to be large, what it takes says nothing of what is small.
        for _ in 0..100 {
            cost.observe(Size(1000), Duration::from_millis(10));
        }
        assert_eq!(cost.estimate(ONE), CHEAP);
        for _ in 0..10 {
            cost.observe(Size(10), Duration::from_millis(1));
        }
        assert!(!cost.is_small(Size(10)) && cost.is_small(ONE), "{cost:?}");
    }
}
