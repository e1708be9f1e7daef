//! Datasets.

use async_trait::async_trait;
use promptops_core::Result;
use promptops_core::base::page::foreign_cursor;
use promptops_core::base::{
    DatasetHash, DatasetName, Page, PageRequest, PromptName, TenantId, VersionNumber,
};
use promptops_core::evaluation::{Dataset, DatasetStore, Entry, NewDataset, SavedDataset, refusal};
use rusqlite::{Connection, OptionalExtension, Row};

use crate::backend::{Durability, SqliteBackend};
use crate::{audit, error, tenancy};
use promptops_core::base::stored::{
    actor, corrupt, from_json, integer, stored, timestamp, to_json, unsigned, version_number,
};

/// What [`DatasetRow::read`] reads, of a `promptops_dataset d` and a `promptops_dataset_version v`.
macro_rules! columns {
    () => {
        "d.name, v.number, v.hash, v.entries, v.prompt, v.metadata, v.message, v.created_by_id, v.created_by_role, \
         v.created_at"
    };
}

statements! {
    DATASET = "SELECT d.id, d.latest FROM promptops_dataset d WHERE d.tenant = ?1 AND d.name = ?2";
    BY_HASH = concat!("SELECT ", columns!(), " FROM promptops_tenant n
        JOIN promptops_dataset d ON d.tenant = n.id AND d.name = ?2
        JOIN promptops_dataset_version v ON v.dataset = d.id AND v.hash = ?3 WHERE n.name = ?1");
    VERSION = concat!("SELECT ", columns!(), " FROM promptops_tenant n
        JOIN promptops_dataset d ON d.tenant = n.id AND d.name = ?2
        JOIN promptops_dataset_version v ON v.dataset = d.id AND v.number = coalesce(?3, d.latest) WHERE n.name = ?1");
    LIST = concat!("SELECT ", columns!(), " FROM promptops_dataset d
        CROSS JOIN promptops_dataset_version v ON v.dataset = d.id AND v.number = d.latest
        WHERE d.tenant = ?1 AND d.name > ?2 ORDER BY d.name LIMIT ?3");
    VERSIONS = concat!("SELECT ", columns!(), " FROM promptops_dataset d
        CROSS JOIN promptops_dataset_version v ON v.dataset = d.id AND v.number < ?3
        WHERE d.tenant = ?1 AND d.name = ?2 ORDER BY v.number DESC LIMIT ?4");
    PLACE = "SELECT v.first_entry, v.entries FROM promptops_tenant n
        JOIN promptops_dataset d ON d.tenant = n.id AND d.name = ?2
        JOIN promptops_dataset_version v ON v.dataset = d.id AND v.number = ?3 WHERE n.name = ?1";
    ENTRIES = "SELECT e.entry FROM promptops_dataset_entry e WHERE e.id >= ?1 AND e.id < ?2 ORDER BY e.id";
    LAST_ENTRY = "SELECT coalesce(max(id), 0) FROM promptops_dataset_entry";
    ADD_DATASET = "INSERT INTO promptops_dataset (tenant, name, latest) VALUES (?1, ?2, 1)";
    SET_LATEST = "UPDATE promptops_dataset SET latest = ?2 WHERE id = ?1";
    ADD_VERSION = "INSERT INTO promptops_dataset_version (dataset, number, hash, first_entry, entries, prompt, metadata,
            message, created_by_id, created_by_role, created_at)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)";
    ADD_ENTRY = "INSERT INTO promptops_dataset_entry (id, name, entry) VALUES (?1, ?2, ?3)";
}

struct DatasetRow {
    name: String,
    number: u32,
    hash: [u8; 32],
    entries: i64,
    prompt: Option<String>,
    metadata: String,
    message: String,
    created_by_id: String,
    created_by_role: String,
    created_at: i64,
}

impl DatasetRow {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            name: row.get(0)?,
            number: row.get(1)?,
            hash: row.get(2)?,
            entries: row.get(3)?,
            prompt: row.get(4)?,
            metadata: row.get(5)?,
            message: row.get(6)?,
            created_by_id: row.get(7)?,
            created_by_role: row.get(8)?,
            created_at: row.get(9)?,
        })
    }

    fn into_dataset(self) -> Result<Dataset> {
        let prompt = self.prompt.map(PromptName::new).transpose();
        Ok(Dataset {
            name: stored("dataset name", DatasetName::new(self.name))?,
            version: version_number(self.number)?,
            hash: DatasetHash::from_bytes(self.hash),
            entries: unsigned("number of entries", self.entries)?,
            prompt: stored("prompt name", prompt)?,
            metadata: from_json("metadata of a dataset", &self.metadata)?,
            message: self.message,
            created_by: actor(self.created_by_id, &self.created_by_role)?,
            created_at: timestamp(self.created_at)?,
        })
    }
}

