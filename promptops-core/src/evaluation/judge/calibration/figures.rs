//! How far a judge agrees with people: pure functions of the scores.

use super::super::scale::Scale;
use super::RatedItem;
use crate::statistics::{
    BestConstant, Confidence, Correlation, Interval, Kappa, KappaWeights, Resampling, best_constant,
    bootstrap_clustered, mean, mean_absolute_error, spearman, weighted_kappa,
};

/// How far a judge agrees with people, on the items that it scored.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Figures {
    /// Items that it scored.
    pub scored: usize,
    /// Independent observations among them: groups, and items without a group.
    pub independent: usize,
    /// The mean of |judge − people|, 0 ..= 1.
    pub mean_absolute_error: f64,
    /// Its interval, by bootstrap over independent observations; `None` for a single one.
    pub mean_absolute_error_interval: Option<Interval>,
    /// What a rater would achieve who never looks and always says the median of people's scores.
    pub best_constant: BestConstant,
    /// By how much the judge's mean absolute error is smaller than that of the best constant; negative where it is larger.
    pub advantage: f64,
    /// Its interval, by bootstrap of the differences on the same items, over independent observations. The constant stays
    /// the one that fits these items best, which is in the constant's favour. `None` for a single observation.
    pub advantage_interval: Option<Interval>,
    /// Spearman's correlation of ranks. Its interval takes every item as independent. `None` when judge or people say the
    /// same of all.
    pub spearman: Option<Correlation>,
    /// Cohen's kappa with quadratic weights, in steps of the judge's scale, people's scores at their nearest step. Its
    /// interval takes every item as independent. `None` when judge and people say one and the same of all.
    pub kappa: Option<Kappa>,
}

/// The figures; `None` when nothing was scored.
pub(super) fn figures(
    items: &[RatedItem],
    scale: &Scale,
    resampling: Resampling,
    confidence: Confidence,
) -> Option<Figures> {
    let scored: Vec<(&RatedItem, f64)> = items
        .iter()
        .filter_map(|item| Some((item, item.judged?)))
        .collect();
    let human: Vec<f64> = scored.iter().map(|(item, _)| item.human).collect();
    let judged: Vec<f64> = scored.iter().map(|(_, judged)| *judged).collect();
    let groups: Vec<(bool, &str)> = scored.iter().map(|(item, _)| item.observation()).collect();
    let independent = groups.iter().collect::<std::collections::HashSet<_>>().len();

    let best = best_constant(&human)?;
    let errors: Vec<f64> = human.iter().zip(&judged).map(|(h, j)| (j - h).abs()).collect();
    // What differs by rounding alone is no gain: an interval of such differences could lie above 0.
    let gain = |(h, error): (&f64, &f64)| {
        let gain = (best.value - h).abs() - error;
        if gain.abs() < 1e-12 { 0.0 } else { gain }
    };
    let gains: Vec<f64> = human.iter().zip(&errors).map(gain).collect();
    let interval = |values: &[f64]| {
        bootstrap_clustered(&groups, resampling, confidence, |indices| {
            Some(indices.iter().map(|i| values[*i]).sum::<f64>() / indices.len() as f64)
        })
    };
    // A scale has fewer than 256 steps.
    let step = |score: &f64| u8::try_from(scale.nearest(*score)).unwrap_or(u8::MAX);
    let steps: Vec<(u8, u8)> = human
        .iter()
        .zip(&judged)
        .map(|(h, j)| (step(h), step(j)))
        .collect();
    Some(Figures {
        scored: scored.len(),
        independent,
        mean_absolute_error: mean_absolute_error(&judged, &human)?,
        mean_absolute_error_interval: interval(&errors),
        best_constant: best,
        advantage: mean(&gains)?,
        advantage_interval: interval(&gains),
        spearman: spearman(&judged, &human, confidence),
        kappa: weighted_kappa(&steps, KappaWeights::Quadratic, resampling, confidence),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn items(scores: &[(f64, Option<f64>)], group_of: impl Fn(usize) -> Option<String>) -> Vec<RatedItem> {
        let item = |(i, (human, judged)): (usize, &(f64, Option<f64>))| RatedItem {
            id: i.to_string(),
            group: group_of(i),
            human: *human,
            judged: *judged,
            reason: String::new(),
        };
        scores.iter().enumerate().map(item).collect()
    }

    fn of(items: &[RatedItem]) -> Option<Figures> {
        figures(
            items,
            &Scale::default(),
            Resampling::new(200, 1)?,
            Confidence::P95,
        )
    }

    #[test]
    fn figures_are_those_of_a_small_sample_by_hand() {
        let scores = [
            (0.0, Some(0.25)),
            (0.5, Some(0.5)),
            (1.0, Some(0.75)),
            (1.0, None),
        ];
        let found = of(&items(&scores, |_| None)).unwrap();
        assert_eq!((found.scored, found.independent), (3, 3));
        assert!((found.mean_absolute_error - 0.5 / 3.0).abs() < 1e-12);
        assert_eq!(found.best_constant.value, 0.5);
        assert!((found.best_constant.mean_absolute_error - 1.0 / 3.0).abs() < 1e-12);
        assert!((found.advantage - 0.5 / 3.0).abs() < 1e-12);
        assert_eq!(found.spearman.unwrap().rho, 1.0);
        // Steps (0,1), (2,2), (4,3): 1 − 3 · 2 / (3 · (20 + 14) − 2 · 6 · 6).
        assert!((found.kappa.unwrap().kappa - 0.8).abs() < 1e-12);
        assert!(found.advantage_interval.unwrap().contains(found.advantage));
    }

    #[test]
    fn a_group_is_one_observation_and_items_without_one_are_one_each() {
        let scores: Vec<_> = (0..40)
            .map(|i| (f64::from(i % 5) / 4.0, Some(f64::from(i % 3) / 2.0)))
            .collect();
        let alone = of(&items(&scores, |_| None)).unwrap();
        let grouped = of(&items(&scores, |i| Some((i % 4).to_string()))).unwrap();
        let mixed = of(&items(&scores, |i| (i < 20).then(|| "g".to_owned()))).unwrap();
        assert_eq!(
            (alone.independent, grouped.independent, mixed.independent),
            (40, 4, 21)
        );
        assert_eq!(alone.mean_absolute_error, grouped.mean_absolute_error);
        // An id is no name of a group.
        let clash = of(&items(&scores, |i| (i == 0).then(|| "1".to_owned()))).unwrap();
        assert_eq!(clash.independent, 40);
    }

    #[test]
    fn where_nothing_was_scored_there_is_no_figure() {
        assert_eq!(of(&[]), None);
        assert_eq!(of(&items(&[(0.5, None)], |_| None)), None);
        let one = of(&items(&[(0.5, Some(1.0))], |_| None)).unwrap();
        assert_eq!((one.advantage, one.advantage_interval), (-0.5, None));
        assert_eq!(one.spearman, None);
    }
}
