//! Evidence: the result of an evaluation, tied to exactly what was evaluated.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::base::audit::{AuditEntry, check_text};
use crate::base::error::{Result, invalid};
use crate::base::id::quoted;
use crate::base::{Actor, ClosureHash, DatasetName, PromptName, TenantId, Timestamp, VersionNumber};

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
    pub dataset_version: VersionNumber,
    /// The run it came from, as its maker names it.
    pub run: String,
    /// Entries in the dataset.
    pub entries: u64,
    /// Entries that passed. An entry that ended in an error has not passed.
    pub passed: u64,
    /// The mean score in each dimension that was scored, 0 ..= 1.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub dimensions: BTreeMap<String, f64>,
    /// The judges among the scorers, and whether each is calibrated against people.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub judges: BTreeMap<String, bool>,
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
        // What a database's integers can count.
        if i64::try_from(self.entries).is_err() {
            return Err(invalid(format!(
                "the evaluation has {} entries; at most {} are allowed",
                self.entries,
                i64::MAX
            )));
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
        for (dimension, score) in &self.dimensions {
            check_text("a dimension's name", dimension)?;
            if !(0.0..=1.0).contains(score) {
                return Err(invalid(format!(
                    "the mean score in {} is {score}; expected a number in 0.0 ..= 1.0",
                    quoted(dimension)
                )));
            }
        }
        for judge in self.judges.keys() {
            check_text("a judge's name", judge)?;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::ErrorKind;

    type Harm = fn(&mut Evidence);

    #[test]
    fn evidence_that_cannot_be_is_invalid() {
        let good = Evidence {
            prompt: PromptName::new("triage").unwrap(),
            closure_hash: ClosureHash::from_bytes([7; 32]),
            dataset: DatasetName::new("golden").unwrap(),
            dataset_version: VersionNumber::FIRST,
            run: "run".into(),
            entries: i64::MAX as u64,
            passed: 3,
            dimensions: BTreeMap::new(),
            judges: BTreeMap::new(),
        };
        good.check().unwrap();
        let broken: [(&str, Harm); 6] = [
            ("no entry", |evidence| evidence.entries = 0),
            ("that cannot be", |evidence| {
                evidence.entries = 2;
            }),
            ("at most 9223372036854775807", |evidence| {
                evidence.entries = u64::MAX
            }),
            ("expected 1 to 200", |evidence| evidence.run.clear()),
            ("U+0000", |evidence| evidence.run.push('\0')),
            ("expected a number in 0.0 ..= 1.0", |evidence| {
                evidence.dimensions.insert("format".into(), 1.2);
            }),
        ];
        for (words, harm) in broken {
            let mut evidence = good.clone();
            harm(&mut evidence);
            let error = evidence.check().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Invalid);
            assert!(error.to_string().contains(words), "{error}");
        }
    }
}
