//! From tests and children, in whatever lists they stand, to a forest. Nothing is believed: children must exist and not lead back
//! to themselves, and every test is brought to the form that a forest walks.

use super::forest::{Builder, End, Ends, Threshold};
use crate::engine::tabular::kernel::Fallible;

/// How a node tests its feature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
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
pub(super) enum Child {
    Node(usize),
    /// The leaf of this place in its lists.
    Leaf(usize),
}

/// One node, from whichever lists.
pub(super) struct Test<'a, T> {
    pub(super) mode: Mode,
    pub(super) feature: usize,
    pub(super) threshold: T,
    /// The values of which [`Mode::Member`] asks for any.
    pub(super) members: &'a [T],
    /// Whether a missing value, NaN, passes the test.
    pub(super) missing_passes: bool,
    pub(super) passed: Child,
    pub(super) failed: Child,
}

/// Lists of tests: the one at a place, and how many there are.
pub(super) trait Tests<T> {
    fn len(&self) -> usize;
    fn at(&self, place: usize) -> Fallible<Test<'_, T>>;
}

/// How far the walk through the trees is with a node or a leaf.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Met {
    Not,
    /// What is below it is being walked through: to come by again means a circle.
    Open(u32),
    /// It is built; whoever leads to it shares it.
    Built(u32),
}

/// What was met of nodes and of leaves in lists of their own.
struct Seen {
    nodes: Vec<Met>,
    leaves: Vec<Met>,
    /// Of each node that is built, the most steps from it to a leaf.
    steps: Vec<usize>,
}

impl Seen {
    fn at(&mut self, child: Child) -> Fallible<&mut Met> {
        let (met, place) = match child {
            Child::Node(place) => (self.nodes.get_mut(place), place),
            Child::Leaf(place) => (self.leaves.get_mut(place), place),
        };
        met.ok_or_else(|| format!("tree node or leaf {place} is not there"))
    }

    fn steps(&self, child: Child) -> usize {
        match child {
            Child::Node(place) => self.steps.get(place).copied().unwrap_or(0),
            Child::Leaf(_) => 0,
        }
    }

    /// What is below a node is built, and so is the node.
    fn close<T>(&mut self, node: Child, test: &Test<'_, T>) -> Fallible<()> {
        let below = self.steps(test.passed).max(self.steps(test.failed));
        if let Child::Node(place) = node
            && let Some(steps) = self.steps.get_mut(place)
        {
            *steps = below.saturating_add(test.most_nodes());
        }
        let met = self.at(node)?;
        if let Met::Open(number) = *met {
            *met = Met::Built(number);
        }
        Ok(())
    }
}

/// Walks through the trees from their roots and builds them; `leaves` = how many there are in a list of their own. `is_tree` = no
/// node is a child of two, nor a root a child of any: then none is met twice, and nothing of it has to be remembered. Gives the
/// order in which leaves were met.
pub(super) fn build<T: Threshold>(
    tests: &impl Tests<T>,
    roots: &[Child],
    leaves: usize,
    is_tree: bool,
) -> Fallible<(Builder<T>, Vec<u32>)> {
    let mut builder = Builder::new();
    let mut order = Vec::new();
    let mut seen = (!is_tree).then(|| Seen {
        nodes: vec![Met::Not; tests.len()],
        leaves: vec![Met::Not; leaves],
        steps: vec![0; tests.len()],
    });
    let mut steps = 0_usize;
    // With ends: to be built there. Without: all below it is built.
    let mut open: Vec<(Child, Option<Ends>)> = Vec::new();
    for &root in roots {
        let mut next = Some((root, Some(Ends::One(End::Root))));
        while let Some((child, ends)) = next.take().or_else(|| open.pop()) {
            let Some(ends) = ends else {
                if let (Some(seen), Child::Node(place)) = (&mut seen, child) {
                    seen.close(child, &tests.at(place)?)?;
                }
                continue;
            };
            let mut met = seen.as_mut().map(|seen| seen.at(child)).transpose()?;
            let (Child::Node(place) | Child::Leaf(place)) = child;
            match met.as_deref() {
                Some(Met::Open(_)) => return Err(format!("tree node {place} leads back to itself")),
                Some(&Met::Built(number)) => {
                    builder.link(&ends, number);
                    continue;
                }
                Some(Met::Not) | None => {}
            }
            let test = match child {
                Child::Node(place) => Some(tests.at(place)?).filter(|test| test.mode != Mode::Leaf),
                Child::Leaf(_) => None,
            };
            let Some(test) = test else {
                let number = builder.leaf(&ends)?;
                if let Some(met) = &mut met {
                    **met = Met::Built(number);
                }
                order.push(u32::try_from(place).map_err(|_| "it has more than 2^32 leaves")?);
                continue;
            };
            if let Some(met) = met {
                *met = Met::Open(builder.next());
                open.push((child, None));
            }
            let (passed, failed) = expand(&mut builder, &test, &ends)?;
            // The passed child is the next: the first child of a node is its neighbour.
            open.push((test.failed, Some(failed)));
            next = Some((test.passed, Some(passed)));
        }
        steps = steps.saturating_add(seen.as_ref().map_or(0, |seen| seen.steps(root)));
    }
    if seen.is_some() {
        builder.steps(steps);
    }
    Ok((builder, order))
}

