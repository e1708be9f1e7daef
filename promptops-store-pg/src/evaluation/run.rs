//! Runs as a whole.

use promptops_core::Result;
use promptops_core::base::audit::AuditEntry;
use promptops_core::base::stored::{
    actor, from_json, hash_bytes, integer, stored, timestamp, to_json, unsigned, version_number,
};
use promptops_core::base::{ClosureHash, DatasetName, Page, PageRequest, PromptName, RunId, TenantId};
use promptops_core::evaluation::run::{RunChange, RunFilter};
use promptops_core::evaluation::{Run, refusal};
use sqlx::Row;
use sqlx::postgres::PgRow;

use super::evidence;
use crate::backend::PgBackend;
use crate::connection::Transaction;
use crate::{audit, error, tenancy};

/// What [`read`] reads, of a `promptops.run r`.
macro_rules! columns {
    () => {
        "r.id, r.number, r.name, r.prompt, r.version, r.closure_hash, r.dataset, r.dataset_version, r.entries, \
         r.evaluator, r.state, r.started_by_id, r.started_by_role, r.started_at"
    };
}

/// A list by the index that the first condition names.
macro_rules! list {
    ($condition:literal) => {
        concat!(
            "SELECT x.* FROM promptops.entered($1) n, LATERAL (SELECT ",
            columns!(),
            " FROM promptops.run r WHERE r.tenant = n.id AND r.number < $2",
            $condition,
            " AND ($4 IS NULL OR r.prompt = $4) AND ($5 IS NULL OR r.closure_hash = $5)
            AND ($6 IS NULL OR r.dataset = $6) ORDER BY r.number DESC LIMIT $3) x ORDER BY x.number DESC"
        )
    };
}

const FIND: &str = concat!(
    "SELECT x.* FROM promptops.entered($1) n, LATERAL (SELECT ",
    columns!(),
    " FROM promptops.run r WHERE r.tenant = n.id AND r.name = $2 OFFSET 0) x"
);
const LOCK: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM promptops.run r WHERE r.tenant = $1 AND r.name = $2 FOR NO KEY UPDATE"
);
const LIST: &str = list!("");
const LIST_OF_PROMPT: &str = list!(" AND r.prompt = $4");
const LIST_OF_CLOSURE: &str = list!(" AND r.closure_hash = $5");
const LIST_ON_DATASET: &str = list!(" AND r.dataset = $6");
const EXISTS: &str = "SELECT FROM promptops.run r WHERE r.tenant = $1 AND r.name = $2";
const PLACE: &str = "SELECT v.entry_list, v.entries FROM promptops.dataset d
    JOIN promptops.dataset_version v ON v.dataset = d.id AND v.number = $3 WHERE d.tenant = $1 AND d.name = $2";
const ADD: &str = "INSERT INTO promptops.run (tenant, name, number, prompt, version, closure_hash, dataset,
        dataset_version, entry_list, entries, repeats, evaluator, status, state, started_by_id, started_by_role,
        started_at)
    SELECT $1, $2, coalesce(max(r.number), 0) + 1, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16
    FROM promptops.run r WHERE r.tenant = $1";
const COUNT: &str = "SELECT count(*) FROM promptops.result d WHERE d.run = $1";
const SET_STATE: &str = "UPDATE promptops.run SET status = $2, state = $3 WHERE id = $1";

fn read(row: &PgRow) -> error::Result<Run> {
    Ok(Run {
        id: stored("run id", RunId::new(row.try_get::<String, _>(2)?))?,
        prompt: stored("prompt name", PromptName::new(row.try_get::<String, _>(3)?))?,
        version: version_number(row.try_get::<i64, _>(4)?)?,
        closure_hash: ClosureHash::from_bytes(hash_bytes(row.try_get(5)?)?),
        dataset: stored("dataset name", DatasetName::new(row.try_get::<String, _>(6)?))?,
        dataset_version: version_number(row.try_get::<i64, _>(7)?)?,
        entries: unsigned("number of entries", row.try_get(8)?)?,
        evaluator: from_json("evaluator of a run", row.try_get(9)?)?,
        state: from_json("state of a run", row.try_get(10)?)?,
        started_by: actor(row.try_get(11)?, row.try_get(12)?)?,
        started_at: timestamp(row.try_get(13)?)?,
    })
}

pub(super) async fn find(backend: &PgBackend, tenant: &TenantId, id: &RunId) -> Result<Run> {
    let row = backend
        .read_one(FIND, |query| query.bind(tenant.to_string()).bind(id.to_string()))
        .await?;
    Ok(read(&row.ok_or_else(|| refusal::unknown_run(id))?)?)
}

