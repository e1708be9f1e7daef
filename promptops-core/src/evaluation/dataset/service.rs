//! The datasets of one tenant.

use std::fmt;
use std::sync::Arc;

use serde_json::json;

use super::draft::DatasetDraft;
use super::entry::Entry;
use super::record::Dataset;
use super::reference::DatasetReference;
use super::store::{DatasetStore, NewDataset};
use crate::base::audit::{AuditAction, AuditEntry};
use crate::base::error::Result;
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
        let name = DatasetName::new(name)?;
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
            prompt: draft.prompt,
            metadata: draft.metadata,
            message: draft.message,
            created_by: actor.clone(),
            created_at: at,
        };
        Ok(self.store.save_dataset(new).await?.dataset)
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
