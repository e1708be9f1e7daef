//! Datasets.

use async_trait::async_trait;
use promptops_core::Result;
use promptops_core::base::page::foreign_cursor;
use promptops_core::base::stored::{
    actor, corrupt, from_json, hash_bytes, integer, stored, timestamp, to_json, unsigned, version_number,
};
use promptops_core::base::{
    DatasetHash, DatasetName, Page, PageRequest, PromptName, TenantId, VersionNumber,
};
use promptops_core::evaluation::{Dataset, DatasetStore, Entry, NewDataset, SavedDataset, refusal};
use sqlx::Row;
use sqlx::postgres::PgRow;

use crate::backend::PgBackend;
use crate::connection::{Query, Transaction};
use crate::{audit, error, tenancy};

/// What [`dataset`] reads, of a `promptops.dataset d` and a `promptops.dataset_version v`.
macro_rules! columns {
    () => {
        "d.name, v.number, v.hash, v.entries, v.prompt, v.metadata, v.message, v.created_by_id, v.created_by_role, \
         v.created_at"
    };
}

const BY_HASH: &str = concat!(
    "SELECT x.* FROM promptops.entered($1) n, LATERAL (
        SELECT ",
    columns!(),
    " FROM promptops.dataset d JOIN promptops.dataset_version v ON v.dataset = d.id AND v.hash = $3
        WHERE d.tenant = n.id AND d.name = $2 OFFSET 0
    ) x"
);
const VERSION: &str = concat!(
    "SELECT x.* FROM promptops.entered($1) n, LATERAL (
        SELECT ",
    columns!(),
    " FROM promptops.dataset d
        JOIN promptops.dataset_version v ON v.dataset = d.id AND v.number = coalesce($3, d.latest)
        WHERE d.tenant = n.id AND d.name = $2 OFFSET 0
    ) x"
);
const LIST: &str = concat!(
    "SELECT x.* FROM promptops.entered($1) n, LATERAL (
        SELECT ",
    columns!(),
    " FROM promptops.dataset d JOIN promptops.dataset_version v ON v.dataset = d.id AND v.number = d.latest
        WHERE d.tenant = n.id AND d.name > $2 ORDER BY d.name LIMIT $3
    ) x ORDER BY x.name"
);
const VERSIONS: &str = concat!(
    "SELECT x.* FROM promptops.entered($1) n, LATERAL (
        SELECT ",
    columns!(),
    " FROM promptops.dataset d JOIN promptops.dataset_version v ON v.dataset = d.id AND v.number < $3
        WHERE d.tenant = n.id AND d.name = $2 ORDER BY v.number DESC LIMIT $4
    ) x ORDER BY x.number DESC"
);
/// One row without an entry where the version has none after the position.
const ENTRIES: &str = "SELECT v.entries, e.position, e.entry FROM promptops.entered($1) n, LATERAL (
        SELECT v.entry_list, v.entries FROM promptops.dataset d
        JOIN promptops.dataset_version v ON v.dataset = d.id AND v.number = $3
        WHERE d.tenant = n.id AND d.name = $2 OFFSET 0
    ) v LEFT JOIN LATERAL (
        SELECT e.position, e.entry FROM promptops.dataset_entry e
        WHERE e.entry_list = v.entry_list AND e.position >= $4 AND e.position < $5 ORDER BY e.position OFFSET 0
    ) e ON true ORDER BY e.position";
const NEW_LIST: &str = "SELECT nextval('promptops.entry_list')";
const ENTER: &str = "SELECT t.id FROM promptops.entered($1) t";
const ADD_ENTRIES: &str = "INSERT INTO promptops.dataset_entry (tenant, entry_list, position, name, entry)
    SELECT $1, $2, $3 + e.at - 1, e.name, e.entry FROM unnest($4, $5) WITH ORDINALITY e (name, entry, at)";
const LATEST: &str = "SELECT d.id, d.latest FROM promptops.dataset d WHERE d.tenant = $1 AND d.name = $2";
const ADD_DATASET: &str =
    "INSERT INTO promptops.dataset (tenant, name, latest) VALUES ($1, $2, 1) RETURNING id";
const SET_LATEST: &str = "UPDATE promptops.dataset SET latest = $2 WHERE id = $1";
const ADD_VERSION: &str =
    "INSERT INTO promptops.dataset_version (tenant, dataset, number, hash, entry_list, entries, prompt,
        metadata, message, created_by_id, created_by_role, created_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)";

/// Most entries that one statement writes, and most bytes of them, beyond which no other is added.
const CHUNK: usize = 2_000;
const CHUNK_BYTES: usize = 4 * 1024 * 1024;

