//! What the leaves of a forest hold.

use super::forest::LeafScores;
use crate::engine::tabular::element::Number;
use crate::engine::tabular::kernel::Fallible;

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
    // Leaves are numbers of nodes, so a list is as good as a table, and several times as fast.
    let mut places = vec![u32::MAX; met.iter().max().map_or(0, |&last| last as usize + 1)];
    for (place, &leaf) in (0..u32::MAX).zip(met) {
        if let Some(at) = places.get_mut(leaf as usize) {
            *at = place;
        }
    }
    let place_of = |leaf: u32| {
        let place = places.get(leaf as usize).copied().filter(|&place| place != u32::MAX);
        place.map(|place| place as usize)
    };
    if let Some((leaf, ..)) = scores.iter().find(|(leaf, ..)| place_of(*leaf).is_none()) {
        return Err(format!("tree node {leaf} has a weight and is no leaf of a tree"));
    }
    let too_many = |_| "it has too many weights";
    // In the order of the leaves: where each one's scores begin, and how many they are.
    let mut runs = vec![(0_u32, 0_u32); met.len()];
    let mut start = 0;
    for run in scores.chunk_by(|a, b| a.0 == b.0) {
        let count = u32::try_from(run.len()).map_err(too_many)?;
        let place = run.first().and_then(|(leaf, ..)| place_of(*leaf));
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

pub(super) fn target(target: i64, targets: usize) -> Fallible<u32> {
    let known = usize::try_from(target).is_ok_and(|target| target < targets);
    u32::try_from(target)
        .ok()
        .filter(|_| known)
        .ok_or_else(|| format!("score {target} is not one of {targets}"))
}
