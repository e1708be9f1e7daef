//! Values that share a group key, which makes them alike.

use std::collections::HashMap;
use std::hash::Hash;

/// The group of each value as a number, in order of first appearance, and how many groups there are.
pub(super) fn numbered<G: Eq + Hash>(groups: &[G]) -> (Vec<usize>, usize) {
    let mut known: HashMap<&G, usize> = HashMap::new();
    let numbers = groups
        .iter()
        .map(|group| {
            let next = known.len();
            *known.entry(group).or_insert(next)
        })
        .collect();
    (numbers, known.len())
}

/// The sum of each group, in order of first appearance.
pub(super) fn sums<G: Eq + Hash>(values: impl IntoIterator<Item = f64>, groups: &[G]) -> Vec<f64> {
    let (numbers, count) = numbered(groups);
    let mut sums = vec![0.0; count];
    for (value, number) in values.into_iter().zip(numbers) {
        sums[number] += value;
    }
    sums
}