pub(super) async fn list(
    backend: &PgBackend,
    tenant: &TenantId,
    filter: &RunFilter,
    page: &PageRequest,
) -> Result<Page<Run>> {
    let before = page.number_cursor()?.map_or(Ok(i64::MAX), integer)?;
    let limit = page.limit();
    let sql = match filter {
        RunFilter {
            closure_hash: Some(_),
            ..
        } => LIST_OF_CLOSURE,
        RunFilter { prompt: Some(_), .. } => LIST_OF_PROMPT,
        RunFilter { dataset: Some(_), .. } => LIST_ON_DATASET,
        _ => LIST,
    };
    let rows = backend
        .read(sql, |query| {
            query
                .bind(tenant.to_string())
                .bind(before)
                .bind(limit as i64 + 1)
                .bind(filter.prompt.as_ref().map(ToString::to_string))
                .bind(filter.closure_hash.as_ref().map(|hash| hash.as_bytes().to_vec()))
                .bind(filter.dataset.as_ref().map(ToString::to_string))
        })
        .await?;
    let runs = rows
        .iter()
        .map(|row| Ok((row.try_get::<i64, _>(1)?, read(row)?)))
        .collect::<error::Result<Vec<_>>>()?;
    let page = Page::from_surplus(runs, limit, |(number, _)| number.to_string());
    Ok(page.map(|(_, run)| run))
}

pub(super) async fn create(
    tx: &mut Transaction,
    tenant: &TenantId,
    run: &Run,
    audit: &AuditEntry,
) -> error::Result<()> {
    let owner = tenancy::lock(tx, tenant).await?;
    let taken = tx.row(EXISTS, |query| query.bind(owner.id).bind(run.id.to_string()));
    if taken.await?.is_some() {
        return Err(refusal::run_exists(&run.id).into());
    }
    let place = tx
        .row(PLACE, |query| {
            query
                .bind(owner.id)
                .bind(run.dataset.to_string())
                .bind(i64::from(run.dataset_version.get()))
        })
        .await?;
    let place = place.ok_or_else(|| refusal::unknown_dataset(&run.dataset, Some(run.dataset_version)))?;
    let (list, found): (i64, i64) = (place.try_get(0)?, place.try_get(1)?);
    let found = unsigned("number of entries", found)?;
    if found != run.entries {
        return Err(refusal::other_entries(run, found).into());
    }
    let entries = integer(run.entries)?;
    let evaluator = to_json("evaluator of a run", &run.evaluator)?;
    let state = to_json("state of a run", &run.state)?;
    tx.rows(ADD, |query| {
        query
            .bind(owner.id)
            .bind(run.id.to_string())
            .bind(run.prompt.to_string())
            .bind(i64::from(run.version.get()))
            .bind(run.closure_hash.as_bytes().to_vec())
            .bind(run.dataset.to_string())
            .bind(i64::from(run.dataset_version.get()))
            .bind(list)
            .bind(entries)
            .bind(i64::from(run.evaluator.repeats))
            .bind(evaluator)
            .bind(run.state.as_str())
            .bind(state)
            .bind(&run.started_by.id)
            .bind(run.started_by.role.as_str())
            .bind(run.started_at.timestamp_micros())
    })
    .await?;
    audit::append(tx, owner, audit, None).await
}

pub(super) async fn change(tx: &mut Transaction, change: RunChange) -> error::Result<Run> {
    let tenant = tenancy::lock(tx, &change.tenant).await?;
    let row = tx
        .row(LOCK, |query| query.bind(tenant.id).bind(change.run.to_string()))
        .await?;
    let row = row.ok_or_else(|| refusal::unknown_run(&change.run))?;
    let (id, mut run): (i64, _) = (row.try_get(0)?, read(&row)?);
    if run.state.as_str() == change.to.as_str() {
        return Ok(run);
    }
    if !run.state.may_become(&change.to) {
        return Err(refusal::illegal_state(&run.id, &run.state, &change.to).into());
    }
    if change.to.is_completed() {
        let row = tx.row(COUNT, |query| query.bind(id)).await?;
        let found = unsigned("number of results", row.map_or(Ok(0), |row| row.try_get(0))?)?;
        if found != run.tasks() {
            return Err(refusal::run_lacks_results(&run.id, found, run.tasks()).into());
        }
        if let Some(evidence) = &change.evidence {
            let (by, at) = (&change.audit.actor, change.audit.at);
            evidence::add(tx, tenant, evidence, by, at).await?;
        }
    }
    let state = to_json("state of a run", &change.to)?;
    tx.rows(SET_STATE, |query| {
        query.bind(id).bind(change.to.as_str()).bind(state)
    })
    .await?;
    audit::append(tx, tenant, &change.audit, None).await?;
    run.state = change.to;
    Ok(run)
}
