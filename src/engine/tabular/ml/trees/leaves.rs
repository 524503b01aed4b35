//! What the leaves of a forest hold.

use super::forest::LeafScores;
use crate::engine::tabular::element::Number;
use crate::engine::tabular::kernel::Fallible;

/// The place of each leaf among those that were met. Leaves are numbers of nodes, so a list is as good as a table, and several times
/// as fast.
struct Places(Vec<u32>);

impl Places {
    fn of(met: &[u32]) -> Self {
        let mut places = vec![u32::MAX; met.iter().max().map_or(0, |&last| last as usize + 1)];
        for (place, &leaf) in (0..u32::MAX).zip(met) {
            if let Some(at) = places.get_mut(leaf as usize) {
                *at = place;
            }
        }
        Self(places)
    }

    fn get(&self, leaf: u32) -> Option<usize> {
        self.0.get(leaf as usize).filter(|&&place| place != u32::MAX).map(|&place| place as usize)
    }

    /// The same, for the first time that a leaf is asked for.
    fn take(&mut self, leaf: u32) -> Option<usize> {
        let place = self.get(leaf);
        if let Some(at) = self.0.get_mut(leaf as usize) {
            *at = u32::MAX;
        }
        place
    }
}

/// Scores by leaf, brought into the order in which leaves were met.
pub(super) fn leaf_scores<T: Number>(
    met: &[u32],
    mut scores: Vec<(u32, u32, T)>,
    targets: usize,
) -> Fallible<LeafScores<T>> {
    scores.sort_by_key(|&(leaf, ..)| leaf);
    if targets == 1 {
        // The converter of decision paths writes a leaf's weight once per class, and counts on ONNX Runtime's taking one of them.
        scores.dedup_by_key(|&mut (leaf, ..)| leaf);
    }
    let places = Places::of(met);
    if let Some((leaf, ..)) = scores.iter().find(|(leaf, ..)| places.get(*leaf).is_none()) {
        return Err(format!("tree node {leaf} has a weight and is no leaf of a tree"));
    }
    let too_many = |_| "it has too many weights";
    // In the order of the leaves: where each one's scores begin, and how many they are.
    let mut runs = vec![(0_u32, 0_u32); met.len()];
    let mut start = 0;
    for run in scores.chunk_by(|a, b| a.0 == b.0) {
        let count = u32::try_from(run.len()).map_err(too_many)?;
        let place = run.first().and_then(|(leaf, ..)| places.get(*leaf));
        if let Some(own) = place.and_then(|place| runs.get_mut(place)) {
            *own = (start, count);
        }
        start = start.checked_add(count).ok_or("it has too many weights")?;
    }
    drop(places);
    let of = |&(start, count): &(u32, u32)| {
        let rest = scores.get(start as usize..).unwrap_or_default();
        rest.get(..count as usize).unwrap_or_default()
    };
    let target = scores.first().map(|&(_, target, _)| target);
    if let Some(target) = target
        && runs.iter().all(|&(_, count)| count == 1)
        && scores.iter().all(|&(_, own, _)| own == target)
    {
        let mut values = Vec::with_capacity(runs.len());
        values.extend(runs.iter().flat_map(|run| of(run).iter().map(|&(.., value)| value)));
        return Ok(LeafScores::One { target, values });
    }
    let (mut starts, mut flat) = (Vec::with_capacity(runs.len() + 1), Vec::with_capacity(scores.len()));
    starts.push(0);
    for run in &runs {
        flat.extend(of(run).iter().map(|&(_, target, value)| (target, value)));
        starts.push(u32::try_from(flat.len()).map_err(too_many)?);
    }
    Ok(LeafScores::Some { starts, scores: flat })
}

/// The scores of leaves of which each has one, in the order in which they were met; nothing where some have none or several. A
/// score comes with its leaf, and `scores` gives all of them from the first.
pub(super) fn one_each<T: Number, I: Iterator<Item = (Fallible<u32>, T)>>(
    met: &[u32],
    scores: impl Fn() -> I,
) -> Option<Vec<T>> {
    // Mostly they stand in that very order.
    let mut values = Vec::with_capacity(met.len());
    let in_order =
        scores().zip(met).map_while(|((leaf, score), met)| (leaf.as_ref() == Ok(met)).then_some(score));
    values.extend(in_order);
    if values.len() == met.len() {
        return Some(values).filter(|_| scores().nth(met.len()).is_none());
    }
    let mut places = Places::of(met);
    values.resize(met.len(), T::default());
    let mut rest = met.len();
    for (leaf, score) in scores() {
        *values.get_mut(places.take(leaf.ok()?)?)? = score;
        rest = rest.checked_sub(1)?;
    }
    (rest == 0).then_some(values)
}

pub(super) fn target(target: i64, targets: usize) -> Fallible<u32> {
    let known = usize::try_from(target).is_ok_and(|target| target < targets);
    u32::try_from(target)
        .ok()
        .filter(|_| known)
        .ok_or_else(|| format!("score {target} is not one of {targets}"))
}
