//! The decision of an experiment: a pure function of its record, what was counted, and the time.

use std::fmt;

use serde::Serialize;

use super::evidence::Evidence;
use super::record::{Experiment, Goal};
use super::tally::Tallies;
use crate::base::{ScoreName, Timestamp, VariantName};

/// What to do with an experiment.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case", tag = "type")]
pub enum Decision {
    /// Let it run on.
    Continue {
        /// Why there is no winner yet.
        missing: Vec<Missing>,
    },
    /// End it: this variant is better than each of the others. It may be the control, which then stays.
    Winner {
        /// The variant.
        variant: VariantName,
    },
    /// End it: it has run as long as it may, and has no winner. The control stays.
    Inconclusive {
        /// Why there is none.
        missing: Vec<Missing>,
    },
}

/// One reason why there is no winner.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case", tag = "type")]
pub enum Missing {
    /// A variant has too few outcomes.
    Sample {
        /// The variant.
        variant: VariantName,
        /// How many it has.
        found: u64,
        /// How many it needs.
        needed: u64,
    },
    /// Variants did not get the traffic that they were to get: outcomes are lost, or assigned otherwise than recorded.
    SampleRatio {
        /// How sure that is.
        ln_e: f64,
    },
    /// No variant's mean is above all others.
    Leader,
    /// One variant's mean is above another's over all outcomes, and is not where each epoch is looked at by itself.
    Epochs {
        /// The one.
        leader: VariantName,
        /// The other.
        other: VariantName,
    },
    /// It is not sure enough that the leader differs from another variant.
    Evidence {
        /// The variant with the highest mean.
        leader: VariantName,
        /// The other.
        other: VariantName,
        /// How sure it is.
        ln_e: f64,
        /// How sure it must be.
        needed: f64,
    },
    /// The leader does more harm than the control.
    Guardrail {
        /// The variant with the highest mean.
        leader: VariantName,
        /// The guardrail.
        guardrail: ScoreName,
        /// How sure that is.
        ln_e: f64,
    },
}

impl Decision {
    /// Why there is no winner: nothing when there is one.
    #[must_use]
    pub fn missing(&self) -> &[Missing] {
        match self {
            Self::Continue { missing } | Self::Inconclusive { missing } => missing,
            Self::Winner { .. } => &[],
        }
    }
}

/// Decides: valid at every look, however many there are.
///
/// - A winner, whenever each of these holds: every variant has the minimum sample; the split of traffic is as asked for;
///   against each other variant its mean is above and E ≥ (K − 1)/α; it breaches no guardrail. The control can win.
/// - Else inconclusive, once the maximum duration is over (from the experiment's beginning, pauses included).
/// - Else it goes on.
///
/// Where no variant is better, some variant is declared the winner with probability α at most: whoever wins, one of the
/// K − 1 pairs with the control has E ≥ (K − 1)/α. The status of the experiment is not looked at. The cost of looking at
/// any time, counted by the crate `simulations`: half of the experiments with an effect end within 1.0 to 1.12 times the
/// outcomes that a test with a sample fixed beforehand needs for a power of 80 %, where the rate before is known, and within
/// 1.2 to 1.4 times where it is not; for a power of 80 % it takes about twice as many. More than two variants take more.
#[must_use]
pub fn decide(experiment: &Experiment, tallies: &Tallies, now: Timestamp) -> Decision {
    Evidence::new(experiment).decide(tallies, now)
}

