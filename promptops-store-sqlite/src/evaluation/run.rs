//! Runs as a whole.

use promptops_core::base::stored::{
    actor, from_json, integer, stored, timestamp, to_json, unsigned, version_number,
};
use promptops_core::base::{ClosureHash, DatasetName, Page, PromptName, RunId, TenantId};
use promptops_core::evaluation::run::{RunChange, RunFilter};
use promptops_core::evaluation::{Run, refusal};
use rusqlite::{Connection, OptionalExtension, Row};

use super::{evidence, result};
use crate::error::Result;
use crate::{audit, dataset, tenancy};

/// What [`RunRow::read`] reads, of a `promptops_run r`.
macro_rules! columns {
    () => {
        "r.id, r.number, r.name, r.prompt, r.version, r.closure_hash, r.dataset, r.dataset_version, r.entries, \
         r.evaluator, r.state, r.started_by_id, r.started_by_role, r.started_at"
    };
}

macro_rules! list {
    ($index:literal) => {
        concat!(
            "SELECT ",
            columns!(),
            " FROM promptops_run r ",
            $index,
            " AND r.number < ?2 AND (?4 IS NULL OR r.prompt = ?4) AND (?5 IS NULL OR r.closure_hash = ?5)
            AND (?6 IS NULL OR r.dataset = ?6) ORDER BY r.number DESC LIMIT ?3"
        )
    };
}

statements! {
    ID = "SELECT r.id FROM promptops_tenant n JOIN promptops_run r ON r.tenant = n.id AND r.name = ?2
        WHERE n.name = ?1";
    FIND = concat!("SELECT ", columns!(), " FROM promptops_tenant n
        JOIN promptops_run r ON r.tenant = n.id AND r.name = ?2 WHERE n.name = ?1");
    LIST = list!("WHERE r.tenant = ?1");
    LIST_OF_PROMPT = list!("INDEXED BY promptops_run_prompt WHERE r.tenant = ?1 AND r.prompt = ?4");
    LIST_OF_CLOSURE = list!("INDEXED BY promptops_run_closure WHERE r.tenant = ?1 AND r.closure_hash = ?5");
    LIST_ON_DATASET = list!("INDEXED BY promptops_run_dataset WHERE r.tenant = ?1 AND r.dataset = ?6");
    LAST_NUMBER = "SELECT coalesce(max(number), 0) FROM promptops_run WHERE tenant = ?1";
    ADD = "INSERT INTO promptops_run (tenant, name, number, prompt, version, closure_hash, dataset, dataset_version,
            first_entry, entries, repeats, evaluator, state, started_by_id, started_by_role, started_at)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)";
    SET_STATE = "UPDATE promptops_run SET state = ?2 WHERE id = ?1";
}

struct RunRow {
    id: i64,
    number: i64,
    name: String,
    prompt: String,
    version: u32,
    closure_hash: [u8; 32],
    dataset: String,
    dataset_version: u32,
    entries: i64,
    evaluator: String,
    state: String,
    started_by_id: String,
    started_by_role: String,
    started_at: i64,
}

impl RunRow {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            id: row.get(0)?,
            number: row.get(1)?,
            name: row.get(2)?,
            prompt: row.get(3)?,
            version: row.get(4)?,
            closure_hash: row.get(5)?,
            dataset: row.get(6)?,
            dataset_version: row.get(7)?,
            entries: row.get(8)?,
            evaluator: row.get(9)?,
            state: row.get(10)?,
            started_by_id: row.get(11)?,
            started_by_role: row.get(12)?,
            started_at: row.get(13)?,
        })
    }

    fn into_run(self) -> promptops_core::Result<Run> {
        Ok(Run {
            id: stored("run id", RunId::new(self.name))?,
            prompt: stored("prompt name", PromptName::new(self.prompt))?,
            version: version_number(self.version)?,
            closure_hash: ClosureHash::from_bytes(self.closure_hash),
            dataset: stored("dataset name", DatasetName::new(self.dataset))?,
            dataset_version: version_number(self.dataset_version)?,
            entries: unsigned("number of entries", self.entries)?,
            evaluator: from_json("evaluator of a run", &self.evaluator)?,
            state: from_json("state of a run", &self.state)?,
            started_by: actor(self.started_by_id, &self.started_by_role)?,
            started_at: timestamp(self.started_at)?,
        })
    }
}

