//! A version of a dataset, without its entries.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::base::{Actor, DatasetHash, DatasetName, PromptName, Timestamp, VersionNumber};

/// One version of a dataset. It never changes.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Dataset {
    /// Its name.
    pub name: DatasetName,
    /// 1, 2, 3 … per name.
    pub version: VersionNumber,
    /// The identity of its entries.
    pub hash: DatasetHash,
    /// How many entries it has, ≥ 1.
    pub entries: u64,
    /// The prompt that it is for, if for one only.
    pub prompt: Option<PromptName>,
    /// What else the author says about it.
    pub metadata: Map<String, Value>,
    /// Why this version was made.
    pub message: String,
    /// Who saved it.
    pub created_by: Actor,
    /// When.
    pub created_at: Timestamp,
}

/// `tickets/golden v3`
impl fmt::Display for Dataset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.name, self.version)
    }
}

impl fmt::Debug for Dataset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dataset")
            .field("name", &self.name)
            .field("version", &self.version)
            .field("hash", &self.hash)
            .field("entries", &self.entries)
            .field("prompt", &self.prompt)
            .field("created_by", &self.created_by)
            .field("created_at", &self.created_at)
            .finish_non_exhaustive()
    }
}
