//! Looking references up: the cold path of every request.

use std::sync::Arc;

use promptops_core::base::TenantId;
use promptops_core::prompt::{Found, Lookup, Missing, Reference, Selector};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row, ToSql, params_from_iter};

use crate::error::Result;
use crate::prompt::{VersionRow, version_columns};
use promptops_core::base::stored::{stored, unsigned};

/// One join for each way of selecting a version: the tenant's own prompt and what the selector needs of it; the
/// parent's only where `$own` is NULL, which is when the tenant's own cannot answer; the version. A known tenant always
/// gives exactly one row, whose NULLs say what is missing, and whose parent's name is NULL when the answer is its own.
macro_rules! lookup {
    ($revision:literal, $own_joins:literal, $own:literal, $joins:literal) => {
        concat!(
            "SELECT coalesce(own.id, inherited.id), parent.name, ",
            $revision,
            ", ",
            version_columns!(),
            " FROM promptops_tenant tenant
            LEFT JOIN promptops_prompt own ON own.tenant = tenant.id AND own.name = ?2 ",
            $own_joins,
            " LEFT JOIN promptops_tenant parent ON ",
            $own,
            " IS NULL AND parent.id = tenant.parent
            LEFT JOIN promptops_prompt inherited ON inherited.tenant = parent.id AND inherited.name = ?2 ",
            $joins,
            " WHERE tenant.name = ?1"
        )
    };
}

statements! {
    BY_LATEST = lookup!("NULL", "", "own.latest_active",
        "LEFT JOIN promptops_version v ON v.prompt = iif(own.latest_active IS NULL, inherited.id, own.id)
            AND v.number = coalesce(own.latest_active, inherited.latest_active)");
    BY_NUMBER = lookup!("NULL", "", "own.id",
        "LEFT JOIN promptops_version v ON v.prompt = coalesce(own.id, inherited.id) AND v.number = ?3");
    BY_HASH = lookup!("NULL", "", "own.id",
        "LEFT JOIN promptops_version v ON v.prompt = coalesce(own.id, inherited.id) AND v.hash = ?3");
    BY_ENVIRONMENT = lookup!("coalesce(here.revision, there.revision)",
        "LEFT JOIN promptops_pointer here ON here.prompt = own.id AND here.environment = ?3",
        "here.prompt",
        "LEFT JOIN promptops_pointer there ON there.prompt = inherited.id AND there.environment = ?3
        LEFT JOIN promptops_version v ON v.prompt = coalesce(here.prompt, there.prompt)
            AND v.number = coalesce(here.version, there.version)");
}

/// The columns before the version's.
const VERSION_AT: usize = 3;

pub(crate) fn find(
    connection: &Connection,
    tenant: &TenantId,
    references: &[Reference],
) -> Result<Vec<Lookup>> {
    // One statement is a consistent view by itself; several need a transaction.
    let _view = match references {
        [] | [_] => None,
        _ => Some(connection.unchecked_transaction()?),
    };
    references
        .iter()
        .map(|reference| look_up(connection, tenant, reference))
        .collect()
}

fn look_up(connection: &Connection, tenant: &TenantId, reference: &Reference) -> Result<Lookup> {
    let (sql, selector, missing): (_, Option<&dyn ToSql>, _) = match &reference.selector {
        Selector::Latest => (BY_LATEST, None, Missing::ActiveVersion),
        Selector::Version(number) => (BY_NUMBER, Some(&number.get()), Missing::Version),
        Selector::Hash(hash) => (BY_HASH, Some(hash.as_bytes()), Missing::Version),
        Selector::Environment(name) => (BY_ENVIRONMENT, Some(&name.as_str()), Missing::Promotion),
    };
    let names: [&dyn ToSql; 2] = [&tenant.as_str(), &reference.prompt.as_str()];
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(params_from_iter(names.into_iter().chain(selector)))?;
    let Some(row) = rows.next()? else {
        return Ok(Lookup::Missing(Missing::Prompt));
    };
    if row.get_ref(0)? == ValueRef::Null {
        return Ok(Lookup::Missing(Missing::Prompt));
    }
    if row.get_ref(VERSION_AT)? == ValueRef::Null {
        return Ok(Lookup::Missing(missing));
    }
    Ok(Lookup::Found(found(row, tenant, reference)?))
}

fn found(row: &Row<'_>, tenant: &TenantId, reference: &Reference) -> Result<Found> {
    let parent: Option<String> = row.get(1)?;
    let parent = parent
        .map(|name| stored("tenant", TenantId::new(name)))
        .transpose()?;
    let revision: Option<i64> = row.get(2)?;
    let version = VersionRow::read(row, VERSION_AT)?
        .into_version(parent.as_ref().unwrap_or(tenant), &reference.prompt)?;
    Ok(Found {
        version: Arc::new(version),
        revision: revision
            .map(|revision| unsigned("revision", revision))
            .transpose()?,
    })
}
