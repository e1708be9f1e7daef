//! Evidence.

use std::collections::BTreeMap;

use promptops_core::Result;
use promptops_core::base::stored::{from_json, integer, to_json, unsigned, version_number};
use promptops_core::base::{Actor, ClosureHash, DatasetName, PromptName, TenantId, Timestamp, VersionNumber};
use promptops_core::evaluation::{Evidence, EvidenceRecord, refusal};
use serde::{Deserialize, Serialize};
use sqlx::Row;
use sqlx::postgres::PgRow;

use crate::backend::PgBackend;
use crate::connection::Transaction;
use crate::tenancy::Tenant;
use crate::{audit, error, tenancy};

const ADD: &str =
    "INSERT INTO promptops.evidence (tenant, prompt, closure_hash, dataset, run, dataset_version, entries,
        passed, recorded_by_id, recorded_by_role, recorded_at, scores)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) ON CONFLICT DO NOTHING RETURNING id";
const LATEST: &str = "SELECT x.* FROM promptops.entered($1) n, LATERAL (
        SELECT e.dataset_version, e.run, e.entries, e.passed, e.scores FROM promptops.evidence e
        WHERE e.tenant = n.id AND e.prompt = $2 AND e.closure_hash = $3 AND e.dataset = $4
        ORDER BY e.id DESC LIMIT 1
    ) x";
const LATEST_OF_VERSION: &str = "SELECT x.* FROM promptops.entered($1) n, LATERAL (
        SELECT e.dataset_version, e.run, e.entries, e.passed, e.scores FROM promptops.evidence e
        WHERE e.tenant = n.id AND e.prompt = $2 AND e.closure_hash = $3 AND e.dataset = $4 AND e.dataset_version = $5
        ORDER BY e.id DESC LIMIT 1
    ) x";

/// What is in the column `scores`.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Scores {
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    dimensions: BTreeMap<String, f64>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    judges: BTreeMap<String, bool>,
}

/// Adds evidence of a tenant whose row is locked, if none of this run is on record.
pub(super) async fn add(
    tx: &mut Transaction,
    tenant: Tenant,
    evidence: &Evidence,
    by: &Actor,
    at: Timestamp,
) -> error::Result<()> {
    let (entries, passed) = (integer(evidence.entries)?, integer(evidence.passed)?);
    let scores = Scores {
        dimensions: evidence.dimensions.clone(),
        judges: evidence.judges.clone(),
    };
    let scores = to_json("list of scores", &scores)?;
    let added = tx
        .row(ADD, |query| {
            query
                .bind(tenant.id)
                .bind(evidence.prompt.to_string())
                .bind(evidence.closure_hash.as_bytes().to_vec())
                .bind(evidence.dataset.to_string())
                .bind(&evidence.run)
                .bind(i64::from(evidence.dataset_version.get()))
                .bind(entries)
                .bind(passed)
                .bind(&by.id)
                .bind(by.role.as_str())
                .bind(at.timestamp_micros())
                .bind(scores)
        })
        .await?;
    match added {
        Some(_) => Ok(()),
        None => Err(refusal::run_on_record(evidence).into()),
    }
}

pub(super) async fn record(tx: &mut Transaction, record: EvidenceRecord) -> error::Result<()> {
    // Changes of one tenant come one after the other, and so their ids are in the order of commits.
    let tenant = tenancy::lock(tx, &record.tenant).await?;
    let (by, at) = (&record.recorded_by, record.recorded_at);
    add(tx, tenant, &record.evidence, by, at).await?;
    audit::append(tx, tenant, &record.audit, None).await
}

pub(super) async fn latest(
    backend: &PgBackend,
    tenant: &TenantId,
    prompt: &PromptName,
    closure_hash: &ClosureHash,
    dataset: &DatasetName,
    version: Option<VersionNumber>,
) -> Result<Option<Evidence>> {
    let sql = if version.is_some() {
        LATEST_OF_VERSION
    } else {
        LATEST
    };
    let row = backend
        .read_one(sql, |query| {
            let query = query
                .bind(tenant.to_string())
                .bind(prompt.to_string())
                .bind(closure_hash.as_bytes().to_vec())
                .bind(dataset.to_string());
            match version {
                Some(version) => query.bind(i64::from(version.get())),
                None => query,
            }
        })
        .await?;
    let evidence = |row: PgRow| -> error::Result<Evidence> {
        let scores: Scores = from_json("list of scores", row.try_get(4)?)?;
        Ok(Evidence {
            prompt: prompt.clone(),
            closure_hash: *closure_hash,
            dataset: dataset.clone(),
            dataset_version: version_number(row.try_get::<i64, _>(0)?)?,
            run: row.try_get(1)?,
            entries: unsigned("number of entries", row.try_get(2)?)?,
            passed: unsigned("number of entries", row.try_get(3)?)?,
            dimensions: scores.dimensions,
            judges: scores.judges,
        })
    };
    Ok(row.map(evidence).transpose()?)
}
