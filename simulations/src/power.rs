//! Experiments in which one variant is better: how soon that is found.

use std::num::NonZeroUsize;

use promptops_core::Result;
use promptops_core::experiment::{Evidence, Rules};

use crate::trial::{Rates, Trial};
use crate::{in_parallel, record};

/// A control's rate of success and a variant's.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Effect {
    /// The control's.
    pub control: f64,
    /// The variant's.
    pub variant: f64,
    /// Traffic, in basis points.
    pub shares: [u16; 2],
}

impl Effect {
    /// All that the table shows.
    #[must_use]
    pub fn all() -> Vec<Self> {
        let pairs = [(0.70, 0.75), (0.70, 0.80), (0.90, 0.93), (0.95, 0.97)];
        let splits = [[5_000, 5_000], [9_000, 1_000]];
        let effects = splits.into_iter().flat_map(|shares| {
            pairs.map(|(control, variant)| Self {
                control,
                variant,
                shares,
            })
        });
        effects.collect()
    }

    /// Outcomes of both that a z test for one look needs, for 80 % power at a two-sided 5 %:
    /// (z₀.₉₇₅ √(p̄q̄(1/a + 1/b)) + z₀.₈ √(p₁q₁/a + p₂q₂/b))² / (p₂ − p₁)², with the parts a and b of traffic (Fleiss,
    /// "Statistical Methods for Rates and Proportions", 1981, 3.14, for unequal groups).
    #[must_use]
    pub fn fixed(&self) -> f64 {
        let [a, b] = self.shares.map(|share| f64::from(share) / 10_000.0);
        let mean = a * self.control + b * self.variant;
        let variance = |rate: f64| rate * (1.0 - rate);
        let under_null = (variance(mean) * (1.0 / a + 1.0 / b)).sqrt();
        let under_effect = (variance(self.control) / a + variance(self.variant) / b).sqrt();
        let root = 1.959_963_984_540_054 * under_null + 0.841_621_233_572_914_2 * under_effect;
        (root / (self.variant - self.control)).powi(2)
    }
}

/// How soon the better variant was found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Found {
    /// The median number of outcomes of both until it was declared; `None` when fewer than half were declared.
    pub median: Option<u64>,
    /// The share of experiments in which it was declared by the fixed sample's size.
    pub by_fixed: f64,
    /// By twice that.
    pub by_twice: f64,
    /// The share of experiments in which the worse was declared.
    pub wrong: f64,
}

fn steady(rates: &Rates, variant: u8, _: f64) -> f64 {
    rates[usize::from(variant)]
}

/// Simulates experiments with this effect, up to five times the fixed sample.
///
/// # Errors
/// [`Invalid`](promptops_core::ErrorKind::Invalid) for shares that are none.
pub fn found(
    effect: &Effect,
    knows_rate: bool,
    experiments: usize,
    seed: u64,
    threads: NonZeroUsize,
) -> Result<Found> {
    let rules = Rules {
        prior: knows_rate.then_some(effect.control),
        ..Rules::default()
    };
    let record = record("effect", &[&effect.shares], rules)?;
    let evidence = Evidence::new(&record);
    let rates = vec![effect.control, effect.variant];
    let fixed = effect.fixed();
    let trial = Trial {
        evidence: &evidence,
        horizon: (5.0 * fixed) as u64,
        rate: steady,
        rates: &rates,
        changes: &[],
        loss: 0.0,
        with_naive: false,
    };
    let ended = in_parallel(threads, experiments, |index| {
        trial.run(seed ^ ((index as u64) << 20)).winner
    });
    let mut stops: Vec<u64> = ended
        .iter()
        .flatten()
        .filter(|(winner, _)| *winner == 1)
        .map(|(_, at)| *at)
        .collect();
    stops.sort_unstable();
    let share = |count: usize| count as f64 / experiments as f64;
    let by = |outcomes: f64| share(stops.partition_point(|stop| *stop as f64 <= outcomes));
    Ok(Found {
        median: stops.get(experiments / 2).copied(),
        by_fixed: by(fixed),
        by_twice: by(2.0 * fixed),
        wrong: share(ended.iter().flatten().filter(|(winner, _)| *winner == 0).count()),
    })
}
