//! Prompts and versions.

mod rows;

use async_trait::async_trait;
use promptops_core::Result;
use promptops_core::base::page::foreign_cursor;
use promptops_core::base::tenancy::ParentChange;
use promptops_core::base::{EnvironmentName, Page, PageRequest, PromptName, Tag, TenantId, VersionNumber};
use promptops_core::experiment::refusal as experiment_refusal;
use promptops_core::prompt::{
    Dependent, Lookup, NewVersion, PromptFilter, PromptRecord, Reference, Saved, Status, StatusChange, Store,
    TagsChange, Version, VersionFilter, refusal,
};
use rusqlite::{Connection, OptionalExtension};

use self::rows::{PromptRow, prompt_columns};
pub(crate) use self::rows::{VersionRow, version_columns};
use crate::backend::{Durability, SqliteBackend};
use crate::{audit, error, experiment, feed, lookup, tenancy};
use promptops_core::base::stored::{stored, to_json, version_number};

statements! {
    PROMPT = concat!("SELECT ", prompt_columns!(), " FROM promptops_tenant n
        JOIN promptops_prompt p ON p.tenant = n.id AND p.name = ?2 WHERE n.name = ?1");
    LIST_PROMPTS = concat!("SELECT ", prompt_columns!(), " FROM promptops_prompt p
        WHERE p.tenant = ?1 AND p.name >= ?2 AND p.name < ?3 ORDER BY p.name LIMIT ?4");
    LIST_PROMPTS_OF_STATUS = concat!("SELECT ", prompt_columns!(), " FROM promptops_prompt p
        INDEXED BY promptops_prompt_status WHERE p.tenant = ?1 AND p.status = ?5 AND p.name >= ?2 AND p.name < ?3 ORDER BY p.name LIMIT ?4");
    LIST_PROMPTS_WITH_TAG = concat!("SELECT ", prompt_columns!(), " FROM promptops_prompt_tag g
        CROSS JOIN promptops_prompt p ON p.tenant = g.tenant AND p.name = g.name
        WHERE g.tenant = ?1 AND g.tag = ?5 AND g.name >= ?2 AND g.name < ?3 AND (?6 IS NULL OR p.status = ?6)
        ORDER BY g.name LIMIT ?4");
    VERSION = concat!("SELECT ", version_columns!(), " FROM promptops_version v
        WHERE v.prompt = ?1 AND v.number = ?2");
    VERSION_BY_HASH = concat!("SELECT ", version_columns!(), " FROM promptops_version v
        WHERE v.prompt = ?1 AND v.hash = ?2");
    LIST_VERSIONS = concat!("SELECT ", version_columns!(), " FROM promptops_version v
        WHERE v.prompt = ?1 AND v.number < ?2 ORDER BY v.number DESC LIMIT ?3");
    LIST_VERSIONS_OF_STATUS = concat!("SELECT ", version_columns!(), " FROM promptops_version v
        WHERE v.prompt = ?1 AND v.status = ?4 AND v.number < ?2 ORDER BY v.number DESC LIMIT ?3");
    LATEST = "SELECT p.id, p.latest FROM promptops_prompt p WHERE p.tenant = ?1 AND p.name = ?2";
    SEMVER_HOLDER = "SELECT number FROM promptops_version WHERE prompt = ?1 AND semver = ?2";
    VERSION_EXISTS = "SELECT EXISTS (SELECT 1 FROM promptops_version WHERE prompt = ?1 AND number = ?2)";
    ADD_PROMPT = "INSERT INTO promptops_prompt (tenant, name, latest, status, created_at, updated_at)
        VALUES (?1, ?2, 1, ?3, ?4, ?4)";
    ADD_VERSION = "INSERT INTO promptops_version
        (prompt, number, hash, semver, parents, author_id, author_role, message, status, created_at, content)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)";
    ADD_INCLUDE = "INSERT INTO promptops_include (tenant, snippet, name, number, reference)
        VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO NOTHING";
    SET_NEWEST = "UPDATE promptops_prompt SET latest = ?2, updated_at = ?3 WHERE id = ?1";
    SET_STATUS = "UPDATE promptops_version SET status = ?3 WHERE prompt = ?1 AND number = ?2";
    REFRESH_PROMPT = "UPDATE promptops_prompt SET
        latest_active = (SELECT max(number) FROM promptops_version WHERE prompt = ?1 AND status = 'active'),
        status = CASE
            WHEN EXISTS (SELECT 1 FROM promptops_version WHERE prompt = ?1 AND status = 'active') THEN 'active'
            WHEN EXISTS (SELECT 1 FROM promptops_version WHERE prompt = ?1 AND status = 'draft') THEN 'draft'
            ELSE 'archived' END
        WHERE id = ?1";
    LIVE_IN = "SELECT environment FROM promptops_pointer WHERE prompt = ?1 AND version = ?2 ORDER BY environment";
    ADD_TAG = "INSERT INTO promptops_prompt_tag (tenant, tag, name) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING";
    CLEAR_TAGS = "DELETE FROM promptops_prompt_tag WHERE tenant = ?1 AND name = ?2";
    DEPENDENTS = "SELECT i.name, i.number, i.reference FROM promptops_tenant n
        JOIN promptops_include i ON i.tenant = n.id AND i.snippet = ?2
            AND (i.name, i.number, i.reference) > (?3, ?4, ?5)
        WHERE n.name = ?1 ORDER BY i.name, i.number, i.reference LIMIT ?6";
}

fn read_prompt(
    connection: &Connection,
    tenant: &TenantId,
    name: &PromptName,
) -> error::Result<Option<PromptRecord>> {
    let row = connection
        .prepare_cached(PROMPT)?
        .query_row([tenant.as_str(), name.as_str()], PromptRow::read)
        .optional()?;
    Ok(row.map(|row| row.into_record(tenant)).transpose()?)
}

fn save(tx: &Connection, new: NewVersion) -> error::Result<Saved> {
    let tenant = tenancy::ensure_tenant(tx, &new.tenant)?;
    let known: Option<(i64, u32)> = tx
        .prepare_cached(LATEST)?
        .query_row((tenant, new.prompt.as_str()), |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .optional()?;
    if let Some((prompt, _)) = known {
        let same = tx
            .prepare_cached(VERSION_BY_HASH)?
            .query_row((prompt, new.hash.as_bytes()), |row| VersionRow::read(row, 0))
            .optional()?;
        if let Some(row) = same {
            return Ok(Saved {
                version: row.into_version(&new.tenant, &new.prompt)?,
                created: false,
            });
        }
    }
    check_parents(tx, known, &new)?;
    if let (Some((prompt, _)), Some(semver)) = (known, &new.semver) {
        let holder: Option<u32> = tx
            .prepare_cached(SEMVER_HOLDER)?
            .query_row((prompt, semver.to_string()), |row| row.get(0))
            .optional()?;
        if let Some(holder) = holder {
            return Err(refusal::semver_taken(&new.prompt, semver, version_number(holder)?).into());
        }
    }
    let latest = known.map(|(_, latest)| version_number(latest)).transpose()?;
    let number = latest
        .map_or(Some(VersionNumber::FIRST), VersionNumber::next)
        .ok_or_else(|| refusal::numbers_used_up(&new.prompt))?;

    let created_at = new.created_at.timestamp_micros();
    let prompt = match known {
        Some((prompt, _)) => prompt,
        None => {
            tx.prepare_cached(ADD_PROMPT)?.execute((
                tenant,
                new.prompt.as_str(),
                new.status.as_str(),
                created_at,
            ))?;
            tx.last_insert_rowid()
        }
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
    tx.prepare_cached(ADD_VERSION)?.execute((
        prompt,
        number.get(),
        version.hash.as_bytes(),
        version.semver.as_ref().map(ToString::to_string),
        to_json("list of parents", &version.parents)?,
        &version.author.id,
        version.author.role.as_str(),
        &version.message,
        version.status.as_str(),
        created_at,
        version.content.to_json()?,
    ))?;
    tx.prepare_cached(SET_NEWEST)?
        .execute((prompt, number.get(), created_at))?;
    tx.prepare_cached(REFRESH_PROMPT)?.execute([prompt])?;
    let mut add_include = tx.prepare_cached(ADD_INCLUDE)?;
    for (reference, snippet) in &new.includes {
        add_include.execute((
            tenant,
            snippet.as_str(),
            version.prompt.as_str(),
            number.get(),
            reference,
        ))?;
    }
    add_tags(tx, tenant, &version.prompt, &new.tags)?;
    audit::append(tx, new.audit.about(version.to_string()))?;
    feed::tell(tx, &version.tenant, &version.change())?;
    Ok(Saved {
        version,
        created: true,
    })
}

fn check_parents(tx: &Connection, known: Option<(i64, u32)>, new: &NewVersion) -> error::Result<()> {
    for parent in new.parents.iter().flatten() {
        let exists = match known {
            None => false,
            Some((prompt, _)) => tx
                .prepare_cached(VERSION_EXISTS)?
                .query_row((prompt, parent.get()), |row| row.get(0))?,
        };
        if !exists {
            return Err(refusal::unknown_parent(&new.prompt, *parent).into());
        }
    }
    Ok(())
}

fn add_tags(tx: &Connection, tenant: i64, prompt: &PromptName, tags: &[Tag]) -> error::Result<()> {
    let mut add = tx.prepare_cached(ADD_TAG)?;
    for tag in tags {
        add.execute((tenant, tag.as_str(), prompt.as_str()))?;
    }
    Ok(())
}

/// Sets a version's status, and what follows from it for the prompt.
pub(crate) fn put_status(
    tx: &Connection,
    prompt: i64,
    number: VersionNumber,
    status: Status,
) -> error::Result<()> {
    tx.prepare_cached(SET_STATUS)?
        .execute((prompt, number.get(), status.as_str()))?;
    tx.prepare_cached(REFRESH_PROMPT)?.execute([prompt])?;
    Ok(())
}

fn set_status(tx: &Connection, change: StatusChange) -> error::Result<Version> {
    let unknown = || refusal::unknown_version(&change.prompt, change.number);
    let prompt = tenancy::own_prompt(tx, &change.tenant, &change.prompt)?.ok_or_else(unknown)?;
    let row = tx
        .prepare_cached(VERSION)?
        .query_row((prompt, change.number.get()), |row| VersionRow::read(row, 0))
        .optional()?
        .ok_or_else(unknown)?;
    let mut version = row.into_version(&change.tenant, &change.prompt)?;
    if version.status == change.to {
        return Ok(version);
    }
    version.status.check_transition(change.to)?;
    if change.to == Status::Archived {
        let mut live_in = tx.prepare_cached(LIVE_IN)?;
        let live_in = live_in
            .query_map((prompt, change.number.get()), |row| row.get::<_, String>(0))?
            .map(|name| Ok(stored("environment", EnvironmentName::new(name?))?))
            .collect::<error::Result<Vec<_>>>()?;
        if !live_in.is_empty() {
            return Err(refusal::version_is_live(&change.prompt, change.number, &live_in).into());
        }
        let tenant = tenancy::ensure_tenant(tx, &change.tenant)?;
        if let Some(open) = experiment::with_variant(tx, tenant, &change.prompt, change.number)? {
            let (prompt, number) = (&change.prompt, change.number);
            return Err(experiment_refusal::version_is_in_experiment(prompt, number, &open).into());
        }
    }
    put_status(tx, prompt, change.number, change.to)?;
    audit::append(tx, change.audit)?;
    feed::tell(tx, &version.tenant, &version.change())?;
    version.status = change.to;
    Ok(version)
}

fn set_tags(tx: &Connection, change: TagsChange) -> error::Result<PromptRecord> {
    let unknown = || refusal::unknown_prompt(&change.prompt);
    let tenant = tenancy::tenant(tx, &change.tenant)?.ok_or_else(unknown)?;
    if tenancy::own_prompt(tx, &change.tenant, &change.prompt)?.is_none() {
        return Err(unknown().into());
    }
    tx.prepare_cached(CLEAR_TAGS)?
        .execute((tenant, change.prompt.as_str()))?;
    add_tags(tx, tenant, &change.prompt, &change.tags)?;
    let record = read_prompt(tx, &change.tenant, &change.prompt)?.ok_or_else(unknown)?;
    audit::append(tx, change.audit)?;
    Ok(record)
}

fn list_prompts(
    connection: &Connection,
    tenant: &TenantId,
    filter: &PromptFilter,
    after: Option<&PromptName>,
    limit: usize,
) -> error::Result<Page<PromptRecord>> {
    let Some(id) = tenancy::tenant(connection, tenant)? else {
        return Ok(Page::from_surplus(Vec::new(), limit, |_| String::new()));
    };
    // A range of names, since LIKE uses no index. Names are ASCII: what begins with the prefix lies below the prefix
    // and the last character there is; and the first text after a name is that name and a NUL.
    let prefix = filter.prefix.as_deref().unwrap_or_default();
    let begin = match after {
        Some(name) if name.as_str() >= prefix => format!("{name}\0"),
        _ => prefix.to_owned(),
    };
    let end = format!("{prefix}{}", char::MAX);
    let status = filter.status.map(Status::as_str);
    let limit_sql = limit as i64 + 1;
    let mut statement;
    let rows = match (&filter.tag, status) {
        (Some(tag), status) => {
            statement = connection.prepare_cached(LIST_PROMPTS_WITH_TAG)?;
            statement.query((id, begin, end, limit_sql, tag.as_str(), status))?
        }
        (None, Some(status)) => {
            statement = connection.prepare_cached(LIST_PROMPTS_OF_STATUS)?;
            statement.query((id, begin, end, limit_sql, status))?
        }
        (None, None) => {
            statement = connection.prepare_cached(LIST_PROMPTS)?;
            statement.query((id, begin, end, limit_sql))?
        }
    };
    let records = rows
        .mapped(PromptRow::read)
        .map(|row| Ok(row?.into_record(tenant)?))
        .collect::<error::Result<Vec<_>>>()?;
    Ok(Page::from_surplus(records, limit, |last| last.name.to_string()))
}

fn list_versions(
    connection: &Connection,
    tenant: &TenantId,
    name: &PromptName,
    status: Option<Status>,
    before: u64,
    limit: usize,
) -> error::Result<Page<Version>> {
    let Some(prompt) = tenancy::own_prompt(connection, tenant, name)? else {
        return Ok(Page::from_surplus(Vec::new(), limit, |_| String::new()));
    };
    let (before, limit_sql) = (before as i64, limit as i64 + 1);
    let mut statement;
    let rows = match status {
        Some(status) => {
            statement = connection.prepare_cached(LIST_VERSIONS_OF_STATUS)?;
            statement.query((prompt, before, limit_sql, status.as_str()))?
        }
        None => {
            statement = connection.prepare_cached(LIST_VERSIONS)?;
            statement.query((prompt, before, limit_sql))?
        }
    };
    let versions = rows
        .mapped(|row| VersionRow::read(row, 0))
        .map(|row| Ok(row?.into_version(tenant, name)?))
        .collect::<error::Result<Vec<_>>>()?;
    Ok(Page::from_surplus(versions, limit, |last| {
        last.number.get().to_string()
    }))
}

#[async_trait]
impl Store for SqliteBackend {
    async fn save_version(&self, new: NewVersion) -> Result<Saved> {
        self.write(Durability::Machine, move |tx| save(tx, new)).await
    }

    async fn set_status(&self, change: StatusChange) -> Result<Version> {
        self.write(Durability::Machine, move |tx| set_status(tx, change))
            .await
    }

    async fn set_tags(&self, change: TagsChange) -> Result<PromptRecord> {
        self.write(Durability::Machine, move |tx| set_tags(tx, change))
            .await
    }

    async fn prompt(&self, tenant: &TenantId, name: &PromptName) -> Result<Option<PromptRecord>> {
        let (tenant, name) = (tenant.clone(), name.clone());
        self.read(move |connection| read_prompt(connection, &tenant, &name))
            .await
    }

    async fn list_prompts(
        &self,
        tenant: &TenantId,
        filter: &PromptFilter,
        page: &PageRequest,
    ) -> Result<Page<PromptRecord>> {
        let (after, limit) = (page.name_cursor()?, page.limit());
        let (tenant, filter) = (tenant.clone(), filter.clone());
        self.read(move |connection| list_prompts(connection, &tenant, &filter, after.as_ref(), limit))
            .await
    }

    async fn list_versions(
        &self,
        tenant: &TenantId,
        name: &PromptName,
        filter: &VersionFilter,
        page: &PageRequest,
    ) -> Result<Page<Version>> {
        let before = match page.number_cursor()? {
            None => u64::from(u32::MAX) + 1,
            Some(last @ 1..=0xffff_ffff) => last,
            Some(last) => return Err(foreign_cursor(&last.to_string())),
        };
        let (tenant, name, status, limit) = (tenant.clone(), name.clone(), filter.status, page.limit());
        self.read(move |connection| list_versions(connection, &tenant, &name, status, before, limit))
            .await
    }

    async fn find(&self, tenant: &TenantId, references: &[Reference]) -> Result<Vec<Lookup>> {
        let (tenant, references) = (tenant.clone(), references.to_vec());
        self.read(move |connection| lookup::find(connection, &tenant, &references))
            .await
    }

    async fn dependents(
        &self,
        tenant: &TenantId,
        snippet: &PromptName,
        page: &PageRequest,
    ) -> Result<Page<Dependent>> {
        let after = page.cursor().map(Dependent::from_cursor).transpose()?;
        let (tenant, snippet, limit) = (tenant.clone(), snippet.clone(), page.limit());
        self.read(move |connection| {
            let (name, number, reference) = after.as_ref().map_or(("", 0, ""), |last| {
                (last.prompt.as_str(), last.number.get(), last.reference.as_str())
            });
            let mut statement = connection.prepare_cached(DEPENDENTS)?;
            let rows = statement.query_map(
                (
                    tenant.as_str(),
                    snippet.as_str(),
                    name,
                    number,
                    reference,
                    limit as i64 + 1,
                ),
                |row| Ok((row.get::<_, String>(0)?, row.get::<_, u32>(1)?, row.get(2)?)),
            )?;
            let dependents = rows
                .map(|row| {
                    let (name, number, reference) = row?;
                    Ok(Dependent {
                        prompt: stored("prompt name", PromptName::new(name))?,
                        number: version_number(number)?,
                        reference,
                    })
                })
                .collect::<error::Result<Vec<_>>>()?;
            Ok(Page::from_surplus(dependents, limit, Dependent::cursor))
        })
        .await
    }

    async fn set_parent(&self, change: ParentChange) -> Result<()> {
        self.write(Durability::Machine, move |tx| tenancy::set_parent(tx, change))
            .await
    }

    async fn parent(&self, tenant: &TenantId) -> Result<Option<TenantId>> {
        let tenant = tenant.clone();
        self.read(move |connection| tenancy::parent(connection, &tenant))
            .await
    }
}
