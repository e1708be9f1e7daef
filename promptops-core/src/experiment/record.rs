//! The record of an experiment: what it compares, how traffic is split, how it is decided, how it ended.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::allocation::Allocation;
use super::guardrail::Guardrail;
use crate::base::error::{Error, ErrorKind};
use crate::base::{
    Actor, ClosureHash, ContentHash, EnvironmentName, ExperimentId, PromptName, Timestamp, VariantName,
    VersionNumber,
};

/// Where an experiment stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExperimentStatus {
    /// Units are assigned, outcomes count.
    Active,
    /// Everybody gets the control; outcomes of what was assigned before count.
    Paused,
    /// It is over.
    Completed,
}

impl ExperimentStatus {
    const ALL: [Self; 3] = [Self::Active, Self::Paused, Self::Completed];

    /// The stable text form, as stored.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Paused => "paused",
            Self::Completed => "completed",
        }
    }

    /// Whether it is not over.
    #[must_use]
    pub fn is_open(self) -> bool {
        self != Self::Completed
    }
}

impl fmt::Display for ExperimentStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for ExperimentStatus {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self, Error> {
        Self::ALL
            .into_iter()
            .find(|status| status.as_str() == text)
            .ok_or_else(|| {
                Error::new(
                    ErrorKind::Corrupt,
                    format!("unknown status of an experiment {text:?}"),
                )
            })
    }
}

/// What is compared: which of an outcome's figures decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Goal {
    /// The share of successes.
    #[default]
    Success,
    /// The mean score.
    Score,
}

impl fmt::Display for Goal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Success => "success",
            Self::Score => "score",
        })
    }
}

/// One of the texts that are compared. The first of an experiment is its control.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Variant {
    /// Its name.
    pub name: VariantName,
    /// The version.
    pub version: VersionNumber,
    /// The version's content.
    pub content_hash: ContentHash,
    /// The version with its snippets, as they were when the experiment began: what is compared.
    pub closure_hash: ClosureHash,
}

/// A time during which traffic was split in one way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Epoch {
    /// 1, 2, 3 …
    pub number: u32,
    /// Who gets what.
    pub allocation: Allocation,
    /// When it began.
    pub started_at: Timestamp,
}

/// Keeps experiments apart from each other: of the namespace's 10,000 buckets, which are hashed with a seed of their own,
/// the experiment has these. Open experiments of one namespace share no bucket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Namespace {
    /// Its name.
    pub name: VariantName,
    /// The first bucket, 0 ..= 9,999.
    pub from: u16,
    /// The bucket after the last, 1 ..= 10,000.
    pub to: u16,
}

/// Units that take part in no experiment that names it: so many basis points of all units, hashed with a seed of their own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holdout {
    /// Its name.
    pub name: VariantName,
    /// How many of 10,000 units are held out.
    pub basis_points: u16,
}

/// How an experiment is decided.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rules {
    /// Outcomes that each variant needs before anything is decided.
    pub min_sample: u64,
    /// How long it runs at most; what has no winner by then is inconclusive. One with a winner waits to be completed.
    pub max_duration: Duration,
    /// Whether the winner is promoted as soon as there is one.
    pub auto_complete: bool,
    /// The probability that a winner is declared though no variant is better, whatever the number of looks: 0 < α ≤ 0.2.
    pub alpha: f64,
    /// The mean of the goal before the experiment, 0 < p < 1, which makes the decision sharper; `None` when unknown.
    pub prior: Option<f64>,
}

impl Default for Rules {
    /// 100 outcomes for each variant, 7 days, no promotion by itself, α = 0.05.
    fn default() -> Self {
        Self {
            min_sample: 100,
            max_duration: Duration::from_secs(7 * 24 * 3_600),
            auto_complete: false,
            alpha: 0.05,
            prior: None,
        }
    }
}

