//! What the improvement loop remembers, who works on what, and what was spent.

mod lease;
mod record;
mod spending;

use async_trait::async_trait;
use chrono::NaiveDate;
use promptops_core::Result;
use promptops_core::base::{EnvironmentName, Page, PageRequest, PromptName, TenantId, Timestamp};
use promptops_core::improvement::{
    DailyBudget, ImprovementCommit, ImprovementRecord, ImprovementStore, RecordFilter, RecordKind, SlotLease,
    Spending,
};

use crate::backend::PgBackend;

#[async_trait]
impl ImprovementStore for PgBackend {
    async fn commit_improvement(&self, commit: ImprovementCommit) -> Result<()> {
        record::commit(self, commit).await
    }

    async fn improvement_record(
        &self,
        tenant: &TenantId,
        kind: RecordKind,
        id: &str,
    ) -> Result<Option<ImprovementRecord>> {
        Ok(record::find(self, tenant, kind, id).await?)
    }

    async fn improvement_records(
        &self,
        tenant: &TenantId,
        filter: &RecordFilter,
        page: &PageRequest,
    ) -> Result<Page<ImprovementRecord>> {
        let records = record::list(self, tenant, filter, page).await?;
        Ok(Page::from_surplus(records, page.limit(), ImprovementRecord::id))
    }

    async fn take_slot_lease(
        &self,
        tenant: &TenantId,
        lease: SlotLease,
        now: Timestamp,
    ) -> Result<SlotLease> {
        lease::take(self, tenant, lease, now).await
    }

    async fn return_slot_lease(
        &self,
        tenant: &TenantId,
        prompt: &PromptName,
        environment: &EnvironmentName,
        worker: &str,
    ) -> Result<()> {
        lease::give_back(self, tenant, prompt, environment, worker).await
    }

    async fn reserve_spending(
        &self,
        tenant: &TenantId,
        day: NaiveDate,
        amount: Spending,
        limits: &DailyBudget,
    ) -> Result<Option<Spending>> {
        spending::reserve(self, tenant, day, amount, limits).await
    }

    async fn settle_spending(
        &self,
        tenant: &TenantId,
        day: NaiveDate,
        reserved: Spending,
        used: Spending,
    ) -> Result<Spending> {
        spending::settle(self, tenant, day, reserved, used).await
    }

    async fn spending(&self, tenant: &TenantId, day: NaiveDate) -> Result<Spending> {
        Ok(spending::find(self, tenant, day).await?)
    }
}
