//! What the leaves of a forest hold.

use std::collections::HashMap;

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

pub(super) fn target(target: i64, targets: usize) -> Fallible<u32> {
    let known = usize::try_from(target).is_ok_and(|target| target < targets);
    u32::try_from(target)
        .ok()
        .filter(|_| known)
        .ok_or_else(|| format!("score {target} is not one of {targets}"))
}
