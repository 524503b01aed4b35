//! From the lists of an operator to a forest. Nothing is believed: lists must be as long as each other, children must exist and
//! be reached once, and every test is brought to the form that a forest walks.

use std::collections::HashMap;

use super::forest::{Builder, End, Forest, LeafScores, Threshold};
use crate::engine::tabular::element::{Element, Number};
use crate::engine::tabular::kernel::Fallible;
use crate::engine::tabular::node::Op;
use crate::engine::tabular::plain::floats;
use crate::tensor::Tensor;

/// Which lists say what leaves hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Leaves {
    Classes,
    Targets,
}

/// How a node tests its feature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    LessOrEqual,
    Less,
    GreaterOrEqual,
    Greater,
    Equal,
    NotEqual,
    Member,
    Leaf,
}

/// What a test leads to.
#[derive(Clone, Copy, Debug)]
enum Child {
    Node(usize),
    /// The leaf of this place in its lists.
    Leaf(usize),
}

/// One node, from whichever lists.
struct Test<T> {
    mode: Mode,
    feature: usize,
    threshold: T,
    /// The values of which [`Mode::Member`] asks for any.
    members: Vec<T>,
    /// Whether a missing value, NaN, passes the test.
    missing_passes: bool,
    passed: Child,
    failed: Child,
}

/// Lists of tests: the one at a place, and how many there are.
trait Tests<T> {
    fn len(&self) -> usize;
    fn at(&self, place: usize) -> Fallible<Test<T>>;
}

/// Walks through the trees from their roots and builds them. Gives the order in which leaves were met.
fn build<T: Threshold>(tests: &impl Tests<T>, roots: &[Child], leaves: usize) -> Fallible<(Builder<T>, Vec<usize>)> {
    let mut builder = Builder::new();
    let mut met = Vec::new();
    let (mut seen, mut seen_leaves) = (vec![false; tests.len()], vec![false; leaves]);
    let mut open: Vec<(Child, Vec<End>)> = Vec::new();
    for &root in roots {
        open.push((root, vec![End::Root]));
        while let Some((child, ends)) = open.pop() {
            let place = match child {
                Child::Node(place) => place,
                Child::Leaf(leaf) => {
                    let seen = seen_leaves.get_mut(leaf).ok_or_else(|| format!("leaf {leaf} is not there"))?;
                    if std::mem::replace(seen, true) {
                        return Err(format!("leaf {leaf} is reached twice"));
                    }
                    builder.leaf(&ends)?;
                    met.push(leaf);
                    continue;
                }
            };
            let seen = seen.get_mut(place).ok_or_else(|| format!("tree node {place} is not there"))?;
            if std::mem::replace(seen, true) {
                return Err(format!("tree node {place} is reached twice"));
            }
            let test = tests.at(place)?;
            if test.mode == Mode::Leaf {
                builder.leaf(&ends)?;
                met.push(place);
                continue;
            }
            let (passed, failed) = expand(&mut builder, &test, &ends)?;
            // The last in is the first out: then the first child of a node is its neighbour.
            open.push((test.failed, failed));
            open.push((test.passed, passed));
        }
    }
    Ok((builder, met))
}

/// Brings a test to the one form. Gives the ends of those that pass it and of those that do not.
fn expand<T: Threshold>(builder: &mut Builder<T>, test: &Test<T>, ends: &[End]) -> Fallible<(Vec<End>, Vec<End>)> {
    let &Test { feature, threshold, missing_passes: missing, .. } = test;
    Ok(match test.mode {
        Mode::LessOrEqual => {
            let node = builder.node(ends, feature, threshold, missing)?;
            (vec![End::First(node)], vec![End::Second(node)])
        }
        Mode::Less => {
            let node = builder.node(ends, feature, threshold.below(), missing)?;
            (vec![End::First(node)], vec![End::Second(node)])
        }
        // The opposite of a test that NaN does not pass: so NaN has to be sent to where it fails.
        Mode::GreaterOrEqual => {
            let node = builder.node(ends, feature, threshold.below(), !missing)?;
            (vec![End::Second(node)], vec![End::First(node)])
        }
        Mode::Greater => {
            let node = builder.node(ends, feature, threshold, !missing)?;
            (vec![End::Second(node)], vec![End::First(node)])
        }
        Mode::Equal => any_of(builder, feature, &[threshold], missing, ends)?,
        Mode::Member => any_of(builder, feature, &test.members, missing, ends)?,
        // NaN is not equal to anything, whatever missing values do.
        Mode::NotEqual => {
            let (equal, other) = any_of(builder, feature, &[threshold], false, ends)?;
            (other, equal)
        }
        Mode::Leaf => return Err("a leaf has no test".into()),
    })
}

/// Whether the feature is one of some values: for each of them two tests, at most the value and not below it.
fn any_of<T: Threshold>(
    builder: &mut Builder<T>,
    feature: usize,
    members: &[T],
    missing: bool,
    ends: &[End],
) -> Fallible<(Vec<End>, Vec<End>)> {
    let mut passed = Vec::new();
    let mut open = ends.to_vec();
    if members.is_empty() {
        // Nothing is a member; a test that nothing passes keeps the form.
        let node = builder.node(&open, feature, T::from_f64(f64::NAN), missing)?;
        return Ok((vec![End::First(node)], vec![End::Second(node)]));
    }
    for (place, &member) in members.iter().enumerate() {
        let nan = missing && place == 0;
        let at_most = builder.node(&open, feature, member, nan)?;
        let below = builder.node(&[End::First(at_most)], feature, member.below(), false)?;
        passed.push(End::Second(below));
        open = vec![End::Second(at_most), End::First(below)];
    }
    Ok((passed, open))
}

