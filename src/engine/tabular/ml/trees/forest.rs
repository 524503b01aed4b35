//! A forest as it is walked: inner nodes of 16 bytes (FP32), each tree's in the order of a walk that takes the first child first,
//! and leaves apart, as numbers behind those of all inner nodes.
//!
//! Every test is brought to one form, `x <= threshold`, so that a walk has no branch but the end of its loop. Eight walks go on at
//! once: of eight trees for one row, of eight rows in one tree. The processor waits for one's memory while it does another's.

use std::ops::Deref;
use std::slice;

use crate::engine::tabular::element::Float;
use crate::engine::tabular::kernel::Fallible;

/// Walks that go on at once.
pub(super) const LANES: usize = 8;

/// In `feature`: where NaN goes to the first child.
const NAN_FIRST: u32 = 1 << 31;

/// A test and its two ends.
#[derive(Clone, Copy, Debug)]
struct Node<T> {
    threshold: T,
    feature: u32,
    first: u32,
    second: u32,
}

/// A type that thresholds are made of.
pub(super) trait Threshold: Float {
    /// The largest number below this one; NaN, which no number is below, where there is none.
    fn below(self) -> Self;
}

macro_rules! threshold {
    ($type:ty) => {
        impl Threshold for $type {
            fn below(self) -> Self {
                if self == Self::NEG_INFINITY { Self::NAN } else { self.next_down() }
            }
        }
    };
}

threshold!(f32);
threshold!(f64);

/// The trees of an ensemble.
#[derive(Clone, Debug)]
pub(super) struct Forest<T> {
    nodes: Vec<Node<T>>,
    /// Where each tree begins: at a node or, beyond those, at a leaf.
    roots: Vec<u32>,
    /// Whether NaN goes to a first child anywhere.
    tracks_missing: bool,
    /// Columns that a row must have.
    pub(super) columns: usize,
    /// No row takes more through all trees, so many walks going on at once: one for each node, unless trees share them.
    pub(super) steps: usize,
    pub(super) leaves: LeafScores<T>,
    pub(super) targets: usize,
}

/// What leaves add to scores.
#[derive(Clone, Debug)]
pub(super) enum LeafScores<T> {
    /// Every leaf has one number, for the same target.
    One { target: u32, values: Vec<T> },
    /// Every leaf has some, for targets of their own.
    Some { starts: Vec<u32>, scores: Vec<(u32, T)> },
}

impl<T> LeafScores<T> {
    /// The scores of a leaf in the form that both have.
    pub(super) fn of_leaf(&self, leaf: usize, mut score: impl FnMut(usize, &T)) {
        match self {
            Self::One { target, values } => {
                if let Some(value) = values.get(leaf) {
                    score(*target as usize, value);
                }
            }
            Self::Some { starts, scores } => {
                let (Some(&start), Some(&end)) = (starts.get(leaf), starts.get(leaf + 1)) else { return };
                for (target, value) in scores.get(start as usize..end as usize).unwrap_or_default() {
                    score(*target as usize, value);
                }
            }
        }
    }
}

impl<T: Threshold> Forest<T> {
    pub(super) fn trees(&self) -> usize {
        self.roots.len()
    }

    /// The leaves at which one row ends, in the order of the trees.
    pub(super) fn of_row(&self, row: &[T], mut leaf: impl FnMut(usize)) {
        let missing = self.misses(&[row]);
        for roots in self.roots.chunks(LANES) {
            let mut at = [u32::MAX; LANES];
            at.iter_mut().zip(roots).for_each(|(at, &root)| *at = root);
            self.walk(&mut at, missing, &[row; LANES]);
            for &end in at.iter().take(roots.len()) {
                leaf((end as usize).wrapping_sub(self.nodes.len()));
            }
        }
    }

    /// The leaves at which some rows end: tree by tree, and in each row by row.
    pub(super) fn of_rows(&self, rows: &[&[T]], mut leaf: impl FnMut(usize, usize)) {
        let missing = self.misses(rows);
        for &root in &self.roots {
            for (lanes, first) in rows.chunks(LANES).zip((0..).step_by(LANES)) {
                let mut at = [u32::MAX; LANES];
                let mut lines: [&[T]; LANES] = [&[]; LANES];
                for ((at, line), row) in at.iter_mut().zip(&mut lines).zip(lanes) {
                    (*at, *line) = (root, row);
                }
                self.walk(&mut at, missing, &lines);
                for (row, &end) in at.iter().take(lanes.len()).enumerate() {
                    leaf(first + row, (end as usize).wrapping_sub(self.nodes.len()));
                }
            }
        }
    }

    /// Whether a NaN in these rows may go to a first child. Most rows have none, and need not be asked at each node.
    fn misses(&self, rows: &[&[T]]) -> bool {
        self.tracks_missing && rows.iter().any(|row| row.iter().any(|x| x.is_nan()))
    }

    #[inline]
    fn walk(&self, at: &mut [u32; LANES], missing: bool, rows: &[&[T]; LANES]) {
        if missing {
            self.steps::<true>(at, rows);
        } else {
            self.steps::<false>(at, rows);
        }
    }

