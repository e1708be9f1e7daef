//! Prompts and versions.

mod rows;

use async_trait::async_trait;
use promptops_core::Result;
use promptops_core::base::page::foreign_cursor;
use promptops_core::base::stored::{stored, to_json, version_number};
use promptops_core::base::tenancy::ParentChange;
use promptops_core::base::{EnvironmentName, Page, PageRequest, PromptName, Tag, TenantId, VersionNumber};
use promptops_core::prompt::{
    Dependent, Lookup, NewVersion, PromptFilter, PromptRecord, Reference, Saved, Status, StatusChange, Store,
    TagsChange, Version, VersionFilter, refusal,
};
use sqlx::Row;
use sqlx::postgres::PgRow;

use self::rows::prompt_columns;
pub(crate) use self::rows::{version, version_columns};
use crate::backend::PgBackend;
use crate::connection::Transaction;
use crate::tenancy::Tenant;
use crate::{audit, error, experiment, lookup, tenancy};

/// A statement that sees what a tenant may see: `$1` is the tenant's name, `n` its row.
macro_rules! of_tenant {
    ($select:expr, $order:literal) => {
        concat!(
            "SELECT x.* FROM promptops.entered($1) n, LATERAL (",
            $select,
            ") x",
            $order
        )
    };
}

const PROMPT: &str = of_tenant!(
    concat!(
        "SELECT ",
        prompt_columns!(),
        " FROM promptops.prompt p WHERE p.tenant = n.id AND p.name = $2 OFFSET 0"
    ),
    ""
);
/// The same within a transaction, by the tenant's id.
const PROMPT_NOW: &str = concat!(
    "SELECT ",
    prompt_columns!(),
    " FROM promptops.prompt p WHERE p.tenant = $1 AND p.name = $2"
);
const LIST_PROMPTS: &str = of_tenant!(
    concat!(
        "SELECT ",
        prompt_columns!(),
        " FROM promptops.prompt p
        WHERE p.tenant = n.id AND p.name >= $2 AND p.name < $3 AND p.name > $4 ORDER BY p.name LIMIT $5"
    ),
    " ORDER BY x.name"
);
const LIST_PROMPTS_OF_STATUS: &str = of_tenant!(
    concat!(
        "SELECT ",
        prompt_columns!(),
        " FROM promptops.prompt p
        WHERE p.tenant = n.id AND p.name >= $2 AND p.name < $3 AND p.name > $4 AND p.status = $6
        ORDER BY p.name LIMIT $5"
    ),
    " ORDER BY x.name"
);
const LIST_PROMPTS_WITH_TAG: &str = of_tenant!(
    concat!("SELECT ", prompt_columns!(), " FROM promptops.prompt_tag g
        JOIN promptops.prompt p ON p.tenant = g.tenant AND p.name = g.name
        WHERE g.tenant = n.id AND g.name >= $2 AND g.name < $3 AND g.name > $4 AND ($6 IS NULL OR p.status = $6)
            AND g.tag = $7
        ORDER BY g.name LIMIT $5"),
    " ORDER BY x.name"
);
const LIST_VERSIONS: &str = of_tenant!(
    concat!(
        "SELECT ",
        version_columns!(),
        " FROM promptops.prompt p
        JOIN promptops.version v ON v.prompt = p.id AND v.number < $3 AND ($5 IS NULL OR v.status = $5)
        WHERE p.tenant = n.id AND p.name = $2 ORDER BY v.number DESC LIMIT $4"
    ),
    " ORDER BY x.number DESC"
);
const DEPENDENTS: &str = of_tenant!(
    "SELECT i.name, i.number, i.reference FROM promptops.include i
        WHERE i.tenant = n.id AND i.snippet = $2 AND (i.name, i.number, i.reference) > ($3, $4, $5)
        ORDER BY i.name, i.number, i.reference LIMIT $6",
    " ORDER BY x.name, x.number, x.reference"
);
/// The prompt, and the version of it that has this hash.
const KNOWN: &str = concat!(
    "SELECT p.id, p.latest, ",
    version_columns!(),
    " FROM promptops.prompt p LEFT JOIN promptops.version v ON v.prompt = p.id AND v.hash = $3
    WHERE p.tenant = $1 AND p.name = $2"
);
const VERSION: &str = concat!(
    "SELECT p.id, ",
    version_columns!(),
    " FROM promptops.prompt p JOIN promptops.version v ON v.prompt = p.id AND v.number = $3
    WHERE p.tenant = $1 AND p.name = $2"
);
const SEMVER_HOLDER: &str = "SELECT number FROM promptops.version WHERE prompt = $1 AND semver = $2";
const NUMBERS: &str = "SELECT number FROM promptops.version WHERE prompt = $1 AND number = ANY($2)";
const ADD_PROMPT: &str = "INSERT INTO promptops.prompt (tenant, name, latest, status, created_at, updated_at)
    VALUES ($1, $2, 1, $3, $4, $4) RETURNING id";
const ADD_VERSION: &str =
    "INSERT INTO promptops.version (tenant, prompt, number, hash, semver, parents, author_id,
        author_role, message, status, created_at, content)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)";
