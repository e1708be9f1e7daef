//! The datasets of one tenant.

use std::fmt;
use std::io::Write;
use std::sync::Arc;

use serde_json::json;

use super::csv::{CsvFormat, CsvWriter};
use super::draft::DatasetDraft;
use super::entry::Entry;
use super::hash::DatasetHasher;
use super::jsonl::write_entry;
use super::lines::io_error;
use super::record::Dataset;
use super::reference::DatasetReference;
use super::store::{DatasetStore, NewDataset, SavedDataset};
use crate::base::audit::{AuditAction, AuditEntry};
use crate::base::error::{Error, ErrorKind, Result};
use crate::base::{Actor, Clock, DatasetName, Operation, Page, PageRequest, TenantId};

/// The datasets of one tenant.
#[derive(Clone)]
pub struct Datasets {
    store: Arc<dyn DatasetStore>,
    clock: Arc<dyn Clock>,
    tenant: TenantId,
}

impl Datasets {
    /// The datasets of this tenant.
    #[must_use]
    pub fn new(store: Arc<dyn DatasetStore>, clock: Arc<dyn Clock>, tenant: TenantId) -> Self {
        Self { store, clock, tenant }
    }

    /// Saves a new version. Entries that a version of this name has already, in the same order, are that version: nothing
    /// changes then.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) for a text that is no name, no entry, an id that stands for two entries, or
    /// an entry that is too large; [`Forbidden`](crate::ErrorKind::Forbidden) for a role that may not; the backend's
    /// errors.
    pub async fn save(&self, name: &str, draft: DatasetDraft, actor: &Actor) -> Result<Dataset> {
        actor.authorise(Operation::SaveDataset)?;
        Ok(self
            .put(DatasetName::new(name)?, draft, None, actor)
            .await?
            .dataset)
    }

    /// As [`save`](Self::save), and says whether the version is new. Where a number is given, that version must be the latest
    /// one, and with 0 there must be none: else it is a [`Conflict`](ErrorKind::Conflict).
    pub(crate) async fn put(
        &self,
        name: DatasetName,
        draft: DatasetDraft,
        expected_latest: Option<u32>,
        actor: &Actor,
    ) -> Result<SavedDataset> {
        actor.authorise(Operation::SaveDataset)?;
        let hash = draft.check().map_err(|e| e.with("dataset", &name))?;
        let at = self.clock.now();
        let detail = json!({ "hash": hash, "entries": draft.entries.len(), "message": draft.message });
        let new = NewDataset {
            tenant: self.tenant.clone(),
            audit: AuditEntry::new(
                &self.tenant,
                at,
                actor,
                AuditAction::SaveDataset,
                name.as_str(),
                &detail,
            ),
            name,
            hash,
            entries: Arc::new(draft.entries),
            expected_latest,
            prompt: draft.prompt,
            metadata: draft.metadata,
            message: draft.message,
            created_by: actor.clone(),
            created_at: at,
        };
        self.store.save_dataset(new).await
    }

    /// A version: `tickets/golden` for the latest, `tickets/golden@v3` for that one.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) for a text that is no reference,
    /// [`NotFound`](crate::ErrorKind::NotFound) when there is no such version; the backend's errors.
    pub async fn get(&self, reference: &str) -> Result<Dataset> {
        let reference: DatasetReference = reference.parse()?;
        self.store
            .dataset(&self.tenant, &reference.name, reference.version)
            .await
    }

    /// The latest version of each dataset, in byte order of their names.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) for a cursor of another list; the backend's errors.
    pub async fn list(&self, page: &PageRequest) -> Result<Page<Dataset>> {
        self.store.list_datasets(&self.tenant, page).await
    }

    /// The versions of a dataset, newest first.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) for a text that is no name or a cursor of another list; the backend's
    /// errors.
    pub async fn versions(&self, name: &str, page: &PageRequest) -> Result<Page<Dataset>> {
        let name = DatasetName::new(name)?;
        self.store.dataset_versions(&self.tenant, &name, page).await
    }

