//! The lists that tell trees up to version 4 of ai.onnx.ml.

use std::collections::HashMap;

use super::build::{Child, Mode, Test, Tests, build};
use super::forest::{Forest, Threshold};
use super::leaves::{leaf_scores, target};
use crate::engine::tabular::element::{Element, Number};
use crate::engine::tabular::kernel::Fallible;
use crate::engine::tabular::node::Op;
use crate::engine::tabular::plain::floats;

/// Which lists say what leaves hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Leaves {
    Classes,
    Targets,
}

/// The lists that up to version 4 of ai.onnx.ml tell trees.
struct Lists<'a, T> {
    modes: Vec<&'a str>,
    features: &'a [i64],
    thresholds: Vec<T>,
    missing: &'a [i64],
    passed: Vec<usize>,
    failed: Vec<usize>,
}

impl<T: Threshold> Tests<T> for Lists<'_, T> {
    fn len(&self) -> usize {
        self.modes.len()
    }

    fn at(&self, place: usize) -> Fallible<Test<T>> {
        let gone = || format!("tree node {place} is not there");
        let mode = match *self.modes.get(place).ok_or_else(gone)? {
            "LEAF" => Mode::Leaf,
            "BRANCH_LEQ" => Mode::LessOrEqual,
            "BRANCH_LT" => Mode::Less,
            "BRANCH_GTE" => Mode::GreaterOrEqual,
            "BRANCH_GT" => Mode::Greater,
            "BRANCH_EQ" => Mode::Equal,
            "BRANCH_NEQ" => Mode::NotEqual,
            other => return Err(format!("tree node {place}: mode {other} is not known")),
        };
        let feature = self.features.get(place).and_then(|&feature| usize::try_from(feature).ok());
        Ok(Test {
            mode,
            feature: feature.ok_or_else(|| format!("tree node {place}: its feature is negative"))?,
            threshold: self.thresholds.get(place).copied().ok_or_else(gone)?,
            members: Vec::new(),
            missing_passes: self.missing.get(place).is_some_and(|&passes| passes != 0),
            passed: Child::Node(self.passed.get(place).copied().ok_or_else(gone)?),
            failed: Child::Node(self.failed.get(place).copied().ok_or_else(gone)?),
        })
    }
}

/// A list of numbers: of floats, or as a tensor of doubles.
fn numbers<T: Element + Number>(op: &Op<'_>, name: &str) -> Fallible<Vec<T>> {
    match op.tensor(&format!("{name}_as_tensor"))? {
        Some(tensor) => floats(tensor.data()),
        None => Ok(op.floats(name).iter().map(|&value| T::from_f64(f64::from(value))).collect()),
    }
}

/// What is added to every row's scores.
pub(super) fn base_values<T: Number>(op: &Op<'_>) -> Fallible<Vec<T>> {
    numbers(op, "base_values")
}

/// Nodes by the numbers of their tree and their own.
struct Index {
    places: HashMap<(i64, i64), usize>,
    /// Where nodes are numbered from 0 up in each tree, and trees follow each other: a tree's first place. It needs no table.
    firsts: Option<HashMap<i64, (usize, usize)>>,
}

impl Index {
    fn new(trees: &[i64], nodes: &[i64]) -> Fallible<Self> {
        let mut firsts = HashMap::new();
        let mut start = 0;
        let regular = trees.chunk_by(|a, b| a == b).all(|tree| {
            let own = nodes.get(start..start + tree.len()).unwrap_or_default();
            let counted = own.iter().zip(0_i64..).all(|(&node, number)| node == number);
            let new =
                tree.first().is_some_and(|&number| firsts.insert(number, (start, tree.len())).is_none());
            start += tree.len();
            counted && new
        });
        if regular {
            return Ok(Self { places: HashMap::new(), firsts: Some(firsts) });
        }
        let mut places = HashMap::with_capacity(nodes.len());
        for (place, (&tree, &node)) in trees.iter().zip(nodes).enumerate() {
            if places.insert((tree, node), place).is_some() {
                return Err(format!("tree {tree} has two nodes {node}"));
            }
        }
        Ok(Self { places, firsts: None })
    }