const SET_NEWEST: &str = "UPDATE promptops.prompt SET latest = $2, updated_at = $3 WHERE id = $1";
const REFRESH: &str = "SELECT FROM promptops.refresh_prompt($1)";
const PUT_STATUS: &str = "SELECT FROM promptops.put_status($1, $2, $3)";
const ADD_INCLUDES: &str = "INSERT INTO promptops.include (tenant, snippet, name, number, reference)
    SELECT $1, i.snippet, $2, $3, i.reference FROM unnest($4::text[], $5::text[]) i(snippet, reference)
    ON CONFLICT DO NOTHING";
const ADD_TAGS: &str = "INSERT INTO promptops.prompt_tag (tenant, tag, name)
    SELECT $1, t.tag, $2 FROM unnest($3::text[]) t(tag) ON CONFLICT DO NOTHING";
const CLEAR_TAGS: &str = "DELETE FROM promptops.prompt_tag WHERE tenant = $1 AND name = $2";
const LIVE_IN: &str =
    "SELECT environment FROM promptops.pointer WHERE prompt = $1 AND version = $2 ORDER BY environment";

/// A prompt that is there already.
struct Known {
    id: i64,
    latest: VersionNumber,
}

async fn save(tx: &mut Transaction, new: NewVersion) -> error::Result<Saved> {
    let tenant = tenancy::lock(tx, &new.tenant).await?;
    let known = tx
        .row(KNOWN, |query| {
            query
                .bind(tenant.id)
                .bind(new.prompt.to_string())
                .bind(new.hash.as_bytes().to_vec())
        })
        .await?;
    if let Some(row) = &known
        && row.try_get::<Option<i64>, _>(2)?.is_some()
    {
        return Ok(Saved {
            version: version(row, 2, &new.tenant, &new.prompt)?,
            created: false,
        });
    }
    let known = known
        .map(|row| -> error::Result<Known> {
            Ok(Known {
                id: row.try_get(0)?,
                latest: version_number(row.try_get::<i64, _>(1)?)?,
            })
        })
        .transpose()?;
    check_parents(tx, known.as_ref(), &new).await?;
    check_semver(tx, known.as_ref(), &new).await?;
    let latest = known.as_ref().map(|known| known.latest);
    let number = latest
        .map_or(Some(VersionNumber::FIRST), VersionNumber::next)
        .ok_or_else(|| refusal::numbers_used_up(&new.prompt))?;

    let prompt = match &known {
        Some(known) => known.id,
        None => add_prompt(tx, tenant, &new).await?,
    };
    let version = Version {
        tenant: new.tenant,
        prompt: new.prompt,
        number,
        hash: new.hash,
        content: new.content,
        semver: new.semver,
        parents: new.parents.unwrap_or_else(|| latest.into_iter().collect()),
        author: new.author,
        message: new.message,
        status: new.status,
        created_at: new.created_at,
    };
    add_version(tx, tenant, prompt, &version).await?;
    add_includes(tx, tenant, &version, &new.includes).await?;
    add_tags(tx, tenant, &version.prompt, &new.tags).await?;
    let entry = new.audit.about(version.to_string());
    audit::append(tx, tenant, &entry, Some(&version.change())).await?;
    Ok(Saved {
        version,
        created: true,
    })
}

