//! Approvals: an owner's word for exactly one move.

use serde::Serialize;

use crate::base::{Actor, ClosureHash, EnvironmentName, PromptName, Timestamp, VersionNumber};

/// An owner's approval of one move: to this closure, on top of this revision. Once the pointer moves, it is spent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Approval {
    /// The prompt.
    pub prompt: PromptName,
    /// The environment.
    pub environment: EnvironmentName,
    /// The version approved.
    pub version: VersionNumber,
    /// Exactly what was approved.
    pub closure_hash: ClosureHash,
    /// The pointer's revision that was current then; 0 when nothing was live.
    pub base_revision: u64,
    /// Who approved.
    pub approved_by: Actor,
    /// What the owner said; may be empty.
    pub note: String,
    /// When.
    pub at: Timestamp,
}
