//! What the incumbent's scores were online before the ship, and what follows from them for one metric.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::settings::MonitorSettings;
use crate::base::error::{Result, invalid};
use crate::statistics::{mean_at_least, proportion_at_least, proportion_at_most};

/// The incumbent's scores online before the ship, by the same evaluator as after it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "type", deny_unknown_fields)]
pub enum Incumbent {
    /// Scores that are 0 or 1.
    Passes {
        /// How many are 1.
        passed: u64,
        /// How many there are.
        total: u64,
    },
    /// Scores from 0 to 1.
    Scores {
        /// Their sum.
        sum: f64,
        /// How many there are.
        count: u64,
    },
}

impl Incumbent {
    /// How many scores there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        match self {
            Self::Passes { total, .. } => *total,
            Self::Scores { count, .. } => *count,
        }
    }

    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) for a sum that so many scores from 0 to 1 cannot have.
    pub(super) fn check(&self) -> Result<()> {
        let (sum, count) = match *self {
            Self::Passes { passed, total } if passed > total => (passed as f64, total),
            Self::Scores { sum, count } if !(0.0..=count as f64).contains(&sum) => (sum, count),
            _ => return Ok(()),
        };
        Err(invalid(format!(
            "the incumbent's {count} scores have the sum {sum}; each must be 0 to 1"
        )))
    }

    /// The mean, and what it may well be from below at `low` and from above at `high`; `None` without scores.
    fn bounds(&self, settings: &MonitorSettings, low: f64, high: f64) -> Option<(f64, f64, f64)> {
        match *self {
            // Clopper and Pearson's bounds are for independent passes.
            Self::Passes { passed, total } if settings.alike == 1 => Some((
                passed as f64 / total as f64,
                proportion_at_least(passed, total, low)?,
                proportion_at_most(passed, total, high)?,
            )),
            Self::Passes { passed, total } => Self::Scores {
                sum: passed as f64,
                count: total,
            }
            .bounds(settings, low, high),
            Self::Scores { sum, count } => {
                let (mean, independent) = (sum / count as f64, settings.independent(count));
                Some((
                    mean,
                    mean_at_least(independent, mean, low)?,
                    1.0 - mean_at_least(independent, 1.0 - mean, high)?,
                ))
            }
        }
    }
}

/// What one metric is watched against.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Baseline {
    /// The incumbent's scores online.
    pub incumbent: Incumbent,
    /// The candidate's mean in the A/B replay: for the chart alone, since what is replayed is not what is asked live.
    #[serde(default)]
    pub candidate: Option<f64>,
}

impl From<Incumbent> for Baseline {
    fn from(incumbent: Incumbent) -> Self {
        Self {
            incumbent,
            candidate: None,
        }
    }
}

/// What the incumbent's scores say of the mean that is to be held.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Reference {
    /// The incumbent's mean.
    pub mean: f64,
    /// Its true mean is not below this, with error α/5 of the metric's share.
    pub lower: f64,
    /// Its true mean is not above this, with error α: for clearing.
    pub upper: f64,
    /// m₀, the null: `lower` less the tolerance. A mean below it is harm.
    pub null: f64,
}

/// Why there is none.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "snake_case", tag = "type")]
pub enum NoReference {
    /// The incumbent has too few scores.
    TooFew {
        /// How many it has.
        found: u64,
        /// How many it needs.
        needed: u64,
    },
    /// What the incumbent's scores show is no more than the tolerance: no score could be harm.
    TooLow {
        /// The lower bound of the incumbent's mean.
        lower: f64,
        /// The tolerance.
        tolerance: f64,
    },
}

