//! A cluster as it is kept from one look to the next.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::found::ExampleBounds;
use super::label::Label;
use super::status::ClusterStatus;
use super::vector::ClusterVector;
use crate::base::{Actor, ClusterId, EnvironmentName, FailureSignature, PromptName, Timestamp, TraceId};
use crate::improvement::triage::{Dimension, OutcomeClass};

/// A cluster that is known. Its JSON is what stores keep; what later releases add has a default.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct ClusterRecord {
    /// Its id.
    pub id: ClusterId,
    /// The prompt.
    pub prompt: PromptName,
    /// The environment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<EnvironmentName>,
    /// In what respect its members failed.
    pub dimension: Dimension,
    /// What went wrong with them.
    pub class: OutcomeClass,
    /// The medoid's signature.
    pub signature: FailureSignature,
    /// The medoid's masked message.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// The member that is nearest to all others.
    pub medoid: TraceId,
    /// Mean direction of the members of the last look.
    pub vector: ClusterVector,
    /// What of it can be shown.
    pub example: ExampleBounds,
    /// Mean cosine of the members with the medoid, 0 ..= 1.
    pub cohesion: f64,
    /// What it is called.
    pub label: Label,
    /// What is done about it.
    pub status: ClusterStatus,
    /// Since when.
    pub status_at: Timestamp,
    /// Who said so; `None` for automation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status_by: Option<Actor>,
    /// When its first member that was ever seen began.
    pub first_seen: Timestamp,
    /// When its last one began.
    pub last_seen: Timestamp,
    /// Members at the last look that found it.
    pub size: u64,
    /// Members at all looks: those of the first, and of each other those that began after all that were seen before. A
    /// trace that was recorded late is not among them.
    #[serde(default)]
    pub total: u64,
    /// How often it was reopened.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub reopened: u32,
    /// 1 when it is new, one more with each change; stores set a record only on top of the one before.
    pub revision: u64,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// Without what was said.
impl fmt::Debug for ClusterRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClusterRecord")
            .field("id", &self.id)
            .field("prompt", &self.prompt)
            .field("environment", &self.environment)
            .field("dimension", &self.dimension)
            .field("class", &self.class)
            .field("status", &self.status)
            .field("size", &self.size)
            .field("last_seen", &self.last_seen)
            .field("revision", &self.revision)
            .finish_non_exhaustive()
    }
}
