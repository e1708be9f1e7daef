//! Rows of prompts and versions, and what they are in core.

use std::sync::Arc;

use promptops_core::Error;
use promptops_core::base::stored::{
    actor, corrupt, from_json, hash_bytes, stored, timestamp, version_number,
};
use promptops_core::base::{ContentHash, PromptName, Tag, TenantId};
use promptops_core::prompt::{Content, PromptRecord, Version};
use sqlx::Row;
use sqlx::postgres::PgRow;

use crate::error;

/// What [`version`] reads, of a `promptops.version v`.
macro_rules! version_columns {
    () => {
        "v.number, v.hash, v.semver, v.parents, v.author_id, v.author_role, v.message, v.status, v.created_at, \
         v.content"
    };
}
pub(crate) use version_columns;

/// What [`prompt`] reads, of a `promptops.prompt p`.
macro_rules! prompt_columns {
    () => {
        "p.name, p.latest, p.latest_active, p.status, p.created_at, p.updated_at, \
         (SELECT string_agg(t.tag, ',') FROM promptops.prompt_tag t WHERE t.tenant = p.tenant AND t.name = p.name)"
    };
}
pub(super) use prompt_columns;

/// The version in the columns from `first` on, its content checked against its hash.
pub(crate) fn version(
    row: &PgRow,
    first: usize,
    tenant: &TenantId,
    prompt: &PromptName,
) -> error::Result<Version> {
    let number: i64 = row.try_get(first)?;
    let read = || -> error::Result<Version> {
        let hash = ContentHash::from_bytes(hash_bytes(row.try_get(first + 1)?)?);
        let semver: Option<&str> = row.try_get(first + 2)?;
        let semver = semver.map(str::parse).transpose();
        Ok(Version {
            tenant: tenant.clone(),
            prompt: prompt.clone(),
            number: version_number(number)?,
            hash,
            content: Arc::new(Content::from_json(row.try_get(first + 9)?, &hash)?),
            semver: semver.map_err(|e: semver::Error| corrupt("semver").caused_by(e))?,
            parents: from_json("list of parents", row.try_get(first + 3)?)?,
            author: actor(row.try_get(first + 4)?, row.try_get(first + 5)?)?,
            message: row.try_get(first + 6)?,
            status: stored("status", row.try_get::<&str, _>(first + 7)?.parse())?,
            created_at: timestamp(row.try_get(first + 8)?)?,
        })
    };
    read().map_err(|failure| {
        Error::from(failure)
            .with("tenant", tenant)
            .with("version", format!("{prompt} v{number}"))
            .into()
    })
}

/// The prompt in the columns.
pub(super) fn prompt(row: &PgRow, tenant: &TenantId) -> error::Result<PromptRecord> {
    let tags: Option<&str> = row.try_get(6)?;
    // No tag holds a comma.
    let tags = tags.into_iter().flat_map(|tags| tags.split(','));
    let mut tags = stored(
        "tag",
        tags.map(Tag::new).collect::<promptops_core::Result<Vec<_>>>(),
    )?;
    tags.sort();
    let latest_active: Option<i64> = row.try_get(2)?;
    Ok(PromptRecord {
        tenant: tenant.clone(),
        name: stored("prompt name", PromptName::new(row.try_get::<&str, _>(0)?))?,
        tags,
        status: stored("status", row.try_get::<&str, _>(3)?.parse())?,
        latest: version_number(row.try_get::<i64, _>(1)?)?,
        latest_active: latest_active.map(version_number).transpose()?,
        created_at: timestamp(row.try_get(4)?)?,
        updated_at: timestamp(row.try_get(5)?)?,
    })
}
