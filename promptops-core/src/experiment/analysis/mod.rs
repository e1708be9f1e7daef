//! The report on an experiment, while it runs and after.

mod build;
mod text;

use serde::Serialize;

use super::decision::Decision;
use super::guardrail::Harm;
use super::record::{Completion, ExperimentStatus, Goal};
use crate::base::{ExperimentId, ScoreName, Timestamp, VariantName, VersionNumber};
use crate::statistics::{Confidence, Interval, SequentialEstimate};

/// What is known of an experiment at one time. A function of its record and its tallies: the same, bit for bit, for
/// outcomes in any order.
///
/// Means and their intervals are over all outcomes, and hold for one look. What holds at every look is said so.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Analysis {
    /// The experiment.
    pub experiment: ExperimentId,
    /// Where it stands.
    pub status: ExperimentStatus,
    /// When this was looked at.
    pub at: Timestamp,
    /// What decides.
    pub goal: Goal,
    /// How sure the intervals are: 1 − α.
    pub confidence: Confidence,
    /// The variants, the control first.
    pub variants: Vec<VariantAnalysis>,
    /// How traffic was split, and how many outcomes came.
    pub epochs: Vec<EpochAnalysis>,
    /// Whether variants got the traffic that they were to get.
    pub sample_ratio: SampleRatio,
    /// What follows, and why not yet.
    pub decision: Decision,
    /// About how many more outcomes of the whole experiment a winner takes, were the means what they are now. `None` when
    /// there is one, or no leader, or something else than more outcomes is missing.
    pub outcomes_needed: Option<u64>,
    /// How it ended.
    pub completion: Option<Completion>,
}

/// What is known of a variant.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct VariantAnalysis {
    /// Its name.
    pub name: VariantName,
    /// The version.
    pub version: VersionNumber,
    /// Units with an outcome that counts.
    pub outcomes: u64,
    /// The goal's mean: the share of successes, or the mean score. `None` without outcomes.
    pub mean: Option<f64>,
    /// Its interval, for one look: Wilson's for a rate, Student's for scores, which needs two of them.
    pub interval: Option<Interval>,
    /// Against the control; `None` for the control.
    pub versus_control: Option<VersusControl>,
    /// The guardrails, in order.
    pub guardrails: Vec<GuardrailAnalysis>,
    /// Outcomes that a recorder had no room for.
    pub lost: u64,
    /// Units that were seen in another variant later, since traffic was split otherwise; their first outcome counts.
    pub contaminated: u64,
    /// Outcomes of units that had one.
    pub duplicates: u64,
}

/// A variant beside the control.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct VersusControl {
    /// variant − control, with an interval that holds at every look asymptotically: where outcomes are many. Within
    /// epochs, which are weighted with n₁n₂/(n₁ + n₂). Shown, and not decided by.
    pub difference: Option<SequentialEstimate>,
    /// ln E that they differ: holds at every look, for any number of outcomes. What decides.
    pub ln_e: f64,
    /// min(1, 1/E): holds at every look.
    pub anytime_p: f64,
}

/// A guardrail in a variant.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct GuardrailAnalysis {
    /// Its name.
    pub name: ScoreName,
    /// What counts as harm.
    pub harm: Harm,
    /// Outcomes that say something of it.
    pub measured: u64,
    /// Those that show harm.
    pub harmed: u64,
    /// Wilson's interval of the rate of harm, for one look.
    pub interval: Option<Interval>,
    /// ln E that the rate differs from the control's; 0 for the control.
    pub ln_e: f64,
    /// Whether it is above the control's, surely: such a variant cannot win.
    pub breached: bool,
}

/// A time during which traffic was split in one way.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EpochAnalysis {
    /// 1, 2, 3 …
    pub number: u32,
    /// When it began.
    pub started_at: Timestamp,
    /// Each variant's share in basis points.
    pub shares: Vec<u16>,
    /// Each variant's units with an outcome that counts, of those that were assigned then.
    pub outcomes: Vec<u64>,
}

/// Whether variants got the traffic that they were to get.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct SampleRatio {
    /// ln E that they did not.
    pub ln_e: f64,
    /// Whether that is so sure that nothing is decided: E ≥ 1,000.
    pub alarm: bool,
}