/// Where a version's entries are: their first id, and how many there are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    pub(crate) first: i64,
    pub(crate) entries: u64,
}

pub(crate) fn place(
    connection: &Connection,
    tenant: &TenantId,
    name: &DatasetName,
    version: VersionNumber,
) -> error::Result<Place> {
    let found: Option<(i64, i64)> = connection
        .prepare_cached(PLACE)?
        .query_row((tenant.as_str(), name.as_str(), version.get()), |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .optional()?;
    let (first, entries) = found.ok_or_else(|| refusal::unknown_dataset(name, Some(version)))?;
    Ok(Place {
        first,
        entries: unsigned("number of entries", entries)?,
    })
}

/// The entries with the ids from `first` on and before `end`, in their order.
pub(crate) fn entries(connection: &Connection, first: i64, end: i64) -> error::Result<Vec<Entry>> {
    let mut statement = connection.prepare_cached(ENTRIES)?;
    let mut rows = statement.query((first, end))?;
    let mut entries = Vec::new();
    while let Some(row) = rows.next()? {
        let entry = from_json(
            "entry of a dataset",
            row.get_ref(0)?.as_str().map_err(rusqlite::Error::from)?,
        )?;
        entries.push(entry);
    }
    if usize::try_from(end - first).ok() != Some(entries.len()) {
        return Err(corrupt("list of a dataset's entries").into());
    }
    Ok(entries)
}

fn by_hash(connection: &Connection, new: &NewDataset) -> error::Result<Option<SavedDataset>> {
    let row = connection
        .prepare_cached(BY_HASH)?
        .query_row(
            (new.tenant.as_str(), new.name.as_str(), new.hash.as_bytes()),
            DatasetRow::read,
        )
        .optional()?;
    let same = row.map(DatasetRow::into_dataset).transpose()?;
    Ok(same.map(|dataset| SavedDataset {
        dataset,
        created: false,
    }))
}

/// The entries as JSON texts, one after the other, and where each ends.
struct Texts {
    all: String,
    ends: Vec<usize>,
}

impl Texts {
    fn of(entries: &[Entry]) -> Result<Self> {
        let mut texts = Self {
            all: String::new(),
            ends: Vec::with_capacity(entries.len()),
        };
        for entry in entries {
            texts.all += &to_json("entry of a dataset", entry)?;
            texts.ends.push(texts.all.len());
        }
        Ok(texts)
    }

    fn iter(&self) -> impl Iterator<Item = &str> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, end)| &self.all[start..*end])
    }
}

