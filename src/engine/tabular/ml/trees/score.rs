//! From leaves to scores, and from scores to labels. A row's scores are summed in the order of the trees, whatever batch it came
//! in, so that its bits are its own.

use super::super::labels::Labels;
use super::super::linear::rows_and_width;
use super::super::transform::{Transform, logistic};
use super::forest::{Forest, LeafScores, Threshold};
use crate::engine::tabular::element::{Element, Number};
use crate::engine::tabular::kernel::{Fallible, Inputs, Kernel, Output, elements, tensor};
use crate::engine::tabular::plain::floats;

/// Rows whose scores grow together: few enough that they and their features stay in the fastest cache.
const BLOCK: usize = 64;

/// What becomes of the trees' scores.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Aggregate {
    Sum,
    Average,
    Min,
    Max,
}

/// The scores of one row, and which of them any leaf had.
struct Scores<T> {
    values: Vec<T>,
    given: Vec<bool>,
}

/// Scores every row and calls `finish` for each, in their order.
fn score_rows<T: Threshold>(
    forest: &Forest<T>,
    aggregate: Aggregate,
    inputs: &Inputs<'_>,
    mut finish: impl FnMut(&mut [T], &[bool]) -> Fallible<()>,
) -> Fallible<usize> {
    let input = inputs.get(0)?;
    let (rows, width) = rows_and_width(input.shape().sizes())?;
    if width < forest.columns {
        return Err(format!("its input has {width} columns, the trees ask for {}", forest.columns));
    }
    let converted;
    let values = if let Some(values) = T::of(input.data()) {
        values
    } else {
        converted = floats::<T>(input.data())?;
        &converted
    };
    let targets = forest.targets;
    elements(&[rows, targets])?;
    inputs.step(forest.steps.saturating_mul(rows))?;
    let start = match aggregate {
        Aggregate::Sum | Aggregate::Average => T::default(),
        Aggregate::Min => T::LARGEST,
        Aggregate::Max => T::LEAST,
    };
    let mut scores = Scores { values: vec![start; targets], given: vec![false; targets] };
    if rows == 1 {
        score_row(forest, aggregate, values, &mut scores);
        finish(&mut scores.values, &scores.given)?;
        return Ok(1);
    }
    let lines: Vec<&[T]> = values.chunks_exact(width.max(1)).collect();
    let mut block = Scores { values: Vec::new(), given: Vec::new() };
    for lines in lines.chunks(BLOCK) {
        block.values.clear();
        block.values.resize(lines.len() * targets, start);
        block.given.clear();
        block.given.resize(lines.len() * targets, false);
        match &forest.leaves {
            LeafScores::One { target, values } => {
                let (target, sums) = (*target as usize, &mut block.values);
                forest.of_rows(lines, |row, leaf| {
                    if let (Some(sum), Some(&value)) =
                        (sums.get_mut(row * targets + target), values.get(leaf))
                    {
                        *sum = joined(aggregate, *sum, value);
                    }
                });
                block.given.iter_mut().skip(target).step_by(targets).for_each(|given| *given = true);
            }
            leaves @ LeafScores::Some { .. } => forest.of_rows(lines, |row, leaf| {
                leaves.of_leaf(leaf, |target, &value| {
                    add(aggregate, &mut block, row * targets + target, value);
                });
            }),
        }
        for (values, given) in block.values.chunks_exact_mut(targets).zip(block.given.chunks_exact(targets)) {
            finish(values, given)?;
        }
    }
    Ok(rows)
}

fn score_row<T: Threshold>(forest: &Forest<T>, aggregate: Aggregate, row: &[T], scores: &mut Scores<T>) {
    match &forest.leaves {
        LeafScores::One { target, values } => {
            let target = *target as usize;
            let mut sum = scores.values.get(target).copied().unwrap_or_default();
            forest.of_row(row, |leaf| {
                if let Some(&value) = values.get(leaf) {
                    sum = joined(aggregate, sum, value);
                }
            });
            if let (Some(value), Some(given)) = (scores.values.get_mut(target), scores.given.get_mut(target))
            {
                (*value, *given) = (sum, true);
            }
        }
        leaves @ LeafScores::Some { .. } => {
            forest.of_row(row, |leaf| {
                leaves.of_leaf(leaf, |target, &value| add(aggregate, scores, target, value));
            });
        }
    }
}

fn add<T: Number>(aggregate: Aggregate, scores: &mut Scores<T>, at: usize, value: T) {
    if let (Some(sum), Some(given)) = (scores.values.get_mut(at), scores.given.get_mut(at)) {
        (*sum, *given) = (joined(aggregate, *sum, value), true);
    }
}

#[inline]
fn joined<T: Number>(aggregate: Aggregate, sum: T, value: T) -> T {
    match aggregate {
        Aggregate::Sum | Aggregate::Average => sum.add(value),
        Aggregate::Min => {
            if value < sum {
                value
            } else {
                sum
            }
        }
        Aggregate::Max => {
            if value > sum {
                value
            } else {
                sum
            }
        }
    }
}

/// Scores as they are; `O` is the type in which they leave.
pub(super) struct Regressor<T, O> {
    forest: Forest<T>,
    aggregate: Aggregate,
    base: Vec<T>,
    transform: Transform,
    output: std::marker::PhantomData<O>,
}