    fn place(&self, tree: i64, node: i64) -> Fallible<usize> {
        let found = match &self.firsts {
            Some(firsts) => firsts.get(&tree).and_then(|&(first, count)| {
                Some(first + usize::try_from(node).ok().filter(|&node| node < count)?)
            }),
            None => self.places.get(&(tree, node)).copied(),
        };
        found.ok_or_else(|| format!("tree {tree} has no node {node}"))
    }
}

/// Reads the trees of `TreeEnsembleClassifier` and `TreeEnsembleRegressor`.
pub(super) fn forest<T: Threshold>(op: &Op<'_>, leaves: Leaves, targets: usize) -> Fallible<Forest<T>> {
    let (trees, nodes) = (op.integers("nodes_treeids"), op.integers("nodes_nodeids"));
    let modes = op.strings("nodes_modes")?;
    let thresholds: Vec<T> = numbers(op, "nodes_values")?;
    let features = op.integers("nodes_featureids");
    let missing = op.integers("nodes_missing_value_tracks_true");
    let (passed, failed) = (op.integers("nodes_truenodeids"), op.integers("nodes_falsenodeids"));
    let count = nodes.len();
    let lengths = [trees.len(), modes.len(), thresholds.len(), features.len(), passed.len(), failed.len()];
    if lengths.iter().any(|&length| length != count) || !(missing.is_empty() || missing.len() == count) {
        return Err(format!("its lists of nodes differ in length: {count}, {lengths:?}, {}", missing.len()));
    }
    if count == 0 || targets == 0 {
        return Err("it has no nodes or no scores".into());
    }
    let index = Index::new(trees, nodes)?;
    let mut is_child = vec![false; count];
    let mut children = |numbers: &[i64]| -> Fallible<Vec<usize>> {
        let mut places = Vec::with_capacity(count);
        for ((&tree, &number), (place, mode)) in trees.iter().zip(numbers).zip(modes.iter().enumerate()) {
            if *mode == "LEAF" {
                places.push(place);
                continue;
            }
            let child = index.place(tree, number)?;
            if let Some(is_child) = is_child.get_mut(child) {
                *is_child = true;
            }
            places.push(child);
        }
        Ok(places)
    };
    let (passed, failed) = (children(passed)?, children(failed)?);
    let mut roots = Vec::new();
    let mut rooted = HashMap::new();
    for (place, &tree) in trees.iter().enumerate() {
        let known = rooted.entry(tree).or_insert(false);
        if !is_child.get(place).copied().unwrap_or(true) {
            if std::mem::replace(known, true) {
                return Err(format!("tree {tree} has two roots"));
            }
            roots.push(Child::Node(place));
        }
    }
    if let Some((tree, _)) = rooted.iter().find(|(_, rooted)| !**rooted) {
        return Err(format!("tree {tree} has no root: its nodes lead to each other in a circle"));
    }
    let lists = Lists { modes, features, thresholds, missing, passed, failed };
    let (builder, met) = build(&lists, &roots, 0)?;

    let kind = if leaves == Leaves::Classes { "class" } else { "target" };
    let list = |name: &str| op.integers(&format!("{kind}_{name}"));
    let weights: Vec<T> = numbers(op, &format!("{kind}_weights"))?;
    let (own_trees, own_nodes, ids) = (list("treeids"), list("nodeids"), list("ids"));
    if [own_trees.len(), own_nodes.len(), ids.len()] != [weights.len(); 3] {
        return Err(format!("its lists of {kind} weights differ in length"));
    }
    let mut scores = Vec::with_capacity(weights.len());
    for (((&tree, &node), &id), &weight) in own_trees.iter().zip(own_nodes).zip(ids).zip(&weights) {
        scores.push((index.place(tree, node)?, target(id, targets)?, weight));
    }
    builder.finish(leaf_scores(&met, scores, targets)?, targets)
}
