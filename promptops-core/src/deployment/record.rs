//! The record of a deployment, of its slot, and of each step.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::machine::{Standing, Step};
use super::state::{MonitorOutcome, State};
use crate::base::error::Error;
use crate::base::{
    Actor, ClosureHash, CommandKey, ContentHash, DeploymentId, DocumentHash, EnvironmentName, PromptName,
    Timestamp, VersionNumber, text_enum,
};
use crate::environment::Waiver;

/// A version with its snippets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Target {
    /// The version.
    pub version: VersionNumber,
    /// Its content.
    pub content_hash: ContentHash,
    /// With its snippets, as they were when it was looked at.
    pub closure_hash: ClosureHash,
}

/// What was live when something was decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Base {
    /// The pointer's revision; 0 when nothing was live.
    pub revision: u64,
    /// What was live.
    pub live: Option<Live>,
}

/// A version that was live, with its snippets as they were when it went live.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Live {
    /// The version.
    pub version: VersionNumber,
    /// Its closure.
    pub closure_hash: ClosureHash,
}

/// Where a candidate comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "type")]
#[non_exhaustive]
pub enum Origin {
    /// A person's own edit, or a version from anywhere else.
    Author,
    /// Written for a cluster of failures.
    Cluster {
        /// The cluster's id.
        cluster: String,
        /// How the proposer went about it.
        strategy: String,
    },
    /// Written for what failed on a dataset.
    Dataset {
        /// The dataset and its version.
        dataset: String,
        /// How the proposer went about it.
        strategy: String,
    },
    /// Another deployment's candidate, against what is live now.
    Rebase {
        /// The other deployment.
        of: DeploymentId,
    },
}

text_enum! {
    /// What a replay came to.
    Verdict, "verdict of a replay", {
        /// The candidate is better where it should be and nowhere worse.
        Passed = "passed",
        /// It is not.
        Failed = "failed",
        /// The traces do not say.
        Inconclusive = "inconclusive",
    }
}

/// What a replay showed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// What it came to.
    pub verdict: Verdict,
    /// Why, in plain words: what improved, by how much, and what did not get worse. At most 2,000 bytes.
    pub reason: String,
    /// What was live when it was replayed, and was compared with.
    pub base: Base,
    /// The candidate's closure that was replayed.
    pub candidate: ClosureHash,
    /// The report.
    pub report: DocumentHash,
    /// How many reports this deployment had, this one among them.
    pub number: u32,
    /// When.
    pub at: Timestamp,
}

/// Who replays, and until when nobody else does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// Who.
    pub worker: String,
    /// Until when.
    pub until: Timestamp,
}

/// How it went live.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shipped {
    /// The pointer's revision that it made.
    pub revision: u64,
    /// What a rollback makes live again: what was last known to be good.
    pub restores: Option<VersionNumber>,
    /// What an owner set aside.
    pub waiver: Option<Waiver>,
    /// Who.
    pub by: Actor,
    /// When.
    pub at: Timestamp,
}

/// Who ended it and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// Who.
    pub by: Actor,
    /// Why.
    pub reason: String,
    /// When.
    pub at: Timestamp,
}

/// One candidate's way into one environment. Each change counts the revision up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deployment {
    /// Its id.
    pub id: DeploymentId,
    /// The prompt.
    pub prompt: PromptName,
    /// The environment.
    pub environment: EnvironmentName,
    /// Where it is.
    pub state: State,
    /// How its watch stands; `None` as long as it was never watched.
    pub monitor: Option<MonitorOutcome>,
    /// How often its watch began.
    pub monitor_epoch: u32,
    /// 1 at the beginning, one more with every change.
    pub revision: u64,
    /// How many steps were taken.
    pub steps: u32,
    /// What is to go live.
    pub candidate: Target,
    /// What was live when it was proposed.
    pub base: Base,
    /// Where the candidate comes from.
    pub origin: Origin,
    /// Why the candidate should be better, in words; at most 4,000 bytes.
    pub rationale: String,
    /// What the proposer made it of.
    pub proposal: Option<DocumentHash>,
    /// Whether the same text was rejected or rolled back here before: automation does not ship it.
    pub is_quarantined: bool,
    /// What the last replay showed.
    pub evidence: Option<Evidence>,
    /// Who replays it now.
    pub lease: Option<Lease>,
    /// How it went live.
    pub shipped: Option<Shipped>,
    /// Who rejected it or rolled it back.
    pub ended: Option<Ended>,
    /// What it was begun anew as.
    pub rebased_as: Option<DeploymentId>,
    /// Who proposed it.
    pub proposed_by: Actor,
    /// When.
    pub proposed_at: Timestamp,
    /// When its watch began last.
    pub watched_since: Option<Timestamp>,
}

