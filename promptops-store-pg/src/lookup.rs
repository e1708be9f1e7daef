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
    let mut columns = Columns::default();
    for Reference { prompt, selector } in references {
        let (mut number, mut hash, mut environment) = (None, None, None);
        match selector {
            Selector::Latest => {}
            Selector::Version(version) => number = Some(i64::from(version.get())),
            Selector::Hash(content) => hash = Some(content.as_bytes().to_vec()),
            Selector::Environment(name) => environment = Some(name.to_string()),
        }
        columns.prompts.push(prompt.to_string());
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
