//! Evidence.

use async_trait::async_trait;
use promptops_core::Result;
use promptops_core::base::stored::{integer, unsigned};
use promptops_core::base::{ClosureHash, DatasetName, PromptName, TenantId};
use promptops_core::evaluation::{EvaluationStore, Evidence, EvidenceRecord, refusal};
use sqlx::Row;
use sqlx::postgres::PgRow;

use crate::backend::PgBackend;
use crate::connection::Transaction;
use crate::{audit, error, tenancy};

const ADD: &str =
    "INSERT INTO promptops.evidence (tenant, prompt, closure_hash, dataset, run, dataset_version, entries,
        passed, recorded_by_id, recorded_by_role, recorded_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT DO NOTHING RETURNING id";
const LATEST: &str = "SELECT x.* FROM promptops.entered($1) n, LATERAL (
        SELECT e.dataset_version, e.run, e.entries, e.passed FROM promptops.evidence e
        WHERE e.tenant = n.id AND e.prompt = $2 AND e.closure_hash = $3 AND e.dataset = $4
        ORDER BY e.id DESC LIMIT 1
    ) x";

async fn record(tx: &mut Transaction, record: EvidenceRecord) -> error::Result<()> {
    // Changes of one tenant come one after the other, and so their ids are in the order of commits.
    let tenant = tenancy::lock(tx, &record.tenant).await?;
    let evidence = &record.evidence;
    let (entries, passed) = (integer(evidence.entries)?, integer(evidence.passed)?);
    let added = tx
        .row(ADD, |query| {
            query
                .bind(tenant.id)
                .bind(evidence.prompt.as_str())
                .bind(evidence.closure_hash.as_bytes().as_slice())
                .bind(evidence.dataset.as_str())
                .bind(&evidence.run)
                .bind(i64::from(evidence.dataset_version))
                .bind(entries)
                .bind(passed)
                .bind(&record.recorded_by.id)
                .bind(record.recorded_by.role.as_str())
                .bind(record.recorded_at.timestamp_micros())
        })
        .await?;
    if added.is_none() {
        return Err(refusal::run_on_record(evidence).into());
    }
    audit::append(tx, tenant, &record.audit, None).await
}

#[async_trait]
impl EvaluationStore for PgBackend {
    async fn record_evidence(&self, evidence: EvidenceRecord) -> Result<()> {
        let mut tx = self.begin().await?;
        let result = record(&mut tx, evidence).await;
        tx.finish(result).await
    }

    async fn latest_evidence(
        &self,
        tenant: &TenantId,
        prompt: &PromptName,
        closure_hash: &ClosureHash,
        dataset: &DatasetName,
    ) -> Result<Option<Evidence>> {
        let row = self
            .read_one(LATEST, |query| {
                query
                    .bind(tenant.to_string())
                    .bind(prompt.to_string())
                    .bind(closure_hash.as_bytes().to_vec())
                    .bind(dataset.to_string())
            })
            .await?;
        let evidence = |row: PgRow| -> error::Result<Evidence> {
            let version: i64 = row.try_get(0)?;
            Ok(Evidence {
                prompt: prompt.clone(),
                closure_hash: *closure_hash,
                dataset: dataset.clone(),
                dataset_version: version
                    .try_into()
                    .map_err(|_| promptops_core::base::stored::corrupt("version of a dataset"))?,
                run: row.try_get(1)?,
                entries: unsigned("number of entries", row.try_get(2)?)?,
                passed: unsigned("number of entries", row.try_get(3)?)?,
            })
        };
        Ok(row.map(evidence).transpose()?)
    }
}
