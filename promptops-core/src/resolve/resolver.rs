//! The resolver: the cache, the loader, and what happens between them.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::sync::Semaphore;

use super::answer::Resolved;
use super::cache::{Entries, Entry, Key, KeyRef};
use super::loader::{Failure, Loader};
use super::settings::ResolveSettings;
use super::shelf::{Flight, Shelf, Touched};
use crate::base::error::{Error, ErrorKind, Result};
use crate::base::{Change, Clock, Event, EventBus, EventListener, Spawn, TenantId};
use crate::experiment::{ExperimentStore, Watch};
use crate::prompt::{Content, Reference, Store};
use crate::render::Compiler;

/// Resolves references for all tenants. Shared by all their handles.
#[derive(Clone)]
pub struct Resolver(pub(super) Arc<Inner>);

pub(super) struct Inner {
    pub(super) entries: Entries,
    pub(super) shelf: Mutex<Shelf>,
    pub(super) loader: Loader,
    spawn: Arc<dyn Spawn>,
    pub(super) settings: ResolveSettings,
    /// Whether changes made by other processes are not heard at present.
    interrupted: AtomicBool,
    /// How many more may be refreshed at the same time.
    refreshes: Arc<Semaphore>,
    loads: AtomicU64,
    failed_loads: AtomicU64,
    evictions: AtomicU64,
}

/// What the cache holds and did, for a host's metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct CacheStats {
    /// References kept.
    pub entries: usize,
    /// Bytes of compiled prompts and references kept, by estimate.
    pub bytes: usize,
    /// Loads so far.
    pub loads: u64,
    /// Loads that failed.
    pub failed_loads: u64,
    /// References given up for lack of room.
    pub evictions: u64,
}

/// What the cache says of a key.
enum Warm {
    Ready(Resolved),
    /// A change is known of; what was known before is at hand.
    Invalid(Arc<Entry>),
    Absent,
}

impl Resolver {
    /// A resolver on a store, hearing of changes from the bus. Experiments are looked up in their store, and the watch is
    /// told which are served.
    #[must_use]
    pub fn new(
        store: Arc<dyn Store>,
        experiments: (Arc<dyn ExperimentStore>, Watch),
        compiler: Compiler,
        events: &dyn EventBus,
        clock: Arc<dyn Clock>,
        spawn: Arc<dyn Spawn>,
        settings: ResolveSettings,
    ) -> Self {
        let inner = Arc::new(Inner {
            entries: Entries::default(),
            shelf: Mutex::default(),
            loader: Loader {
                store,
                experiments: settings.experiments.then_some(experiments),
                compiler,
                clock,
                timeout: settings.load_timeout,
            },
            spawn,
            settings,
            interrupted: AtomicBool::new(false),
            refreshes: Arc::new(Semaphore::new(
                settings.max_refreshes.clamp(1, Semaphore::MAX_PERMITS),
            )),
            loads: AtomicU64::new(0),
            failed_loads: AtomicU64::new(0),
            evictions: AtomicU64::new(0),
        });
        let listener: Arc<dyn EventListener> = inner.clone();
        let listener: Weak<dyn EventListener> = Arc::downgrade(&listener);
        events.subscribe(listener);
        Self(inner)
    }

    /// What is known, without waiting: fresh, or marked stale while it is refreshed behind. `None` when nothing is
    /// known yet.
    fn warm(&self, tenant: &TenantId, reference: &str) -> Option<Resolved> {
        match self.0.warm(tenant, reference) {
            Warm::Ready(resolved) => Some(resolved),
            Warm::Invalid(entry) => Some(self.stale(tenant, reference, entry)),
            Warm::Absent => None,
        }
    }

    /// The last known good, while it is refreshed behind.
    #[cold]
    fn stale(&self, tenant: &TenantId, reference: &str, entry: Arc<Entry>) -> Resolved {
        let now = self.0.loader.now_ms();
        if entry.may_retry(now) {
            Inner::refresh_behind(&self.0, tenant, reference, &entry);
        }
        let age = entry.age(now);
        Resolved::stale(entry, age)
    }

    /// What is fresh, or was fresh until lately; `None` when the store must be asked first.
    pub(super) fn ready(&self, tenant: &TenantId, reference: &str) -> Option<Resolved> {
        match self.0.warm(tenant, reference) {
            Warm::Ready(resolved) => Some(resolved),
            Warm::Invalid(_) | Warm::Absent => None,
        }
    }

