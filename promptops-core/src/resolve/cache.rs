//! What has been resolved, read by every request without a lock.

use std::hash::{Hash, Hasher};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use equivalent::Equivalent;

use super::enrolment::Enrolment;
use super::sources::Sources;
use crate::base::error::Error;
use crate::base::{ClosureHash, PromptName, TenantId, VersionNumber};
use crate::observation::Stamp;
use crate::prompt::Version;
use crate::render::CompiledPrompt;

/// Who asked for what, as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Key {
    pub(super) tenant: TenantId,
    pub(super) reference: Box<str>,
}

/// The same, borrowed: so that asking allocates nothing.
pub(super) struct KeyRef<'a> {
    pub(super) tenant: &'a str,
    pub(super) reference: &'a str,
}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        KeyRef {
            tenant: self.tenant.as_str(),
            reference: &self.reference,
        }
        .hash(state);
    }
}

impl Hash for KeyRef<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.tenant.hash(state);
        self.reference.hash(state);
    }
}

impl Equivalent<Arc<Key>> for KeyRef<'_> {
    fn equivalent(&self, key: &Arc<Key>) -> bool {
        *self.reference == *key.reference && self.tenant == key.tenant.as_str()
    }
}

/// A compiled prompt that several keys may share.
pub(super) struct Shared {
    pub(super) compiled: CompiledPrompt,
    /// `None` for a caller's fallback text.
    pub(super) sources: Option<Sources>,
    /// Entries in the map that use it; changed under the shelf's lock only.
    users: AtomicUsize,
}

impl Shared {
    pub(super) fn new(compiled: CompiledPrompt, sources: Option<Sources>) -> Self {
        Self {
            compiled,
            sources,
            users: AtomicUsize::new(0),
        }
    }

    /// The version; `None` for a caller's fallback text.
    pub(super) fn version(&self) -> Option<&Arc<Version>> {
        self.sources.as_ref().map(|sources| &sources.version)
    }

    fn bytes(&self) -> usize {
        self.compiled.bytes() + self.sources.as_ref().map_or(0, Sources::bytes)
    }

    /// Counts one more entry of the map; returns the bytes that it adds: those of the prompt for the first.
    pub(super) fn enter(&self) -> usize {
        if self.users.fetch_add(1, Ordering::Relaxed) == 0 {
            self.bytes()
        } else {
            0
        }
    }

    /// Counts one entry less; returns the bytes that go with it: those of the prompt with the last.
    pub(super) fn leave(&self) -> usize {
        if self.users.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.bytes()
        } else {
            0
        }
    }
}

/// What makes two compiled prompts the same: the text, and all that its errors name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct SharedKey {
    pub(super) closure_hash: ClosureHash,
    pub(super) owner: TenantId,
    pub(super) prompt: PromptName,
    pub(super) version: VersionNumber,
    /// Who asks, where there are snippets: equal texts of two tenants' own snippets have different names and numbers,
    /// and are none of the other's business.
    pub(super) asking: Option<TenantId>,
}

/// What one key resolves to.
pub(super) struct Entry {
    pub(super) shared: Arc<Shared>,
    pub(super) stamp: Stamp,
    pub(super) revision: Option<u64>,
    /// The experiment that is on there.
    pub(super) enrolment: Option<Box<Enrolment>>,
    /// Every prompt that a change of would change this: (tenant, prompt).
    pub(super) depends_on: Box<[(TenantId, PromptName)]>,
    /// How many events had been heard when its load began.
    pub(super) loaded_at: u64,
    confirmed_ms: AtomicU64,
    retry_at_ms: AtomicU64,
    invalid: AtomicBool,
    refreshing: AtomicBool,
    used: AtomicBool,
    failure: Mutex<Option<Error>>,
}

impl Entry {
    pub(super) fn new(
        shared: Arc<Shared>,
        stamp: Stamp,
        revision: Option<u64>,
        depends_on: Box<[(TenantId, PromptName)]>,
        loaded_at: u64,
        now_ms: u64,
    ) -> Self {
        Self {
            shared,
            stamp,
            revision,
            enrolment: None,
            depends_on,
            loaded_at,
            confirmed_ms: AtomicU64::new(now_ms),
            retry_at_ms: AtomicU64::new(0),
            invalid: AtomicBool::new(false),
            refreshing: AtomicBool::new(false),
            used: AtomicBool::new(false),
            failure: Mutex::new(None),
        }
    }

    /// The same, with the experiment that is on there.
    pub(super) fn enrolled(mut self, enrolment: Option<Enrolment>) -> Self {
        self.enrolment = enrolment.map(Box::new);
        self
    }

    /// Every compiled prompt that it may serve.
    pub(super) fn texts(&self) -> impl Iterator<Item = &Arc<Shared>> {
        let arms = self.enrolment.iter().flat_map(|enrolment| enrolment.arms());
        std::iter::once(&self.shared).chain(arms)
    }

    pub(super) fn age(&self, now_ms: u64) -> Duration {
        Duration::from_millis(now_ms.saturating_sub(self.confirmed_ms.load(Ordering::Relaxed)))
    }

    pub(super) fn is_invalid(&self) -> bool {
        self.invalid.load(Ordering::Acquire)
    }

    /// Notes that a change is known of. Failures before it say nothing about the load that it needs.
    pub(super) fn invalidate(&self) {
        self.retry_at_ms.store(0, Ordering::Relaxed);
        self.invalid.store(true, Ordering::Release);
    }

    /// Marks it as used. Reads first, since a write would take the line from every other core.
    pub(super) fn touch(&self) {
        if !self.used.load(Ordering::Relaxed) {
            self.used.store(true, Ordering::Relaxed);
        }
    }

    /// Whether it was used since the last call.
    pub(super) fn take_used(&self) -> bool {
        self.used.swap(false, Ordering::Relaxed)
    }

    /// Whether the last load failed.
    pub(super) fn has_failed(&self) -> bool {
        self.retry_at_ms.load(Ordering::Relaxed) > 0
    }

    pub(super) fn may_retry(&self, now_ms: u64) -> bool {
        now_ms >= self.retry_at_ms.load(Ordering::Relaxed)
    }

    /// Notes a failed load: what is known is served until the next try.
    pub(super) fn failed(&self, error: Error, retry_at_ms: u64) {
        self.retry_at_ms.store(retry_at_ms, Ordering::Relaxed);
        *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
    }

    pub(super) fn failure(&self) -> Option<Error> {
        self.failure
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Whether the caller is the one to refresh it; ends with the guard.
    pub(super) fn begin_refresh(self: &Arc<Self>) -> Option<Refreshing> {
        (!self.refreshing.swap(true, Ordering::AcqRel)).then(|| Refreshing(Arc::clone(self)))
    }
}

/// Says, as long as it lives, that an entry is being refreshed. Lives in the task, so that a task that is dropped
/// before it ran leaves the entry free for the next.
pub(super) struct Refreshing(Arc<Entry>);

impl Drop for Refreshing {
    fn drop(&mut self) {
        self.0.refreshing.store(false, Ordering::Release);
    }
}

/// The map that requests read.
pub(super) type Entries = papaya::HashMap<Arc<Key>, Arc<Entry>, ahash::RandomState>;
