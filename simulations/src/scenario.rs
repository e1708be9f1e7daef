//! Experiments between equal variants: every winner is a mistake.

use std::num::NonZeroUsize;

use promptops_core::Result;
use promptops_core::experiment::{Evidence, Rules};

use crate::trial::{Rates, Trial};
use crate::{in_parallel, record};

/// How rates change over time, the same for all variants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Course {
    /// They do not.
    Steady,
    /// They rise by 0.4 over the horizon.
    Drift,
}

/// Equal variants, and what happens to them.
#[derive(Debug, Clone, PartialEq)]
pub struct Scenario {
    /// What it is called in the table.
    pub name: &'static str,
    /// The rate of success of all variants at the beginning.
    pub rate: f64,
    /// How it changes.
    pub course: Course,
    /// Traffic in basis points, by epoch.
    pub epochs: &'static [&'static [u16]],
    /// When each epoch but the first begins, as a part of the horizon.
    pub changes: &'static [f64],
    /// The part of outcomes that gets lost.
    pub loss: f64,
    /// The rate that is known from before.
    pub prior: Option<f64>,
}

const EVEN: &[&[u16]] = &[&[5_000, 5_000]];
const UNEVEN: &[&[u16]] = &[&[9_000, 1_000]];
const THREE: &[&[u16]] = &[&[3_334, 3_333, 3_333]];
const FOUR: &[&[u16]] = &[&[2_500, 2_500, 2_500, 2_500]];
const RAMP: &[&[u16]] = &[&[9_500, 500], &[8_000, 2_000], &[5_000, 5_000]];
const RAMP_OF_FOUR: &[&[u16]] = &[
    &[9_400, 200, 200, 200],
    &[7_000, 1_000, 1_000, 1_000],
    &[2_500, 2_500, 2_500, 2_500],
];
const RAMP_AT: &[f64] = &[0.2, 0.5];

impl Scenario {
    const PLAIN: Self = Self {
        name: "50/50",
        rate: 0.5,
        course: Course::Steady,
        epochs: EVEN,
        changes: &[],
        loss: 0.0,
        prior: None,
    };

    /// All that the table shows.
    #[must_use]
    pub fn all() -> Vec<Self> {
        let mut all = Vec::new();
        for (name, epochs) in [("50/50", EVEN), ("90/10", UNEVEN)] {
            for rate in [0.01, 0.05, 0.5, 0.9, 0.99] {
                for (name, prior) in [(name, None), (prior_name(name), Some(rate))] {
                    all.push(Self {
                        name,
                        rate,
                        epochs,
                        prior,
                        ..Self::PLAIN
                    });
                }
            }
        }
        let more = [
            ("K = 3", 0.5, Course::Steady, THREE, &[][..], 0.0),
            ("K = 3", 0.9, Course::Steady, THREE, &[], 0.0),
            ("K = 4", 0.05, Course::Steady, FOUR, &[], 0.0),
            ("K = 4", 0.5, Course::Steady, FOUR, &[], 0.0),
            ("K = 4", 0.9, Course::Steady, FOUR, &[], 0.0),
            ("drift", 0.3, Course::Drift, EVEN, &[], 0.0),
            ("ramp", 0.5, Course::Steady, RAMP, RAMP_AT, 0.0),
            ("drift, ramp", 0.3, Course::Drift, RAMP, RAMP_AT, 0.0),
            (
                "drift, ramp, K = 4",
                0.3,
                Course::Drift,
                RAMP_OF_FOUR,
                RAMP_AT,
                0.0,
            ),
            ("5 % lost", 0.5, Course::Steady, EVEN, &[], 0.05),
            ("5 % lost, drift, ramp", 0.3, Course::Drift, RAMP, RAMP_AT, 0.05),
        ];
        all.extend(more.map(|(name, rate, course, epochs, changes, loss)| Self {
            name,
            rate,
            course,
            epochs,
            changes,
            loss,
            prior: None,
        }));
        all
    }

    /// The first of these.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::all().into_iter().find(|scenario| scenario.name == name)
    }
}

fn prior_name(name: &'static str) -> &'static str {
    if name == "50/50" {
        "50/50, rate known"
    } else {
        "90/10, rate known"
    }
}

/// How many experiments, how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// Experiments.
    pub experiments: usize,
    /// Units in each.
    pub horizon: u64,
}

/// How often a winner was declared among equals.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mistakes {
    /// By the library, as a share of experiments.
    pub declared: f64,
    /// By a test for one look that was looked at after every outcome.
    pub naive: f64,
}

fn steady(rates: &Rates, variant: u8, _: f64) -> f64 {
    rates[usize::from(variant)]
}

fn drifting(rates: &Rates, variant: u8, part: f64) -> f64 {
    rates[usize::from(variant)] + 0.4 * part
}

/// Simulates a scenario.
///
/// # Errors
/// [`Invalid`](promptops_core::ErrorKind::Invalid) for shares that are none.
pub fn mistakes(scenario: &Scenario, size: Size, seed: u64, threads: NonZeroUsize) -> Result<Mistakes> {
    let rules = Rules {
        // Nothing that shelters the decision.
        min_sample: 1,
        prior: scenario.prior,
        ..Rules::default()
    };
    let record = record("equal", scenario.epochs, rules)?;
    let evidence = Evidence::new(&record);
    let rates = vec![scenario.rate; record.variants.len()];
    let trial = Trial {
        evidence: &evidence,
        horizon: size.horizon,
        rate: match scenario.course {
            Course::Steady => steady,
            Course::Drift => drifting,
        },
        rates: &rates,
        changes: scenario.changes,
        loss: scenario.loss,
        with_naive: true,
    };
    let ended = in_parallel(threads, size.experiments, |index| {
        trial.run(seed ^ ((index as u64) << 20))
    });
    let share = |count: usize| count as f64 / size.experiments as f64;
    Ok(Mistakes {
        declared: share(ended.iter().filter(|ended| ended.winner.is_some()).count()),
        naive: share(ended.iter().filter(|ended| ended.naive).count()),
    })
}