impl<T: Threshold, O> Regressor<T, O> {
    pub(super) fn new(
        forest: Forest<T>,
        aggregate: Aggregate,
        base: Vec<T>,
        transform: Transform,
    ) -> Fallible<Self> {
        let base = match base.as_slice() {
            [] => vec![T::default(); forest.targets],
            [one] => vec![*one; forest.targets],
            several if several.len() == forest.targets => base,
            several => {
                return Err(format!("{} base values are not for {} targets", several.len(), forest.targets));
            }
        };
        Ok(Self { forest, aggregate, base, transform, output: std::marker::PhantomData })
    }
}

impl<T: Threshold, O: Element + Number> Kernel for Regressor<T, O> {
    fn run(&self, inputs: &mut Inputs<'_>) -> Fallible<Output> {
        #[allow(clippy::cast_precision_loss)] // no forest has 2^53 trees
        let trees = T::from_f64(self.forest.trees() as f64);
        let targets = self.forest.targets;
        let mut made = Vec::new();
        let rows = score_rows(&self.forest, self.aggregate, inputs, |scores, given| {
            for ((score, &given), &base) in scores.iter_mut().zip(given).zip(&self.base) {
                let aggregated = match self.aggregate {
                    Aggregate::Average => score.div(trees),
                    _ if !given => T::default(),
                    _ => *score,
                };
                *score = aggregated.add(base);
            }
            self.transform.apply(scores);
            made.extend(scores.iter().map(|score| O::from_f64(score.to_f64())));
            Ok(())
        })?;
        tensor(vec![rows, targets], O::wrap(made)).map(Output::One)
    }
}

/// Labels, and a score per class.
pub(super) struct Classifier<T> {
    forest: Forest<T>,
    labels: Labels,
    base: Vec<T>,
    transform: Transform,
    /// Two classes, and weights for only one of them.
    single: Option<Single>,
    /// Which class that is. Whichever, its score speaks for the second.
    class: usize,
}

/// How one score stands for two classes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Single {
    /// No weight is negative: the score is a probability.
    Probability,
    /// The score is a margin, above zero for the second class.
    Margin,
}

impl<T: Threshold> Classifier<T> {
    pub(super) fn new(
        forest: Forest<T>,
        labels: Labels,
        base: Vec<T>,
        transform: Transform,
    ) -> Fallible<Self> {
        let classes = forest.targets;
        if !(base.is_empty() || base.len() == classes || (base.len() == 1 && classes == 2)) {
            return Err(format!("{} base values are not for {classes} classes", base.len()));
        }
        let (mut first, mut several, mut negative) = (None, false, false);
        let mut see = |id: u32, weight: T| {
            several |= *first.get_or_insert(id) != id;
            negative |= weight < T::default();
        };
        match &forest.leaves {
            LeafScores::One { target, values } => values.iter().for_each(|&value| see(*target, value)),
            LeafScores::Some { scores, .. } => scores.iter().for_each(|&(target, value)| see(target, value)),
        }
        let single = (classes == 2 && first.is_some() && !several).then_some(if negative {
            Single::Margin
        } else {
            Single::Probability
        });
        let class = first.map_or(0, |class| class as usize);
        Ok(Self { forest, labels, base, transform, single, class })
    }

    /// The class of one row and, in place, its scores. Every class has one, zero where no leaf weighs on it.
    fn classify(&self, scores: &mut [T]) -> usize {
        let Some(single) = self.single else {
            let mut best: Option<(usize, T)> = None;
            for (class, score) in scores.iter_mut().enumerate() {
                *score = score.add(self.base.get(class).copied().unwrap_or_default());
                if best.is_none_or(|(_, best)| *score > best) {
                    best = Some((class, *score));
                }
            }
            self.transform.apply(scores);
            return best.map_or(0, |(class, _)| class);
        };
        let score = scores.get(self.class).copied().unwrap_or_default();
        let score = score.add(self.base.last().copied().unwrap_or_default());
        let [first, second] = scores else { return 0 };
        let half = T::from_f64(0.5);
        match (self.class, single, self.transform) {
            // Weights that name the second class leave nothing to the first.
            (1, ..) => {
                (*first, *second) = (T::default(), score);
                self.transform.apply(scores);
            }
            (_, _, Transform::Logistic) => (*first, *second) = (logistic(score.neg()), logistic(score)),
            (_, Single::Probability, _) => (*first, *second) = (T::ONE.sub(score), score),
            (_, Single::Margin, _) => (*first, *second) = (score.neg(), score),
        }
        let threshold = if single == Single::Probability { half } else { T::default() };
        usize::from(score > threshold)
    }
}

impl<T: Threshold> Kernel for Classifier<T> {
    fn run(&self, inputs: &mut Inputs<'_>) -> Fallible<Output> {
        let (mut classes, mut shares) = (Vec::new(), Vec::new());
        let rows = score_rows(&self.forest, Aggregate::Sum, inputs, |scores, _| {
            classes.push(self.classify(scores));
            shares.extend(scores.iter().map(|score| f32::from_f64(score.to_f64())));
            Ok(())
        })?;
        let labels = tensor(vec![rows], self.labels.of(&classes)?)?;
        let shares = tensor(vec![rows, self.forest.targets], f32::wrap(shares))?;
        Ok(Output::Many(vec![labels, shares]))
    }
}
