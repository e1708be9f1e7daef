//! Looking references up: the cold path of every request, in one statement.

use std::sync::Arc;

use promptops_core::base::TenantId;
use promptops_core::base::stored::{stored, unsigned};
use promptops_core::prompt::{Found, Lookup, Missing, Reference, Selector};
use sqlx::Row;
use sqlx::postgres::PgRow;

use crate::backend::PgBackend;
use crate::error;
use crate::prompt::{version, version_columns};

/// The tenant's own version for one reference, other than by hash: what most requests ask for, as one plan that the
/// server keeps. No row, or no number in it, is for [`FIND`] to explain, which also asks the parent.
const FIND_OWN: &str = concat!(
    "SELECT x.* FROM promptops.entered($1) n, LATERAL (
        SELECT p.id, NULL::text, o.revision, ",
    version_columns!(),
    " FROM promptops.prompt p
        LEFT JOIN promptops.pointer o ON o.prompt = p.id AND o.environment = $4
        LEFT JOIN promptops.version v ON v.prompt = p.id AND v.number = CASE
            WHEN $4 IS NOT NULL THEN o.version
            WHEN $3 IS NOT NULL THEN $3
            ELSE p.latest_active END
        WHERE p.tenant = n.id AND p.name = $2
        OFFSET 0
    ) x"
);
/// A row for each reference. NULLs say what is missing, and the parent's name is NULL when the answer is the tenant's
/// own. A reference without number, hash and environment is to the latest.
const FIND: &str = concat!(
    "SELECT v.prompt, v.inherited_from, v.revision, ",
    version_columns!(),
    " FROM promptops.find($1, $2, $3, $4, $5) v"
);

/// The columns before the version's.
const VERSION_AT: usize = 3;

/// References in columns.
#[derive(Default)]
struct Columns {
    prompts: Vec<String>,
    numbers: Vec<Option<i64>>,
    hashes: Vec<Option<Vec<u8>>>,
    environments: Vec<Option<String>>,
}

pub(crate) async fn find(
    backend: &PgBackend,
    tenant: &TenantId,
    references: &[Reference],
) -> error::Result<Vec<Lookup>> {
    if references.is_empty() {
        return Ok(Vec::new());
    }
    if let [reference] = references
        && let Some(own) = find_own(backend, tenant, reference).await?
    {
        return Ok(vec![own]);
    }
    let mut columns = Columns::default();
    for reference in references {
        let (number, hash, environment) = selected(&reference.selector);
        columns.prompts.push(reference.prompt.to_string());
        columns.numbers.push(number);
        columns.hashes.push(hash);
        columns.environments.push(environment);
    }
    let rows = backend
        .read(FIND, |query| {
            query
                .bind(tenant.to_string())
                .bind(&columns.prompts)
                .bind(&columns.numbers)
                .bind(&columns.hashes)
                .bind(&columns.environments)
        })
        .await?;
    references
        .iter()
        .zip(&rows)
        .map(|(reference, row)| lookup(row, tenant, reference))
        .collect()
}

/// What the tenant has of its own, if that answers.
async fn find_own(
    backend: &PgBackend,
    tenant: &TenantId,
    reference: &Reference,
) -> error::Result<Option<Lookup>> {
    let (number, hash, environment) = selected(&reference.selector);
    if hash.is_some() {
        return Ok(None);
    }
    let row = backend
        .read_one(FIND_OWN, |query| {
            query
                .bind(tenant.to_string())
                .bind(reference.prompt.to_string())
                .bind(number)
                .bind(environment.clone())
        })
        .await?;
    match row {
        Some(row) if row.try_get::<Option<i64>, _>(VERSION_AT)?.is_some() => {
            lookup(&row, tenant, reference).map(Some)
        }
        _ => Ok(None),
    }
}

/// Number, hash and environment of a selector: one of them, or none for the latest.
fn selected(selector: &Selector) -> (Option<i64>, Option<Vec<u8>>, Option<String>) {
    match selector {
        Selector::Latest => (None, None, None),
        Selector::Version(number) => (Some(number.get().into()), None, None),
        Selector::Hash(hash) => (None, Some(hash.as_bytes().to_vec()), None),
        Selector::Environment(name) => (None, None, Some(name.to_string())),
    }
}

fn lookup(row: &PgRow, tenant: &TenantId, reference: &Reference) -> error::Result<Lookup> {
    let prompt: Option<i64> = row.try_get(0)?;
    let number: Option<i64> = row.try_get(VERSION_AT)?;
    if prompt.is_none() {
        return Ok(Lookup::Missing(Missing::Prompt));
    }
    if number.is_none() {
        return Ok(Lookup::Missing(match &reference.selector {
            Selector::Latest => Missing::ActiveVersion,
            Selector::Version(_) | Selector::Hash(_) => Missing::Version,
            Selector::Environment(_) => Missing::Promotion,
        }));
    }
    let parent: Option<&str> = row.try_get(1)?;
    let parent = parent
        .map(|name| stored("tenant", TenantId::new(name)))
        .transpose()?;
    let revision: Option<i64> = row.try_get(2)?;
    let owner = parent.as_ref().unwrap_or(tenant);
    Ok(Lookup::Found(Found {
        version: Arc::new(version(row, VERSION_AT, owner, &reference.prompt)?),
        revision: revision
            .map(|revision| unsigned("revision", revision))
            .transpose()?,
    }))
}
