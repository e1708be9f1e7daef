//! Datasets in memory.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use async_trait::async_trait;

use super::{MemoryBackend, State};
use crate::base::error::Result;
use crate::base::page::foreign_cursor;
use crate::base::{DatasetName, Page, PageRequest, TenantId, VersionNumber};
use crate::evaluation::{Dataset, DatasetStore, Entry, NewDataset, SavedDataset, refusal};

/// One tenant's datasets: version `n` is at `n - 1`.
#[derive(Default)]
pub(super) struct Datasets(BTreeMap<DatasetName, Vec<Stored>>);

pub(super) struct Stored {
    pub(super) dataset: Dataset,
    pub(super) entries: Arc<Vec<Entry>>,
}

impl Datasets {
    pub(super) fn get(&self, name: &DatasetName, version: Option<VersionNumber>) -> Option<&Stored> {
        let versions = self.0.get(name)?;
        match version {
            None => versions.last(),
            Some(version) => versions.get(version.get() as usize - 1),
        }
    }
}

impl State {
    fn dataset(
        &self,
        tenant: &TenantId,
        name: &DatasetName,
        version: Option<VersionNumber>,
    ) -> Result<&Stored> {
        self.tenant(tenant)
            .and_then(|tenant| tenant.datasets.get(name, version))
            .ok_or_else(|| refusal::unknown_dataset(name, version))
    }
}

#[async_trait]
impl DatasetStore for MemoryBackend {
    async fn save_dataset(&self, new: NewDataset) -> Result<SavedDataset> {
        let mut state = self.state();
        let tenant = state.tenant_mut(&new.tenant);
        let known = tenant.datasets.0.get(&new.name).map_or(&[][..], Vec::as_slice);
        if let Some(same) = known.iter().find(|stored| stored.dataset.hash == new.hash) {
            return Ok(SavedDataset {
                dataset: same.dataset.clone(),
                created: false,
            });
        }
        let latest = known.last().map(|last| last.dataset.version);
        refusal::check_latest(&new, latest)?;
        let number = latest
            .map_or(Some(VersionNumber::FIRST), VersionNumber::next)
            .ok_or_else(|| refusal::no_more_versions(&new.name))?;
        let dataset = Dataset {
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
        let versions = tenant.datasets.0.entry(dataset.name.clone()).or_default();
        versions.push(Stored {
            dataset: dataset.clone(),
            entries: new.entries,
        });
        tenant.log.add(new.audit.about(dataset.to_string()));
        Ok(SavedDataset {
            dataset,
            created: true,
        })
    }

    async fn dataset(
        &self,
        tenant: &TenantId,
        name: &DatasetName,
        version: Option<VersionNumber>,
    ) -> Result<Dataset> {
        Ok(self.state().dataset(tenant, name, version)?.dataset.clone())
    }

    async fn list_datasets(&self, tenant: &TenantId, page: &PageRequest) -> Result<Page<Dataset>> {
        let after = page
            .cursor()
            .map(|cursor| DatasetName::new(cursor).map_err(|_| foreign_cursor(cursor)))
            .transpose()?;
        let state = self.state();
        let start = after.as_ref().map_or(Bound::Unbounded, Bound::Excluded);
        let items = state.tenant(tenant).map_or_else(Vec::new, |tenant| {
            let range = tenant
                .datasets
                .0
                .range::<DatasetName, _>((start, Bound::Unbounded));
            let latest = range.filter_map(|(_, versions)| versions.last());
            latest
                .take(page.limit() + 1)
                .map(|stored| stored.dataset.clone())
                .collect()
        });
        Ok(Page::from_surplus(items, page.limit(), |last| {
            last.name.to_string()
        }))
    }

    async fn dataset_versions(
        &self,
        tenant: &TenantId,
        name: &DatasetName,
        page: &PageRequest,
    ) -> Result<Page<Dataset>> {
        let before = page.number_cursor()?.unwrap_or(u64::MAX);
        let state = self.state();
        let versions = state
            .tenant(tenant)
            .and_then(|tenant| tenant.datasets.0.get(name))
            .map_or(&[][..], Vec::as_slice);
        let items = versions
            .iter()
            .rev()
            .filter(|stored| u64::from(stored.dataset.version.get()) < before)
            .take(page.limit() + 1)
            .map(|stored| stored.dataset.clone())
            .collect();
        Ok(Page::from_surplus(items, page.limit(), |last| {
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
        let start = page.number_cursor()?.map_or(0, |seen| {
            usize::try_from(seen).map_or(usize::MAX, |seen| seen.saturating_add(1))
        });
        let entries = self.state().dataset(tenant, name, Some(version))?.entries.clone();
        let rest = entries.get(start..).unwrap_or_default();
        let items: Vec<_> = rest.iter().take(page.limit()).cloned().collect();
        let next = (rest.len() > items.len()).then(|| (start + items.len() - 1).to_string());
        Ok(Page { items, next })
    }
}
