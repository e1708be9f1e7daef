//! What the cache keeps beside its map: who depends on what, what to give up next, what changed lately, and which
//! loads are under way. Touched by loads and events only, never by a warm request.

use std::collections::hash_map::Entry as MapEntry;
use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Weak};

use tokio::sync::OnceCell;

use super::cache::{Entries, Entry, Key, Shared, SharedKey};
use super::loader::Failure;
use crate::base::{EnvironmentName, PromptName, TenantId};

/// One load, awaited by everybody who wants its key.
pub(super) type Flight = Arc<OnceCell<Result<Arc<Entry>, Failure>>>;

/// Events remembered for loads under way. A load that began before the oldest counts as touched.
const JOURNAL: usize = 256;
/// Failed loads remembered of keys of which nothing else is known; more are forgotten all at once.
const FAILURES: usize = 1_024;

/// What a reference takes beside the prompt that it shares: key, entry, and their places here and in the map; see the
/// memory bench.
const ENTRY_BYTES: usize = 480;

/// What an event touched.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Touched {
    Prompt(TenantId, PromptName),
    /// A pointer of the prompt, which has this revision now.
    Pointer(TenantId, PromptName, EnvironmentName, u64),
    Tenant(TenantId),
    Everything,
}

/// What became of an entry of a snapshot.
pub(super) enum Restored {
    /// It is in the map.
    Kept,
    /// This process knows better.
    LeftOut,
    /// The cache is full.
    NoRoom,
}

impl Touched {
    /// Whether this is the move of the very pointer that the entry was resolved by, and the entry was loaded after it.
    fn is_known_to(&self, entry: &Entry) -> bool {
        let Self::Pointer(tenant, prompt, environment, revision) = self else {
            return false;
        };
        let version = entry.shared.version();
        entry.revision.is_some_and(|known| known >= *revision)
            && entry.stamp.environment.as_ref() == Some(environment)
            && version.is_some_and(|version| version.tenant == *tenant && version.prompt == *prompt)
    }
}

#[derive(Default)]
pub(super) struct Shelf {
    dependents: HashMap<(TenantId, PromptName), HashSet<Arc<Key>, ahash::RandomState>, ahash::RandomState>,
    /// Keys in the order in which they are looked at when something must go (second chance).
    order: VecDeque<Arc<Key>>,
    journal: VecDeque<Touched>,
    /// Events heard so far.
    events: u64,
    flights: HashMap<Arc<Key>, Flight, ahash::RandomState>,
    /// Failed loads of keys of which nothing else is known, and when each may be tried again.
    failures: HashMap<Arc<Key>, (Failure, u64), ahash::RandomState>,
    shared: HashMap<SharedKey, Weak<Shared>, ahash::RandomState>,
    sweep_at: usize,
    /// Bytes of the entries of the map and of the compiled prompts that they use, each prompt once. Counted when entries come and go
    /// rather than when memory is freed, since the map frees what it gave up a little later.
    bytes: usize,
}

impl Shelf {
    /// Bytes of the entries and the compiled prompts in the map, by estimate.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// How many events were heard so far: what a load begins with.
    pub(super) fn events(&self) -> u64 {
        self.events
    }

    /// The load under way for this key, or a new one.
    pub(super) fn flight(&mut self, key: &Arc<Key>) -> Flight {
        Arc::clone(self.flights.entry(Arc::clone(key)).or_default())
    }

    pub(super) fn is_in_flight(&self, key: &Key) -> bool {
        self.flights.contains_key(key)
    }

    /// Somebody stops waiting for a load: it ends when it is done or nobody else waits, unless another has begun since.
    pub(super) fn leave(&mut self, key: &Arc<Key>, flight: &Flight) {
        // The map's and the caller's own.
        const NOBODY_ELSE: usize = 2;
        if let MapEntry::Occupied(current) = self.flights.entry(Arc::clone(key))
            && Arc::ptr_eq(current.get(), flight)
            && (flight.initialized() || Arc::strong_count(flight) <= NOBODY_ELSE)
        {
            current.remove();
        }
    }