/// Scores by leaf, brought into the order in which leaves were met.
fn leaf_scores<T: Number>(met: &[usize], mut scores: Vec<(usize, u32, T)>) -> Fallible<LeafScores<T>> {
    scores.sort_by_key(|&(leaf, ..)| leaf);
    let places: HashMap<usize, usize> = met.iter().enumerate().map(|(place, &leaf)| (leaf, place)).collect();
    if let Some((leaf, ..)) = scores.iter().find(|(leaf, ..)| !places.contains_key(leaf)) {
        return Err(format!("tree node {leaf} has a weight and is no leaf of a tree"));
    }
    let mut ranges = vec![0..0; met.len()];
    let mut start = 0;
    for run in scores.chunk_by(|a, b| a.0 == b.0) {
        let place = run.first().and_then(|(leaf, ..)| places.get(leaf));
        if let Some(range) = place.and_then(|&place| ranges.get_mut(place)) {
            *range = start..start + run.len();
        }
        start += run.len();
    }
    let of = |range: &std::ops::Range<usize>| scores.get(range.clone()).unwrap_or_default();
    let target = scores.first().map(|&(_, target, _)| target);
    if let Some(target) = target
        && ranges.iter().all(|range| range.len() == 1)
        && scores.iter().all(|&(_, own, _)| own == target)
    {
        let values = ranges.iter().flat_map(|range| of(range).iter().map(|&(.., value)| value)).collect();
        return Ok(LeafScores::One { target, values });
    }
    let (mut starts, mut flat) = (vec![0], Vec::with_capacity(scores.len()));
    for range in &ranges {
        flat.extend(of(range).iter().map(|&(_, target, value)| (target, value)));
        starts.push(u32::try_from(flat.len()).map_err(|_| "it has too many weights")?);
    }
    Ok(LeafScores::Some { starts, scores: flat })
}

fn target(target: i64, targets: usize) -> Fallible<u32> {
    let known = usize::try_from(target).is_ok_and(|target| target < targets);
    u32::try_from(target).ok().filter(|_| known).ok_or_else(|| format!("score {target} is not one of {targets}"))
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
            let new = tree.first().is_some_and(|&number| firsts.insert(number, (start, tree.len())).is_none());
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
    builder.finish(leaf_scores(&met, scores)?, targets)
}

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

    fn at(&self, place: usize) -> Fallible<Test<T>> {
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
            members: self.members.get(place).cloned().unwrap_or_default(),
            missing_passes: self.missing.get(place).is_some_and(|&passes| passes != 0),
            passed: self.passed.get(place).copied().ok_or_else(gone)?,
            failed: self.failed.get(place).copied().ok_or_else(gone)?,
        })
    }
}

/// Reads the trees of `TreeEnsemble`.
pub(super) fn ensemble<T: Threshold>(op: &Op<'_>, targets: usize) -> Fallible<Forest<T>> {
    let wanted = |name: &str| -> Fallible<Tensor> { op.tensor(name)?.ok_or_else(|| format!("{name} is missing")) };
    let modes = op.modes("nodes_modes")?;
    let splits: Vec<T> = floats(wanted("nodes_splits")?.data())?;
    let weights: Vec<T> = floats(wanted("leaf_weights")?.data())?;
    let ids = op.integers("leaf_targetids");
    let count = modes.len();
    let child = |is_leaf: &i64, place: &i64| -> Fallible<Child> {
        let place = usize::try_from(*place).map_err(|_| "a child is negative")?;
        Ok(if *is_leaf != 0 { Child::Leaf(place) } else { Child::Node(place) })
    };
    let children = |leafs: &str, places: &str| -> Fallible<Vec<Child>> {
        op.integers(leafs).iter().zip(op.integers(places)).map(|(leaf, place)| child(leaf, place)).collect()
    };
    let mut sets = sets(op.tensor("membership_values")?)?.into_iter();
    let members = modes.iter().map(|&mode| if mode == 6 { sets.next() } else { Some(Vec::new()) });
    let lists = Ensemble {
        members: members.collect::<Option<_>>().ok_or("membership_values has too few sets")?,
        features: op.integers("nodes_featureids").to_vec(),
        missing: op.integers("nodes_missing_value_tracks_true").to_vec(),
        passed: children("nodes_trueleafs", "nodes_truenodeids")?,
        failed: children("nodes_falseleafs", "nodes_falsenodeids")?,
        modes,
        splits,
    };
    let lengths = [lists.splits.len(), lists.features.len(), lists.passed.len(), lists.failed.len()];
    if lengths.iter().any(|&length| length != count) || ids.len() != weights.len() || count == 0 {
        return Err(format!("its lists differ in length: {count}, {lengths:?}, {} leaves", ids.len()));
    }
    let roots = op.integers("tree_roots").iter().map(|place| child(&0, place)).collect::<Fallible<Vec<_>>>()?;
    let (builder, met) = build(&lists, &roots, weights.len())?;
    let reached: std::collections::HashSet<usize> = met.iter().copied().collect();
    let mut scores = Vec::with_capacity(weights.len());
    for (leaf, (&id, &weight)) in ids.iter().zip(&weights).enumerate() {
        if reached.contains(&leaf) {
            scores.push((leaf, target(id, targets)?, weight));
        }
    }
    builder.finish(leaf_scores(&met, scores)?, targets)
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

