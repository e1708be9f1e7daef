//! What is kept about a run as a whole.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::base::error::{Error, Result, invalid};
use crate::base::hash::CanonicalHasher;
use crate::base::id::quoted;
use crate::base::{Actor, ClosureHash, DatasetName, PromptName, RunId, Timestamp, VersionNumber};

/// An evaluation run: which version is asked with which dataset, and scored how.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// Its id.
    pub id: RunId,
    /// The prompt.
    pub prompt: PromptName,
    /// The version.
    pub version: VersionNumber,
    /// The version with its snippets, as they were when the run was started. It is what is asked to the run's end.
    pub closure_hash: ClosureHash,
    /// The dataset.
    pub dataset: DatasetName,
    /// The dataset's version.
    pub dataset_version: VersionNumber,
    /// Entries in the dataset, ≥ 1.
    pub entries: u64,
    /// Who answers, and who scores.
    pub evaluator: EvaluatorRecord,
    /// Where it stands.
    pub state: RunState,
    /// Who started it.
    pub started_by: Actor,
    /// When.
    pub started_at: Timestamp,
}

impl Run {
    /// How many results it has when it is complete: one for each entry and repetition.
    #[must_use]
    pub fn tasks(&self) -> u64 {
        self.entries.saturating_mul(u64::from(self.evaluator.repeats))
    }
}

/// Who answers in a run, and who scores.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EvaluatorRecord {
    /// The provider of the model under evaluation.
    pub provider: String,
    /// The model under evaluation, as it is asked for.
    pub model: String,
    /// How often each entry is asked, ≥ 1.
    pub repeats: u32,
    /// Who scores, in the order of the scores in each result; at least one.
    pub criteria: Vec<CriterionRecord>,
}

/// A scorer's place in a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CriterionRecord {
    /// The scorer's name, unique in the run.
    pub scorer: String,
    /// The dimension that it counts in.
    pub dimension: String,
    /// The score from which on an entry passes, 0 ..= 1.
    pub pass_mark: f64,
    /// What decides its scores.
    pub configuration: Value,
    /// For a judge: whether it is calibrated against people. `None` for every other scorer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calibrated: Option<bool>,
}

impl EvaluatorRecord {
    /// The identity of who scores: SHA-256 over the canonical encoding (see [`hash`](crate::base::hash)), domain
    /// `promptops.scorers`, format 1, of a list of: scorer and dimension as texts, pass mark as a JSON float,
    /// configuration as JSON. Only runs with the same scorers can be compared.
    #[must_use]
    pub fn scorers_hash(&self) -> [u8; 32] {
        let mut hasher = CanonicalHasher::new("promptops.scorers", 1);
        hasher.list(&self.criteria, |hasher, criterion| {
            hasher.text(&criterion.scorer);
            hasher.text(&criterion.dimension);
            hasher.json(&Value::from(criterion.pass_mark));
            hasher.json(&criterion.configuration);
        });
        hasher.finish()
    }
}

/// Where a run stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum RunState {
    /// Results are awaited, whether or not anybody works on it now.
    Running,
    /// Stopped before its end. What is done is kept; it can be resumed.
    Stopped {
        /// What stopped it.
        cause: StopCause,
        /// In words.
        reason: String,
        /// When.
        at: Timestamp,
    },
    /// Every entry has its results. Nothing changes any more.
    Completed {
        /// When.
        at: Timestamp,
    },
}

impl RunState {
    /// The stable text form, as stored: `running`, `stopped`, `completed`.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Stopped { .. } => "stopped",
            Self::Completed { .. } => "completed",
        }
    }

    /// Whether results are awaited.
    #[must_use]
    pub fn is_running(&self) -> bool {
        matches!(self, Self::Running)
    }

    /// Whether every entry has its results.
    #[must_use]
    pub fn is_completed(&self) -> bool {
        matches!(self, Self::Completed { .. })
    }

    /// Whether a run in this state may come into that one: running to stopped and completed, stopped to running.
    #[must_use]
    pub fn may_become(&self, next: &Self) -> bool {
        matches!(
            (self, next),
            (Self::Running, Self::Stopped { .. } | Self::Completed { .. })
                | (Self::Stopped { .. }, Self::Running)
        )
    }
}

/// `running`, `stopped (budget: …)`, `completed`
impl fmt::Display for RunState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())?;
        match self {
            Self::Stopped { cause, reason, .. } => write!(f, " ({}: {reason})", cause.as_str()),
            Self::Running | Self::Completed { .. } => Ok(()),
        }
    }
}

/// What stopped a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum StopCause {
    /// Somebody cancelled it.
    Cancelled,
    /// What it may cost is spent.
    Budget,
    /// It cannot go on: a wrong key, a spent quota.
    Failed,
}

impl StopCause {
    /// The stable text form, as stored.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Cancelled => "cancelled",
            Self::Budget => "budget",
            Self::Failed => "failed",
        }
    }
}

impl FromStr for StopCause {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self> {
        [Self::Cancelled, Self::Budget, Self::Failed]
            .into_iter()
            .find(|cause| cause.as_str() == text)
            .ok_or_else(|| invalid(format!("unknown cause of a stop {}", quoted(text))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_completed_run_stays_completed() {
        let at = Timestamp::default();
        let states = [
            RunState::Running,
            RunState::Stopped {
                cause: StopCause::Cancelled,
                reason: "enough".into(),
                at,
            },
            RunState::Completed { at },
        ];
        let mut table = String::new();
        for from in &states {
            for to in &states {
                table += if from.may_become(to) { "yes " } else { "no " };
            }
        }
        assert_eq!(table, "no yes yes yes no no no no no ");
        assert_eq!(states[1].to_string(), "stopped (cancelled: enough)");
    }
}