fn dataset(row: &PgRow) -> error::Result<Dataset> {
    let prompt: Option<String> = row.try_get(4)?;
    Ok(Dataset {
        name: stored("dataset name", DatasetName::new(row.try_get::<String, _>(0)?))?,
        version: version_number(row.try_get::<i64, _>(1)?)?,
        hash: DatasetHash::from_bytes(hash_bytes(row.try_get(2)?)?),
        entries: unsigned("number of entries", row.try_get(3)?)?,
        prompt: stored("prompt name", prompt.map(PromptName::new).transpose())?,
        metadata: from_json("metadata of a dataset", row.try_get(5)?)?,
        message: row.try_get(6)?,
        created_by: actor(row.try_get(7)?, row.try_get(8)?)?,
        created_at: timestamp(row.try_get(9)?)?,
    })
}

fn datasets(rows: &[PgRow]) -> error::Result<Vec<Dataset>> {
    rows.iter().map(dataset).collect()
}

/// An entry from the columns `position` and `entry`, the first of which is at `at`.
pub(crate) fn entry(row: &PgRow, at: usize) -> error::Result<(i64, Entry)> {
    let text: &str = row.try_get(at + 1)?;
    Ok((row.try_get(at)?, from_json("entry of a dataset", text)?))
}

fn same(row: Option<&PgRow>) -> error::Result<Option<SavedDataset>> {
    let found = row.map(dataset).transpose()?;
    Ok(found.map(|dataset| SavedDataset {
        dataset,
        created: false,
    }))
}

fn by_hash(query: Query, new: &NewDataset) -> Query {
    query
        .bind(new.tenant.to_string())
        .bind(new.name.to_string())
        .bind(new.hash.as_bytes().to_vec())
}

/// Writes the entries, and returns their list. The tenant is not locked meanwhile.
async fn add_entries(tx: &mut Transaction, new: &NewDataset) -> error::Result<i64> {
    let row = tx.row(ENTER, |query| query.bind(new.tenant.to_string())).await?;
    let entered: Option<i64> = row.map_or(Ok(None), |row| row.try_get(0))?;
    let tenant = match entered {
        Some(id) => id,
        None => tenancy::lock(tx, &new.tenant).await?.id,
    };
    let row = tx.row(NEW_LIST, |query| query).await?;
    let list: i64 = row.ok_or(sqlx::Error::RowNotFound)?.try_get(0)?;
    let mut entries = new.entries.iter().peekable();
    let mut first = 0;
    while entries.peek().is_some() {
        let (mut names, mut texts, mut bytes) = (Vec::new(), Vec::new(), 0);
        while names.len() < CHUNK
            && bytes < CHUNK_BYTES
            && let Some(entry) = entries.next()
        {
            let text = to_json("entry of a dataset", entry)?;
            bytes += text.len();
            names.push(entry.id.clone());
            texts.push(text);
        }
        let count = names.len() as i64;
        tx.rows(ADD_ENTRIES, |query| {
            query.bind(tenant).bind(list).bind(first).bind(names).bind(texts)
        })
        .await?;
        first += count;
    }
    Ok(list)
}

async fn save(tx: &mut Transaction, new: NewDataset) -> error::Result<SavedDataset> {
    let list = add_entries(tx, &new).await?;
    let tenant = tenancy::lock(tx, &new.tenant).await?;
    // Again, now that nobody else changes the tenant's: another call may have been faster.
    let row = tx.row(BY_HASH, |query| by_hash(query, &new)).await?;
    if let Some(same) = same(row.as_ref())? {
        return Ok(same);
    }
    let known = tx
        .row(LATEST, |query| query.bind(tenant.id).bind(new.name.to_string()))
        .await?;
    let known = match known {
        Some(row) => Some((
            row.try_get::<i64, _>(0)?,
            version_number(row.try_get::<i64, _>(1)?)?,
        )),
        None => None,
    };
    refusal::check_latest(&new, known.map(|(_, latest)| latest))?;
    let (id, number): (i64, _) = match known {
        Some((id, latest)) => {
            let number = latest
                .next()
                .ok_or_else(|| refusal::no_more_versions(&new.name))?;
            tx.rows(SET_LATEST, |query| query.bind(id).bind(i64::from(number.get())))
                .await?;
            (id, number)
        }
        None => {
            let row = tx
                .row(ADD_DATASET, |query| {
                    query.bind(tenant.id).bind(new.name.to_string())
                })
                .await?;
            (
                row.ok_or(sqlx::Error::RowNotFound)?.try_get(0)?,
                VersionNumber::FIRST,
            )
        }
    };
    let saved = Dataset {
        name: new.name,
        version: number,
        hash: new.hash,
        entries: new.entries.len() as u64,
        prompt: new.prompt,
        metadata: new.metadata,
        message: new.message,
        created_by: new.created_by,
        created_at: new.created_at,
    };
    let entries = integer(saved.entries)?;
    let metadata = to_json("metadata of a dataset", &saved.metadata)?;
    tx.rows(ADD_VERSION, |query| {
        query
            .bind(tenant.id)
            .bind(id)
            .bind(i64::from(number.get()))
            .bind(saved.hash.as_bytes().to_vec())
            .bind(list)
            .bind(entries)
            .bind(saved.prompt.as_ref().map(ToString::to_string))
            .bind(metadata)
            .bind(&saved.message)
            .bind(&saved.created_by.id)
            .bind(saved.created_by.role.as_str())
            .bind(saved.created_at.timestamp_micros())
    })
    .await?;
    let entry = new.audit.about(saved.to_string());
    audit::append(tx, tenant, &entry, None).await?;
    Ok(SavedDataset {
        dataset: saved,
        created: true,
    })
}