async fn check_parents(tx: &mut Transaction, known: Option<&Known>, new: &NewVersion) -> error::Result<()> {
    let parents = new.parents.as_deref().unwrap_or_default();
    if parents.is_empty() {
        return Ok(());
    }
    let numbers: Vec<i64> = parents.iter().map(|parent| parent.get().into()).collect();
    let there = match known {
        None => Vec::new(),
        Some(known) => {
            let rows = tx
                .rows(NUMBERS, |query| query.bind(known.id).bind(&numbers))
                .await?;
            rows.iter()
                .map(|row| Ok(row.try_get(0)?))
                .collect::<error::Result<Vec<i64>>>()?
        }
    };
    match parents
        .iter()
        .find(|parent| !there.contains(&parent.get().into()))
    {
        Some(missing) => Err(refusal::unknown_parent(&new.prompt, *missing).into()),
        None => Ok(()),
    }
}

async fn check_semver(tx: &mut Transaction, known: Option<&Known>, new: &NewVersion) -> error::Result<()> {
    let (Some(known), Some(semver)) = (known, &new.semver) else {
        return Ok(());
    };
    let holder = tx
        .row(SEMVER_HOLDER, |query| {
            query.bind(known.id).bind(semver.to_string())
        })
        .await?;
    match holder {
        None => Ok(()),
        Some(row) => {
            let holder = version_number(row.try_get::<i64, _>(0)?)?;
            Err(refusal::semver_taken(&new.prompt, semver, holder).into())
        }
    }
}

async fn add_prompt(tx: &mut Transaction, tenant: Tenant, new: &NewVersion) -> error::Result<i64> {
    let row = tx
        .row(ADD_PROMPT, |query| {
            query
                .bind(tenant.id)
                .bind(new.prompt.to_string())
                .bind(new.status.as_str())
                .bind(new.created_at.timestamp_micros())
        })
        .await?;
    Ok(row.ok_or(sqlx::Error::RowNotFound)?.try_get(0)?)
}

async fn add_version(
    tx: &mut Transaction,
    tenant: Tenant,
    prompt: i64,
    version: &Version,
) -> error::Result<()> {
    let parents = to_json("list of parents", &version.parents)?;
    let content = version.content.to_json()?;
    let number = i64::from(version.number.get());
    let created_at = version.created_at.timestamp_micros();
    tx.rows(ADD_VERSION, |query| {
        query
            .bind(tenant.id)
            .bind(prompt)
            .bind(number)
            .bind(version.hash.as_bytes().to_vec())
            .bind(version.semver.as_ref().map(ToString::to_string))
            .bind(parents)
            .bind(&version.author.id)
            .bind(version.author.role.as_str())
            .bind(&version.message)
            .bind(version.status.as_str())
            .bind(created_at)
            .bind(content)
    })
    .await?;
    tx.rows(SET_NEWEST, |query| {
        query.bind(prompt).bind(number).bind(created_at)
    })
    .await?;
    tx.rows(REFRESH, |query| query.bind(prompt)).await?;
    Ok(())
}

async fn add_includes(
    tx: &mut Transaction,
    tenant: Tenant,
    version: &Version,
    includes: &[(String, PromptName)],
) -> error::Result<()> {
    if includes.is_empty() {
        return Ok(());
    }
    let (references, snippets): (Vec<String>, Vec<String>) = includes
        .iter()
        .map(|(reference, snippet)| (reference.clone(), snippet.to_string()))
        .unzip();
    tx.rows(ADD_INCLUDES, |query| {
        query
            .bind(tenant.id)
            .bind(version.prompt.to_string())
            .bind(i64::from(version.number.get()))
            .bind(snippets)
            .bind(references)
    })
    .await?;
    Ok(())
}

