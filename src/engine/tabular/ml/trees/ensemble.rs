//! The lists that tell trees in version 5 of ai.onnx.ml.

use super::build::{Child, Mode, Test, Tests, build};
use super::forest::{Forest, LANES, Threshold};
use super::leaves::{leaf_scores, target};
use crate::engine::tabular::element::Number;
use crate::engine::tabular::kernel::Fallible;
use crate::engine::tabular::node::Op;
use crate::engine::tabular::plain::floats;
use crate::tensor::Tensor;

/// The lists of version 5.
struct Ensemble<T> {
    modes: Vec<i64>,
    features: Vec<i64>,
    splits: Vec<T>,
    members: Vec<Vec<T>>,
    missing: Vec<i64>,
    passed: Vec<Child>,
    failed: Vec<Child>,
}

impl<T: Threshold> Tests<T> for Ensemble<T> {
    fn len(&self) -> usize {
        self.modes.len()
    }

    #[inline]
    fn at(&self, place: usize) -> Fallible<Test<'_, T>> {
        let gone = || format!("tree node {place} is not there");
        let modes = [
            Mode::LessOrEqual,
            Mode::Less,
            Mode::GreaterOrEqual,
            Mode::Greater,
            Mode::Equal,
            Mode::NotEqual,
            Mode::Member,
        ];
        let number = *self.modes.get(place).ok_or_else(gone)?;
        let mode = usize::try_from(number).ok().and_then(|number| modes.get(number).copied());
        let feature = self.features.get(place).and_then(|&feature| usize::try_from(feature).ok());
        Ok(Test {
            mode: mode.ok_or_else(|| format!("tree node {place}: mode {number} is not known"))?,
            feature: feature.ok_or_else(|| format!("tree node {place}: its feature is negative"))?,
            threshold: self.splits.get(place).copied().ok_or_else(gone)?,
            members: self.members.get(place).map_or(&[], Vec::as_slice),
            missing_passes: self.missing.get(place).is_some_and(|&passes| passes != 0),
            passed: self.passed.get(place).copied().ok_or_else(gone)?,
            failed: self.failed.get(place).copied().ok_or_else(gone)?,
        })
    }
}

/// Reads the trees of `TreeEnsemble`.
pub(super) fn ensemble<T: Threshold>(op: &Op<'_>, targets: usize) -> Fallible<Forest<T>> {
    let wanted =
        |name: &str| -> Fallible<Tensor> { op.tensor(name)?.ok_or_else(|| format!("{name} is missing")) };
    let modes = op.modes("nodes_modes")?;
    let splits: Vec<T> = floats(wanted("nodes_splits")?.data())?;
    let weights: Vec<T> = floats(wanted("leaf_weights")?.data())?;
    let ids = op.integers("leaf_targetids")?;
    let count = modes.len();
    let child = |is_leaf: &i64, place: &i64| -> Fallible<Child> {
        let place = usize::try_from(*place).map_err(|_| "a child is negative")?;
        Ok(if *is_leaf != 0 { Child::Leaf(place) } else { Child::Node(place) })
    };
    let children = |leafs: &str, places: &str| -> Fallible<Vec<Child>> {
        op.integers(leafs)?
            .iter()
            .zip(&op.integers(places)?)
            .map(|(leaf, place)| child(leaf, place))
            .collect()
    };
    let mut sets = sets(op.tensor("membership_values")?)?.into_iter();
    let members = modes.iter().map(|&mode| if mode == 6 { sets.next() } else { Some(Vec::new()) });
    let lists = Ensemble {
        members: members.collect::<Option<_>>().ok_or("membership_values has too few sets")?,
        features: op.integers("nodes_featureids")?,
        missing: op.integers("nodes_missing_value_tracks_true")?,
        passed: children("nodes_trueleafs", "nodes_truenodeids")?,
        failed: children("nodes_falseleafs", "nodes_falsenodeids")?,
        modes,
        splits,
    };
    let lengths = [lists.splits.len(), lists.features.len(), lists.passed.len(), lists.failed.len()];
    if lengths.iter().any(|&length| length != count) || ids.len() != weights.len() || count == 0 {
        return Err(format!("its lists differ in length: {count}, {lengths:?}, {} leaves", ids.len()));
    }
    let roots =
        op.integers("tree_roots")?.iter().map(|place| child(&0, place)).collect::<Fallible<Vec<_>>>()?;
    if roots.is_empty() {
        return Err("it has no roots".into());
    }
    let (builder, met) = build(&lists, &roots, weights.len(), false)?;
    let reached: std::collections::HashSet<u32> = met.iter().copied().collect();
    let mut scores = Vec::with_capacity(weights.len());
    for (leaf, (&id, &weight)) in (0..).zip(ids.iter().zip(&weights)) {
        if reached.contains(&leaf) {
            scores.push((leaf, target(id, targets)?, weight));
        }
    }
    let forest = builder.finish(leaf_scores(&met, scores, targets)?, targets)?;
    // Trees share nodes at will, so that a few lists tell as many long trees as there are roots.
    op.budget.step(forest.steps.saturating_mul(LANES))?;
    Ok(forest)
}

/// The sets of values of the tests for membership, in the order of their nodes, a NaN behind each.
fn sets<T: Number>(values: Option<Tensor>) -> Fallible<Vec<Vec<T>>> {
    let Some(values) = values else { return Ok(Vec::new()) };
    let values: Vec<T> = floats(values.data())?;
    let mut sets: Vec<Vec<T>> = values.split(|value| value.is_nan()).map(<[T]>::to_vec).collect();
    // Behind the last NaN there is nothing, unless it was left out.
    if sets.last().is_some_and(Vec::is_empty) {
        sets.pop();
    }
    Ok(sets)
}