    /// How the last load of this key failed, and when it may be tried again.
    pub(super) fn failure(&self, key: &Key) -> Option<&(Failure, u64)> {
        self.failures.get(key)
    }

    /// The compiled prompt that is kept for this key already.
    pub(super) fn shared(&self, key: &SharedKey) -> Option<Arc<Shared>> {
        self.shared.get(key).and_then(Weak::upgrade)
    }

    /// Keeps a compiled prompt for others to share, or returns the one that came first.
    pub(super) fn share(&mut self, key: SharedKey, new: Arc<Shared>) -> Arc<Shared> {
        if let Some(first) = self.shared(&key) {
            return first;
        }
        self.shared.insert(key, Arc::downgrade(&new));
        if self.shared.len() > self.sweep_at {
            self.shared.retain(|_, shared| shared.strong_count() > 0);
            self.sweep_at = self.shared.len() * 2 + 1_024;
        }
        new
    }

    /// Hears of a change: what depends on it is invalid, and loads under way are not joined any more, since they may
    /// have read what was before.
    pub(super) fn touch(&mut self, touched: &Touched, entries: &Entries) {
        self.events += 1;
        if self.journal.len() == JOURNAL {
            self.journal.pop_front();
        }
        self.journal.push_back(touched.clone());
        self.flights.clear();
        self.failures.clear();
        let entries = entries.pin();
        match touched {
            Touched::Prompt(tenant, prompt) | Touched::Pointer(tenant, prompt, ..) => {
                let keys = self.dependents.get(&(tenant.clone(), prompt.clone()));
                for entry in keys.into_iter().flatten().filter_map(|key| entries.get(key)) {
                    // A change log tells the moves of this process too, once they have been served.
                    if !touched.is_known_to(entry) {
                        entry.invalidate();
                    }
                }
            }
            Touched::Tenant(tenant) => {
                entries
                    .iter()
                    .filter(|(key, _)| key.tenant == *tenant)
                    .for_each(|(_, entry)| entry.invalidate());
            }
            Touched::Everything => entries.values().for_each(|entry| entry.invalidate()),
        }
    }

    /// Whether anything that this rests on changed since so many events had been heard.
    fn was_touched(&self, key: &Key, depends_on: &[(TenantId, PromptName)], since: u64) -> bool {
        let missed = (self.events - since) as usize;
        if missed > self.journal.len() {
            return true;
        }
        self.journal
            .iter()
            .rev()
            .take(missed)
            .any(|touched| match touched {
                Touched::Prompt(tenant, prompt) | Touched::Pointer(tenant, prompt, ..) => {
                    depends_on.iter().any(|(of, name)| of == tenant && name == prompt)
                }
                Touched::Tenant(tenant) => key.tenant == *tenant,
                Touched::Everything => true,
            })
    }

    /// Notes a failed load that began when so many events had been heard. What is known is served on, but for what
    /// the store says is gone; a load that was overtaken by a change says nothing.
    pub(super) fn fail(
        &mut self,
        key: &Arc<Key>,
        failure: &Failure,
        began: u64,
        retry_at_ms: u64,
        entries: &Entries,
    ) {
        let known = entries.pin().get(key).cloned();
        let Some(entry) = known else {
            if began == self.events {
                if self.failures.len() >= FAILURES {
                    self.failures.clear();
                }
                self.failures
                    .insert(Arc::clone(key), (failure.clone(), retry_at_ms));
            }
            return;
        };
        if entry.loaded_at > began || self.was_touched(key, &entry.depends_on, began) {
            return;
        }
        match failure {
            Failure::Gone(_) => self.remove(key, entries),
            Failure::Failed(error) => entry.failed(error.clone(), retry_at_ms),
        }
    }

