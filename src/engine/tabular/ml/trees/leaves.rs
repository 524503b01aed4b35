//! What the leaves of a forest hold.

use super::forest::LeafScores;
use crate::engine::tabular::element::Number;
use crate::engine::tabular::kernel::Fallible;

/// Scores by leaf, brought into the order in which leaves were met.
pub(super) fn leaf_scores<T: Number>(
    met: &[usize],
    mut scores: Vec<(usize, u32, T)>,
    targets: usize,
) -> Fallible<LeafScores<T>> {
    scores.sort_by_key(|&(leaf, ..)| leaf);
    if targets == 1 {
        // The converter of decision paths writes a leaf's weight once per class, and counts on ONNX Runtime's taking one of them.
        scores.dedup_by_key(|&mut (leaf, ..)| leaf);
    }
    // Leaves are numbers of nodes, so a list is as good as a table, and several times as fast.
    let mut places = vec![None; met.iter().max().map_or(0, |&last| last + 1)];
    for (place, &leaf) in met.iter().enumerate() {
        if let Some(at) = places.get_mut(leaf) {
            *at = Some(place);
        }
    }
    let place_of = |leaf: usize| places.get(leaf).copied().flatten();
    if let Some((leaf, ..)) = scores.iter().find(|(leaf, ..)| place_of(*leaf).is_none()) {
        return Err(format!("tree node {leaf} has a weight and is no leaf of a tree"));
    }
    let mut ranges = vec![0..0; met.len()];
    let mut start = 0;
    for run in scores.chunk_by(|a, b| a.0 == b.0) {
        let place = run.first().and_then(|(leaf, ..)| place_of(*leaf));
        if let Some(range) = place.and_then(|place| ranges.get_mut(place)) {
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
        let mut values = Vec::with_capacity(ranges.len());
        values.extend(ranges.iter().flat_map(|range| of(range).iter().map(|&(.., value)| value)));
        return Ok(LeafScores::One { target, values });
    }
    let (mut starts, mut flat) = (vec![0], Vec::with_capacity(scores.len()));
    for range in &ranges {
        flat.extend(of(range).iter().map(|&(_, target, value)| (target, value)));
        starts.push(u32::try_from(flat.len()).map_err(|_| "it has too many weights")?);
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