/// A test in the form that a forest walks.
pub(super) struct Plain<T> {
    pub(super) threshold: T,
    /// Whether NaN goes to the first child.
    pub(super) nan_first: bool,
    /// Whether the first child is the one for those that fail the test.
    swapped: bool,
}

impl<T> Plain<T> {
    /// The ends of a node for those that pass the test and for those that do not.
    #[inline]
    pub(super) fn ends(&self, node: u32) -> (End, End) {
        let (first, second) = (End::First(node), End::Second(node));
        if self.swapped { (second, first) } else { (first, second) }
    }
}

impl<T> Test<'_, T> {
    /// The most nodes that it takes, see [`expand`].
    fn most_nodes(&self) -> usize {
        match self.mode {
            Mode::Equal | Mode::NotEqual => 2,
            Mode::Member => (2 * self.members.len()).max(1),
            _ => 1,
        }
    }
}

impl<T: Threshold> Test<'_, T> {
    /// The same test in the one form; nothing where it takes several.
    #[inline]
    pub(super) fn plain(&self) -> Option<Plain<T>> {
        let &Test { threshold, missing_passes: missing, .. } = self;
        let nothing_passes = threshold.is_nan();
        Some(match self.mode {
            // Not even what is opposite to a test that nothing passes.
            Mode::GreaterOrEqual | Mode::Greater if nothing_passes => {
                Plain { threshold, nan_first: missing, swapped: false }
            }
            Mode::LessOrEqual => Plain { threshold, nan_first: missing, swapped: false },
            Mode::Less => Plain { threshold: threshold.below(), nan_first: missing, swapped: false },
            // The opposite of a test that NaN does not pass: so NaN has to be sent to where it fails.
            Mode::GreaterOrEqual => {
                Plain { threshold: threshold.below(), nan_first: !missing, swapped: true }
            }
            Mode::Greater => Plain { threshold, nan_first: !missing, swapped: true },
            Mode::Equal | Mode::NotEqual | Mode::Member | Mode::Leaf => return None,
        })
    }
}

/// Builds a test in the one form. Gives the ends of those that pass it and of those that do not.
fn expand<T: Threshold>(
    builder: &mut Builder<T>,
    test: &Test<'_, T>,
    ends: &[End],
) -> Fallible<(Ends, Ends)> {
    let &Test { feature, threshold, missing_passes: missing, .. } = test;
    if let Some(plain) = test.plain() {
        let node = builder.node(ends, feature, plain.threshold, plain.nan_first)?;
        let (passed, failed) = plain.ends(node);
        return Ok((Ends::One(passed), Ends::One(failed)));
    }
    match test.mode {
        Mode::Equal => any_of(builder, feature, &[threshold], missing, ends),
        Mode::NotEqual => {
            let (equal, other) = any_of(builder, feature, &[threshold], !missing, ends)?;
            Ok((other, equal))
        }
        _ => any_of(builder, feature, test.members, missing, ends),
    }
}

/// Whether the feature is one of some values: for each of them two tests, at most the value and not below it.
fn any_of<T: Threshold>(
    builder: &mut Builder<T>,
    feature: usize,
    members: &[T],
    missing: bool,
    ends: &[End],
) -> Fallible<(Ends, Ends)> {
    let mut passed = Vec::new();
    let mut open = ends.to_vec();
    if members.is_empty() {
        // Nothing is a member; a test that nothing passes keeps the form.
        let node = builder.node(&open, feature, T::from_f64(f64::NAN), missing)?;
        return Ok((Ends::One(End::First(node)), Ends::One(End::Second(node))));
    }
    for (place, &member) in members.iter().enumerate() {
        let nan = missing && place == 0;
        let at_most = builder.node(&open, feature, member, nan)?;
        let below = builder.node(&[End::First(at_most)], feature, member.below(), false)?;
        passed.push(End::Second(below));
        open = vec![End::Second(at_most), End::First(below)];
    }
    Ok((Ends::Many(passed), Ends::Many(open)))
}
