//! The lists that tell trees up to version 4 of ai.onnx.ml.

use std::collections::HashMap;
use std::mem;

use super::build::{Child, Mode, Test, Tests, build};
use super::forest::{Forest, Threshold};
use super::leaves::{leaf_scores, target};
use crate::engine::onnx::Attribute;
use crate::engine::tabular::element::{Element, Number};
use crate::engine::tabular::kernel::Fallible;
use crate::engine::tabular::node::{Op, unknown};
use crate::engine::tabular::plain::floats;

/// Which lists say what leaves hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Leaves {
    Classes,
    Targets,
}

/// The lists that up to version 4 of ai.onnx.ml tell trees.
struct Lists<'a, T> {
    modes: Vec<Mode>,
    features: &'a [i64],
    thresholds: Vec<T>,
    missing: &'a [i64],
    passed: Vec<u32>,
    failed: Vec<u32>,
}

impl<T: Threshold> Tests<T> for Lists<'_, T> {
    fn len(&self) -> usize {
        self.modes.len()
    }

    #[inline]
    fn at(&self, place: usize) -> Fallible<Test<'_, T>> {
        let gone = || format!("tree node {place} is not there");
        let mode = *self.modes.get(place).ok_or_else(gone)?;
        let feature = self.features.get(place).and_then(|&feature| usize::try_from(feature).ok());
        Ok(Test {
            mode,
            feature: feature.ok_or_else(|| format!("tree node {place}: its feature is negative"))?,
            threshold: self.thresholds.get(place).copied().ok_or_else(gone)?,
            members: &[],
            missing_passes: self.missing.get(place).is_some_and(|&passes| passes != 0),
            passed: Child::Node(*self.passed.get(place).ok_or_else(gone)? as usize),
            failed: Child::Node(*self.failed.get(place).ok_or_else(gone)? as usize),
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

fn modes(op: &Op<'_>) -> Fallible<Vec<Mode>> {
    let Some(Attribute { strings, .. }) = op.attribute("nodes_modes") else { return Ok(Vec::new()) };
    let mut modes = Vec::with_capacity(strings.len());
    for (place, word) in strings.iter().enumerate() {
        modes.push(match word.as_ref() {
            b"LEAF" => Mode::Leaf,
            b"BRANCH_LEQ" => Mode::LessOrEqual,
            b"BRANCH_LT" => Mode::Less,
            b"BRANCH_GTE" => Mode::GreaterOrEqual,
            b"BRANCH_GT" => Mode::Greater,
            b"BRANCH_EQ" => Mode::Equal,
            b"BRANCH_NEQ" => Mode::NotEqual,
            other => {
                return Err(unknown(&format!("tree node {place}: mode"), &String::from_utf8_lossy(other)));
            }
        });
    }
    Ok(modes)
}

/// Nodes by the numbers of their tree and their own.
enum Index {
    /// Nodes are numbered from 0 up in each tree, and trees follow each other: a tree's first place, and how many nodes it has.
    Regular(HashMap<i64, (u32, u32)>),
    Table(HashMap<(i64, i64), u32>),
}

impl Index {
    fn new(trees: &[i64], nodes: &[i64]) -> Fallible<Self> {
        let mut firsts = HashMap::new();
        let mut rest = nodes;
        let mut start = 0;
        let regular = trees.chunk_by(|a, b| a == b).all(|tree| {
            let Some((own, others)) = rest.split_at_checked(tree.len()) else { return false };
            let counted = own.iter().zip(0_i64..).all(|(&node, number)| node == number);
            let count = u32::try_from(tree.len()).unwrap_or(u32::MAX);
            let new = tree.first().is_some_and(|&number| firsts.insert(number, (start, count)).is_none());
            (rest, start) = (others, start + count);
            counted && new
        });
        if regular {
            return Ok(Self::Regular(firsts));
        }
        let mut places = HashMap::with_capacity(nodes.len());
        for (place, (&tree, &node)) in (0..).zip(trees.iter().zip(nodes)) {
            if places.insert((tree, node), place).is_some() {
                return Err(format!("tree {tree} has two nodes {node}"));
            }
        }
        Ok(Self::Table(places))
    }

    /// Looks for one node after another: what they ask for is mostly in the tree of the one before.
    fn finder(&self) -> impl FnMut(i64, i64) -> Fallible<u32> {
        let mut last = None;
        move |tree, node| {
            let found = match self {
                Self::Regular(firsts) => {
                    if last.is_none_or(|(known, _)| known != tree) {
                        last = firsts.get(&tree).map(|&nodes| (tree, nodes));
                    }
                    last.and_then(|(_, (first, count))| {
                        Some(first + u32::try_from(node).ok().filter(|&node| node < count)?)
                    })
                }
                Self::Table(places) => places.get(&(tree, node)).copied(),
            };
            found.ok_or_else(|| format!("tree {tree} has no node {node}"))
        }
    }
}

/// Whose child each node is: nobody's, one's, or that of several.
struct Parents {
    counts: Vec<u8>,
}

impl Parents {
    fn add(&mut self, child: u32) {
        if let Some(count) = self.counts.get_mut(child as usize) {
            *count = count.saturating_add(1);
        }
    }

    /// The nodes that are nobody's child: one in each tree.
    fn roots(&self, trees: &[i64]) -> Fallible<Vec<Child>> {
        let mut roots = Vec::new();
        let mut rooted = HashMap::new();
        let mut start = 0;
        for tree in trees.chunk_by(|a, b| a == b) {
            let Some(&number) = tree.first() else { continue };
            let is_rooted = rooted.entry(number).or_insert(false);
            let own = self.counts.get(start..start + tree.len()).unwrap_or_default();
            for (place, _) in own.iter().enumerate().filter(|(_, parents)| **parents == 0) {
                if mem::replace(is_rooted, true) {
                    return Err(format!("tree {number} has two roots"));
                }
                roots.push(Child::Node(start + place));
            }
            start += tree.len();
        }
        match rooted.iter().find(|(_, is_rooted)| !**is_rooted) {
            Some((tree, _)) => {
                Err(format!("tree {tree} has no root: its nodes lead to each other in a circle"))
            }
            None => Ok(roots),
        }
    }
}

/// Reads the trees of `TreeEnsembleClassifier` and `TreeEnsembleRegressor`.
pub(super) fn forest<T: Threshold>(op: &Op<'_>, leaves: Leaves, targets: usize) -> Fallible<Forest<T>> {
    let (trees, nodes) = (op.integers("nodes_treeids"), op.integers("nodes_nodeids"));
    let modes = modes(op)?;
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
    if u32::try_from(count).is_err() {
        return Err("it has more than 2^32 nodes".into());
    }
    let index = Index::new(trees, nodes)?;
    let mut parents = Parents { counts: vec![0; count] };
    let mut children = |numbers: &[i64]| -> Fallible<Vec<u32>> {
        let (mut places, mut find) = (Vec::with_capacity(count), index.finder());
        for ((&tree, &number), mode) in trees.iter().zip(numbers).zip(&modes) {
            let mut child = 0;
            if *mode != Mode::Leaf {
                child = find(tree, number)?;
                parents.add(child);
            }
            places.push(child);
        }
        Ok(places)
    };
    let (passed, failed) = (children(passed)?, children(failed)?);
    let roots = parents.roots(trees)?;
    let is_tree = parents.counts.iter().all(|&parents| parents <= 1);
    let lists = Lists { modes, features, thresholds, missing, passed, failed };
    let (builder, met) = build(&lists, &roots, 0, is_tree)?;

    let kind = if leaves == Leaves::Classes { "class" } else { "target" };
    let list = |name: &str| op.integers(&format!("{kind}_{name}"));
    let weights: Vec<T> = numbers(op, &format!("{kind}_weights"))?;
    let (own_trees, own_nodes, ids) = (list("treeids"), list("nodeids"), list("ids"));
    if [own_trees.len(), own_nodes.len(), ids.len()] != [weights.len(); 3] {
        return Err(format!("its lists of {kind} weights differ in length"));
    }
    let (mut scores, mut find) = (Vec::with_capacity(weights.len()), index.finder());
    for (((&tree, &node), &id), &weight) in own_trees.iter().zip(own_nodes).zip(ids).zip(&weights) {
        scores.push((find(tree, node)?, target(id, targets)?, weight));
    }
    builder.finish(leaf_scores(&met, scores, targets)?, targets)
}
