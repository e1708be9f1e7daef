//! What the loop remembers, in memory.

use std::collections::BTreeMap;
use std::ops::Bound;

use async_trait::async_trait;
use chrono::NaiveDate;

use super::MemoryBackend;
use crate::base::error::Result;
use crate::base::{EnvironmentName, Page, PageRequest, PromptName, TenantId, Timestamp};
use crate::improvement::{
    DailyBudget, ImprovementCommit, ImprovementRecord, ImprovementStore, RecordFilter, RecordKind, SlotLease,
    Spending, refusal,
};

/// What one tenant's loops remember.
#[derive(Default)]
pub(super) struct Improvement {
    records: BTreeMap<(RecordKind, String), ImprovementRecord>,
    leases: BTreeMap<(PromptName, EnvironmentName), SlotLease>,
    spending: BTreeMap<NaiveDate, Spending>,
}

#[async_trait]
impl ImprovementStore for MemoryBackend {
    async fn commit_improvement(&self, commit: ImprovementCommit) -> Result<()> {
        let mut state = self.state();
        let tenant = state.tenant_mut(&commit.tenant);
        let records = &mut tenant.improvement.records;
        for record in &commit.records {
            let of = (record.kind(), record.id());
            let current = records.get(&of).map_or(0, ImprovementRecord::revision);
            let expected = record.revision().saturating_sub(1);
            if current != expected {
                return Err(refusal::record_conflict(of.0, &of.1, expected, current));
            }
        }
        for record in commit.records {
            records.insert((record.kind(), record.id()), record);
        }
        for audit in commit.audits {
            tenant.log.add(audit);
        }
        Ok(())
    }

    async fn improvement_record(
        &self,
        tenant: &TenantId,
        kind: RecordKind,
        id: &str,
    ) -> Result<Option<ImprovementRecord>> {
        let state = self.state();
        let records = state.tenant(tenant).map(|tenant| &tenant.improvement.records);
        Ok(records.and_then(|records| records.get(&(kind, id.to_owned())).cloned()))
    }

    async fn improvement_records(
        &self,
        tenant: &TenantId,
        filter: &RecordFilter,
        page: &PageRequest,
    ) -> Result<Page<ImprovementRecord>> {
        let state = self.state();
        let end = page.cursor().map_or(Bound::Unbounded, |cursor| {
            Bound::Excluded((filter.kind, cursor.to_owned()))
        });
        let start = Bound::Included((filter.kind, String::new()));
        // A range may not end before it starts, as it would before the empty text.
        let is_empty = page.cursor() == Some("");
        let range = state
            .tenant(tenant)
            .filter(|_| !is_empty)
            .map(|tenant| tenant.improvement.records.range((start, end)).rev());
        let items = range
            .into_iter()
            .flatten()
            .map(|(_, record)| record)
            .filter(|record| filter.matches(record))
            .take(page.limit() + 1)
            .cloned()
            .collect();
        Ok(Page::from_surplus(items, page.limit(), ImprovementRecord::id))
    }

    async fn take_slot_lease(
        &self,
        tenant: &TenantId,
        lease: SlotLease,
        now: Timestamp,
    ) -> Result<SlotLease> {
        let mut state = self.state();
        let leases = &mut state.tenant_mut(tenant).improvement.leases;
        let of = (lease.prompt.clone(), lease.environment.clone());
        match leases.get(&of) {
            Some(present) if present.worker != lease.worker && present.until > now => Ok(present.clone()),
            _ => {
                leases.insert(of, lease.clone());
                Ok(lease)
            }
        }
    }

    async fn return_slot_lease(
        &self,
        tenant: &TenantId,
        prompt: &PromptName,
        environment: &EnvironmentName,
        worker: &str,
    ) -> Result<()> {
        let mut state = self.state();
        let leases = &mut state.tenant_mut(tenant).improvement.leases;
        let of = (prompt.clone(), environment.clone());
        if leases.get(&of).is_some_and(|present| present.worker == worker) {
            leases.remove(&of);
        }
        Ok(())
    }

    async fn reserve_spending(
        &self,
        tenant: &TenantId,
        day: NaiveDate,
        amount: Spending,
        limits: &DailyBudget,
    ) -> Result<Option<Spending>> {
        let mut state = self.state();
        let spending = &mut state.tenant_mut(tenant).improvement.spending;
        let after = spending.get(&day).copied().unwrap_or_default().plus(amount);
        if !limits.allows(after) {
            return Ok(None);
        }
        spending.insert(day, after);
        Ok(Some(after))
    }

    async fn settle_spending(
        &self,
        tenant: &TenantId,
        day: NaiveDate,
        reserved: Spending,
        used: Spending,
    ) -> Result<Spending> {
        let mut state = self.state();
        let spending = state
            .tenant_mut(tenant)
            .improvement
            .spending
            .entry(day)
            .or_default();
        *spending = spending.plus(used).minus(reserved);
        Ok(*spending)
    }

    async fn spending(&self, tenant: &TenantId, day: NaiveDate) -> Result<Spending> {
        let state = self.state();
        let spending = state
            .tenant(tenant)
            .and_then(|tenant| tenant.improvement.spending.get(&day));
        Ok(spending.copied().unwrap_or_default())
    }
}