impl Evidence<'_> {
    /// [`decide`], for whoever looks often.
    #[must_use]
    pub fn decide(&self, tallies: &Tallies, now: Timestamp) -> Decision {
        let experiment = self.experiment();
        if let Some(winner) = self.winner(tallies) {
            return Decision::Winner {
                variant: self.name(winner),
            };
        }
        let missing = self.missing(tallies);
        let running = (now - experiment.created_at).to_std().unwrap_or_default();
        if running >= experiment.rules.max_duration {
            Decision::Inconclusive { missing }
        } else {
            Decision::Continue { missing }
        }
    }

    fn name(&self, variant: u8) -> VariantName {
        self.experiment().variants[usize::from(variant)].name.clone()
    }

    fn missing(&self, tallies: &Tallies) -> Vec<Missing> {
        let rules = &self.experiment().rules;
        let mut missing = Vec::new();
        for variant in self.variants() {
            let found = self.outcomes(tallies, variant);
            if found < rules.min_sample {
                missing.push(Missing::Sample {
                    variant: self.name(variant),
                    found,
                    needed: rules.min_sample,
                });
            }
        }
        if self.is_split_wrong(tallies) {
            missing.push(Missing::SampleRatio {
                ln_e: self.sample_ratio_ln_e(tallies),
            });
        }
        let Some(leader) = self.leader(tallies) else {
            missing.push(Missing::Leader);
            return missing;
        };
        let needed = self.needed();
        for other in self.variants().filter(|other| *other != leader) {
            if !self.is_above(tallies, leader, other) {
                missing.push(Missing::Epochs {
                    leader: self.name(leader),
                    other: self.name(other),
                });
            }
            if !self.reaches(tallies, leader, other, needed) {
                missing.push(Missing::Evidence {
                    leader: self.name(leader),
                    other: self.name(other),
                    ln_e: self.ln_e(tallies, leader, other),
                    needed,
                });
            }
        }
        missing.extend(
            self.breaches(tallies, leader)
                .map(|guardrail| Missing::Guardrail {
                    leader: self.name(leader),
                    guardrail: self.experiment().guardrails[guardrail].name.clone(),
                    ln_e: self.harm_ln_e(tallies, leader, guardrail),
                }),
        );
        missing
    }
}

impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, missing) = match self {
            Self::Winner { variant } => return write!(f, "{variant} wins"),
            Self::Continue { missing } => ("keep going", missing),
            Self::Inconclusive { missing } => ("inconclusive", missing),
        };
        f.write_str(what)?;
        for (missing, before) in missing
            .iter()
            .zip([": "].into_iter().chain(std::iter::repeat("; ")))
        {
            write!(f, "{before}{missing}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sample {
                variant,
                found,
                needed,
            } => write!(f, "{variant} has {found} outcomes, needed are {needed}"),
            Self::SampleRatio { ln_e } => write!(
                f,
                "traffic is not split as asked for (E {}): outcomes are lost, or reported for another variant than served",
                EValue(*ln_e)
            ),
            Self::Leader => f.write_str("no variant is above all others"),
            Self::Epochs { leader, other } => write!(
                f,
                "{leader} is above {other} over all outcomes, but not within the times of one split"
            ),
            Self::Evidence {
                leader,
                other,
                ln_e,
                needed,
            } => write!(
                f,
                "{leader} against {other} has E {}, needed is {}",
                EValue(*ln_e),
                EValue(*needed)
            ),
            Self::Guardrail {
                leader,
                guardrail,
                ln_e,
            } => write!(
                f,
                "{leader} leads, but breaches {guardrail} (E {})",
                EValue(*ln_e)
            ),
        }
    }
}

/// E, by its logarithm: three digits, or a power of ten where there would be many.
pub(super) struct EValue(pub(super) f64);

impl fmt::Display for EValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tens = self.0 / std::f64::consts::LN_10;
        if tens.abs() < 4.0 {
            let value = self.0.exp();
            let digits = if value < 9.995 { 2 } else { 0 };
            write!(f, "{value:.digits$}")
        } else {
            write!(f, "10^{tens:.0}")
        }
    }
}

impl Goal {
    /// What the goal's mean is called.
    pub(super) fn mean_name(self) -> &'static str {
        match self {
            Self::Success => "success rate",
            Self::Score => "mean score",
        }
    }
}
