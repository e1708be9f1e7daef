//! The audit log: who changed what and when, hash-chained per tenant.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::actor::Actor;
use super::clock::Timestamp;
use super::error::{Error, ErrorKind, Result, invalid};
use super::hash::CanonicalHasher;
use super::id::TenantId;
use super::page::{Page, PageRequest};

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
}

impl AuditAction {
    const ALL: [Self; 9] = [
        Self::SaveVersion,
        Self::SetStatus,
        Self::SetTags,
        Self::Promote,
        Self::Rollback,
        Self::Approve,
        Self::SetPolicy,
        Self::SetParent,
        Self::RecordEvidence,
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
    /// Adds what only the store knows once it writes: the same entry about this subject.
    #[must_use]
    pub fn about(mut self, subject: impl Into<String>) -> Self {
        self.subject = subject.into();
        self
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
        let entry = &self.entry;
        let mut hasher = CanonicalHasher::new("promptops.audit", 1);
        hasher.text(entry.tenant.as_str());
        hasher.number(self.seq);
        hasher.bytes(&self.previous_hash);
        hasher.text(&entry.at.timestamp_micros().to_string());
        hasher.text(&entry.actor.id);
        hasher.text(entry.actor.role.as_str());
        hasher.text(entry.action.as_str());
        hasher.text(&entry.subject);
        hasher.text(&entry.detail);
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

/// Reads the audit log. Records are written by the stores, each in the commit of its change.
#[async_trait]
pub trait AuditStore: Send + Sync {
    /// The tenant's records in order of `seq`.
    ///
    /// # Behavior
    /// - The cursor of a page is the last `seq` on it.
    /// - Another tenant's records are never seen.
    /// - Records are returned as stored, even when their hash does not fit: verifying is the caller's.
    async fn audit_records(&self, tenant: &TenantId, page: &PageRequest) -> Result<Page<AuditRecord>>;

    /// The end of the tenant's chain, as the store keeps it beside the records; `None` before the first record.
    async fn audit_head(&self, tenant: &TenantId) -> Result<Option<AuditHead>>;
}

/// The audit log of one tenant.
#[derive(Clone)]
pub struct Audit {
    store: Arc<dyn AuditStore>,
    tenant: TenantId,
}

impl Audit {
    /// The log of this tenant.
    #[must_use]
    pub fn new(store: Arc<dyn AuditStore>, tenant: TenantId) -> Self {
        Self { store, tenant }
    }

    /// A page of records, oldest first.
    ///
    /// # Errors
    /// [`Invalid`](ErrorKind::Invalid) for a cursor of another list; the backend's errors.
    pub async fn list(&self, page: &PageRequest) -> Result<Page<AuditRecord>> {
        self.store.audit_records(&self.tenant, page).await
    }

    /// Recomputes the whole chain and returns the number of records.
    ///
    /// # Errors
    /// [`Corrupt`](ErrorKind::Corrupt), naming the first record that was changed, removed or put in.
    pub async fn verify(&self) -> Result<u64> {
        // Read first: records added meanwhile are then simply beyond it.
        let head = self.store.audit_head(&self.tenant).await?;
        let mut last: Option<AuditHead> = None;
        let mut passed_head = head.is_none();
        let mut page = PageRequest::first(PageRequest::MAX_LIMIT);
        loop {
            let records = self.store.audit_records(&self.tenant, &page).await?;
            for record in &records.items {
                record.verify(last.as_ref())?;
                last = Some(record.head());
                passed_head |= last == head;
            }
            match records.next {
                Some(cursor) => page = page.after(cursor),
                None => break,
            }
        }
        if !passed_head {
            return Err(Error::new(
                ErrorKind::Corrupt,
                format!(
                    "the audit chain is broken: it ends at record {}, but record {} was written",
                    last.map_or(0, |head| head.seq),
                    head.map_or(0, |head| head.seq)
                ),
            )
            .with("tenant", &self.tenant));
        }
        Ok(last.map_or(0, |head| head.seq))
    }
}

impl fmt::Debug for Audit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Audit")
            .field("tenant", &self.tenant)
            .finish_non_exhaustive()
    }
}

/// A reason that must be given: trimmed, not empty, at most 2,000 bytes.
pub(crate) fn check_reason(what: &str, reason: &str) -> Result<String> {
    const MAX_BYTES: usize = 2_000;
    let reason = reason.trim();
    if reason.is_empty() {
        return Err(invalid(format!("{what} needs a reason; say why in a few words")));
    }
    if reason.len() > MAX_BYTES {
        return Err(invalid(format!(
            "the reason has {} bytes; at most {MAX_BYTES} are allowed",
            reason.len()
        )));
    }
    Ok(reason.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::{Clock, ManualClock};

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
}
