//! Intervals of any figure, by drawing samples from the sample.
//!
//! The percentile method (Efron, "Bootstrap Methods: Another Look at the Jackknife", Annals of Statistics 7(1), 1979):
//! the interval's ends are quantiles of the figure over samples drawn with replacement. It is plain, keeps to the
//! figure's range and needs no second pass over the values; with fewer than about 20 values it is too narrow, and for
//! a mean Student's t ([`mean_interval`](super::mean_interval)) is better then.

use std::hash::Hash;
use std::num::NonZeroU64;

use super::cluster;
use super::interval::{Confidence, Interval};
use super::mean::all_finite;
use super::quantile::Sample;
use super::random::Random;
use super::resampling::Resampling;

/// The interval of a figure of `count` items. `figure` gets `count` indices, some twice and some not at all, and
/// computes the figure of these items.
///
/// A sample for which there is no such figure (`None`, infinite or no number) is left out. `None` when these are more
/// than one in ten, or `count` is less than two.
#[must_use]
pub fn bootstrap(
    count: usize,
    resampling: Resampling,
    confidence: Confidence,
    mut figure: impl FnMut(&[usize]) -> Option<f64>,
) -> Option<Interval> {
    let bound = at_least_two(count)?;
    let mut indices = vec![0; count];
    percentiles(resampling, confidence, |random| {
        indices.fill_with(|| random.below(bound) as usize);
        figure(&indices)
    })
}

/// As [`bootstrap`], for items that are alike within groups (`groups[i]` is the key of item `i`): whole groups are
/// drawn, as many as there are. `figure` gets as many indices as these have items.
#[must_use]
pub fn bootstrap_clustered<G: Eq + Hash>(
    groups: &[G],
    resampling: Resampling,
    confidence: Confidence,
    mut figure: impl FnMut(&[usize]) -> Option<f64>,
) -> Option<Interval> {
    let (numbers, count) = cluster::numbered(groups);
    let bound = at_least_two(count)?;
    let mut members = vec![Vec::new(); count];
    for (item, number) in numbers.into_iter().enumerate() {
        members[number].push(item);
    }
    let mut indices = Vec::with_capacity(groups.len());
    percentiles(resampling, confidence, |random| {
        indices.clear();
        for _ in 0..count {
            indices.extend_from_slice(&members[random.below(bound) as usize]);
        }
        figure(&indices)
    })
}

/// As [`bootstrap`], for the mean; several times faster.
#[must_use]
pub fn bootstrap_mean(values: &[f64], resampling: Resampling, confidence: Confidence) -> Option<Interval> {
    let bound = at_least_two(values.len())?;
    if !all_finite(values) {
        return None;
    }
    let count = values.len() as f64;
    percentiles(resampling, confidence, |random| {
        let drawn = values.iter().map(|_| values[random.below(bound) as usize]);
        Some(drawn.sum::<f64>() / count)
    })
}

fn at_least_two(count: usize) -> Option<NonZeroU64> {
    NonZeroU64::new(count as u64).filter(|count| count.get() >= 2)
}

fn percentiles(
    resampling: Resampling,
    confidence: Confidence,
    mut draw: impl FnMut(&mut Random) -> Option<f64>,
) -> Option<Interval> {
    let mut random = resampling.random();
    let figures: Vec<f64> = (0..resampling.draws())
        .filter_map(|_| draw(&mut random).filter(|figure| figure.is_finite()))
        .collect();
    if (figures.len() as u64) * 10 < u64::from(resampling.draws()) * 9 {
        return None;
    }
    let figures = Sample::new(figures)?;
    let tail = confidence.tail();
    Interval::new(figures.quantile(tail)?, figures.quantile(1.0 - tail)?)
}
