//! Evidence: the result of an evaluation, tied to exactly what was evaluated.

use serde::{Deserialize, Serialize};

use crate::base::audit::{AuditEntry, check_text};
use crate::base::error::{Result, invalid};
use crate::base::{Actor, ClosureHash, DatasetName, PromptName, TenantId, Timestamp};

/// What an evaluation of a prompt on a dataset came to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// The prompt.
    pub prompt: PromptName,
    /// Exactly what was evaluated. A changed snippet is another closure, for which this says nothing.
    pub closure_hash: ClosureHash,
    /// The dataset.
    pub dataset: DatasetName,
    /// The dataset's version.
    pub dataset_version: u32,
    /// The run it came from, as its maker names it.
    pub run: String,
    /// Entries in the dataset.
    pub entries: u64,
    /// Entries that passed. An entry that ended in an error has not passed.
    pub passed: u64,
}

impl Evidence {
    /// Share of entries that passed, 0.0 ..= 1.0. Evidence without entries passes nothing.
    #[must_use]
    pub fn pass_rate(&self) -> f64 {
        if self.entries == 0 {
            0.0
        } else {
            self.passed as f64 / self.entries as f64
        }
    }

    pub(crate) fn check(&self) -> Result<()> {
        if self.entries == 0 {
            return Err(invalid(
                "the evaluation has no entry; evidence needs at least one",
            ));
        }
        if self.passed > self.entries {
            return Err(invalid(format!(
                "{} of {} entries passed; that cannot be",
                self.passed, self.entries
            )));
        }
        if self.run.is_empty() || self.run.len() > 200 {
            return Err(invalid(format!(
                "the run's name has {} bytes; expected 1 to 200",
                self.run.len()
            )));
        }
        check_text("the run's name", &self.run)?;
        if self.dataset_version == 0 {
            return Err(invalid("dataset version 0 does not exist; versions count from 1"));
        }
        Ok(())
    }
}

/// Evidence as it is kept.
#[derive(Debug, Clone, PartialEq)]
pub struct EvidenceRecord {
    /// The tenant.
    pub tenant: TenantId,
    /// What it says.
    pub evidence: Evidence,
    /// Who recorded it.
    pub recorded_by: Actor,
    /// When.
    pub recorded_at: Timestamp,
    /// What goes on record.
    pub audit: AuditEntry,
}
