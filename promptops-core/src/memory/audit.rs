//! The audit log in memory.

use async_trait::async_trait;

use super::MemoryBackend;
use crate::base::audit::{AuditEntry, AuditHead, AuditRecord, AuditStore};
use crate::base::error::Result;
use crate::base::{Page, PageRequest, TenantId};

/// One tenant's chain: record `seq` is at `seq - 1`.
#[derive(Default)]
pub(super) struct Log(Vec<AuditRecord>);

impl Log {
    fn head(&self) -> Option<AuditHead> {
        self.0.last().map(AuditRecord::head)
    }

    /// Adds a record. The caller holds the lock under which it makes the change that this is about.
    pub(super) fn add(&mut self, entry: AuditEntry) {
        let record = entry.seal(self.head().as_ref());
        self.0.push(record);
    }
}

#[async_trait]
impl AuditStore for MemoryBackend {
    async fn audit_records(&self, tenant: &TenantId, page: &PageRequest) -> Result<Page<AuditRecord>> {
        let seen = page.number_cursor()?.unwrap_or(0);
        let state = self.state();
        let records = state
            .tenant(tenant)
            .and_then(|tenant| tenant.log.0.get(usize::try_from(seen).ok()?..))
            .unwrap_or_default();
        let items = records.iter().take(page.limit() + 1).cloned().collect();
        Ok(Page::from_surplus(items, page.limit(), |last| {
            last.seq.to_string()
        }))
    }

    async fn audit_head(&self, tenant: &TenantId) -> Result<Option<AuditHead>> {
        Ok(self.state().tenant(tenant).and_then(|tenant| tenant.log.head()))
    }
}
