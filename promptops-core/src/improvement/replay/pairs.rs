//! One dimension's scores of both arms, item by item.

use std::collections::{HashMap, HashSet};

use super::item::{Paired, Stratum};
use super::report::Figures;
use super::settings::Scale;
use crate::statistics::{
    Confidence, Interval, Resampling, bootstrap_clustered, bootstrap_mean, clustered_mean_interval,
    matched_at_least, matched_at_most, mcnemar_better, sign_flip_better,
};

/// Differences up to here are of rounding.
const ROUNDING: f64 = 1e-12;
/// Of fewer units the bootstrap's interval is too narrow, and Student's is taken.
const FEW: u64 = 20;

/// Which way a bound holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    AtLeast,
    AtMost,
}

pub(super) struct Pairs {
    baseline: f64,
    candidate: f64,
    /// Candidate − baseline, item by item.
    differences: Vec<f64>,
    groups: Vec<usize>,
    /// How many groups there are.
    units: u64,
    won: u64,
    lost: u64,
    /// Whether each item is for itself, and passed or did not.
    is_binary: bool,
}

impl Pairs {
    /// Of a stratum, or of both.
    pub fn of(items: &[Paired], stratum: Option<Stratum>, dimension: usize, scale: Scale) -> Self {
        let items: Vec<&Paired> = items
            .iter()
            .filter(|item| stratum.is_none_or(|stratum| item.stratum == stratum))
            .collect();
        let mean = |of: fn(&Paired) -> &Vec<f64>| {
            let sum: f64 = items.iter().map(|item| of(item)[dimension]).sum();
            sum / (items.len().max(1) as f64)
        };
        let differences: Vec<f64> = items
            .iter()
            .map(|item| item.candidate[dimension] - item.baseline[dimension])
            .collect();
        let groups: Vec<usize> = items.iter().map(|item| item.group).collect();
        let units = groups.iter().collect::<HashSet<_>>().len() as u64;
        let whole = |difference: &f64| [-1.0, 0.0, 1.0].contains(difference);
        let count = |holds: fn(f64) -> bool| differences.iter().filter(|d| holds(**d)).count() as u64;
        Self {
            baseline: mean(|item| &item.baseline),
            candidate: mean(|item| &item.candidate),
            won: count(|difference| difference > ROUNDING),
            lost: count(|difference| difference < -ROUNDING),
            is_binary: scale == Scale::Pass
                && units == differences.len() as u64
                && differences.iter().all(whole),
            differences,
            groups,
            units,
        }
    }

    /// How many items.
    pub fn count(&self) -> u64 {
        self.differences.len() as u64
    }

    /// How many of them are independent: sessions, and items without one.
    pub fn units(&self) -> u64 {
        self.units
    }

    /// Candidate − baseline.
    pub fn delta(&self) -> f64 {
        self.candidate - self.baseline
    }

    /// How likely so great an improvement is if nothing changed; 1 without items.
    pub fn better(&self, resampling: Resampling) -> f64 {
        if self.is_binary {
            let count = |count: u64| u32::try_from(count).unwrap_or(u32::MAX);
            return mcnemar_better(count(self.won), count(self.lost));
        }
        sign_flip_better(&self.differences, &self.groups, resampling).map_or(1.0, |test| test.p_value)
    }

    /// What the true difference is at least, or at most, with error `alpha`; `None` for fewer than two units.
    ///
    /// What is drawn knows of no harm that was not met, and of rare harm too little. So from below one unit more is taken to be
    /// wholly worse, as one failure more is in the bound of Clopper and Pearson.
    pub fn bound(&self, side: Side, alpha: f64, resampling: Resampling) -> Option<f64> {
        if self.is_binary {
            let bound = match side {
                Side::AtLeast => matched_at_least,
                Side::AtMost => matched_at_most,
            };
            return bound(self.won, self.lost, self.count(), alpha);
        }
        let confidence = Confidence::new(1.0 - 2.0 * alpha)?;
        match side {
            Side::AtLeast => {
                if self.units < 2 {
                    return None;
                }
                let (mut differences, mut groups) = (self.differences.clone(), self.groups.clone());
                let per_unit = (differences.len() as u64).div_ceil(self.units) as usize;
                differences.extend(std::iter::repeat_n(-1.0, per_unit));
                // Items have their places for groups.
                groups.extend(std::iter::repeat_n(usize::MAX, per_unit));
                Some(drawn(&differences, &groups, confidence, resampling)?.low)
            }
            Side::AtMost => Some(drawn(&self.differences, &self.groups, confidence, resampling)?.high),
        }
    }

    /// 95 of 100 such intervals hold the true difference.
    fn interval(&self, resampling: Resampling) -> Option<Interval> {
        if !self.is_binary && self.units < FEW {
            let estimate = clustered_mean_interval(&self.differences, &self.groups, Confidence::P95)?;
            return estimate.interval.within(-1.0, 1.0);
        }
        if !self.is_binary {
            return drawn(&self.differences, &self.groups, Confidence::P95, resampling);
        }
        let tail = (1.0 - Confidence::P95.level()) / 2.0;
        Some(Interval {
            low: self.bound(Side::AtLeast, tail, resampling)?,
            high: self.bound(Side::AtMost, tail, resampling)?,
        })
    }

    /// The variance of the mean difference, times how many items there are: that of one item, and more where items of a session
    /// differ alike. Where nothing differs it is that of one that might have.
    pub fn variance(&self) -> f64 {
        let (count, mean) = (self.differences.len().max(1) as f64, self.delta());
        let mut sums: HashMap<usize, f64> = HashMap::new();
        let mut order = Vec::new();
        for (group, difference) in self.groups.iter().zip(&self.differences) {
            let sum = sums.entry(*group).or_insert_with(|| {
                order.push(*group);
                0.0
            });
            *sum += difference - mean;
        }
        // In the items' order, so that the sum is the same at each run.
        let squares: f64 = order
            .iter()
            .filter_map(|group| sums.get(group))
            .map(|sum| sum * sum)
            .sum();
        (squares / count).max(1.0 / count)
    }

    /// For the report.
    pub fn figures(&self, resampling: Resampling) -> Figures {
        Figures {
            items: self.count(),
            baseline: self.baseline,
            candidate: self.candidate,
            delta: self.delta(),
            interval: self.interval(resampling),
            won: self.won,
            lost: self.lost,
        }
    }
}

/// The bootstrap's interval of the mean, by groups where there are any.
fn drawn(
    differences: &[f64],
    groups: &[usize],
    confidence: Confidence,
    resampling: Resampling,
) -> Option<Interval> {
    if groups.iter().collect::<HashSet<_>>().len() == groups.len() {
        return bootstrap_mean(differences, resampling, confidence);
    }
    bootstrap_clustered(groups, resampling, confidence, |drawn| {
        let sum: f64 = drawn.iter().map(|item| differences[*item]).sum();
        Some(sum / drawn.len() as f64)
    })
}