async fn add_tags(
    tx: &mut Transaction,
    tenant: Tenant,
    prompt: &PromptName,
    tags: &[Tag],
) -> error::Result<()> {
    if tags.is_empty() {
        return Ok(());
    }
    let tags: Vec<String> = tags.iter().map(ToString::to_string).collect();
    tx.rows(ADD_TAGS, |query| {
        query.bind(tenant.id).bind(prompt.to_string()).bind(tags)
    })
    .await?;
    Ok(())
}

async fn set_status(tx: &mut Transaction, change: StatusChange) -> error::Result<Version> {
    let tenant = tenancy::lock(tx, &change.tenant).await?;
    let number = i64::from(change.number.get());
    let row = tx
        .row(VERSION, |query| {
            query.bind(tenant.id).bind(change.prompt.to_string()).bind(number)
        })
        .await?
        .ok_or_else(|| refusal::unknown_version(&change.prompt, change.number))?;
    let prompt: i64 = row.try_get(0)?;
    let mut version = version(&row, 1, &change.tenant, &change.prompt)?;
    if version.status == change.to {
        return Ok(version);
    }
    version.status.check_transition(change.to)?;
    if change.to == Status::Archived {
        let rows = tx.rows(LIVE_IN, |query| query.bind(prompt).bind(number)).await?;
        let live_in = rows
            .iter()
            .map(|row| {
                Ok(stored(
                    "environment",
                    EnvironmentName::new(row.try_get::<&str, _>(0)?),
                )?)
            })
            .collect::<error::Result<Vec<_>>>()?;
        if !live_in.is_empty() {
            return Err(refusal::version_is_live(&change.prompt, change.number, &live_in).into());
        }
        experiment::check_unused(tx, tenant.id, &change.prompt, change.number).await?;
    }
    tx.rows(PUT_STATUS, |query| {
        query.bind(prompt).bind(number).bind(change.to.as_str())
    })
    .await?;
    audit::append(tx, tenant, &change.audit, Some(&version.change())).await?;
    version.status = change.to;
    Ok(version)
}

async fn set_tags(tx: &mut Transaction, change: TagsChange) -> error::Result<PromptRecord> {
    let tenant = tenancy::lock(tx, &change.tenant).await?;
    let name = change.prompt.as_str();
    let bind = |query: crate::connection::Query| query.bind(tenant.id).bind(name.to_owned());
    if tx.row(PROMPT_NOW, bind).await?.is_none() {
        return Err(refusal::unknown_prompt(&change.prompt).into());
    }
    tx.rows(CLEAR_TAGS, bind).await?;
    add_tags(tx, tenant, &change.prompt, &change.tags).await?;
    let row = tx.row(PROMPT_NOW, bind).await?;
    let record = rows::prompt(&row.ok_or(sqlx::Error::RowNotFound)?, &change.tenant)?;
    audit::append(tx, tenant, &change.audit, None).await?;
    Ok(record)
}

/// Rows, and one more than the limit when there are more.
fn page<T>(
    rows: &[PgRow],
    limit: usize,
    read: impl Fn(&PgRow) -> error::Result<T>,
    cursor: impl Fn(&T) -> String,
) -> Result<Page<T>> {
    let items = rows.iter().map(read).collect::<error::Result<_>>()?;
    Ok(Page::from_surplus(items, limit, cursor))
}

#[async_trait]
impl Store for PgBackend {
    async fn save_version(&self, new: NewVersion) -> Result<Saved> {
        let mut tx = self.begin().await?;
        let result = save(&mut tx, new).await;
        tx.finish(result).await
    }

    async fn set_status(&self, change: StatusChange) -> Result<Version> {
        let mut tx = self.begin().await?;
        let result = set_status(&mut tx, change).await;
        tx.finish(result).await
    }

    async fn set_tags(&self, change: TagsChange) -> Result<PromptRecord> {
        let mut tx = self.begin().await?;
        let result = set_tags(&mut tx, change).await;
        tx.finish(result).await
    }

    async fn prompt(&self, tenant: &TenantId, name: &PromptName) -> Result<Option<PromptRecord>> {
        let row = self
            .read_one(PROMPT, |query| {
                query.bind(tenant.to_string()).bind(name.to_string())
            })
            .await?;
        Ok(row.map(|row| rows::prompt(&row, tenant)).transpose()?)
    }

