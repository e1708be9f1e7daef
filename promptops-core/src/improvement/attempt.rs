//! One attempt at a better text for a cluster of failures.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::proposer::Edits;
use super::spending::Spending;
use crate::base::{
    AttemptId, ClusterId, DeploymentId, EnvironmentName, PromptName, RunId, Timestamp, VersionNumber,
    text_enum,
};
use crate::deployment::Base;
use crate::prompt::Content;

text_enum! {
    /// Where an attempt is.
    AttemptStage, "stage of an attempt", {
        /// A proposer is asked for candidates.
        Proposing = "proposing",
        /// Candidates are there, and are being kept as drafts.
        Drafting = "drafting",
        /// Drafts are there, and the best of them is looked for.
        Selecting = "selecting",
        /// It came to its end.
        Ended = "ended",
    }
}

/// One attempt at a better text for a cluster of failures. Its JSON is what stores keep; what later releases add has a
/// default.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Attempt {
    /// Its id.
    pub id: AttemptId,
    /// The prompt.
    pub prompt: PromptName,
    /// The environment whose failures it is about.
    pub environment: EnvironmentName,
    /// The cluster.
    pub cluster: ClusterId,
    /// Members that the cluster had in all when it began.
    pub cluster_total: u64,
    /// What was live when it began.
    pub base: Base,
    /// Where it is.
    pub stage: AttemptStage,
    /// What was proposed, and what of it was refused.
    #[serde(default)]
    pub candidates: Vec<AttemptCandidate>,
    /// How it ended.
    #[serde(default)]
    pub outcome: Option<AttemptOutcome>,
    /// What the proposer's calls took.
    #[serde(default)]
    pub spent: Spending,
    /// How often it could not go on.
    #[serde(default)]
    pub failures: u32,
    /// When it could not go on last.
    #[serde(default)]
    pub failed_at: Option<Timestamp>,
    /// When it began.
    pub begun_at: Timestamp,
    /// When it ended.
    #[serde(default)]
    pub ended_at: Option<Timestamp>,
    /// 1 when it is new, one more with each change.
    pub revision: u64,
}

/// One candidate of an attempt.
#[derive(Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct AttemptCandidate {
    /// How the proposer went about it; empty where it was not asked.
    pub strategy: String,
    /// Why it should be better, in the proposer's words.
    #[serde(default)]
    pub rationale: String,
    /// What makes it of the live text.
    #[serde(default)]
    pub edits: Option<Edits>,
    /// What the prompt would say, until it is kept as a draft.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<Content>,
    /// The draft; `None` for one that was refused.
    #[serde(default)]
    pub version: Option<VersionNumber>,
    /// Why it was refused.
    #[serde(default)]
    pub refused: Option<String>,
    /// The run on the part that selects.
    #[serde(default)]
    pub run: Option<RunId>,
    /// Mean score in the target's dimension there, 0.0 ..= 1.0: it was chosen for being high, and says too much.
    #[serde(default)]
    pub score: Option<f64>,
}

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "type")]
pub enum AttemptOutcome {
    /// With a finalist on its way.
    Deployed {
        /// Its deployment.
        deployment: DeploymentId,
    },
    /// Without one, for this reason.
    Nothing {
        /// In plain words.
        reason: String,
    },
}

impl Attempt {
    /// The candidates that were kept as drafts.
    pub(super) fn drafts(&self) -> impl Iterator<Item = VersionNumber> {
        self.candidates.iter().filter_map(|candidate| candidate.version)
    }

    /// The drafts, the best on the part that selects first; of equal ones in the proposer's order.
    pub(super) fn ranked(&self) -> Vec<&AttemptCandidate> {
        let mut drafts: Vec<&AttemptCandidate> = self
            .candidates
            .iter()
            .filter(|candidate| candidate.version.is_some())
            .collect();
        let score = |candidate: &AttemptCandidate| candidate.score.unwrap_or(-1.0);
        drafts.sort_by(|a, b| score(b).total_cmp(&score(a)));
        drafts
    }

    /// Why there is no draft.
    pub(super) fn refusals(&self) -> String {
        let reasons: Vec<String> = self
            .candidates
            .iter()
            .filter_map(|candidate| {
                let reason = candidate.refused.as_deref()?;
                Some(match candidate.strategy.as_str() {
                    "" => reason.to_owned(),
                    strategy => format!("{strategy}: {reason}"),
                })
            })
            .collect();
        if reasons.is_empty() {
            return "the proposer had no candidate".to_owned();
        }
        reasons.join("; ")
    }
}

impl AttemptCandidate {
    /// None, for this reason.
    pub(super) fn refused(reason: &str) -> Self {
        Self {
            refused: Some(reason.to_owned()),
            ..Self::default()
        }
    }
}

/// Without what the proposer said.
impl fmt::Debug for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attempt")
            .field("id", &self.id)
            .field("cluster", &self.cluster)
            .field("stage", &self.stage)
            .field("candidates", &self.candidates)
            .field("outcome", &self.outcome)
            .field("spent", &self.spent)
            .field("revision", &self.revision)
            .finish_non_exhaustive()
    }
}

/// Without what the proposer said.
impl fmt::Debug for AttemptCandidate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AttemptCandidate")
            .field("strategy", &self.strategy)
            .field("version", &self.version)
            .field("is_refused", &self.refused.is_some())
            .field("score", &self.score)
            .finish_non_exhaustive()
    }
}
