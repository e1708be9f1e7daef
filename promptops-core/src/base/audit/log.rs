//! Reading a tenant's log, and verifying its chain.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

use super::{AuditHead, AuditRecord};
use crate::base::error::{Error, ErrorKind, Result, invalid};
use crate::base::id::TenantId;
use crate::base::page::{Page, PageRequest};

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
///
/// # What verifying finds
/// [`verify`](Self::verify) finds records that were changed, removed or put in by somebody who did not make the rest
/// fit, also at the end. The chain has no key: somebody who can write to the database can cut its end and set the
/// head to fit, recompute all of it, or delete all of it, and what is left verifies. Against that, keep
/// [`head`](Self::head) from time to time where such a writer cannot reach it (another system, a signed log), and give
/// it to [`verify_since`](Self::verify_since): SHA-256 lets no other chain lead to it.
///
/// ```
/// # use promptops_core::Result;
/// # async fn check(audit: promptops_core::base::audit::Audit) -> Result<()> {
/// // Every night, kept outside: `anchor.seq` and `anchor.hash`.
/// if let Some(anchor) = audit.head().await? {
///     // Later:
///     audit.verify().await?;
///     audit.verify_since(&anchor).await?;
/// }
/// # Ok(())
/// # }
/// ```
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

    /// The end of the chain, to be kept outside of the database as an anchor for
    /// [`verify_since`](Self::verify_since); `None` before the first record.
    ///
    /// # Errors
    /// The backend's errors.
    pub async fn head(&self) -> Result<Option<AuditHead>> {
        self.store.audit_head(&self.tenant).await
    }

    /// Recomputes the whole chain and returns the number of records.
    ///
    /// It finds whatever does not fit: see [`Audit`] for what only an anchor finds.
    ///
    /// # Errors
    /// [`Corrupt`](ErrorKind::Corrupt), naming the first record that was changed, removed or put in.
    pub async fn verify(&self) -> Result<u64> {
        self.walk(None).await
    }

    /// Checks that this [`head`](Self::head) of an earlier time is still a link of the chain, recomputes the chain
    /// from there on, and returns the number of records.
    ///
    /// What is before the anchor is not read. When [`verify`](Self::verify) passes as well, it is what it was when
    /// the anchor was taken.
    ///
    /// # Errors
    /// [`Corrupt`](ErrorKind::Corrupt) when the anchor's record is gone or another, or naming the first record after
    /// it that was changed, removed or put in; [`Invalid`](ErrorKind::Invalid) for an anchor that no chain can have.
    pub async fn verify_since(&self, anchor: &AuditHead) -> Result<u64> {
        if anchor.seq == 0 {
            return Err(invalid("an audit chain has no record 0 to verify from"));
        }
        self.walk(Some(anchor)).await
    }

    async fn walk(&self, anchor: Option<&AuditHead>) -> Result<u64> {
        // Read before the records: those added meanwhile are then simply beyond it.
        let head = self.head_if_any().await?;
        let mut last: Option<AuditHead> = None;
        let mut passed_head = head.is_none();
        let mut page = PageRequest::first(PageRequest::MAX_LIMIT);
        if let Some(before) = anchor.map(|anchor| anchor.seq - 1).filter(|seq| *seq > 0) {
            page = page.after(before.to_string());
        }
        loop {
            let records = self.store.audit_records(&self.tenant, &page).await?;
            for record in &records.items {
                let mut previous = last;
                if let (None, Some(anchor)) = (last, anchor) {
                    if record.head() != *anchor {
                        return Err(self.corrupt(format!(
                            "record {} is not the one that is anchored, or is gone",
                            anchor.seq
                        )));
                    }
                    // What it follows is not read.
                    previous = (anchor.seq > 1).then_some(AuditHead {
                        seq: anchor.seq - 1,
                        hash: record.previous_hash,
                    });
                }
                record.verify(previous.as_ref())?;
                last = Some(record.head());
                passed_head |= last == head;
            }
            match records.next {
                Some(cursor) => page = page.after(cursor),
                None => break,
            }
        }
        let ends_at = last.map_or(0, |last| last.seq);
        if let (None, Some(anchor)) = (last, anchor) {
            return Err(self.corrupt(format!("it ends before record {}, which is anchored", anchor.seq)));
        }
        match head {
            Some(head) if !passed_head && head.seq > ends_at => Err(self.corrupt(format!(
                "it ends at record {ends_at}, but record {} was written",
                head.seq
            ))),
            Some(head) if !passed_head => Err(self.corrupt(format!(
                "the head kept beside it, of record {}, is none of its own",
                head.seq
            ))),
            _ => Ok(ends_at),
        }
    }

    /// The head; `None` only when there are no records either.
    async fn head_if_any(&self) -> Result<Option<AuditHead>> {
        if let Some(head) = self.head().await? {
            return Ok(Some(head));
        }
        let first = PageRequest::first(1);
        if self
            .store
            .audit_records(&self.tenant, &first)
            .await?
            .items
            .is_empty()
        {
            return Ok(None);
        }
        // The first record may have come in between, and the head with it.
        let head = self.head().await?;
        head.ok_or_else(|| self.corrupt("there are records, but the head kept beside them is gone".into()))
            .map(Some)
    }

    fn corrupt(&self, what: String) -> Error {
        Error::new(ErrorKind::Corrupt, format!("the audit chain is broken: {what}"))
            .with("tenant", &self.tenant)
    }
}

impl fmt::Debug for Audit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Audit")
            .field("tenant", &self.tenant)
            .finish_non_exhaustive()
    }
}