fn save(tx: &Connection, new: NewDataset, texts: &Texts) -> error::Result<SavedDataset> {
    // Again, now that we hold the write lock: another call may have been faster.
    if let Some(same) = by_hash(tx, &new)? {
        return Ok(same);
    }
    let tenant = tenancy::ensure_tenant(tx, &new.tenant)?;
    let known: Option<(i64, u32)> = tx
        .prepare_cached(DATASET)?
        .query_row((tenant, new.name.as_str()), |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let latest = known.map(|(_, latest)| version_number(latest)).transpose()?;
    refusal::check_latest(&new, latest)?;
    let (dataset, number) = match known.zip(latest) {
        Some(((id, _), latest)) => {
            let number = latest
                .next()
                .ok_or_else(|| refusal::no_more_versions(&new.name))?;
            tx.prepare_cached(SET_LATEST)?.execute((id, number.get()))?;
            (id, number)
        }
        None => {
            tx.prepare_cached(ADD_DATASET)?
                .execute((tenant, new.name.as_str()))?;
            (tx.last_insert_rowid(), VersionNumber::FIRST)
        }
    };
    let last: i64 = tx.prepare_cached(LAST_ENTRY)?.query_row([], |row| row.get(0))?;
    let mut add = tx.prepare_cached(ADD_ENTRY)?;
    for ((id, entry), text) in (last + 1..).zip(new.entries.iter()).zip(texts.iter()) {
        add.execute((id, &entry.id, text))?;
    }
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
    tx.prepare_cached(ADD_VERSION)?.execute((
        dataset,
        number.get(),
        saved.hash.as_bytes(),
        last + 1,
        integer(saved.entries)?,
        saved.prompt.as_ref().map(PromptName::as_str),
        to_json("metadata of a dataset", &saved.metadata)?,
        &saved.message,
        &saved.created_by.id,
        saved.created_by.role.as_str(),
        saved.created_at.timestamp_micros(),
    ))?;
    audit::append(tx, new.audit.about(saved.to_string()))?;
    Ok(SavedDataset {
        dataset: saved,
        created: true,
    })
}

#[async_trait]
impl DatasetStore for SqliteBackend {
    async fn save_dataset(&self, new: NewDataset) -> Result<SavedDataset> {
        // On a reader's thread, so that the writer does not wait for JSON.
        let wanted = new.clone();
        let prepared = self.read(move |connection| match by_hash(connection, &wanted)? {
            Some(same) => Ok(Err(same)),
            None => Ok(Ok(Texts::of(&wanted.entries)?)),
        });
        match prepared.await? {
            Err(same) => Ok(same),
            Ok(texts) => {
                self.write(Durability::Machine, move |tx| save(tx, new, &texts))
                    .await
            }
        }
    }

    async fn dataset(
        &self,
        tenant: &TenantId,
        name: &DatasetName,
        version: Option<VersionNumber>,
    ) -> Result<Dataset> {
        let (tenant, name) = (tenant.clone(), name.clone());
        self.read(move |connection| {
            let number = version.map(VersionNumber::get);
            let row = connection
                .prepare_cached(VERSION)?
                .query_row((tenant.as_str(), name.as_str(), number), DatasetRow::read)
                .optional()?;
            let row = row.ok_or_else(|| refusal::unknown_dataset(&name, version))?;
            Ok(row.into_dataset()?)
        })
        .await
    }

    async fn list_datasets(&self, tenant: &TenantId, page: &PageRequest) -> Result<Page<Dataset>> {
        let after = page
            .cursor()
            .map(|cursor| DatasetName::new(cursor).map_err(|_| foreign_cursor(cursor)))
            .transpose()?;
        let (tenant, limit) = (tenant.clone(), page.limit());
        self.read(move |connection| {
            let Some(tenant) = tenancy::tenant(connection, &tenant)? else {
                return Ok(Page::from_surplus(Vec::new(), limit, |_| String::new()));
            };
            // Every name comes after the empty text.
            let after = after.as_ref().map_or("", DatasetName::as_str);
            let mut statement = connection.prepare_cached(LIST)?;
            let rows = statement.query_map((tenant, after, limit as i64 + 1), DatasetRow::read)?;
            let datasets = rows
                .map(|row| Ok(row?.into_dataset()?))
                .collect::<error::Result<Vec<_>>>()?;
            Ok(Page::from_surplus(datasets, limit, |last: &Dataset| {
                last.name.to_string()
            }))
        })
        .await
    }

    async fn dataset_versions(
        &self,
        tenant: &TenantId,
        name: &DatasetName,
        page: &PageRequest,
    ) -> Result<Page<Dataset>> {
        let before = page.number_cursor()?.map_or(Ok(i64::MAX), integer)?;
        let (tenant, name, limit) = (tenant.clone(), name.clone(), page.limit());
        self.read(move |connection| {
            let Some(tenant) = tenancy::tenant(connection, &tenant)? else {
                return Ok(Page::from_surplus(Vec::new(), limit, |_| String::new()));
            };
            let mut statement = connection.prepare_cached(VERSIONS)?;
            let rows = statement.query_map(
                (tenant, name.as_str(), before, limit as i64 + 1),
                DatasetRow::read,
            )?;
            let datasets = rows
                .map(|row| Ok(row?.into_dataset()?))
                .collect::<error::Result<Vec<_>>>()?;
            Ok(Page::from_surplus(datasets, limit, |last: &Dataset| {
                last.version.get().to_string()
            }))
        })
        .await
    }

    async fn entries(
        &self,
        tenant: &TenantId,
        name: &DatasetName,
        version: VersionNumber,
        page: &PageRequest,
    ) -> Result<Page<Entry>> {
        let start = page.number_cursor()?.map_or(0, |seen| seen.saturating_add(1));
        let (tenant, name, limit) = (tenant.clone(), name.clone(), page.limit() as u64);
        self.read(move |connection| {
            let place = place(connection, &tenant, &name, version)?;
            let start = start.min(place.entries);
            let end = start.saturating_add(limit).min(place.entries);
            let items = entries(
                connection,
                place.first + integer(start)?,
                place.first + integer(end)?,
            )?;
            let next = (end < place.entries).then(|| (end - 1).to_string());
            Ok(Page { items, next })
        })
        .await
    }
}
