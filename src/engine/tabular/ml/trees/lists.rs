//! The lists that tell trees up to version 4 of ai.onnx.ml.

use std::collections::HashMap;
use std::mem;

use super::build::{Child, Mode, Test, Tests, build};
use super::forest::{Builder, End, Forest, LeafScores, Threshold};
use super::leaves::{leaf_scores, one_each, target};
use crate::engine::onnx::Integers;
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

/// The lists that up to version 4 of ai.onnx.ml tell trees. Nodes, and so children, have numbers of their own in each tree.
struct Lists<'a, T> {
    trees: &'a Integers,
    modes: Vec<Mode>,
    features: &'a Integers,
    thresholds: Numbers<'a, T>,
    missing: &'a Integers,
    passed: &'a Integers,
    failed: &'a Integers,
}

impl<T: Threshold> Lists<'_, T> {
    /// The test at a place, between the places of its children.
    #[inline]
    fn test(&self, place: usize, passed: u32, failed: u32) -> Fallible<Test<'_, T>> {
        let gone = || format!("tree node {place} is not there");
        let mode = *self.modes.get(place).ok_or_else(gone)?;
        let feature = self.features.get(place).and_then(|feature| usize::try_from(feature).ok());
        Ok(Test {
            mode,
            feature: feature.ok_or_else(|| format!("tree node {place}: its feature is negative"))?,
            threshold: self.thresholds.get(place).ok_or_else(gone)?,
            members: &[],
            missing_passes: self.missing.get(place).is_some_and(|passes| passes != 0),
            passed: Child::Node(passed as usize),
            failed: Child::Node(failed as usize),
        })
    }
}

/// The lists with the places of each node's children.
struct Linked<'a, T> {
    lists: &'a Lists<'a, T>,
    passed: Vec<u32>,
    failed: Vec<u32>,
}

impl<T: Threshold> Tests<T> for Linked<'_, T> {
    fn len(&self) -> usize {
        self.lists.modes.len()
    }

    fn at(&self, place: usize) -> Fallible<Test<'_, T>> {
        let gone = || format!("tree node {place} is not there");
        let passed = *self.passed.get(place).ok_or_else(gone)?;
        self.lists.test(place, passed, *self.failed.get(place).ok_or_else(gone)?)
    }
}

/// A list of numbers: of floats, or as a tensor of doubles.
enum Numbers<'a, T> {
    Floats(&'a [f32]),
    Tensor(Vec<T>),
}

impl<'a, T: Element + Number> Numbers<'a, T> {
    fn read(op: &Op<'a>, name: &str) -> Fallible<Self> {
        let as_tensor = format!("{name}_as_tensor");
        let listed = op.floats(name)?;
        Ok(match op.tensor(&as_tensor)? {
            Some(_) if !listed.is_empty() => return Err(format!("both {name} and {as_tensor} are given")),
            Some(tensor) => Self::Tensor(floats(tensor.data())?),
            None => Self::Floats(listed),
        })
    }

    fn len(&self) -> usize {
        match self {
            Self::Floats(values) => values.len(),
            Self::Tensor(values) => values.len(),
        }
    }

    #[inline]
    fn get(&self, place: usize) -> Option<T> {
        match self {
            Self::Floats(values) => values.get(place).map(|&value| T::from_f64(f64::from(value))),
            Self::Tensor(values) => values.get(place).copied(),
        }
    }

    fn iter(&self) -> impl Iterator<Item = T> {
        (0..self.len()).filter_map(|place| self.get(place))
    }
}

/// What is added to every row's scores.
pub(super) fn base_values<T: Number>(op: &Op<'_>) -> Fallible<Vec<T>> {
    Ok(Numbers::read(op, "base_values")?.iter().collect())
}

fn modes(op: &Op<'_>) -> Fallible<Vec<Mode>> {
    let Some(strings) = op.many_strings("nodes_modes")? else { return Ok(Vec::new()) };
    let mode = |word: &[u8]| {
        Some(match word {
            b"LEAF" => Mode::Leaf,
            b"BRANCH_LEQ" => Mode::LessOrEqual,
            b"BRANCH_LT" => Mode::Less,
            b"BRANCH_GTE" => Mode::GreaterOrEqual,
            b"BRANCH_GT" => Mode::Greater,
            b"BRANCH_EQ" => Mode::Equal,
            b"BRANCH_NEQ" => Mode::NotEqual,
            _ => return None,
        })
    };
    strings
        .map(mode)
        .map_err(|(place, word)| unknown(&format!("tree node {place}: mode"), &String::from_utf8_lossy(word)))
}

