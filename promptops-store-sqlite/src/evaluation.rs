//! Runs, their results, and evidence.

pub(crate) mod evidence;
pub(crate) mod result;
pub(crate) mod run;
pub(crate) mod work;

use async_trait::async_trait;
use promptops_core::Result;
use promptops_core::base::audit::AuditEntry;
use promptops_core::base::stored::to_json;
use promptops_core::base::{
    ClosureHash, DatasetName, Page, PageRequest, PromptName, RunId, TenantId, Timestamp, VersionNumber,
};
use promptops_core::evaluation::run::{Claim, Claimed, Recorded, ResultBatch, RunChange, RunFilter};
use promptops_core::evaluation::{EntryResult, EvaluationStore, Evidence, EvidenceRecord, Run};

use crate::backend::{Durability, SqliteBackend};
use crate::{audit, error, tenancy};

#[async_trait]
impl EvaluationStore for SqliteBackend {
    async fn record_evidence(&self, record: EvidenceRecord) -> Result<()> {
        self.write(Durability::Machine, move |tx| {
            let tenant = tenancy::ensure_tenant(tx, &record.tenant)?;
            let (by, at) = (&record.recorded_by, record.recorded_at);
            evidence::add(tx, tenant, &record.evidence, by, at)?;
            audit::append(tx, record.audit)
        })
        .await
    }

    async fn latest_evidence(
        &self,
        tenant: &TenantId,
        prompt: &PromptName,
        closure_hash: &ClosureHash,
        dataset: &DatasetName,
        version: Option<VersionNumber>,
    ) -> Result<Option<Evidence>> {
        let (tenant, prompt) = (tenant.clone(), prompt.clone());
        let (closure_hash, dataset) = (*closure_hash, dataset.clone());
        self.read(move |connection| {
            // A tenant's id never changes, so that two statements see what one would.
            let Some(tenant) = tenancy::tenant(connection, &tenant)? else {
                return Ok(None);
            };
            evidence::latest(connection, tenant, prompt, closure_hash, dataset, version)
        })
        .await
    }

    async fn create_run(&self, tenant: &TenantId, run: Run, audit: AuditEntry) -> Result<()> {
        let tenant = tenant.clone();
        self.write(Durability::Machine, move |tx| {
            run::create(tx, &tenant, &run)?;
            audit::append(tx, audit)
        })
        .await
    }

    async fn run(&self, tenant: &TenantId, id: &RunId) -> Result<Run> {
        let (tenant, id) = (tenant.clone(), id.clone());
        self.read(move |connection| Ok(run::find(connection, &tenant, &id)?.1))
            .await
    }

    async fn runs(&self, tenant: &TenantId, filter: &RunFilter, page: &PageRequest) -> Result<Page<Run>> {
        let before = page.number_cursor()?;
        let (tenant, filter, limit) = (tenant.clone(), filter.clone(), page.limit());
        self.read(move |connection| run::list(connection, &tenant, &filter, before, limit))
            .await
    }

    async fn claim_tasks(&self, claim: Claim) -> Result<Claimed> {
        let given = self
            .write(Durability::Process, move |tx| work::claim(tx, &claim))
            .await?;
        if given.tasks.is_empty() {
            return given.into_claimed(Vec::new());
        }
        // Entries never change: a reader brings them, while the writer goes on.
        self.read(move |connection| {
            let entries = given.entries(connection)?;
            Ok(given.into_claimed(entries)?)
        })
        .await
    }

    async fn renew_leases(
        &self,
        tenant: &TenantId,
        run: &RunId,
        worker: &str,
        until: Timestamp,
    ) -> Result<u64> {
        let (tenant, run, worker) = (tenant.clone(), run.clone(), worker.to_owned());
        self.write(Durability::Process, move |tx| {
            work::renew(tx, &tenant, &run, &worker, until)
        })
        .await
    }

    async fn release_tasks(&self, tenant: &TenantId, run: &RunId, worker: &str) -> Result<()> {
        let (tenant, run, worker) = (tenant.clone(), run.clone(), worker.to_owned());
        self.write(Durability::Process, move |tx| {
            work::release(tx, &tenant, &run, &worker)
        })
        .await
    }

    async fn record_results(&self, batch: ResultBatch) -> Result<Recorded> {
        let texts = batch.results.iter().map(|result| to_json("result", result));
        let texts = texts.collect::<Result<Vec<_>>>()?;
        // What a crash of the machine takes is asked again: not worth an fsync for each batch.
        self.write(Durability::Process, move |tx| result::record(tx, &batch, &texts))
            .await
    }

    async fn results(&self, tenant: &TenantId, run: &RunId, page: &PageRequest) -> Result<Page<EntryResult>> {
        let after = page.number_cursor()?;
        let (tenant, run, limit) = (tenant.clone(), run.clone(), page.limit());
        self.read(move |connection| {
            let id = run::id(connection, &tenant, &run)?;
            result::page(connection, id, after, limit)
        })
        .await
    }

    async fn count_results(&self, tenant: &TenantId, run: &RunId) -> Result<u64> {
        let (tenant, run) = (tenant.clone(), run.clone());
        self.read(move |connection| {
            let id = run::id(connection, &tenant, &run)?;
            result::count(connection, id)
        })
        .await
    }

    async fn change_run(&self, change: RunChange) -> Result<Run> {
        self.write(Durability::Machine, move |tx| -> error::Result<Run> {
            run::change(tx, change)
        })
        .await
    }
}
