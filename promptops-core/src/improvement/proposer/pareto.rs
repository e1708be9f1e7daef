//! Which candidate of a pool a search goes on from.

use std::collections::BTreeSet;
use std::num::NonZeroU64;

use crate::statistics::Random;

/// How often each candidate is among the best: on how many items it has the highest score, where those that another one
/// stands for everywhere count for nothing.
///
/// `scores[c][i]` is candidate `c`'s score on item `i`; all rows have the same length. This is the selection of GEPA
/// (Agrawal and others, "GEPA: Reflective Prompt Evolution Can Outperform Reinforcement Learning", arXiv:2507.19457,
/// algorithm 2): for each item those with the best score; of all of them, a candidate is left out while each item that it is
/// best on has another one that is best there too and not left out.
pub(super) fn weights(scores: &[Vec<f64>]) -> Vec<u64> {
    let items = scores.iter().map(Vec::len).min().unwrap_or(0);
    let mut best: Vec<BTreeSet<usize>> = (0..items)
        .map(|item| {
            let highest = scores
                .iter()
                .map(|row| row[item])
                .fold(f64::NEG_INFINITY, f64::max);
            let is_best = |candidate: &usize| scores[*candidate][item] >= highest;
            (0..scores.len()).filter(is_best).collect()
        })
        .collect();
    // The worse on average go first, of those alike the later ones.
    let mut order: Vec<usize> = (0..scores.len()).collect();
    let sum = |candidate: usize| scores[candidate].iter().sum::<f64>();
    order.sort_by(|a, b| sum(*a).total_cmp(&sum(*b)).then(b.cmp(a)));
    for candidate in order {
        let others_stand_for_it = best
            .iter()
            .filter(|best| best.contains(&candidate))
            .all(|best| best.len() > 1);
        if others_stand_for_it {
            for best in &mut best {
                best.remove(&candidate);
            }
        }
    }
    (0..scores.len())
        .map(|candidate| best.iter().filter(|best| best.contains(&candidate)).count() as u64)
        .collect()
}

/// A candidate drawn by these weights; the first where all are 0.
pub(super) fn draw(weights: &[u64], random: &mut Random) -> usize {
    let Some(total) = NonZeroU64::new(weights.iter().sum()) else {
        return 0;
    };
    let mut left = random.below(total);
    for (candidate, weight) in weights.iter().enumerate() {
        if left < *weight {
            return candidate;
        }
        left -= weight;
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_best_somewhere_counts_for_as_many_items() {
        // The second is best on two items, the third on one, the first on none.
        let scores = [vec![0.5, 0.5, 0.5], vec![1.0, 0.9, 0.0], vec![0.0, 0.0, 1.0]];
        assert_eq!(weights(&scores), [0, 2, 1]);
        // Best everywhere together with others that are best there and elsewhere too.
        let scores = [vec![1.0, 1.0, 0.0], vec![1.0, 0.0, 1.0], vec![1.0, 0.0, 0.0]];
        assert_eq!(weights(&scores), [2, 2, 0]);
        // Alike: one stands for both.
        assert_eq!(weights(&[vec![1.0], vec![1.0]]), [1, 0]);
        assert_eq!(weights(&[vec![], vec![]]), [0, 0]);
        assert_eq!(weights(&[]), Vec::<u64>::new());
    }

    #[test]
    fn candidates_are_drawn_by_their_weights() {
        let mut random = Random::seeded(7);
        let mut drawn = [0; 3];
        for _ in 0..3_000 {
            drawn[draw(&[0, 2, 1], &mut random)] += 1;
        }
        assert_eq!(drawn[0], 0);
        assert!((1_900..2_100).contains(&drawn[1]), "{drawn:?}");
        assert_eq!(draw(&[], &mut random), 0);
    }
}
