//! The store of datasets.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Map, Value};

use super::entry::Entry;
use super::record::Dataset;
use crate::base::audit::AuditEntry;
use crate::base::error::Result;
use crate::base::{
    Actor, DatasetHash, DatasetName, Page, PageRequest, PromptName, TenantId, Timestamp, VersionNumber,
};

/// A version of a dataset to be saved. Its entries have unique ids.
#[derive(Clone)]
pub struct NewDataset {
    /// The tenant.
    pub tenant: TenantId,
    /// The dataset.
    pub name: DatasetName,
    /// The identity of the entries.
    pub hash: DatasetHash,
    /// The entries, in their order; at least one.
    pub entries: Arc<Vec<Entry>>,
    /// The number of the version that must be the latest, 0 where there must be none: for entries that were made from what
    /// that version has. `None` when it may be any.
    pub expected_latest: Option<u32>,
    /// The prompt that it is for, if for one only.
    pub prompt: Option<PromptName>,
    /// What else the author says about it.
    pub metadata: Map<String, Value>,
    /// Why it is made.
    pub message: String,
    /// Who saves it.
    pub created_by: Actor,
    /// When.
    pub created_at: Timestamp,
    /// What goes on record; the store replaces its subject by the name and version, as in `tickets/golden v3`.
    pub audit: AuditEntry,
}

impl fmt::Debug for NewDataset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewDataset")
            .field("name", &self.name)
            .field("hash", &self.hash)
            .field("entries", &self.entries.len())
            .finish_non_exhaustive()
    }
}

/// What saving came to.
#[derive(Debug, Clone, PartialEq)]
pub struct SavedDataset {
    /// The version that has these entries.
    pub dataset: Dataset,
    /// Whether it was made by this call; else it was there before.
    pub created: bool,
}

/// Keeps datasets.
///
/// Every method is one atomic operation and sees no other tenant's data. Errors beside those listed:
/// [`Unavailable`](crate::base::ErrorKind::Unavailable) when the backend cannot be reached,
/// [`Backend`](crate::base::ErrorKind::Backend) for the rest.
#[async_trait]
pub trait DatasetStore: Send + Sync {
    /// Saves a version, with its entries and its audit record.
    ///
    /// # Behavior
    /// - Versions of one name are numbered from 1 without gaps, also under racing saves.
    /// - When a version of this name has this hash, nothing changes and that version is returned, with its own prompt,
    ///   metadata, message, author and time.
    /// - Otherwise the latest version is the one that is expected, if one is, else
    ///   [`Conflict`](crate::base::ErrorKind::Conflict) with the latest one's number as the current revision. Of two racing
    ///   saves that expect the same one exactly one succeeds.
    /// - Entries come back in their order and byte for byte: numbers, unknown characters and nesting included.
    async fn save_dataset(&self, new: NewDataset) -> Result<SavedDataset>;

    /// A version; the latest when no number is given.
    ///
    /// # Behavior
    /// - [`NotFound`](crate::base::ErrorKind::NotFound) when the tenant has no such dataset or version.
    async fn dataset(
        &self,
        tenant: &TenantId,
        name: &DatasetName,
        version: Option<VersionNumber>,
    ) -> Result<Dataset>;

    /// The latest version of each dataset, in byte order of their names. The cursor is the last name of a page.
    async fn list_datasets(&self, tenant: &TenantId, page: &PageRequest) -> Result<Page<Dataset>>;

    /// The versions of a dataset, newest first. The cursor is the last version's number. Empty for an unknown dataset.
    async fn dataset_versions(
        &self,
        tenant: &TenantId,
        name: &DatasetName,
        page: &PageRequest,
    ) -> Result<Page<Dataset>>;

    /// The entries of a version in their order. The cursor is the last entry's position, from 0.
    ///
    /// # Behavior
    /// - [`NotFound`](crate::base::ErrorKind::NotFound) when the tenant has no such dataset or version.
    async fn entries(
        &self,
        tenant: &TenantId,
        name: &DatasetName,
        version: VersionNumber,
        page: &PageRequest,
    ) -> Result<Page<Entry>>;
}