#[async_trait]
impl DatasetStore for PgBackend {
    async fn save_dataset(&self, new: NewDataset) -> Result<SavedDataset> {
        let row = self.read_one(BY_HASH, |query| by_hash(query, &new)).await?;
        if let Some(same) = same(row.as_ref())? {
            return Ok(same);
        }
        let mut tx = self.begin().await?;
        match save(&mut tx, new).await {
            // The entries that were written are nobody's.
            Ok(same) if !same.created => {
                tx.undo().await;
                Ok(same)
            }
            result => tx.finish(result).await,
        }
    }

    async fn dataset(
        &self,
        tenant: &TenantId,
        name: &DatasetName,
        version: Option<VersionNumber>,
    ) -> Result<Dataset> {
        let row = self
            .read_one(VERSION, |query| {
                query
                    .bind(tenant.to_string())
                    .bind(name.to_string())
                    .bind(version.map(|version| i64::from(version.get())))
            })
            .await?;
        let row = row.ok_or_else(|| refusal::unknown_dataset(name, version))?;
        Ok(dataset(&row)?)
    }

    async fn list_datasets(&self, tenant: &TenantId, page: &PageRequest) -> Result<Page<Dataset>> {
        let after = page
            .cursor()
            .map(|cursor| DatasetName::new(cursor).map_err(|_| foreign_cursor(cursor)))
            .transpose()?;
        // Every name comes after the empty text.
        let after = after.as_ref().map_or("", DatasetName::as_str);
        let limit = page.limit();
        let rows = self
            .read(LIST, |query| {
                query
                    .bind(tenant.to_string())
                    .bind(after.to_owned())
                    .bind(limit as i64 + 1)
            })
            .await?;
        Ok(Page::from_surplus(datasets(&rows)?, limit, |last| {
            last.name.to_string()
        }))
    }

    async fn dataset_versions(
        &self,
        tenant: &TenantId,
        name: &DatasetName,
        page: &PageRequest,
    ) -> Result<Page<Dataset>> {
        let before = page.number_cursor()?.map_or(Ok(i64::MAX), integer)?;
        let limit = page.limit();
        let rows = self
            .read(VERSIONS, |query| {
                query
                    .bind(tenant.to_string())
                    .bind(name.to_string())
                    .bind(before)
                    .bind(limit as i64 + 1)
            })
            .await?;
        Ok(Page::from_surplus(datasets(&rows)?, limit, |last| {
            last.version.get().to_string()
        }))
    }

    async fn entries(
        &self,
        tenant: &TenantId,
        name: &DatasetName,
        version: VersionNumber,
        page: &PageRequest,
    ) -> Result<Page<Entry>> {
        let start = page.number_cursor()?.map_or(Ok(0), integer)?;
        let start = if page.cursor().is_some() {
            start.saturating_add(1)
        } else {
            0
        };
        let end = start.saturating_add(page.limit() as i64);
        let rows = self
            .read(ENTRIES, |query| {
                query
                    .bind(tenant.to_string())
                    .bind(name.to_string())
                    .bind(i64::from(version.get()))
                    .bind(start)
                    .bind(end)
            })
            .await?;
        let first = rows
            .first()
            .ok_or_else(|| refusal::unknown_dataset(name, Some(version)))?;
        let count: i64 = first.try_get(0).map_err(error::Failure::from)?;
        let (start, end) = (start.min(count), end.min(count));
        let mut items = Vec::new();
        if start < end {
            for row in &rows {
                let (position, entry) = entry(row, 1)?;
                if position != start + items.len() as i64 {
                    return Err(corrupt("list of a dataset's entries"));
                }
                items.push(entry);
            }
        }
        if items.len() as i64 != end - start {
            return Err(corrupt("list of a dataset's entries"));
        }
        let next = (end < count).then(|| (end - 1).to_string());
        Ok(Page { items, next })
    }
}
