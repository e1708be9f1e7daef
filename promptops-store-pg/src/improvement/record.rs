//! Records: committed in one statement, which checks them first.

use promptops_core::base::audit::AuditEntry;
use promptops_core::base::stored::{corrupt, to_json, unsigned};
use promptops_core::base::{PageRequest, TenantId};
use promptops_core::improvement::{ImprovementCommit, ImprovementRecord, RecordFilter, RecordKind, refusal};
use promptops_core::{Error, Result};
use sqlx::Row;
use sqlx::postgres::PgRow;

use crate::backend::PgBackend;
use crate::connection::Query;
use crate::environment::revision;
use crate::{audit, error};

const COMMIT: &str =
    "SELECT c.place, c.actual FROM promptops.commit_improvement($1, $2, $3, $4, $5, $6, $7, $8, $9, $10,
    $11, $12, $13, $14, $15, $16, $17, $18, $19) c";
const FIND: &str = "SELECT x.record FROM promptops.entered($1) n, LATERAL (
        SELECT r.record FROM promptops.improvement r WHERE r.tenant = n.id AND r.kind = $2 AND r.id = $3 OFFSET 0
    ) x";

/// A list by the index that the condition names, from the cursor on.
macro_rules! list {
    ($condition:literal) => {
        concat!(
            "SELECT x.record FROM promptops.entered($1) n, LATERAL (
                SELECT r.id, r.record FROM promptops.improvement r
                WHERE r.tenant = n.id AND r.kind = $2 AND r.id < $3 AND ($5 IS NULL OR r.prompt = $5)
                    AND ($6 IS NULL OR r.environment = $6) AND ($7 IS NULL OR r.status = $7)",
            $condition,
            " ORDER BY r.id DESC LIMIT $4
            ) x ORDER BY x.id DESC"
        )
    };
}
const LIST: &str = list!("");
const LIST_OF_PROMPT: &str = list!(" AND r.prompt = $5");
const LIST_IN_STATUS: &str = list!(" AND r.status = $7");

/// Comes after every id, which is ASCII without control characters.
const AFTER_ALL: &str = "\u{7f}";

/// Records in columns.
#[derive(Default)]
struct Columns {
    kinds: Vec<&'static str>,
    ids: Vec<String>,
    prompts: Vec<Option<String>>,
    environments: Vec<Option<String>>,
    statuses: Vec<&'static str>,
    bases: Vec<i64>,
    revisions: Vec<i64>,
    texts: Vec<String>,
}

impl Columns {
    fn of(records: &[ImprovementRecord]) -> Result<Self> {
        let mut columns = Self::default();
        for record in records {
            columns.kinds.push(record.kind().as_str());
            columns.ids.push(record.id());
            columns.prompts.push(record.prompt().map(ToString::to_string));
            let environment = record.environment().map(ToString::to_string);
            columns.environments.push(environment);
            columns.statuses.push(record.status());
            columns.bases.push(revision(record.revision().saturating_sub(1)));
            columns.revisions.push(revision(record.revision()));
            columns.texts.push(record.json()?);
        }
        Ok(columns)
    }

    fn bind(&self, query: Query) -> Query {
        query
            .bind(&self.kinds)
            .bind(&self.ids)
            .bind(&self.prompts)
            .bind(&self.environments)
            .bind(&self.statuses)
            .bind(&self.bases)
            .bind(&self.revisions)
            .bind(&self.texts)
    }
}

pub(super) async fn commit(backend: &PgBackend, commit: ImprovementCommit) -> Result<()> {
    let columns = Columns::of(&commit.records)?;
    let told = commit.changes.iter().map(|change| to_json("change", change));
    let told: Vec<String> = told.collect::<Result<_>>()?;
    let audits: &[AuditEntry] = &commit.audits;
    let rows = backend
        .write(COMMIT, |query| {
            let query = query
                .bind(commit.tenant.to_string())
                .bind(backend.lock_timeout().to_owned());
            audit::bind_all(columns.bind(query), audits).bind(&told)
        })
        .await?;
    let row = rows.first().ok_or_else(|| corrupt("outcome of a commit"))?;
    match refused(row, &commit.records)? {
        Some(refused) => Err(refused),
        None => Ok(()),
    }
}

/// Why the database refused it, if it did.
fn refused(row: &PgRow, records: &[ImprovementRecord]) -> error::Result<Option<Error>> {
    let Some(place) = row.try_get::<Option<i64>, _>(0)? else {
        return Ok(None);
    };
    let place = usize::try_from(place - 1).ok();
    let record = place.and_then(|place| records.get(place));
    let record = record.ok_or_else(|| corrupt("outcome of a commit"))?;
    let expected = record.revision().saturating_sub(1);
    let actual = unsigned("revision", row.try_get(1)?)?;
    Ok(Some(refusal::record_conflict(
        record.kind(),
        &record.id(),
        expected,
        actual,
    )))
}

pub(super) async fn find(
    backend: &PgBackend,
    tenant: &TenantId,
    kind: RecordKind,
    id: &str,
) -> error::Result<Option<ImprovementRecord>> {
    // PostgreSQL refuses this character, which no id has.
    if id.contains('\0') {
        return Ok(None);
    }
    let row = backend
        .read_one(FIND, |query| {
            query
                .bind(tenant.to_string())
                .bind(kind.as_str())
                .bind(id.to_owned())
        })
        .await?;
    row.as_ref().map(|row| read(row, kind)).transpose()
}

/// The statement whose index leaves the fewest to look at.
fn list_for(filter: &RecordFilter) -> &'static str {
    match filter {
        RecordFilter { prompt: Some(_), .. } => LIST_OF_PROMPT,
        RecordFilter { status: Some(_), .. } => LIST_IN_STATUS,
        _ => LIST,
    }
}

/// One record more than a page takes, if there are so many.
pub(super) async fn list(
    backend: &PgBackend,
    tenant: &TenantId,
    filter: &RecordFilter,
    page: &PageRequest,
) -> error::Result<Vec<ImprovementRecord>> {
    // The character after the one that PostgreSQL refuses: no id has either, so that the place is the same.
    let before = page.cursor().unwrap_or(AFTER_ALL).replace('\0', "\u{1}");
    let rows = backend
        .read(list_for(filter), |query| {
            query
                .bind(tenant.to_string())
                .bind(filter.kind.as_str())
                .bind(before.clone())
                .bind(page.limit() as i64 + 1)
                .bind(filter.prompt.as_ref().map(ToString::to_string))
                .bind(filter.environment.as_ref().map(ToString::to_string))
                .bind(filter.status)
        })
        .await?;
    rows.iter().map(|row| read(row, filter.kind)).collect()
}

fn read(row: &PgRow, kind: RecordKind) -> error::Result<ImprovementRecord> {
    Ok(ImprovementRecord::from_stored(kind, row.try_get(0)?)?)
}