/// Nodes by the numbers of their tree and their own.
enum Index {
    /// Nodes are numbered from 0 up in each tree, and trees follow each other.
    Regular {
        runs: Vec<Run>,
        by_tree: HashMap<i64, Run>,
    },
    Table(HashMap<(i64, i64), u32>),
}

/// Where a tree's nodes stand: the first place, and how many they are.
#[derive(Clone, Copy, Debug)]
struct Run {
    first: u32,
    count: u32,
}

impl Index {
    fn new(trees: &Integers, nodes: &Integers) -> Fallible<Self> {
        if let Some((runs, by_tree)) = regular(trees, nodes) {
            return Ok(Self::Regular { runs, by_tree });
        }
        let mut places = HashMap::with_capacity(nodes.len());
        for (place, (tree, node)) in (0..).zip(trees.iter().zip(nodes.iter())) {
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
                Self::Regular { by_tree, .. } => {
                    if last.is_none_or(|(known, _)| known != tree) {
                        last = by_tree.get(&tree).map(|&run| (tree, run));
                    }
                    last.and_then(|(_, run): (i64, Run)| {
                        Some(run.first + u32::try_from(node).ok().filter(|&node| node < run.count)?)
                    })
                }
                Self::Table(places) => places.get(&(tree, node)).copied(),
            };
            found.ok_or_else(|| format!("tree {tree} has no node {node}"))
        }
    }
}

/// The trees where they follow each other, each with its nodes in order.
fn regular(trees: &Integers, nodes: &Integers) -> Option<(Vec<Run>, HashMap<i64, Run>)> {
    let (mut runs, mut by_tree) = (Vec::new(), HashMap::new());
    let mut last: Option<(i64, Run)> = None;
    for at in 0..nodes.len() {
        let (place, tree, node) = (u32::try_from(at).ok()?, trees.get(at)?, nodes.get(at)?);
        match &mut last {
            Some((known, run)) if *known == tree => {
                if node != i64::from(run.count) {
                    return None;
                }
                run.count += 1;
            }
            _ => {
                if node != 0 || by_tree.contains_key(&tree) {
                    return None;
                }
                if let Some((known, run)) = last.replace((tree, Run { first: place, count: 1 })) {
                    runs.push(run);
                    by_tree.insert(known, run);
                }
            }
        }
    }
    if let Some((tree, run)) = last {
        runs.push(run);
        by_tree.insert(tree, run);
    }
    Some((runs, by_tree))
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
    fn roots(&self, trees: &Integers) -> Fallible<Vec<Child>> {
        let mut roots = Vec::new();
        let mut rooted = HashMap::new();
        for (place, (tree, parents)) in trees.iter().zip(&self.counts).enumerate() {
            let is_rooted = rooted.entry(tree).or_insert(false);
            if *parents == 0 {
                if mem::replace(is_rooted, true) {
                    return Err(format!("tree {tree} has two roots"));
                }
                roots.push(Child::Node(place));
            }
        }
        match rooted.iter().find(|(_, is_rooted)| !**is_rooted) {
            Some((tree, _)) => {
                Err(format!("tree {tree} has no root: its nodes lead to each other in a circle"))
            }
            None => Ok(roots),
        }
    }
}

/// Builds trees whose roots are their first nodes and whose nodes have one parent each, as nearly all do: as they are walked through
/// nothing has to be remembered but which nodes were met. `None` where a tree is another, or a test needs several nodes.
fn build_plain<T: Threshold>(lists: &Lists<'_, T>, runs: &[Run]) -> Fallible<Option<(Builder<T>, Vec<u32>)>> {
    // The places exist: to make room for as many is no claim of the file's.
    let leaves = lists.modes.iter().filter(|&&mode| mode == Mode::Leaf).count();
    let mut builder = Builder::with_capacity(lists.modes.len() - leaves);
    let mut order = Vec::with_capacity(leaves);
    let mut met = Vec::new();
    let mut open = Vec::new();
    for &Run { first, count } in runs {
        met.clear();
        met.resize(count as usize, false);
        let mut rest = count;
        open.push((0, End::Root));
        while let Some((number, end)) = open.pop() {
            let number = usize::try_from(number).ok();
            let Some((number, met)) = number.and_then(|number| Some((number, met.get_mut(number)?))) else {
                return Ok(None);
            };
            if mem::replace(met, true) {
                return Ok(None);
            }
            rest -= 1;
            let place = first as usize + number;
            if lists.modes.get(place) == Some(&Mode::Leaf) {
                builder.leaf(&[end])?;
                order.push(u32::try_from(place).map_err(|_| "it has more than 2^32 nodes")?);
                continue;
            }
            let (Some(passed), Some(failed)) = (lists.passed.get(place), lists.failed.get(place)) else {
                return Ok(None);
            };
            let test = lists.test(place, 0, 0)?;
            let Some(plain) = test.plain() else { return Ok(None) };
            let node = builder.node(&[end], test.feature, plain.threshold, plain.nan_first)?;
            let ends = plain.ends(node);
            // The passed child is the next: the first child of a node is its neighbour.
            open.push((failed, ends.1));
            open.push((passed, ends.0));
        }
        if rest > 0 {
            return Ok(None);
        }
    }
    Ok(Some((builder, order)))
}