    async fn list_prompts(
        &self,
        tenant: &TenantId,
        filter: &PromptFilter,
        request: &PageRequest,
    ) -> Result<Page<PromptRecord>> {
        let (after, limit) = (request.name_cursor()?, request.limit());
        let prefix = filter.prefix.as_deref().unwrap_or_default();
        // No name holds it, and no text of PostgreSQL can.
        if prefix.contains('\0') {
            return Ok(Page::from_surplus(Vec::new(), limit, |_| String::new()));
        }
        // Names are ASCII and have no DEL: what begins with the prefix lies below the prefix with one.
        let end = format!("{prefix}\u{7f}");
        let after = after.as_ref().map_or("", PromptName::as_str);
        let status = filter.status.map(Status::as_str);
        let sql = match (&filter.tag, status) {
            (Some(_), _) => LIST_PROMPTS_WITH_TAG,
            (None, Some(_)) => LIST_PROMPTS_OF_STATUS,
            (None, None) => LIST_PROMPTS,
        };
        let rows = self
            .read(sql, |query| {
                let query = query
                    .bind(tenant.to_string())
                    .bind(prefix.to_owned())
                    .bind(end.clone())
                    .bind(after.to_owned())
                    .bind(limit as i64 + 1);
                match (&filter.tag, status) {
                    (Some(tag), status) => query.bind(status).bind(tag.to_string()),
                    (None, Some(status)) => query.bind(status),
                    (None, None) => query,
                }
            })
            .await?;
        page(
            &rows,
            limit,
            |row| rows::prompt(row, tenant),
            |last| last.name.to_string(),
        )
    }

    async fn list_versions(
        &self,
        tenant: &TenantId,
        name: &PromptName,
        filter: &VersionFilter,
        request: &PageRequest,
    ) -> Result<Page<Version>> {
        let before = match request.number_cursor()? {
            None => i64::from(u32::MAX) + 1,
            Some(last @ 1..=0xffff_ffff) => last as i64,
            Some(last) => return Err(foreign_cursor(&last.to_string())),
        };
        let limit = request.limit();
        let rows = self
            .read(LIST_VERSIONS, |query| {
                query
                    .bind(tenant.to_string())
                    .bind(name.to_string())
                    .bind(before)
                    .bind(limit as i64 + 1)
                    .bind(filter.status.map(Status::as_str))
            })
            .await?;
        page(
            &rows,
            limit,
            |row| version(row, 0, tenant, name),
            |last| last.number.get().to_string(),
        )
    }

    async fn find(&self, tenant: &TenantId, references: &[Reference]) -> Result<Vec<Lookup>> {
        Ok(lookup::find(self, tenant, references).await?)
    }

    async fn dependents(
        &self,
        tenant: &TenantId,
        snippet: &PromptName,
        request: &PageRequest,
    ) -> Result<Page<Dependent>> {
        let after = request.cursor().map(Dependent::from_cursor).transpose()?;
        let limit = request.limit();
        let (name, number, reference) = after.as_ref().map_or(("", 0, ""), |last| {
            (last.prompt.as_str(), last.number.get(), last.reference.as_str())
        });
        let rows = self
            .read(DEPENDENTS, |query| {
                query
                    .bind(tenant.to_string())
                    .bind(snippet.to_string())
                    .bind(name.to_owned())
                    .bind(i64::from(number))
                    .bind(reference.to_owned())
                    .bind(limit as i64 + 1)
            })
            .await?;
        let dependent = |row: &PgRow| -> error::Result<Dependent> {
            Ok(Dependent {
                prompt: stored("prompt name", PromptName::new(row.try_get::<&str, _>(0)?))?,
                number: version_number(row.try_get::<i64, _>(1)?)?,
                reference: row.try_get(2)?,
            })
        };
        page(&rows, limit, dependent, Dependent::cursor)
    }

    async fn set_parent(&self, change: ParentChange) -> Result<()> {
        self.change_parent(change).await
    }

    async fn parent(&self, tenant: &TenantId) -> Result<Option<TenantId>> {
        self.parent_of(tenant).await
    }
}