    /// Puts a loaded entry into the map, unless a later load was faster.
    pub(super) fn insert(&mut self, key: &Arc<Key>, entry: &Arc<Entry>, entries: &Entries) {
        self.failures.remove(key);
        if self.was_touched(key, &entry.depends_on, entry.loaded_at) {
            entry.invalidate();
        }
        let map = entries.pin();
        match map.get(key) {
            Some(current) if current.loaded_at > entry.loaded_at => return,
            Some(current) => self.forget(key, current),
            None => self.line_up(key, map.len()),
        }
        self.put(key, entry, entries);
    }

    /// Puts an entry into the map that a snapshot holds: only under a key of which this process knows nothing, and not
    /// what the store said is gone.
    pub(super) fn restore(
        &mut self,
        key: &Arc<Key>,
        entry: &Arc<Entry>,
        entries: &Entries,
        fits: impl Fn(usize, usize) -> bool,
    ) -> Restored {
        if entries.pin().contains_key(key) {
            return Restored::LeftOut;
        }
        match self.failures.get(key) {
            Some((Failure::Gone(_), _)) => return Restored::LeftOut,
            // It counts on: nobody is to wait for a store that has just failed.
            Some((Failure::Failed(error), retry_at_ms)) => entry.failed(error.clone(), *retry_at_ms),
            None => {}
        }
        self.line_up(key, entries.len());
        self.put(key, entry, entries);
        if !fits(entries.len(), self.bytes) {
            self.remove(key, entries);
            return Restored::NoRoom;
        }
        self.failures.remove(key);
        Restored::Kept
    }

    fn put(&mut self, key: &Arc<Key>, entry: &Arc<Entry>, entries: &Entries) {
        for dependency in &entry.depends_on {
            self.dependents
                .entry(dependency.clone())
                .or_default()
                .insert(Arc::clone(key));
        }
        self.bytes += ENTRY_BYTES + entry.texts().map(|text| text.enter()).sum::<usize>();
        entries.pin().insert(Arc::clone(key), Arc::clone(entry));
    }

    fn line_up(&mut self, key: &Arc<Key>, entries: usize) {
        // A key that was removed leaves its place behind; more such places than keys are cleared away.
        if self.order.len() > entries * 2 + 1_024 {
            let mut seen = HashSet::with_capacity_and_hasher(entries, ahash::RandomState::default());
            self.order.retain(|key| seen.insert(Arc::clone(key)));
        }
        self.order.push_back(Arc::clone(key));
    }

    /// Takes an entry out of the map.
    pub(super) fn remove(&mut self, key: &Arc<Key>, entries: &Entries) {
        if let Some(entry) = entries.pin().remove(key) {
            self.forget(key, entry);
        }
    }

    fn forget(&mut self, key: &Arc<Key>, entry: &Entry) {
        self.bytes -= ENTRY_BYTES + entry.texts().map(|text| text.leave()).sum::<usize>();
        for dependency in &entry.depends_on {
            if let Some(keys) = self.dependents.get_mut(dependency) {
                keys.remove(key);
                if keys.is_empty() {
                    self.dependents.remove(dependency);
                }
            }
        }
    }

    /// Gives up what was not used lately until `fits` says that enough is free.
    pub(super) fn evict(&mut self, entries: &Entries, fits: impl Fn(usize, usize) -> bool) -> u64 {
        let mut evicted = 0;
        // Each key is passed over at most once, so that this ends.
        let mut chances = self.order.len() * 2;
        while chances > 0 && !fits(entries.len(), self.bytes) {
            chances -= 1;
            let Some(key) = self.order.pop_front() else { break };
            let kept = match entries.pin().get(&key) {
                Some(entry) => entry.take_used(),
                // Removed on another way; its place in the order is all that was left.
                None => continue,
            };
            if kept {
                self.order.push_back(key);
            } else {
                self.remove(&key, entries);
                evicted += 1;
            }
        }
        evicted
    }
}
