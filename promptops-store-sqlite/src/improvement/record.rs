//! Records: checked in the words of core, then written. What is found or compared by a column must be what the body says.

use promptops_core::base::stored::{corrupt, integer, unsigned};
use promptops_core::base::{EnvironmentName, PromptName, TenantId};
use promptops_core::improvement::{ImprovementCommit, ImprovementRecord, RecordFilter, RecordKind, refusal};
use rusqlite::{Connection, OptionalExtension, Row};

use crate::error::Result;
use crate::{audit, feed, tenancy};

/// The columns that [`read`] reads.
macro_rules! columns {
    () => {
        "r.kind, r.name, r.prompt, r.environment, r.status, r.revision, r.body"
    };
}

/// A list that goes by an index in the order of ids. A cursor that is not there is above all texts, as bytes are in SQLite.
macro_rules! list {
    ($index:literal, $by:literal) => {
        concat!(
            "SELECT ",
            columns!(),
            " FROM promptops_improvement r ",
            $index,
            " WHERE r.tenant = ?1 AND r.kind = ?2 AND r.name < coalesce(?3, x'')",
            $by,
            " AND (?5 IS NULL OR r.prompt = ?5) AND (?6 IS NULL OR r.environment = ?6)
            AND (?7 IS NULL OR r.status = ?7) ORDER BY r.name DESC LIMIT ?4"
        )
    };
}

statements! {
    REVISION = "SELECT revision FROM promptops_improvement WHERE tenant = ?1 AND kind = ?2 AND name = ?3";
    CHANGE = "UPDATE promptops_improvement
        SET prompt = ?4, environment = ?5, status = ?6, revision = ?7, body = ?8
        WHERE tenant = ?1 AND kind = ?2 AND name = ?3";
    ADD = "INSERT INTO promptops_improvement (tenant, kind, name, prompt, environment, status, revision, body)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
    FIND = concat!("SELECT ", columns!(), " FROM promptops_tenant t
        JOIN promptops_improvement r ON r.tenant = t.id AND r.kind = ?2 AND r.name = ?3 WHERE t.name = ?1");
    LIST = list!("", "");
    LIST_OF_PROMPT = list!("INDEXED BY promptops_improvement_prompt", " AND r.prompt = ?5");
    LIST_IN_STATUS = list!("INDEXED BY promptops_improvement_status", " AND r.status = ?7");
}

/// Commits it, or fails for its first reason; the caller's transaction undoes what was written until then.
pub(super) fn commit(tx: &Connection, commit: ImprovementCommit) -> Result<()> {
    let tenant = tenancy::ensure_tenant(tx, &commit.tenant)?;
    for record in &commit.records {
        check(tx, tenant, record)?;
    }
    for record in &commit.records {
        put(tx, tenant, record)?;
    }
    for change in &commit.changes {
        feed::tell(tx, &commit.tenant, change)?;
    }
    for audit in commit.audits {
        audit::append(tx, audit)?;
    }
    Ok(())
}

fn check(tx: &Connection, tenant: i64, record: &ImprovementRecord) -> Result<()> {
    let (kind, id) = (record.kind(), record.id());
    let found = tx
        .prepare_cached(REVISION)?
        .query_row((tenant, kind.as_str(), &id), |row| row.get(0))
        .optional()?;
    let current = unsigned("revision", found.unwrap_or(0))?;
    let expected = record.revision().saturating_sub(1);
    if current == expected {
        return Ok(());
    }
    Err(refusal::record_conflict(kind, &id, expected, current).into())
}

fn put(tx: &Connection, tenant: i64, record: &ImprovementRecord) -> Result<()> {
    let (id, body) = (record.id(), record.json()?);
    let row = (
        tenant,
        record.kind().as_str(),
        id.as_str(),
        record.prompt().map(PromptName::as_str),
        record.environment().map(EnvironmentName::as_str),
        record.status(),
        integer(record.revision())?,
        body.as_str(),
    );
    if tx.prepare_cached(CHANGE)?.execute(row)? == 0 {
        tx.prepare_cached(ADD)?.execute(row)?;
    }
    Ok(())
}

pub(super) fn find(
    connection: &Connection,
    tenant: &TenantId,
    kind: RecordKind,
    id: &str,
) -> Result<Option<ImprovementRecord>> {
    let mut statement = connection.prepare_cached(FIND)?;
    let mut rows = statement.query((tenant.as_str(), kind.as_str(), id))?;
    rows.next()?.map(|row| read(row, kind)).transpose()
}

/// The list that looks at the fewest records beside those wanted.
fn list_for(filter: &RecordFilter) -> &'static str {
    match filter {
        RecordFilter { prompt: Some(_), .. } => LIST_OF_PROMPT,
        RecordFilter { status: Some(_), .. } => LIST_IN_STATUS,
        _ => LIST,
    }
}

pub(super) fn list(
    connection: &Connection,
    tenant: &TenantId,
    filter: &RecordFilter,
    before: Option<&str>,
    limit: usize,
) -> Result<Vec<ImprovementRecord>> {
    let Some(tenant) = tenancy::tenant(connection, tenant)? else {
        return Ok(Vec::new());
    };
    let mut statement = connection.prepare_cached(list_for(filter))?;
    let mut rows = statement.query((
        tenant,
        filter.kind.as_str(),
        before,
        limit as i64 + 1,
        filter.prompt.as_ref().map(PromptName::as_str),
        filter.environment.as_ref().map(EnvironmentName::as_str),
        filter.status,
    ))?;
    let mut records = Vec::new();
    while let Some(row) = rows.next()? {
        records.push(read(row, filter.kind)?);
    }
    Ok(records)
}

fn read(row: &Row<'_>, kind: RecordKind) -> Result<ImprovementRecord> {
    let body = row.get_ref(6)?.as_str().map_err(rusqlite::Error::from)?;
    let record = ImprovementRecord::from_stored(kind, body)?;
    let is_text = |column: usize, value: Option<&str>| {
        let found = row.get_ref(column);
        found.is_ok_and(|found| found.as_str_or_null().is_ok_and(|found| found == value))
    };
    let is_same = is_text(0, Some(kind.as_str()))
        && is_text(1, Some(&record.id()))
        && is_text(2, record.prompt().map(PromptName::as_str))
        && is_text(3, record.environment().map(EnvironmentName::as_str))
        && is_text(4, Some(record.status()))
        && row.get::<_, i64>(5)? == integer(record.revision())?;
    if is_same {
        Ok(record)
    } else {
        Err(corrupt(kind.as_str()).with(kind.as_str(), record.id()).into())
    }
}