/// The run's row id.
pub(super) fn id(connection: &Connection, tenant: &TenantId, run: &RunId) -> Result<i64> {
    let id = connection
        .prepare_cached(ID)?
        .query_row([tenant.as_str(), run.as_str()], |row| row.get(0))
        .optional()?;
    Ok(id.ok_or_else(|| refusal::unknown_run(run))?)
}

/// The run, and its row id.
pub(super) fn find(connection: &Connection, tenant: &TenantId, run: &RunId) -> Result<(i64, Run)> {
    let row = connection
        .prepare_cached(FIND)?
        .query_row([tenant.as_str(), run.as_str()], RunRow::read)
        .optional()?
        .ok_or_else(|| refusal::unknown_run(run))?;
    Ok((row.id, row.into_run()?))
}

pub(super) fn list(
    connection: &Connection,
    tenant: &TenantId,
    filter: &RunFilter,
    before: Option<u64>,
    limit: usize,
) -> Result<Page<Run>> {
    let mut found = Vec::new();
    // A tenant's id never changes, so that two statements see what one would.
    if let Some(tenant) = tenancy::tenant(connection, tenant)? {
        let sql = match filter {
            RunFilter {
                closure_hash: Some(_),
                ..
            } => LIST_OF_CLOSURE,
            RunFilter { prompt: Some(_), .. } => LIST_OF_PROMPT,
            RunFilter { dataset: Some(_), .. } => LIST_ON_DATASET,
            _ => LIST,
        };
        let mut statement = connection.prepare_cached(sql)?;
        let rows = statement.query_map(
            (
                tenant,
                before.map_or(Ok(i64::MAX), integer)?,
                limit as i64 + 1,
                filter.prompt.as_ref().map(PromptName::as_str),
                filter.closure_hash.as_ref().map(ClosureHash::as_bytes),
                filter.dataset.as_ref().map(DatasetName::as_str),
            ),
            RunRow::read,
        )?;
        for row in rows {
            let row = row?;
            found.push((row.number, row.into_run()?));
        }
    }
    let page = Page::from_surplus(found, limit, |(number, _)| number.to_string());
    Ok(page.map(|(_, run)| run))
}

pub(super) fn create(tx: &Connection, tenant: &TenantId, run: &Run) -> Result<()> {
    let owner = tenancy::ensure_tenant(tx, tenant)?;
    let taken: Option<i64> = tx
        .prepare_cached(ID)?
        .query_row([tenant.as_str(), run.id.as_str()], |row| row.get(0))
        .optional()?;
    if taken.is_some() {
        return Err(refusal::run_exists(&run.id).into());
    }
    let place = dataset::place(tx, tenant, &run.dataset, run.dataset_version)?;
    if place.entries != run.entries {
        return Err(refusal::other_entries(run, place.entries).into());
    }
    let last: i64 = tx
        .prepare_cached(LAST_NUMBER)?
        .query_row([owner], |row| row.get(0))?;
    tx.prepare_cached(ADD)?.execute((
        owner,
        run.id.as_str(),
        last + 1,
        run.prompt.as_str(),
        run.version.get(),
        run.closure_hash.as_bytes(),
        run.dataset.as_str(),
        run.dataset_version.get(),
        place.first,
        integer(run.entries)?,
        run.evaluator.repeats,
        to_json("evaluator of a run", &run.evaluator)?,
        to_json("state of a run", &run.state)?,
        &run.started_by.id,
        run.started_by.role.as_str(),
        run.started_at.timestamp_micros(),
    ))?;
    Ok(())
}

pub(super) fn change(tx: &Connection, change: RunChange) -> Result<Run> {
    let (id, mut run) = find(tx, &change.tenant, &change.run)?;
    if run.state.as_str() == change.to.as_str() {
        return Ok(run);
    }
    if !run.state.may_become(&change.to) {
        return Err(refusal::illegal_state(&run.id, &run.state, &change.to).into());
    }
    if change.to.is_completed() {
        let found = result::count(tx, id)?;
        if found != run.tasks() {
            return Err(refusal::run_lacks_results(&run.id, found, run.tasks()).into());
        }
        if let Some(evidence) = &change.evidence {
            let tenant = tenancy::ensure_tenant(tx, &change.tenant)?;
            let (by, at) = (&change.audit.actor, change.audit.at);
            evidence::add(tx, tenant, evidence, by, at)?;
        }
    }
    tx.prepare_cached(SET_STATE)?
        .execute((id, to_json("state of a run", &change.to)?))?;
    audit::append(tx, change.audit)?;
    run.state = change.to;
    Ok(run)
}
