//! The audit log: who changed what and when, hash-chained per tenant.

mod log;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::base::actor::Actor;
use crate::base::clock::Timestamp;
use crate::base::error::{Error, ErrorKind, Result, invalid};
use crate::base::hash::{Canonical, CanonicalHasher, Sink};
use crate::base::id::TenantId;

pub use log::{Audit, AuditStore};

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum AuditAction {
    /// A version was saved.
    SaveVersion,
    /// A version's status was set.
    SetStatus,
    /// A prompt's tags were set.
    SetTags,
    /// A pointer was moved forward.
    Promote,
    /// A pointer was moved back.
    Rollback,
    /// A promotion was approved.
    Approve,
    /// A policy was set.
    SetPolicy,
    /// A parent tenant was set.
    SetParent,
    /// Evidence that gates rest on was recorded.
    RecordEvidence,
    /// A version of a dataset was saved.
    SaveDataset,
    /// An evaluation run was started.
    StartRun,
    /// An evaluation run was stopped.
    StopRun,
    /// A stopped evaluation run was taken up again.
    ResumeRun,
    /// An evaluation run was completed, and its evidence recorded.
    CompleteRun,
    /// An experiment was begun.
    StartExperiment,
    /// An experiment was paused.
    PauseExperiment,
    /// A paused experiment was taken up again.
    ResumeExperiment,
    /// An experiment's traffic was split otherwise.
    ReweightExperiment,
    /// An experiment was ended.
    CompleteExperiment,
    /// A deployment was proposed.
    ProposeDeployment,
    /// A deployment changed its state.
    ChangeDeployment,
    /// A slot was held against automation, or released.
    HoldSlot,
    /// Somebody said what is done about a cluster of failures, or named it.
    ChangeCluster,
    /// Automatic improvement was stopped, or let go on.
    ControlImprovement,
}

impl AuditAction {
    const ALL: [Self; 24] = [
        Self::SaveVersion,
        Self::SetStatus,
        Self::SetTags,
        Self::Promote,
        Self::Rollback,
        Self::Approve,
        Self::SetPolicy,
        Self::SetParent,
        Self::RecordEvidence,
        Self::SaveDataset,
        Self::StartRun,
        Self::StopRun,
        Self::ResumeRun,
        Self::CompleteRun,
        Self::StartExperiment,
        Self::PauseExperiment,
        Self::ResumeExperiment,
        Self::ReweightExperiment,
        Self::CompleteExperiment,
        Self::ProposeDeployment,
        Self::ChangeDeployment,
        Self::HoldSlot,
        Self::ChangeCluster,
        Self::ControlImprovement,
    ];

    /// The stable text form, as stored and hashed.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SaveVersion => "save_version",
            Self::SetStatus => "set_status",
            Self::SetTags => "set_tags",
            Self::Promote => "promote",
            Self::Rollback => "rollback",
            Self::Approve => "approve",
            Self::SetPolicy => "set_policy",
            Self::SetParent => "set_parent",
            Self::RecordEvidence => "record_evidence",
            Self::SaveDataset => "save_dataset",
            Self::StartRun => "start_run",
            Self::StopRun => "stop_run",
            Self::ResumeRun => "resume_run",
            Self::CompleteRun => "complete_run",
            Self::StartExperiment => "start_experiment",
            Self::PauseExperiment => "pause_experiment",
            Self::ResumeExperiment => "resume_experiment",
            Self::ReweightExperiment => "reweight_experiment",
            Self::CompleteExperiment => "complete_experiment",
            Self::ProposeDeployment => "propose_deployment",
            Self::ChangeDeployment => "change_deployment",
            Self::HoldSlot => "hold_slot",
            Self::ChangeCluster => "change_cluster",
            Self::ControlImprovement => "control_improvement",
        }
    }
}

impl fmt::Display for AuditAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for AuditAction {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self> {
        Self::ALL
            .into_iter()
            .find(|action| action.as_str() == text)
            .ok_or_else(|| Error::new(ErrorKind::Corrupt, format!("unknown audit action {text:?}")))
    }
}

/// What a change wants on record. The store adds it in the same commit as the change itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEntry {
    /// Whose log.
    pub tenant: TenantId,
    /// When.
    pub at: Timestamp,
    /// Who.
    pub actor: Actor,
    /// What was done.
    pub action: AuditAction,
    /// To what: `support/triage v3`, `support/triage@production`, `production`.
    pub subject: String,
    /// The particulars, as JSON text, kept byte for byte.
    pub detail: String,
}

