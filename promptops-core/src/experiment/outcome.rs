//! Outcomes: how one unit fared, as reported and as counted.

use std::time::Duration;

use super::record::{Experiment, Goal};
use crate::base::error::{Result, invalid};
use crate::base::{ClosureHash, Timestamp};
use crate::llm::Cost;
use crate::observation::{Assignment, UnitKey};

/// How one unit fared: success, a score, or both.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Outcome {
    /// Whether the answer served its purpose.
    pub success: Option<bool>,
    /// A score, 0.0 ..= 1.0.
    pub score: Option<f64>,
    /// How long the answer took.
    pub latency: Option<Duration>,
    /// What it cost.
    pub cost: Option<Cost>,
}

impl Outcome {
    /// An answer that served its purpose, or not.
    #[must_use]
    pub fn success(success: bool) -> Self {
        Self {
            success: Some(success),
            ..Self::default()
        }
    }

    /// An answer with this score, 0.0 ..= 1.0. One that is not is counted as invalid.
    #[must_use]
    pub fn scored(score: f64) -> Self {
        Self::default().score(score)
    }

    /// With this score, 0.0 ..= 1.0. One that is not is counted as invalid.
    #[must_use]
    pub fn score(mut self, score: f64) -> Self {
        self.score = Some(score);
        self
    }

    /// With how long it took.
    #[must_use]
    pub fn latency(mut self, latency: Duration) -> Self {
        self.latency = Some(latency);
        self
    }

    /// With what it cost.
    #[must_use]
    pub fn cost(mut self, cost: Cost) -> Self {
        self.cost = Some(cost);
        self
    }

    /// Checks what can be checked without knowing the experiment.
    pub(super) fn check(&self) -> Result<()> {
        match self.score {
            Some(score) if !(0.0..=1.0).contains(&score) => Err(invalid(format!(
                "the score is {score}; expected a number in 0.0 ..= 1.0"
            ))),
            _ => Ok(()),
        }
    }
}

/// What to do about a stamp that is not as it was.
const PASS_ON: &str = "pass stamps on as they were handed out";

/// An outcome as an experiment counts it: without floats, so that sums do not depend on their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutcomeEntry {
    /// The unit.
    pub unit: UnitKey,
    /// The variant, by its place in the experiment's list.
    pub variant: u8,
    /// The allocation under which the unit got it.
    pub epoch: u32,
    /// Whether the answer served its purpose.
    pub success: Option<bool>,
    /// The score in millionths, 0 ..= 1,000,000.
    pub score_millionths: Option<u32>,
    /// Which guardrails the outcome says something of: bit n for the nth.
    pub measured: u8,
    /// Which of those show harm.
    pub harmed: u8,
    /// When it was reported.
    pub at: Timestamp,
}

impl Experiment {
    /// The outcome as this experiment counts it.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) when the assignment is none of this experiment's that counts, the text that
    /// was served is not the variant's, the outcome says nothing of the goal, or its score is out of range.
    pub fn entry(
        &self,
        assignment: &Assignment,
        served: ClosureHash,
        outcome: &Outcome,
        at: Timestamp,
    ) -> Result<OutcomeEntry> {
        outcome.check()?;
        if assignment.experiment != self.id {
            return Err(invalid(format!(
                "the assignment is of the experiment {}, expected {}; {PASS_ON}",
                assignment.experiment, self.id
            )));
        }
        if assignment.hash_version != Assignment::HASH_VERSION {
            return Err(invalid(format!(
                "the assignment was made with the hash version {}, expected {}; resolve and report with releases that \
                 assign alike",
                assignment.hash_version,
                Assignment::HASH_VERSION
            )));
        }
        let unit = assignment
            .unit
            .filter(|_| assignment.is_counted())
            .ok_or_else(|| {
                invalid(
                    "the assignment counts no unit; expected one by the unit's bucket: resolve with a unit",
                )
            })?;
        let variant = self.variant_index(&assignment.variant).ok_or_else(|| {
            invalid(format!(
                "the experiment has no variant {}; {PASS_ON}",
                assignment.variant
            ))
        })?;
        let epoch = self
            .epochs
            .iter()
            .find(|epoch| epoch.number == assignment.epoch)
            .ok_or_else(|| {
                invalid(format!(
                    "the experiment had no epoch {}, expected 1 to {}; {PASS_ON}",
                    assignment.epoch,
                    self.epoch().number
                ))
            })?;
        if epoch.allocation.variant(unit.bucket()) != variant {
            return Err(invalid(format!(
                "the unit's bucket {} was not the variant {}'s in epoch {}; {PASS_ON}",
                unit.bucket(),
                assignment.variant,
                assignment.epoch
            )));
        }
        let expected = self.variants[usize::from(variant)].closure_hash;
        if expected != served {
            return Err(invalid(format!(
                "what was served has the closure {}, and the variant's text {}; {PASS_ON}",
                served.short(),
                expected.short()
            )));
        }
        let says_goal = match self.goal {
            Goal::Success => outcome.success.is_some(),
            Goal::Score => outcome.score.is_some(),
        };
        if !says_goal {
            return Err(invalid(format!(
                "the outcome has no {goal}, which is the experiment's goal; report it with `Outcome::{}`",
                match self.goal {
                    Goal::Success => "success",
                    Goal::Score => "score",
                },
                goal = self.goal
            )));
        }
        let (mut measured, mut harmed) = (0, 0);
        for (guardrail, bit) in self.guardrails.iter().zip((0..8).map(|n| 1_u8 << n)) {
            if let Some(harm) = guardrail.harm.in_outcome(outcome) {
                measured |= bit;
                harmed |= if harm { bit } else { 0 };
            }
        }
        Ok(OutcomeEntry {
            unit,
            variant,
            epoch: assignment.epoch,
            success: outcome.success,
            score_millionths: outcome.score.map(|score| (score * 1e6).round() as u32),
            measured,
            harmed,
            at,
        })
    }
}

/// What became of an outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutcomeVerdict {
    /// It counts.
    Written,
    /// The unit has one already, of the same variant: that one counts.
    Duplicate,
    /// The unit has one of another variant: that one counts, and the unit is known to have seen two.
    Contaminated,
    /// The experiment is completed and takes no more.
    Closed,
}
