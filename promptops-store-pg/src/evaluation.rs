//! Runs, their results, and evidence.

mod evidence;
mod result;
mod run;
mod work;

use async_trait::async_trait;
use promptops_core::Result;
use promptops_core::base::audit::AuditEntry;
use promptops_core::base::{
    ClosureHash, DatasetName, Page, PageRequest, PromptName, RunId, TenantId, Timestamp, VersionNumber,
};
use promptops_core::evaluation::run::{Claim, Claimed, Recorded, ResultBatch, RunChange, RunFilter};
use promptops_core::evaluation::{EntryResult, EvaluationStore, Evidence, EvidenceRecord, Run};

use crate::backend::PgBackend;

#[async_trait]
impl EvaluationStore for PgBackend {
    async fn record_evidence(&self, record: EvidenceRecord) -> Result<()> {
        let mut tx = self.begin().await?;
        let result = evidence::record(&mut tx, record).await;
        tx.finish(result).await
    }

    async fn latest_evidence(
        &self,
        tenant: &TenantId,
        prompt: &PromptName,
        closure_hash: &ClosureHash,
        dataset: &DatasetName,
        version: Option<VersionNumber>,
    ) -> Result<Option<Evidence>> {
        evidence::latest(self, tenant, prompt, closure_hash, dataset, version).await
    }

    async fn create_run(&self, tenant: &TenantId, run: Run, audit: AuditEntry) -> Result<()> {
        let mut tx = self.begin().await?;
        let result = run::create(&mut tx, tenant, &run, &audit).await;
        tx.finish(result).await
    }

    async fn run(&self, tenant: &TenantId, id: &RunId) -> Result<Run> {
        run::find(self, tenant, id).await
    }

    async fn runs(&self, tenant: &TenantId, filter: &RunFilter, page: &PageRequest) -> Result<Page<Run>> {
        run::list(self, tenant, filter, page).await
    }

    async fn claim_tasks(&self, claim: Claim) -> Result<Claimed> {
        work::claim(self, &claim).await
    }

    async fn renew_leases(
        &self,
        tenant: &TenantId,
        run: &RunId,
        worker: &str,
        until: Timestamp,
    ) -> Result<u64> {
        work::set_leases(self, tenant, run, worker, worker, until.timestamp_micros()).await
    }

    async fn release_tasks(&self, tenant: &TenantId, run: &RunId, worker: &str) -> Result<()> {
        // Nobody's, and ended before every time there is.
        work::set_leases(self, tenant, run, worker, "", i64::MIN).await?;
        Ok(())
    }

    async fn record_results(&self, batch: ResultBatch) -> Result<Recorded> {
        result::record(self, batch).await
    }

    async fn results(&self, tenant: &TenantId, run: &RunId, page: &PageRequest) -> Result<Page<EntryResult>> {
        result::page(self, tenant, run, page).await
    }

    async fn count_results(&self, tenant: &TenantId, run: &RunId) -> Result<u64> {
        result::count(self, tenant, run).await
    }

    async fn change_run(&self, change: RunChange) -> Result<Run> {
        let mut tx = self.begin().await?;
        let result = run::change(&mut tx, change).await;
        tx.finish(result).await
    }
}