impl AuditEntry {
    /// An entry whose particulars are this value.
    #[must_use]
    pub fn new(
        tenant: &TenantId,
        at: Timestamp,
        actor: &Actor,
        action: AuditAction,
        subject: impl Into<String>,
        detail: &serde_json::Value,
    ) -> Self {
        Self {
            tenant: tenant.clone(),
            at,
            actor: actor.clone(),
            action,
            subject: subject.into(),
            detail: detail.to_string(),
        }
    }

    /// Adds what only the store knows once it writes: the same entry about this subject.
    #[must_use]
    pub fn about(mut self, subject: impl Into<String>) -> Self {
        self.subject = subject.into();
        self
    }

    /// What the hash of the entry's record is of, but for what only the end of the chain says: for stores that seal
    /// within their database.
    #[must_use]
    pub fn sealing_bytes(&self) -> SealingBytes {
        let mut before = Canonical::<Vec<u8>>::new("promptops.audit", 1);
        before.text(self.tenant.as_str());
        let mut after = Canonical::<Vec<u8>>::default();
        after.text(&self.at.timestamp_micros().to_string());
        after.text(&self.actor.id);
        after.text(self.actor.role.as_str());
        after.text(self.action.as_str());
        after.text(&self.subject);
        after.text(&self.detail);
        SealingBytes {
            before: before.0,
            after: after.0,
        }
    }

    /// The entry as the next link of the tenant's chain.
    #[must_use]
    pub fn seal(self, previous: Option<&AuditHead>) -> AuditRecord {
        let mut record = AuditRecord {
            seq: previous.map_or(1, |head| head.seq + 1),
            previous_hash: previous.map_or([0; 32], |head| head.hash),
            hash: [0; 32],
            entry: self,
        };
        record.hash = record.compute_hash();
        record
    }
}

/// What a record's hash is of, in parts: SHA-256 over `before`, the record's number and the number 32, each as 8 bytes,
/// big-endian, the 32 bytes of the previous hash, and `after`. See [`AuditRecord::compute_hash`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealingBytes {
    /// Domain, format and tenant.
    pub before: Vec<u8>,
    /// Time, actor, action, subject and detail.
    pub after: Vec<u8>,
}

/// The end of a tenant's chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuditHead {
    /// Sequence number of the last record.
    pub seq: u64,
    /// Hash of the last record.
    pub hash: [u8; 32],
}

/// One link of a tenant's chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditRecord {
    /// 1, 2, 3 … per tenant, without gaps.
    pub seq: u64,
    /// What is on record.
    pub entry: AuditEntry,
    /// The hash of the record before; zeros for the first.
    pub previous_hash: [u8; 32],
    /// SHA-256 over this record and `previous_hash`.
    pub hash: [u8; 32],
}

impl AuditRecord {
    /// The hash that these fields should have: SHA-256 over the canonical encoding (see [`hash`](super::hash)), domain
    /// `promptops.audit`, format 1. In this order: tenant as text, `seq` as a number, the 32 bytes of `previous_hash`
    /// as bytes, microseconds since 1970 in decimal digits as text, then as texts the actor's id, the actor's role,
    /// the action, the subject, the detail.
    #[must_use]
    pub fn compute_hash(&self) -> [u8; 32] {
        let SealingBytes { before, after } = self.entry.sealing_bytes();
        let mut hasher = CanonicalHasher::default();
        hasher.0.write(&before);
        hasher.number(self.seq);
        hasher.bytes(&self.previous_hash);
        hasher.0.write(&after);
        hasher.finish()
    }

    /// This record as the end of the chain.
    #[must_use]
    pub fn head(&self) -> AuditHead {
        AuditHead {
            seq: self.seq,
            hash: self.hash,
        }
    }

    /// Checks this record against the one before it.
    ///
    /// # Errors
    /// [`Corrupt`](ErrorKind::Corrupt), naming the record, when it is not the next one or was changed.
    pub fn verify(&self, previous: Option<&AuditHead>) -> Result<()> {
        let corrupt = |what: String| {
            Error::new(ErrorKind::Corrupt, what)
                .with("tenant", &self.entry.tenant)
                .with("audit record", self.seq)
        };
        let expected = previous.map_or(1, |head| head.seq + 1);
        if self.seq != expected {
            return Err(corrupt(format!(
                "the audit chain is broken: record {expected} is missing"
            )));
        }
        if self.previous_hash != previous.map_or([0; 32], |head| head.hash) {
            return Err(corrupt(format!(
                "the audit chain is broken: record {} does not follow the record before it",
                self.seq
            )));
        }
        if self.hash != self.compute_hash() {
            return Err(corrupt(format!(
                "audit record {} was changed after it was written",
                self.seq
            )));
        }
        Ok(())
    }
}