    /// Takes steps until every walk has come to a leaf. One that has stands still, by a choice of values and not by a branch, which
    /// a processor would guess wrong once in every walk; it is asked for only every other step.
    #[inline]
    fn steps<const MISSING: bool>(&self, at: &mut [u32; LANES], rows: &[&[T]; LANES]) {
        let Some(last) = self.nodes.len().checked_sub(1) else { return };
        while at.iter().any(|&at| at as usize <= last) {
            for _ in 0..2 {
                for (at, row) in at.iter_mut().zip(rows) {
                    let Some(node) = self.nodes.get((*at as usize).min(last)) else { continue };
                    let Some(&x) = row.get((node.feature & !NAN_FIRST) as usize) else { continue };
                    let mut first = x <= node.threshold;
                    if MISSING {
                        first |= x.is_nan() && node.feature & NAN_FIRST != 0;
                    }
                    let next = if first { node.first } else { node.second };
                    *at = if *at as usize <= last { next } else { *at };
                }
            }
        }
    }
}

/// One end of a node that is not known yet.
#[derive(Clone, Copy, Debug)]
pub(super) enum End {
    Root,
    First(u32),
    Second(u32),
}

/// The ends that lead to the same place; of nearly all places it is one.
#[derive(Debug)]
pub(super) enum Ends {
    One(End),
    Many(Vec<End>),
}

impl Deref for Ends {
    type Target = [End];

    fn deref(&self) -> &[End] {
        match self {
            Self::One(end) => slice::from_ref(end),
            Self::Many(ends) => ends,
        }
    }
}

/// Puts a forest together, node by node.
pub(super) struct Builder<T> {
    nodes: Vec<Node<T>>,
    roots: Vec<u32>,
    leaves: u32,
    columns: usize,
    steps: Option<usize>,
    tracks_missing: bool,
}

/// While a forest is put together, leaves have this bit and their number.
const LEAF: u32 = 1 << 31;

impl<T: Threshold> Builder<T> {
    pub(super) fn new() -> Self {
        Self::with_capacity(0)
    }

    /// Has room for so many nodes: a forest that outgrows it again and again is copied each time.
    pub(super) fn with_capacity(nodes: usize) -> Self {
        let nodes = Vec::with_capacity(nodes);
        Self { nodes, roots: Vec::new(), leaves: 0, columns: 0, steps: None, tracks_missing: false }
    }

    /// Adds the test `x <= threshold` at some ends; NaN goes to the first child if `nan_first`, else to the second.
    #[inline]
    pub(super) fn node(
        &mut self,
        ends: &[End],
        feature: usize,
        threshold: T,
        nan_first: bool,
    ) -> Fallible<u32> {
        let number = u32::try_from(self.nodes.len()).ok().filter(|&number| number < LEAF);
        let number = number.ok_or("it has more than 2^31 nodes")?;
        let column = u32::try_from(feature).ok().filter(|&column| column < NAN_FIRST);
        let column = column.ok_or_else(|| format!("feature {feature} is beyond any input"))?;
        self.columns = self.columns.max(feature + 1);
        self.tracks_missing |= nan_first;
        let feature = if nan_first { column | NAN_FIRST } else { column };
        self.nodes.push(Node { threshold, feature, first: LEAF, second: LEAF });
        self.put(ends, number);
        Ok(number)
    }

    /// The number that the next node will have.
    pub(super) fn next(&self) -> u32 {
        u32::try_from(self.nodes.len()).unwrap_or(u32::MAX)
    }

    /// Notes how many steps a row takes at most, where that is not the number of nodes.
    pub(super) fn steps(&mut self, steps: usize) {
        self.steps = Some(steps);
    }

    /// Leads some ends to a node or a leaf that is there already.
    pub(super) fn link(&mut self, ends: &[End], number: u32) {
        self.put(ends, number);
    }

    /// Adds a leaf at some ends. Leaves are numbered as they come.
    pub(super) fn leaf(&mut self, ends: &[End]) -> Fallible<u32> {
        if self.leaves == LEAF - 1 {
            return Err("it has more than 2^31 leaves".into());
        }
        let number = LEAF | self.leaves;
        self.put(ends, number);
        self.leaves += 1;
        Ok(number)
    }

    #[inline]
    fn put(&mut self, ends: &[End], number: u32) {
        for &end in ends {
            match end {
                End::Root => self.roots.push(number),
                End::First(node) => {
                    if let Some(node) = self.nodes.get_mut(node as usize) {
                        node.first = number;
                    }
                }
                End::Second(node) => {
                    if let Some(node) = self.nodes.get_mut(node as usize) {
                        node.second = number;
                    }
                }
            }
        }
    }

    /// The forest. Leaves move behind the nodes.
    pub(super) fn finish(mut self, leaves: LeafScores<T>, targets: usize) -> Fallible<Forest<T>> {
        let count = u32::try_from(self.nodes.len()).map_err(|_| "it has too many nodes")?;
        if count.checked_add(self.leaves).is_none_or(|all| all == u32::MAX) {
            return Err("it has too many nodes".into());
        }
        let settle = |end: &mut u32| {
            if *end & LEAF != 0 {
                *end = count + (*end & !LEAF);
            }
        };
        self.roots.iter_mut().for_each(settle);
        for node in &mut self.nodes {
            settle(&mut node.first);
            settle(&mut node.second);
        }
        self.nodes.shrink_to_fit();
        let Self { nodes, roots, columns, steps, tracks_missing, .. } = self;
        let steps = steps.unwrap_or(nodes.len()) / LANES;
        Ok(Forest { nodes, roots, tracks_missing, columns, steps, leaves, targets })
    }
}