    /// What is known without waiting, or why nothing is: for who cannot wait. Starts to load what is missing.
    pub(super) fn now_or_later(&self, tenant: &TenantId, reference: &str) -> Result<Resolved> {
        if let Some(resolved) = self.warm(tenant, reference) {
            return Ok(resolved);
        }
        let parsed: Reference = reference.parse()?;
        let key = Arc::new(Key {
            tenant: tenant.clone(),
            reference: reference.into(),
        });
        let (failure, in_flight) = {
            let shelf = self.0.shelf();
            (shelf.failure(&key).cloned(), shelf.is_in_flight(&key))
        };
        let may_load = !in_flight
            && failure
                .as_ref()
                .is_none_or(|(_, at)| self.0.loader.now_ms() >= *at);
        let loading = in_flight || (may_load && self.load_behind(key, parsed));
        Err(match failure {
            Some((failure, _)) => failure.into_error(),
            None => not_warm(tenant, reference, loading),
        })
    }

    /// Starts loading a key behind the caller's back; says whether something runs it.
    fn load_behind(&self, key: Arc<Key>, reference: Reference) -> bool {
        let inner = Arc::clone(&self.0);
        let task = Box::pin(async move {
            // Whoever asks next sees the result, or how it failed.
            let _ = inner.load(&key, &reference).await;
        });
        self.0.spawn.spawn(task).is_ok()
    }

    /// Asks the store where the cache cannot answer; falls back to the last known good, then to the fallback.
    pub(super) async fn resolve(
        &self,
        tenant: &TenantId,
        reference: &str,
        fallback: Option<Content>,
    ) -> Result<Resolved> {
        let last_known = match self.0.warm(tenant, reference) {
            Warm::Ready(resolved) => return Ok(resolved),
            // Nobody waits for a store that has just failed: it is tried again behind.
            Warm::Invalid(entry) if entry.has_failed() => return Ok(self.stale(tenant, reference, entry)),
            Warm::Invalid(entry) => Some(entry),
            Warm::Absent => None,
        };
        let parsed: Reference = reference.parse()?;
        let key = Arc::new(Key {
            tenant: tenant.clone(),
            reference: reference.into(),
        });
        let failure = match self.0.failed_lately(&key) {
            Some(failure) => failure,
            None => match self.0.load(&key, &parsed).await {
                Ok(entry) => return Ok(Resolved::fresh(entry)),
                Err(failure) => failure,
            },
        };
        match (failure, last_known, fallback) {
            (Failure::Failed(_), Some(entry), _) => {
                let age = entry.age(self.0.loader.now_ms());
                Ok(Resolved::stale(entry, age))
            }
            (failure, _, Some(content)) => {
                let cause = failure.into_error();
                let entry = self.0.loader.fallback(tenant, &parsed, content, cause).await?;
                Ok(Resolved::fresh(Arc::new(entry)))
            }
            (failure, _, None) => Err(failure.into_error()),
        }
    }

    /// What the cache holds and did.
    #[must_use]
    pub fn stats(&self) -> CacheStats {
        CacheStats {
            entries: self.0.entries.len(),
            bytes: self.0.shelf().bytes(),
            loads: self.0.loads.load(Ordering::Relaxed),
            failed_loads: self.0.failed_loads.load(Ordering::Relaxed),
            evictions: self.0.evictions.load(Ordering::Relaxed),
        }
    }
}

impl Inner {
    pub(super) fn shelf(&self) -> MutexGuard<'_, Shelf> {
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn warm(self: &Arc<Self>, tenant: &TenantId, reference: &str) -> Warm {
        let entries = self.entries.pin();
        let Some(entry) = entries.get(&KeyRef {
            tenant: tenant.as_str(),
            reference,
        }) else {
            return Warm::Absent;
        };
        entry.touch();
        if entry.is_invalid() {
            return Warm::Invalid(Arc::clone(entry));
        }
        let now = self.loader.now_ms();
        let age = entry.age(now);
        let max_age = if self.interrupted.load(Ordering::Relaxed) {
            self.settings.max_age_unheard
        } else {
            self.settings.max_age
        };
        if age <= max_age {
            return Warm::Ready(Resolved::fresh(Arc::clone(entry)));
        }
        if entry.may_retry(now) {
            Self::refresh_behind(self, tenant, reference, entry);
        }
        Warm::Ready(Resolved::stale(Arc::clone(entry), age))
    }