/// A reason that must be given: trimmed, not empty, at most 2,000 bytes.
pub(crate) fn check_reason(what: &str, reason: &str) -> Result<String> {
    const MAX_BYTES: usize = 2_000;
    let reason = reason.trim();
    if reason.is_empty() {
        return Err(invalid(format!("{what} needs a reason; say why in a few words")));
    }
    check_text(what, reason)?;
    if reason.len() > MAX_BYTES {
        return Err(invalid(format!(
            "the reason has {} bytes; at most {MAX_BYTES} are allowed",
            reason.len()
        )));
    }
    Ok(reason.to_owned())
}

/// Checks that every backend can keep a text: PostgreSQL has no U+0000.
pub(crate) fn check_text(what: &str, text: &str) -> Result<()> {
    if text.contains('\0') {
        return Err(invalid(format!("{what} holds the character U+0000; remove it")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use std::sync::Arc;

    use async_trait::async_trait;

    use super::*;
    use crate::base::clock::{Clock, ManualClock};
    use crate::base::page::{Page, PageRequest};

    fn entry(subject: &str) -> AuditEntry {
        AuditEntry {
            tenant: TenantId::new("acme").unwrap(),
            at: ManualClock::default().now(),
            actor: Actor::owner("ana"),
            action: AuditAction::SaveVersion,
            subject: subject.into(),
            detail: "{}".into(),
        }
    }

    #[test]
    fn any_change_to_a_link_is_found() {
        let first = entry("a").seal(None);
        let second = entry("b").seal(Some(&first.head()));
        first.verify(None).unwrap();
        second.verify(Some(&first.head())).unwrap();

        let mut changed = second.clone();
        changed.entry.detail = "{ }".into();
        assert!(
            changed
                .verify(Some(&first.head()))
                .unwrap_err()
                .to_string()
                .contains("record 2 was changed")
        );
        assert!(
            second
                .verify(None)
                .unwrap_err()
                .to_string()
                .contains("record 1 is missing")
        );
        let mut forged = first.clone();
        forged.entry.subject = "x".into();
        forged.hash = forged.compute_hash();
        assert!(
            second
                .verify(Some(&forged.head()))
                .unwrap_err()
                .to_string()
                .contains("does not follow")
        );
    }

    /// A log that anybody can write to.
    #[derive(Default)]
    struct OpenLog {
        records: Mutex<Vec<AuditRecord>>,
        head: Mutex<Option<AuditHead>>,
        /// What the log gets when its head has been read.
        late: Mutex<Option<AuditEntry>>,
    }

    impl OpenLog {
        fn of(subjects: &[&str]) -> Arc<Self> {
            let log = Arc::new(Self::default());
            for subject in subjects {
                log.add(entry(subject));
            }
            log
        }

        fn add(&self, entry: AuditEntry) {
            let mut head = self.head.lock().unwrap();
            let record = entry.seal(head.as_ref());
            *head = Some(record.head());
            self.records.lock().unwrap().push(record);
        }

        fn audit(self: &Arc<Self>) -> Audit {
            Audit::new(self.clone(), TenantId::new("acme").unwrap())
        }
    }

    #[async_trait]
    impl AuditStore for OpenLog {
        async fn audit_records(&self, _: &TenantId, page: &PageRequest) -> Result<Page<AuditRecord>> {
            let seen = page.number_cursor()?.unwrap_or(0);
            let records = self.records.lock().unwrap();
            let after = records.iter().filter(|record| record.seq > seen);
            let items = after.take(page.limit() + 1).cloned().collect();
            Ok(Page::from_surplus(items, page.limit(), |last| {
                last.seq.to_string()
            }))
        }

        async fn audit_head(&self, _: &TenantId) -> Result<Option<AuditHead>> {
            let head = *self.head.lock().unwrap();
            if let Some(late) = self.late.lock().unwrap().take() {
                self.add(late);
            }
            Ok(head)
        }
    }

    fn corrupt<T: fmt::Debug>(result: Result<T>, words: &str) {
        let error = result.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
        assert!(error.to_string().contains(words), "{error} lacks {words:?}");
        assert!(error.to_string().contains("acme"), "{error}");
    }

    #[tokio::test]
    async fn an_anchor_is_verified_from_wherever_it_was_taken() {
        let log = OpenLog::of(&[]);
        let audit = log.audit();
        assert_eq!(audit.head().await.unwrap(), None);
        assert_eq!(audit.verify().await.unwrap(), 0);
        let mut anchors = Vec::new();
        for n in 1..=2_100_u64 {
            log.add(entry("more"));
            anchors.push(audit.head().await.unwrap().unwrap());
            if n < 4 {
                assert_eq!(audit.verify().await.unwrap(), n);
            }
        }
        assert_eq!(audit.verify().await.unwrap(), 2_100);
        for i in [0, 1, 2, 998, 999, 1_000, 1_001, 2_098, 2_099] {
            assert_eq!(audit.verify_since(&anchors[i]).await.unwrap(), 2_100, "{i}");
            let other = AuditHead {
                hash: [7; 32],
                ..anchors[i]
            };
            corrupt(
                audit.verify_since(&other).await,
                "is not the one that is anchored",
            );
        }
        let beyond = AuditHead {
            seq: 2_101,
            hash: [7; 32],
        };
        corrupt(audit.verify_since(&beyond).await, "ends before record 2101");
        let none = AuditHead {
            seq: 0,
            hash: [0; 32],
        };
        assert_eq!(
            audit.verify_since(&none).await.unwrap_err().kind(),
            ErrorKind::Invalid
        );
    }

    #[tokio::test]
    async fn a_cut_end_is_found_even_without_the_head() {
        let log = OpenLog::of(&["a", "b", "c", "d"]);
        let audit = log.audit();
        let anchor = audit.head().await.unwrap().unwrap();
        log.records.lock().unwrap().truncate(2);
        corrupt(audit.verify().await, "ends at record 2, but record 4 was written");
        *log.head.lock().unwrap() = None;
        corrupt(audit.verify().await, "the head kept beside them is gone");
        corrupt(
            audit.verify_since(&anchor).await,
            "the head kept beside them is gone",
        );
        // What fits again is found by the anchor alone.
        let end = log.records.lock().unwrap()[1].head();
        *log.head.lock().unwrap() = Some(end);
        assert_eq!(audit.verify().await.unwrap(), 2);
        corrupt(audit.verify_since(&anchor).await, "ends before record 4");
        // So is a head that is none of the chain's.
        *log.head.lock().unwrap() = Some(AuditHead { hash: [7; 32], ..end });
        corrupt(audit.verify().await, "of record 2, is none of its own");
    }

    #[tokio::test]
    async fn a_recomputed_or_deleted_chain_is_found_by_the_anchor() {
        let log = OpenLog::of(&["a", "b", "c"]);
        let anchor = log.audit().head().await.unwrap().unwrap();
        let forged = OpenLog::of(&["a", "x", "c", "d"]);
        assert_eq!(forged.audit().verify().await.unwrap(), 4);
        corrupt(
            forged.audit().verify_since(&anchor).await,
            "record 3 is not the one",
        );
        let deleted = OpenLog::of(&[]);
        assert_eq!(deleted.audit().verify().await.unwrap(), 0);
        corrupt(
            deleted.audit().verify_since(&anchor).await,
            "ends before record 3",
        );
    }

    #[tokio::test]
    async fn what_follows_an_anchor_is_verified() {
        let log = OpenLog::of(&["a", "b", "c", "d"]);
        let anchor = log.records.lock().unwrap()[1].head();
        // With its hash, as the anchor has it, and so only found by computing it.
        log.records.lock().unwrap()[1].entry.subject = "x".into();
        corrupt(log.audit().verify_since(&anchor).await, "record 2 was changed");
        log.records.lock().unwrap()[1].entry.subject = "b".into();
        log.records.lock().unwrap()[3].entry.subject = "x".into();
        corrupt(log.audit().verify_since(&anchor).await, "record 4 was changed");
        log.records.lock().unwrap().remove(2);
        corrupt(log.audit().verify_since(&anchor).await, "record 3 is missing");
    }

    #[tokio::test]
    async fn a_first_record_while_verifying_is_no_corruption() {
        let log = OpenLog::of(&[]);
        *log.late.lock().unwrap() = Some(entry("a"));
        assert_eq!(log.audit().verify().await.unwrap(), 1);
        *log.late.lock().unwrap() = Some(entry("b"));
        assert_eq!(log.audit().verify().await.unwrap(), 2);
    }
}
