//! What the improvement loop remembers, who works on what, and what was spent.

pub(crate) mod lease;
pub(crate) mod record;
pub(crate) mod spending;

use async_trait::async_trait;
use chrono::NaiveDate;
use promptops_core::Result;
use promptops_core::base::{EnvironmentName, Page, PageRequest, PromptName, TenantId, Timestamp};
use promptops_core::improvement::{
    DailyBudget, ImprovementCommit, ImprovementRecord, ImprovementStore, RecordFilter, RecordKind, SlotLease,
    Spending,
};

use crate::backend::{Durability, SqliteBackend};

#[async_trait]
impl ImprovementStore for SqliteBackend {
    async fn commit_improvement(&self, commit: ImprovementCommit) -> Result<()> {
        self.write(Durability::Machine, move |tx| record::commit(tx, commit))
            .await
    }

    async fn improvement_record(
        &self,
        tenant: &TenantId,
        kind: RecordKind,
        id: &str,
    ) -> Result<Option<ImprovementRecord>> {
        let (tenant, id) = (tenant.clone(), id.to_owned());
        self.read(move |connection| record::find(connection, &tenant, kind, &id))
            .await
    }

    async fn improvement_records(
        &self,
        tenant: &TenantId,
        filter: &RecordFilter,
        page: &PageRequest,
    ) -> Result<Page<ImprovementRecord>> {
        let before = page.cursor().map(str::to_owned);
        let (tenant, filter, limit) = (tenant.clone(), filter.clone(), page.limit());
        self.read(move |connection| {
            let records = record::list(connection, &tenant, &filter, before.as_deref(), limit)?;
            Ok(Page::from_surplus(records, limit, ImprovementRecord::id))
        })
        .await
    }

    async fn take_slot_lease(
        &self,
        tenant: &TenantId,
        lease: SlotLease,
        now: Timestamp,
    ) -> Result<SlotLease> {
        let tenant = tenant.clone();
        self.write(Durability::Process, move |tx| {
            lease::take(tx, &tenant, lease, now)
        })
        .await
    }

    async fn return_slot_lease(
        &self,
        tenant: &TenantId,
        prompt: &PromptName,
        environment: &EnvironmentName,
        worker: &str,
    ) -> Result<()> {
        let (tenant, prompt) = (tenant.clone(), prompt.clone());
        let (environment, worker) = (environment.clone(), worker.to_owned());
        self.write(Durability::Process, move |tx| {
            lease::give_back(tx, &tenant, &prompt, &environment, &worker)
        })
        .await
    }

    async fn reserve_spending(
        &self,
        tenant: &TenantId,
        day: NaiveDate,
        amount: Spending,
        limits: &DailyBudget,
    ) -> Result<Option<Spending>> {
        let (tenant, limits) = (tenant.clone(), *limits);
        self.write(Durability::Machine, move |tx| {
            spending::reserve(tx, &tenant, day, amount, &limits)
        })
        .await
    }

    async fn settle_spending(
        &self,
        tenant: &TenantId,
        day: NaiveDate,
        reserved: Spending,
        used: Spending,
    ) -> Result<Spending> {
        let tenant = tenant.clone();
        self.write(Durability::Machine, move |tx| {
            spending::settle(tx, &tenant, day, reserved, used)
        })
        .await
    }

    async fn spending(&self, tenant: &TenantId, day: NaiveDate) -> Result<Spending> {
        let tenant = tenant.clone();
        self.read(move |connection| spending::spending(connection, &tenant, day))
            .await
    }
}