    // Apart, so that what it needs room for does not weigh on every warm request.
    #[cold]
    #[inline(never)]
    fn refresh_behind(this: &Arc<Self>, tenant: &TenantId, reference: &str, entry: &Arc<Entry>) {
        // Many can age at once. The rest are served meanwhile, and have their turn with a later request.
        let Ok(turn) = Arc::clone(&this.refreshes).try_acquire_owned() else {
            return;
        };
        let Some(refreshing) = entry.begin_refresh() else {
            return;
        };
        // It was loaded by this text, which is a reference therefore.
        let Ok(parsed) = reference.parse::<Reference>() else {
            return;
        };
        let inner = Arc::clone(this);
        let key = Arc::new(Key {
            tenant: tenant.clone(),
            reference: reference.into(),
        });
        let task = Box::pin(async move {
            let (_refreshing, _turn) = (refreshing, turn);
            // A failure is noted in the entry, which is served meanwhile.
            let _ = inner.load(&key, &parsed).await;
        });
        // Where nothing can run it, the next request tries again.
        let _ = this.spawn.spawn(task);
    }

    /// How the last load of a key of which nothing is known failed, as long as it is not to be tried again. What is
    /// gone is always asked for anew: somebody may have made it in another process.
    fn failed_lately(&self, key: &Key) -> Option<Failure> {
        match self.shelf().failure(key) {
            Some((failure @ Failure::Failed(_), retry_at)) if self.loader.now_ms() < *retry_at => {
                Some(failure.clone())
            }
            _ => None,
        }
    }

    /// Loads a key, together with everybody else who wants it now.
    async fn load(self: &Arc<Self>, key: &Arc<Key>, reference: &Reference) -> Result<Arc<Entry>, Failure> {
        let flight = self.shelf().flight(key);
        let waiting = Waiting {
            inner: self,
            key,
            flight,
        };
        // Who comes second waits; should the first be cancelled, the next one loads.
        waiting
            .flight
            .get_or_init(|| self.load_alone(key, reference))
            .await
            .clone()
    }

    async fn load_alone(&self, key: &Arc<Key>, reference: &Reference) -> Result<Arc<Entry>, Failure> {
        self.loads.fetch_add(1, Ordering::Relaxed);
        let began = self.shelf().events();
        match self.loader.load(key, reference, began, &self.shelf).await {
            Ok(entry) => {
                let entry = Arc::new(entry);
                let mut shelf = self.shelf();
                shelf.insert(key, &entry, &self.entries);
                let evicted = shelf.evict(&self.entries, |entries, bytes| {
                    self.settings.allow(entries, bytes)
                });
                self.evictions.fetch_add(evicted, Ordering::Relaxed);
                Ok(entry)
            }
            Err(failure) => {
                self.failed_loads.fetch_add(1, Ordering::Relaxed);
                let retry_after = u64::try_from(self.settings.retry_after.as_millis()).unwrap_or(u64::MAX);
                let retry_at = self.loader.now_ms().saturating_add(retry_after);
                self.shelf().fail(key, &failure, began, retry_at, &self.entries);
                Err(failure)
            }
        }
    }
}

/// Somebody who waits for a load. Dropped when it is done, and when the wait is given up.
struct Waiting<'a> {
    inner: &'a Inner,
    key: &'a Arc<Key>,
    flight: Flight,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.inner.shelf().leave(self.key, &self.flight);
    }
}

impl EventListener for Inner {
    fn on_event(&self, event: &Event) {
        let touched = match event {
            Event::Changed { tenant, change } => match change {
                Change::VersionChanged { prompt, .. } => Touched::Prompt(tenant.clone(), prompt.clone()),
                Change::PointerMoved {
                    prompt,
                    environment,
                    revision,
                    ..
                } => Touched::Pointer(tenant.clone(), prompt.clone(), environment.clone(), *revision),
                Change::ExperimentChanged { prompt, .. } => Touched::Prompt(tenant.clone(), prompt.clone()),
                Change::ParentChanged => Touched::Tenant(tenant.clone()),
                Change::PolicyChanged { .. }
                | Change::DeploymentChanged { .. }
                | Change::ClusterChanged { .. }
                | Change::WatchChanged { .. } => return,
            },
            Event::Missed => Touched::Everything,
            Event::Interrupted | Event::Resumed => {
                let interrupted = matches!(event, Event::Interrupted);
                self.interrupted.store(interrupted, Ordering::Relaxed);
                return;
            }
        };
        self.shelf().touch(&touched, &self.entries);
    }
}

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resolver")
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}

/// The error for who cannot wait when nothing is known yet.
fn not_warm(tenant: &TenantId, reference: &str, loading: bool) -> Error {
    let what = if loading {
        "nothing is known of this reference yet; it is being loaded: try again, or await `resolve` once before"
    } else {
        "nothing is known of this reference yet, and no runtime is at hand to load it: await `resolve` once before, or \
         build `PromptOps` on the runtime's thread"
    };
    Error::new(ErrorKind::Unavailable, what)
        .with("reference", reference)
        .with("tenant", tenant)
}
