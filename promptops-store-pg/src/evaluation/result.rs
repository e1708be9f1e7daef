//! Results of runs.

use promptops_core::Result;
use promptops_core::base::stored::{corrupt, from_json, integer, to_json, unsigned};
use promptops_core::base::{Page, PageRequest, RunId, TenantId};
use promptops_core::evaluation::run::{Recorded, ResultBatch};
use promptops_core::evaluation::{EntryResult, refusal};
use sqlx::Row;

use crate::backend::PgBackend;
use crate::error;

const RECORD: &str = "SELECT r.state, r.accepted, r.foreign_at
    FROM promptops.record_results($1, $2, $3, $4, $5, $6, $7) r";
const PAGE: &str = "SELECT d.result FROM promptops.results_after($1, $2, $3, $4) d";
const COUNT: &str = "SELECT x.results FROM promptops.entered($1) n, LATERAL (
        SELECT r.results FROM promptops.run r WHERE r.tenant = n.id AND r.name = $2 OFFSET 0
    ) x";

pub(super) async fn record(backend: &PgBackend, batch: ResultBatch) -> Result<Recorded> {
    let count = batch.results.len();
    let (mut tasks, mut entries) = (Vec::with_capacity(count), Vec::with_capacity(count));
    let (mut repeats, mut texts) = (Vec::with_capacity(count), Vec::with_capacity(count));
    for result in &batch.results {
        // No run has a task below 0.
        tasks.push(i64::try_from(result.ordinal).unwrap_or(-1));
        entries.push(result.entry.clone());
        repeats.push(i64::from(result.repeat));
        texts.push(to_json("result", result)?);
    }
    let rows = backend
        .write(RECORD, |query| {
            query
                .bind(batch.tenant.to_string())
                .bind(batch.run.to_string())
                .bind(tasks.clone())
                .bind(entries.clone())
                .bind(repeats.clone())
                .bind(texts.clone())
                .bind(backend.lock_timeout().to_owned())
        })
        .await?;
    let unknown = || refusal::unknown_run(&batch.run);
    let row = rows.first().ok_or_else(unknown)?;
    let read = || -> error::Result<Result<Recorded>> {
        let state: Option<&str> = row.try_get(0)?;
        let Some(state) = state else {
            return Ok(Err(unknown()));
        };
        let foreign: Option<i64> = row.try_get(2)?;
        if let Some(at) = foreign {
            let result = usize::try_from(at - 1).ok().and_then(|at| batch.results.get(at));
            let result = result.ok_or_else(|| corrupt("place of a result"))?;
            return Ok(Err(refusal::foreign_result(
                &batch.run,
                result.ordinal,
                &result.entry,
            )));
        }
        let accepted: Vec<i64> = row.try_get(1)?;
        let accepted = accepted.into_iter().map(|task| unsigned("task", task));
        Ok(Ok(Recorded {
            accepted: accepted.collect::<Result<_>>()?,
            state: from_json("state of a run", state)?,
        }))
    };
    read()?
}

pub(super) async fn page(
    backend: &PgBackend,
    tenant: &TenantId,
    run: &RunId,
    page: &PageRequest,
) -> Result<Page<EntryResult>> {
    let after = page.number_cursor()?.map_or(Ok(-1), integer)?;
    let limit = page.limit();
    let rows = backend
        .read(PAGE, |query| {
            query
                .bind(tenant.to_string())
                .bind(run.to_string())
                .bind(after)
                .bind(limit as i64 + 1)
        })
        .await?;
    if rows.is_empty() {
        return Err(refusal::unknown_run(run));
    }
    let mut results = Vec::with_capacity(rows.len());
    for row in &rows {
        let text: Option<&str> = row.try_get(0).map_err(error::Failure::from)?;
        results.extend(
            text.map(|text| from_json::<EntryResult>("result", text))
                .transpose()?,
        );
    }
    Ok(Page::from_surplus(results, limit, |last| {
        last.ordinal.to_string()
    }))
}

pub(super) async fn count(backend: &PgBackend, tenant: &TenantId, run: &RunId) -> Result<u64> {
    let row = backend
        .read_one(COUNT, |query| {
            query.bind(tenant.to_string()).bind(run.to_string())
        })
        .await?;
    let row = row.ok_or_else(|| refusal::unknown_run(run))?;
    unsigned("number of results", row.try_get(0).map_err(error::Failure::from)?)
}