    /// A page of a version's entries, in their order.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) for a cursor of another list,
    /// [`NotFound`](crate::ErrorKind::NotFound) when the dataset is not this tenant's; the backend's errors.
    pub async fn entries(&self, dataset: &Dataset, page: &PageRequest) -> Result<Page<Entry>> {
        self.store
            .entries(&self.tenant, &dataset.name, dataset.version, page)
            .await
    }

    /// Writes a version's entries as JSON lines, page by page; see [`write_jsonl`](super::write_jsonl).
    ///
    /// The writer is called between awaits: let it be memory, or a buffered file.
    ///
    /// # Errors
    /// Those of [`entries`](Self::entries) and [`write_jsonl`](super::write_jsonl);
    /// [`Corrupt`](crate::ErrorKind::Corrupt) when what was written does not fit the dataset's hash.
    pub async fn export_jsonl(&self, dataset: &Dataset, mut writer: impl Write + Send) -> Result<()> {
        self.each_entry(dataset, |entry| write_entry(entry, &mut writer))
            .await?;
        writer.flush().map_err(|e| io_error("written", e))
    }

    /// Writes a version's entries as CSV, page by page; see [`write_csv`](super::write_csv). The entries are read twice,
    /// first for the columns that they need.
    ///
    /// The writer is called between awaits: let it be memory, or a buffered file.
    ///
    /// # Errors
    /// Those of [`entries`](Self::entries) and [`write_csv`](super::write_csv);
    /// [`Corrupt`](crate::ErrorKind::Corrupt) when the entries do not fit the dataset's hash. Nothing is written when the
    /// format cannot say the entries, or they are corrupt already when read first.
    pub async fn export_csv(
        &self,
        dataset: &Dataset,
        format: CsvFormat,
        writer: impl Write + Send,
    ) -> Result<()> {
        let mut writer = CsvWriter::new(format, writer);
        self.each_entry(dataset, |entry| writer.prepare(entry)).await?;
        writer.begin()?;
        self.each_entry(dataset, |entry| writer.write(entry)).await?;
        writer.finish()
    }

    /// Shows every entry of a version, and makes sure that these are its entries.
    async fn each_entry(
        &self,
        dataset: &Dataset,
        mut take: impl FnMut(&Entry) -> Result<()> + Send,
    ) -> Result<()> {
        let mut hasher = DatasetHasher::new();
        let mut request = PageRequest::first(PageRequest::MAX_LIMIT);
        loop {
            let page = self.entries(dataset, &request).await?;
            for entry in &page.items {
                hasher.add(entry);
                take(entry)?;
            }
            match page.next {
                Some(cursor) => request = request.after(cursor),
                None => break,
            }
        }
        let found = hasher.finish();
        if found != dataset.hash {
            return Err(Error::new(
                ErrorKind::Corrupt,
                format!(
                    "the stored entries have the hash {found}; expected {}: they are not those that were saved",
                    dataset.hash
                ),
            )
            .with("dataset", dataset));
        }
        Ok(())
    }

    /// All entries of a version, in their order, once it is sure that they are its entries.
    ///
    /// # Errors
    /// Those of [`entries`](Self::entries); [`Corrupt`](crate::ErrorKind::Corrupt) when they do not fit the dataset's hash.
    pub(crate) async fn verified_entries(&self, dataset: &Dataset) -> Result<Vec<Entry>> {
        let mut all = Vec::new();
        self.each_entry(dataset, |entry| {
            all.push(entry.clone());
            Ok(())
        })
        .await?;
        Ok(all)
    }

    /// All entries of a version, in their order. They are in memory then; see [`entries`](Self::entries) for pages.
    ///
    /// # Errors
    /// Those of [`entries`](Self::entries).
    pub async fn all_entries(&self, dataset: &Dataset) -> Result<Vec<Entry>> {
        let mut all = Vec::new();
        let mut request = PageRequest::first(PageRequest::MAX_LIMIT);
        loop {
            let page = self.entries(dataset, &request).await?;
            all.extend(page.items);
            match page.next {
                Some(cursor) => request = request.after(cursor),
                None => return Ok(all),
            }
        }
    }
}

impl fmt::Debug for Datasets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Datasets")
            .field("tenant", &self.tenant)
            .finish_non_exhaustive()
    }
}