/// Builds trees of any form.
fn build_any<T: Threshold>(lists: &Lists<'_, T>, index: &Index) -> Fallible<(Builder<T>, Vec<u32>)> {
    let mut parents = Parents { counts: vec![0; lists.modes.len()] };
    let mut children = |numbers: &Integers| -> Fallible<Vec<u32>> {
        let (mut places, mut find) = (Vec::with_capacity(numbers.len()), index.finder());
        for ((tree, number), mode) in lists.trees.iter().zip(numbers.iter()).zip(&lists.modes) {
            let mut child = 0;
            if *mode != Mode::Leaf {
                child = find(tree, number)?;
                parents.add(child);
            }
            places.push(child);
        }
        Ok(places)
    };
    let (passed, failed) = (children(lists.passed)?, children(lists.failed)?);
    let roots = parents.roots(lists.trees)?;
    let is_tree = parents.counts.iter().all(|&parents| parents <= 1);
    build(&Linked { lists, passed, failed }, &roots, 0, is_tree)
}

/// Reads the trees of `TreeEnsembleClassifier` and `TreeEnsembleRegressor`.
pub(super) fn forest<T: Threshold>(op: &Op<'_>, leaves: Leaves, targets: usize) -> Fallible<Forest<T>> {
    let list = |name: &str| op.many_integers(&format!("nodes_{name}"));
    let nodes = list("nodeids")?;
    let lists = Lists::<T> {
        trees: list("treeids")?,
        modes: modes(op)?,
        features: list("featureids")?,
        thresholds: Numbers::read(op, "nodes_values")?,
        missing: list("missing_value_tracks_true")?,
        passed: list("truenodeids")?,
        failed: list("falsenodeids")?,
    };
    let count = nodes.len();
    let Lists { trees, modes, features, thresholds, missing, passed, failed } = &lists;
    let lengths = [trees.len(), modes.len(), thresholds.len(), features.len(), passed.len(), failed.len()];
    if lengths.iter().any(|&length| length != count) || ![0, count].contains(&missing.len()) {
        return Err(format!("its lists of nodes differ in length: {count}, {lengths:?}, {}", missing.len()));
    }
    if count == 0 || targets == 0 {
        return Err("it has no nodes or no scores".into());
    }
    if u32::try_from(count).is_err() {
        return Err("it has more than 2^32 nodes".into());
    }
    let index = Index::new(trees, nodes)?;
    let plain = match &index {
        Index::Regular { runs, .. } => build_plain(&lists, runs)?,
        Index::Table(_) => None,
    };
    let (builder, met) = match plain {
        Some(built) => built,
        None => build_any(&lists, &index)?,
    };
    drop(lists);

    let kind = if leaves == Leaves::Classes { "class" } else { "target" };
    let list = |name: &str| op.many_integers(&format!("{kind}_{name}"));
    let weights = Numbers::<T>::read(op, &format!("{kind}_weights"))?;
    let (own_trees, own_nodes, ids) = (list("treeids")?, list("nodeids")?, list("ids")?);
    if [own_trees.len(), own_nodes.len(), ids.len()] != [weights.len(); 3] {
        return Err(format!("its lists of {kind} weights differ in length"));
    }
    let own = || {
        let mut find = index.finder();
        let leaves = own_trees.iter().zip(own_nodes.iter()).map(move |(tree, node)| find(tree, node));
        leaves.zip(weights.iter())
    };
    if let Some(id) = ids.iter().next()
        && ids.iter().all(|other| other == id)
        && let Some(values) = one_each(&met, own)
    {
        return builder.finish(LeafScores::One { target: target(id, targets)?, values }, targets);
    }
    let mut scores = Vec::with_capacity(weights.len());
    for ((leaf, weight), id) in own().zip(ids.iter()) {
        scores.push((leaf?, target(id, targets)?, weight));
    }
    builder.finish(leaf_scores(&met, scores, targets)?, targets)
}
