//! Results of runs.

use promptops_core::base::Page;
use promptops_core::base::stored::{from_json, integer, unsigned};
use promptops_core::evaluation::run::{Recorded, ResultBatch};
use promptops_core::evaluation::{EntryResult, refusal};
use rusqlite::{Connection, OptionalExtension};

use super::work::Plan;
use crate::error::Result;

statements! {
    ENTRY = "SELECT e.name FROM promptops_dataset_entry e WHERE e.id = ?1";
    EXISTS = "SELECT EXISTS (SELECT 1 FROM promptops_result WHERE run = ?1 AND task = ?2)";
    ADD = "INSERT INTO promptops_result (run, task, result) VALUES (?1, ?2, ?3)";
    END_LEASE = "DELETE FROM promptops_lease WHERE run = ?1 AND task = ?2";
    PAGE = "SELECT d.result FROM promptops_result d WHERE d.run = ?1 AND d.task > ?2 ORDER BY d.task LIMIT ?3";
    COUNT = "SELECT count(*) FROM promptops_result WHERE run = ?1";
}

/// Keeps results, whose JSON texts are `texts`.
pub(super) fn record(tx: &Connection, batch: &ResultBatch, texts: &[String]) -> Result<Recorded> {
    let plan = Plan::find(tx, &batch.tenant, &batch.run)?;
    let mut tasks = Vec::with_capacity(batch.results.len());
    let mut entry = tx.prepare_cached(ENTRY)?;
    for result in &batch.results {
        let foreign = || refusal::foreign_result(&batch.run, result.ordinal, &result.entry);
        let task = i64::try_from(result.ordinal)
            .ok()
            .filter(|task| *task < plan.tasks());
        let task = task.ok_or_else(foreign)?;
        let is_entry = entry
            .query_row([plan.first_entry + task / plan.repeats], |row| {
                Ok(row.get_ref(0)?.as_bytes()? == result.entry.as_bytes())
            })
            .optional()?;
        if is_entry != Some(true) || task % plan.repeats != i64::from(result.repeat) {
            return Err(foreign().into());
        }
        tasks.push(task);
    }
    let mut accepted = Vec::with_capacity(tasks.len());
    let mut end_lease = tx.prepare_cached(END_LEASE)?;
    let mut exists = tx.prepare_cached(EXISTS)?;
    let mut add = tx.prepare_cached(ADD)?;
    for (task, text) in tasks.into_iter().zip(texts) {
        end_lease.execute((plan.id, task))?;
        if !exists.query_row((plan.id, task), |row| row.get::<_, bool>(0))? {
            add.execute((plan.id, task, text))?;
            accepted.push(unsigned("task", task)?);
        }
    }
    accepted.sort_unstable();
    Ok(Recorded {
        accepted,
        state: plan.state,
    })
}

pub(super) fn page(
    connection: &Connection,
    run: i64,
    after: Option<u64>,
    limit: usize,
) -> Result<Page<EntryResult>> {
    let after = after.map_or(Ok(-1), integer)?;
    let mut statement = connection.prepare_cached(PAGE)?;
    let mut rows = statement.query((run, after, limit as i64 + 1))?;
    let mut results: Vec<EntryResult> = Vec::new();
    while let Some(row) = rows.next()? {
        let text = row.get_ref(0)?.as_str().map_err(rusqlite::Error::from)?;
        results.push(from_json("result", text)?);
    }
    Ok(Page::from_surplus(results, limit, |last| {
        last.ordinal.to_string()
    }))
}

pub(super) fn count(connection: &Connection, run: i64) -> Result<u64> {
    let count = connection
        .prepare_cached(COUNT)?
        .query_row([run], |row| row.get(0))?;
    Ok(unsigned("number of results", count)?)
}