/// How an experiment ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "type")]
pub enum Ending {
    /// A variant won: it is live now. The control may be the one.
    Winner {
        /// The variant.
        variant: VariantName,
    },
    /// It ran as long as it may, and nothing was found.
    Inconclusive,
    /// Somebody ended it; the reason is the completion's.
    Stopped,
    /// The pointer was moved by somebody: what was compared is not what is live.
    Superseded,
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Winner { variant } => write!(f, "{variant} won"),
            Self::Inconclusive => f.write_str("inconclusive"),
            Self::Stopped => f.write_str("stopped"),
            Self::Superseded => f.write_str("superseded"),
        }
    }
}

/// The end of an experiment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Completion {
    /// How.
    pub ending: Ending,
    /// Why, in words.
    pub reason: String,
    /// Who.
    pub by: Actor,
    /// When.
    pub at: Timestamp,
}

/// An experiment. What may change of it is its status, its epochs and its completion; each change counts the revision up.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Experiment {
    /// Its id.
    pub id: ExperimentId,
    /// What it is called.
    pub name: String,
    /// The prompt.
    pub prompt: PromptName,
    /// Where its variants are live.
    pub environment: EnvironmentName,
    /// Where it stands.
    pub status: ExperimentStatus,
    /// 1 at the beginning, one more with every change.
    pub revision: u64,
    /// What it compares: the control first. At least 2.
    pub variants: Vec<Variant>,
    /// How traffic was and is split: the last is in force. Never empty.
    pub epochs: Vec<Epoch>,
    /// What the units' hash is seeded with beside the id.
    pub salt: String,
    /// What keeps it apart from other experiments.
    pub namespace: Option<Namespace>,
    /// Who takes no part.
    pub holdout: Option<Holdout>,
    /// What decides.
    pub goal: Goal,
    /// How it is decided.
    pub rules: Rules,
    /// What must not get worse.
    pub guardrails: Vec<Guardrail>,
    /// The revision of the environment's pointer when it began: with another, something else is live.
    pub pointer_revision: u64,
    /// Who began it.
    pub created_by: Actor,
    /// When.
    pub created_at: Timestamp,
    /// How it ended.
    pub completion: Option<Completion>,
}

impl Experiment {
    /// Most epochs of an experiment: each look reads what was counted in all of them.
    pub const MAX_EPOCHS: usize = 1_000;

    /// The allocation in force.
    ///
    /// # Panics
    /// Never for a record that this library made: there is always one.
    #[must_use]
    #[allow(
        clippy::expect_used,
        reason = "a record without an epoch is refused when it is read"
    )]
    pub fn epoch(&self) -> &Epoch {
        self.epochs.last().expect("an experiment has an epoch")
    }

    /// The control: what was live when the experiment began.
    #[must_use]
    pub fn control(&self) -> &Variant {
        &self.variants[0]
    }

    /// A variant's place in the list.
    #[must_use]
    pub fn variant_index(&self, name: &VariantName) -> Option<u8> {
        let at = self.variants.iter().position(|variant| variant.name == *name)?;
        u8::try_from(at).ok()
    }

    /// Whether the two have a bucket of one namespace.
    #[must_use]
    pub fn shares_buckets(&self, other: &Self) -> bool {
        match (&self.namespace, &other.namespace) {
            (Some(a), Some(b)) => a.name == b.name && a.from < b.to && b.from < a.to,
            _ => false,
        }
    }

    /// The winner, if one was found.
    #[must_use]
    pub fn winner(&self) -> Option<&Variant> {
        match &self.completion.as_ref()?.ending {
            Ending::Winner { variant } => self.variants.iter().find(|of| of.name == *variant),
            Ending::Inconclusive | Ending::Stopped | Ending::Superseded => None,
        }
    }
}

/// For backends: an experiment from what was stored.
///
/// # Errors
/// [`Corrupt`](ErrorKind::Corrupt) for anything that is none.
pub fn from_stored(json: &str) -> Result<Experiment, Error> {
    let what = "experiment";
    let experiment: Experiment = crate::base::stored::from_json(what, json)?;
    let variants = experiment.variants.len();
    let fits = |epoch: &Epoch| epoch.allocation.shares().len() == variants;
    if experiment.epochs.is_empty() || !experiment.epochs.iter().all(fits) {
        return Err(crate::base::stored::corrupt(what));
    }
    Ok(experiment)
}
