//! Evidence.

use async_trait::async_trait;
use promptops_core::Result;
use promptops_core::base::{ClosureHash, DatasetName, PromptName, TenantId};
use promptops_core::evaluation::{EvaluationStore, Evidence, EvidenceRecord, refusal};
use rusqlite::OptionalExtension;

use crate::backend::{Durability, SqliteBackend};
use crate::{audit, tenancy};
use promptops_core::base::stored::{integer, unsigned};

statements! {
    RUN_EXISTS = "SELECT EXISTS (SELECT 1 FROM promptops_evidence
        WHERE tenant = ?1 AND prompt = ?2 AND closure_hash = ?3 AND dataset = ?4 AND run = ?5)";
    ADD = "INSERT INTO promptops_evidence (tenant, prompt, closure_hash, dataset, run, dataset_version, entries,
            passed, recorded_by_id, recorded_by_role, recorded_at)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)";
    LATEST = "SELECT e.dataset_version, e.run, e.entries, e.passed FROM promptops_evidence e
        WHERE e.tenant = ?1 AND e.prompt = ?2 AND e.closure_hash = ?3 AND e.dataset = ?4
        ORDER BY e.id DESC LIMIT 1";
}

#[async_trait]
impl EvaluationStore for SqliteBackend {
    async fn record_evidence(&self, record: EvidenceRecord) -> Result<()> {
        self.write(Durability::Machine, move |tx| {
            let tenant = tenancy::ensure_tenant(tx, &record.tenant)?;
            let evidence = &record.evidence;
            let prompt = evidence.prompt.as_str();
            let closure_hash = evidence.closure_hash.as_bytes();
            let dataset = evidence.dataset.as_str();
            let exists: bool = tx
                .prepare_cached(RUN_EXISTS)?
                .query_row((tenant, prompt, closure_hash, dataset, &evidence.run), |row| {
                    row.get(0)
                })?;
            if exists {
                return Err(refusal::run_on_record(evidence).into());
            }
            tx.prepare_cached(ADD)?.execute((
                tenant,
                prompt,
                closure_hash,
                dataset,
                &evidence.run,
                evidence.dataset_version,
                integer(evidence.entries)?,
                integer(evidence.passed)?,
                &record.recorded_by.id,
                record.recorded_by.role.as_str(),
                record.recorded_at.timestamp_micros(),
            ))?;
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
    ) -> Result<Option<Evidence>> {
        let (tenant, prompt) = (tenant.clone(), prompt.clone());
        let (closure_hash, dataset) = (*closure_hash, dataset.clone());
        self.read(move |connection| {
            // A tenant's id never changes, so that two statements see what one would.
            let Some(tenant) = tenancy::tenant(connection, &tenant)? else {
                return Ok(None);
            };
            let row = connection
                .prepare_cached(LATEST)?
                .query_row(
                    (tenant, prompt.as_str(), closure_hash.as_bytes(), dataset.as_str()),
                    |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)),
                )
                .optional()?;
            let Some((dataset_version, run, entries, passed)) = row else {
                return Ok(None);
            };
            Ok(Some(Evidence {
                prompt,
                closure_hash,
                dataset,
                dataset_version,
                run,
                entries: unsigned("number of entries", entries)?,
                passed: unsigned("number of entries", passed)?,
            }))
        })
        .await
    }
}