impl Reference {
    /// Of the incumbent's scores, for one of `metrics` metrics: by Clopper and Pearson's bounds for passes, by
    /// [`mean_at_least`] for graded scores and wherever scores are alike.
    pub(super) fn of(
        incumbent: &Incumbent,
        settings: &MonitorSettings,
        metrics: usize,
    ) -> Result<Self, NoReference> {
        let (found, needed) = (incumbent.count(), settings.min_reference);
        let share = settings.alpha / metrics.max(1) as f64;
        let bounds = incumbent.bounds(settings, share / 5.0, settings.alpha);
        let Some((mean, lower, upper)) = bounds.filter(|_| found >= needed) else {
            return Err(NoReference::TooFew { found, needed });
        };
        let tolerance = settings.tolerance;
        let null = lower - tolerance;
        // At 1 all incumbents' scores would have to be 1, and their number infinite.
        if !(null > 0.0 && null < 1.0) {
            return Err(NoReference::TooLow { lower, tolerance });
        }
        Ok(Self {
            mean,
            lower,
            upper,
            null,
        })
    }
}

impl fmt::Display for NoReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooFew { found, needed } => {
                write!(f, "the incumbent has {found} scored traces, needed {needed}")
            }
            Self::TooLow { lower, tolerance } => write!(
                f,
                "the incumbent's mean is {lower:.3} or more, which is not above the tolerance of {tolerance}"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passes(passed: u64, total: u64) -> Incumbent {
        Incumbent::Passes { passed, total }
    }

    #[test]
    fn the_null_is_the_lower_bound_less_the_tolerance() {
        let settings = MonitorSettings::default();
        let one = Reference::of(&passes(700, 1_000), &settings, 1).unwrap();
        assert_eq!(Some(one.lower), proportion_at_least(700, 1_000, 0.01));
        assert_eq!(one.null, one.lower - 0.05);
        assert!(one.lower < 0.7 && one.mean == 0.7 && one.upper > 0.7);
        // More metrics share the error: each is bounded with less of it.
        let two = Reference::of(&passes(700, 1_000), &settings, 2).unwrap();
        assert_eq!(Some(two.lower), proportion_at_least(700, 1_000, 0.005));
        // What holds for graded scores of any distribution is wider.
        let scores = Incumbent::Scores {
            sum: 700.0,
            count: 1_000,
        };
        let graded = Reference::of(&scores, &settings, 1).unwrap();
        assert!(graded.lower < one.lower && graded.upper > one.upper);
        assert_eq!(Some(graded.lower), mean_at_least(1_000.0, 0.7, 0.01));
    }

    #[test]
    fn scores_that_are_alike_say_less() {
        let settings = MonitorSettings {
            alike: 10,
            ..MonitorSettings::default()
        };
        let found = Reference::of(&passes(700, 1_000), &settings, 1).unwrap();
        assert_eq!(Some(found.lower), mean_at_least(100.0, 0.7, 0.01));
    }

    #[test]
    fn too_little_is_no_reference_and_never_a_guess() {
        let settings = MonitorSettings::default();
        let found = Reference::of(&passes(99, 99), &settings, 1).unwrap_err();
        assert_eq!(
            found,
            NoReference::TooFew {
                found: 99,
                needed: 100
            }
        );
        assert_eq!(
            found.to_string(),
            "the incumbent has 99 scored traces, needed 100"
        );
        let found = Reference::of(&passes(9, 200), &settings, 1).unwrap_err();
        assert!(matches!(found, NoReference::TooLow { .. }), "{found:?}");
        let none = MonitorSettings {
            min_reference: 1,
            ..settings
        };
        assert!(Reference::of(&passes(0, 0), &none, 1).is_err());
    }

    #[test]
    fn sums_that_scores_cannot_have_are_refused() {
        for wrong in [
            passes(3, 2),
            Incumbent::Scores {
                sum: f64::NAN,
                count: 5,
            },
            Incumbent::Scores { sum: 5.1, count: 5 },
            Incumbent::Scores { sum: -0.1, count: 5 },
        ] {
            assert!(wrong.check().is_err(), "{wrong:?}");
        }
        assert!(passes(0, 0).check().is_ok());
    }
}
