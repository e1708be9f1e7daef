//! What is live where.

use serde::Serialize;

use crate::base::{Actor, ClosureHash, EnvironmentName, PromptName, Timestamp, VersionNumber};

/// The version of a prompt that is live in an environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Pointer {
    /// The prompt.
    pub prompt: PromptName,
    /// The environment.
    pub environment: EnvironmentName,
    /// The live version.
    pub version: VersionNumber,
    /// Its closure hash when it was moved here. A floating snippet may have changed the closure since.
    pub closure_hash: ClosureHash,
    /// 1 for the first move, one more with every move.
    pub revision: u64,
    /// Who moved it.
    pub moved_by: Actor,
    /// When.
    pub moved_at: Timestamp,
}
