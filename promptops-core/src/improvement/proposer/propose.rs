//! Whoever proposes, and what comes of it.

use std::fmt;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::brief::Brief;
use super::edit::{EditRefusal, Edits};
use super::guard::GuardRefusal;
use super::ledger::{BudgetRefusal, CallFailure, Ledger, Spent};
use super::reply::Unreadable;
use super::strategy::Strategy;
use crate::base::ContentHash;
use crate::base::error::Result;
use crate::llm::LlmErrorKind;
use crate::prompt::Content;

/// Whoever proposes better texts for a prompt.
#[async_trait]
pub trait Proposer: Send + Sync {
    /// Who proposes, to be told with the proposals: the provider and model, for example.
    fn name(&self) -> String;

    /// Candidates for the brief's cluster, the best first where it knows, and what was refused.
    ///
    /// Behavior:
    /// - every proposal has passed the brief's guards, and its edits make its content of the live one;
    /// - no two proposals say the same, and none says what the brief says is known;
    /// - every call of a model goes through the ledger, and none is made that could exceed its budget: what was found
    ///   by then is returned;
    /// - a candidate that cannot be used is a [`RefusedCandidate`] and keeps no other from being made;
    /// - dropping the future gives it up; the ledger has counted what was called.
    ///
    /// # Errors
    /// What keeps it from proposing at all: settings that cannot be, a store that does not answer.
    async fn propose(&self, brief: &Brief<'_>, ledger: &mut Ledger) -> Result<Proposed>;
}

/// One candidate. Its JSON can be kept as a [`Document`](crate::deployment::Document).
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Proposal {
    /// What the prompt would say.
    pub content: Content,
    /// The identity of that.
    pub hash: ContentHash,
    /// What makes it of the live content.
    pub edits: Edits,
    /// Why it should be better, in the proposer's words; at most 2,000 bytes.
    pub rationale: String,
    /// How the prompt was changed.
    pub strategy: Strategy,
    /// Who proposed it.
    pub by: String,
    /// Mean score in trials on the part that proposers may see, 0 ..= 1; `None` where nothing was tried. It was chosen for
    /// being high, and says too much: no figure to decide or report on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tried: Option<f64>,
    /// What was spent on it; of a search, on the round that it came from.
    pub spent: Spent,
}

impl Proposal {
    /// Longest rationale in bytes.
    pub const MAX_RATIONALE_BYTES: usize = 2_000;
}

/// Without what it says.
impl fmt::Debug for Proposal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proposal")
            .field("content", &self.content)
            .field("hash", &self.hash.short())
            .field("edits", &self.edits)
            .field("strategy", &self.strategy)
            .field("by", &self.by)
            .field("tried", &self.tried)
            .field("spent", &self.spent)
            .finish_non_exhaustive()
    }
}

/// What came of asking for proposals.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Proposed {
    /// Candidates that passed the guards.
    pub proposals: Vec<Proposal>,
    /// What did not become one, in the order in which it was asked for.
    #[serde(default)]
    pub refused: Vec<RefusedCandidate>,
    /// What all of it took.
    #[serde(default)]
    pub spent: Spent,
}

/// A candidate that is none, and why.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RefusedCandidate {
    /// How the prompt was to be changed.
    pub strategy: Strategy,
    /// Why it is not proposed.
    pub refusal: Refusal,
    /// What was spent on it.
    pub spent: Spent,
}

impl fmt::Display for RefusedCandidate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.strategy, self.refusal)
    }
}

/// Why a candidate is not proposed. Says nothing of what the candidate says but names of variables and snippets.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Refusal {
    /// The budget did not reach.
    Budget(BudgetRefusal),
    /// The model did not answer.
    Model(LlmErrorKind),
    /// Its reply cannot be read.
    Reply(Unreadable),
    /// Its edits do not apply.
    Edit(EditRefusal),
    /// A guard refused it.
    Guard(GuardRefusal),
    /// Another candidate of the same brief says the same.
    Duplicate,
    /// It was to be shorter and is not.
    NotShorter,
    /// In trials it was no better than what it was made of.
    NotBetter,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Budget(refusal) => write!(f, "not asked: {refusal}"),
            Self::Model(kind) => write!(f, "the model did not answer ({kind})"),
            Self::Reply(why) => write!(f, "the reply cannot be read: {why}"),
            Self::Edit(refusal) => write!(f, "the edits do not apply: {refusal}"),
            Self::Guard(refusal) => write!(f, "guarded: {refusal}"),
            Self::Duplicate => f.write_str("another candidate says the same"),
            Self::NotShorter => f.write_str("it was to be shorter and is not"),
            Self::NotBetter => f.write_str("it was no better in trials than what it was made of"),
        }
    }
}

impl From<&CallFailure> for Refusal {
    fn from(failure: &CallFailure) -> Self {
        match failure {
            CallFailure::Budget(refusal) => Self::Budget(refusal.clone()),
            CallFailure::Model(error) => Self::Model(error.kind()),
        }
    }
}
