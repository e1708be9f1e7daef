//! The stamp: which text produced which answer.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::assignment::Assignment;
use crate::base::{ClosureHash, EnvironmentName, PromptName, VersionNumber};

/// What a resolve hands out, to be echoed with everything that is recorded about the answer. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    /// The prompt.
    pub prompt: PromptName,
    /// Its version; `None` when the caller's fallback text was used.
    pub version: Option<VersionNumber>,
    /// The identity of the text with all its snippets.
    pub closure_hash: ClosureHash,
    /// The environment that was asked for; `None` for a reference by number, hash, or the latest active version.
    pub environment: Option<EnvironmentName>,
    /// What an experiment gave the request; `None` where none is on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assignment: Option<Assignment>,
}

impl fmt::Display for Stamp {
    /// `support/triage v3 in production (closure 1f0c9a2b77de)`, for logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.prompt)?;
        match self.version {
            Some(version) => version.fmt(f)?,
            None => f.write_str("fallback")?,
        }
        if let Some(environment) = &self.environment {
            write!(f, " in {environment}")?;
        }
        if let Some(assignment) = &self.assignment {
            write!(f, ", variant {} of {}", assignment.variant, assignment.experiment)?;
        }
        write!(f, " (closure {})", self.closure_hash.short())
    }
}