impl Deployment {
    /// What the next step is decided on.
    #[must_use]
    pub fn standing(&self) -> Standing {
        Standing {
            state: self.state,
            monitor: self.monitor,
            epoch: self.monitor_epoch,
        }
    }

    /// Puts it where a step led.
    pub(super) fn stand(&mut self, standing: Standing) {
        self.state = standing.state;
        self.monitor = standing.monitor;
        self.monitor_epoch = standing.epoch;
    }

    /// Whether it has its slot. See [`Standing::has_slot`].
    #[must_use]
    pub fn has_slot(&self) -> bool {
        self.standing().has_slot()
    }

    /// Whether it is live, worse than what was live before, and waits for somebody: what a banner shows.
    #[must_use]
    pub fn is_open_regression(&self) -> bool {
        self.state == State::Regressed && self.has_slot()
    }

    /// `support/triage@production`.
    #[must_use]
    pub fn slot(&self) -> String {
        format!("{}@{}", self.prompt, self.environment)
    }
}

/// For backends: a deployment from what was stored.
///
/// # Errors
/// [`Corrupt`](crate::ErrorKind::Corrupt) for anything that is none.
pub fn from_stored(json: &str) -> Result<Deployment, Error> {
    crate::base::stored::from_json("deployment", json)
}

/// One step of a deployment. Records are only ever added.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Transition {
    /// The deployment.
    pub deployment: DeploymentId,
    /// 1, 2, 3 …
    pub number: u32,
    /// What was done.
    pub step: Step,
    /// What it led to.
    pub to: Standing,
    /// Who did it.
    pub by: Actor,
    /// Why; may be empty where nobody has to say.
    pub reason: String,
    /// The key of the command.
    pub key: Option<CommandKey>,
    /// The particulars.
    pub detail: Value,
    /// When.
    pub at: Timestamp,
}

/// Without the particulars.
impl fmt::Debug for Transition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transition")
            .field("deployment", &self.deployment)
            .field("number", &self.number)
            .field("step", &self.step)
            .field("to", &self.to)
            .field("by", &self.by)
            .field("at", &self.at)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for Transition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} → {} by {}", self.number, self.step, self.to, self.by)?;
        if self.reason.is_empty() {
            return Ok(());
        }
        write!(f, ": {}", self.reason)
    }
}

/// Keeps automation away from a slot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// Who holds it: an owner, or automation that has just rolled back there.
    pub by: Actor,
    /// Why.
    pub reason: String,
    /// When.
    pub at: Timestamp,
}

/// What is known of a slot beside its deployments: a prompt in an environment. Each ship, rollback, regression, hold and
/// release counts the revision up, so that of two that were decided on the same one is made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlotControl {
    /// The prompt.
    pub prompt: PromptName,
    /// The environment.
    pub environment: EnvironmentName,
    /// 0 before anything happened.
    pub revision: u64,
    /// Who keeps automation away.
    pub hold: Option<Hold>,
    /// When something was rolled back by itself last.
    pub last_auto_rollback: Option<Timestamp>,
}

impl SlotControl {
    /// A slot in which nothing has happened.
    #[must_use]
    pub fn untouched(prompt: PromptName, environment: EnvironmentName) -> Self {
        Self {
            prompt,
            environment,
            revision: 0,
            hold: None,
            last_auto_rollback: None,
        }
    }
}
