//! A store that counts, fails, hangs and waits on command.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

use async_trait::async_trait;
use promptops_core::base::tenancy::ParentChange;
use promptops_core::base::{Page, PageRequest, PromptName, TenantId};
use promptops_core::prompt::{
    Dependent, Lookup, NewVersion, PromptFilter, PromptRecord, Reference, Saved, StatusChange, Store,
    TagsChange, Version, VersionFilter,
};
use promptops_core::{Error, ErrorKind, MemoryBackend, Result, Stores};
use tokio::sync::Semaphore;

/// How lookups go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// As they should.
    Works,
    /// They fail at once, as when the database is down.
    Fails,
    /// They never end, as when the network swallows them.
    Hangs,
    /// They read, and then wait for [`Faulty::release`] before they answer.
    Waits,
    /// They wait for [`Faulty::release`], and then fail.
    WaitsAndFails,
    /// They say that what they found was changed.
    Corrupt,
}

pub struct Faulty {
    inner: MemoryBackend,
    mode: AtomicU8,
    finds: AtomicU64,
    gate: Semaphore,
}

impl Faulty {
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            inner: MemoryBackend::new(),
            mode: AtomicU8::new(Mode::Works as u8),
            finds: AtomicU64::new(0),
            gate: Semaphore::new(0),
        })
    }

    /// Its backend's stores, with lookups through here.
    pub fn stores(self: &Arc<Self>) -> Stores {
        let mut stores = Stores::from(self.inner.clone());
        stores.prompts = self.clone();
        stores
    }

    pub fn set(&self, mode: Mode) {
        self.mode.store(mode as u8, Ordering::SeqCst);
    }

    /// Lookups so far.
    pub fn finds(&self) -> u64 {
        self.finds.load(Ordering::SeqCst)
    }

    /// Lets one waiting lookup answer.
    pub fn release(&self) {
        self.gate.add_permits(1);
    }
}

#[async_trait]
impl Store for Faulty {
    async fn find(&self, tenant: &TenantId, references: &[Reference]) -> Result<Vec<Lookup>> {
        self.finds.fetch_add(1, Ordering::SeqCst);
        let mode = self.mode.load(Ordering::SeqCst);
        if mode == Mode::Fails as u8 {
            return Err(Error::new(ErrorKind::Unavailable, "the database is down"));
        }
        if mode == Mode::Corrupt as u8 {
            return Err(Error::new(ErrorKind::Corrupt, "the stored content was changed"));
        }
        if mode == Mode::WaitsAndFails as u8 {
            self.gate.acquire().await.unwrap().forget();
            return Err(Error::new(ErrorKind::Unavailable, "the database went down"));
        }
        if mode == Mode::Hangs as u8 {
            std::future::pending::<()>().await;
        }
        let found = self.inner.find(tenant, references).await;
        if mode == Mode::Waits as u8 {
            self.gate.acquire().await.unwrap().forget();
        }
        found
    }

    async fn save_version(&self, new: NewVersion) -> Result<Saved> {
        self.inner.save_version(new).await
    }

    async fn set_status(&self, change: StatusChange) -> Result<Version> {
        self.inner.set_status(change).await
    }

    async fn set_tags(&self, change: TagsChange) -> Result<PromptRecord> {
        self.inner.set_tags(change).await
    }

    async fn prompt(&self, tenant: &TenantId, name: &PromptName) -> Result<Option<PromptRecord>> {
        self.inner.prompt(tenant, name).await
    }

    async fn list_prompts(
        &self,
        tenant: &TenantId,
        filter: &PromptFilter,
        page: &PageRequest,
    ) -> Result<Page<PromptRecord>> {
        self.inner.list_prompts(tenant, filter, page).await
    }

    async fn list_versions(
        &self,
        tenant: &TenantId,
        name: &PromptName,
        filter: &VersionFilter,
        page: &PageRequest,
    ) -> Result<Page<Version>> {
        self.inner.list_versions(tenant, name, filter, page).await
    }

    async fn dependents(
        &self,
        tenant: &TenantId,
        snippet: &PromptName,
        page: &PageRequest,
    ) -> Result<Page<Dependent>> {
        self.inner.dependents(tenant, snippet, page).await
    }

    async fn set_parent(&self, change: ParentChange) -> Result<()> {
        self.inner.set_parent(change).await
    }

    async fn parent(&self, tenant: &TenantId) -> Result<Option<TenantId>> {
        self.inner.parent(tenant).await
    }
}
