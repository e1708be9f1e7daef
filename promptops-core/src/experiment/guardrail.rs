//! Guardrails: what must not get worse while the goal gets better.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::outcome::Outcome;
use crate::base::ScoreName;
use crate::llm::Cost;

/// Most guardrails of an experiment.
pub const MAX_GUARDRAILS: usize = 8;

/// What counts as harm in one outcome.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "type", content = "limit")]
#[non_exhaustive]
pub enum Harm {
    /// The outcome is no success.
    Failure,
    /// The score is below this, in 0.0 ..= 1.0.
    ScoreBelow(f64),
    /// The answer took longer.
    LatencyAbove(Duration),
    /// The answer cost more.
    CostAbove(Cost),
}

impl Harm {
    /// Whether the outcome shows it; `None` when the outcome does not say.
    #[must_use]
    pub fn in_outcome(self, outcome: &Outcome) -> Option<bool> {
        match self {
            Self::Failure => outcome.success.map(|success| !success),
            Self::ScoreBelow(limit) => outcome.score.map(|score| score < limit),
            Self::LatencyAbove(limit) => outcome.latency.map(|latency| latency > limit),
            Self::CostAbove(limit) => outcome.cost.map(|cost| cost > limit),
        }
    }
}

impl fmt::Display for Harm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failure => f.write_str("no success"),
            Self::ScoreBelow(limit) => write!(f, "score below {limit}"),
            Self::LatencyAbove(limit) => write!(f, "latency above {limit:?}"),
            Self::CostAbove(limit) => write!(f, "cost above {limit}"),
        }
    }
}

/// A kind of harm whose rate must not be higher than the control's. A variant that breaches one cannot win.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Guardrail {
    /// What it is called in reports.
    pub name: ScoreName,
    /// What counts.
    pub harm: Harm,
}
