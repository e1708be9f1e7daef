//! Answers kept in memory.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use promptops_core::base::{TenantId, Timestamp};
use promptops_core::llm::{Completion, CompletionKey, CompletionStore};
use promptops_core::{Error, ErrorKind, Result};

/// What an answer takes beside its text.
const BYTES_PER_ENTRY: usize = 512;

/// Answers of models in memory, within bounds: the answer that was not asked for the longest goes first.
pub struct MemoryCompletions {
    max_entries: usize,
    max_bytes: usize,
    state: Mutex<State>,
}

type Place = (TenantId, CompletionKey);

#[derive(Default)]
struct State {
    kept: HashMap<Place, Kept>,
    /// By the time of their last use, which `uses` counts.
    order: BTreeMap<u64, Place>,
    uses: u64,
    bytes: usize,
}

struct Kept {
    completion: Completion,
    at: Timestamp,
    bytes: usize,
    used: u64,
}

impl Default for MemoryCompletions {
    /// At most 10,000 answers and 64 MiB.
    fn default() -> Self {
        Self {
            max_entries: 10_000,
            max_bytes: 64 << 20,
            state: Mutex::default(),
        }
    }
}

impl MemoryCompletions {
    /// Keeps at most so many answers.
    #[must_use]
    pub fn max_entries(mut self, entries: usize) -> Self {
        self.max_entries = entries;
        self
    }

    /// Keeps answers of at most so many bytes, counted as JSON with 512 bytes for each beside. One that alone is more
    /// is not kept.
    #[must_use]
    pub fn max_bytes(mut self, bytes: usize) -> Self {
        self.max_bytes = bytes;
        self
    }

    /// How many answers are kept.
    #[must_use]
    pub fn len(&self) -> usize {
        self.state().kept.len()
    }

    /// Whether none is kept.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many bytes they count for.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.state().bytes
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn remove(&mut self, place: &Place) {
        if let Some(kept) = self.kept.remove(place) {
            self.order.remove(&kept.used);
            self.bytes -= kept.bytes;
        }
    }

    fn next_use(&mut self) -> u64 {
        self.uses += 1;
        self.uses
    }
}

#[async_trait]
impl CompletionStore for MemoryCompletions {
    async fn completion(&self, tenant: &TenantId, key: &CompletionKey) -> Result<Option<Completion>> {
        let place = (tenant.clone(), *key);
        let mut state = self.state();
        let now = state.next_use();
        let Some(kept) = state.kept.get_mut(&place) else {
            return Ok(None);
        };
        let before = std::mem::replace(&mut kept.used, now);
        let completion = kept.completion.clone();
        state.order.remove(&before);
        state.order.insert(now, place);
        Ok(Some(completion))
    }

    async fn keep_completion(
        &self,
        tenant: &TenantId,
        key: &CompletionKey,
        completion: &Completion,
        at: Timestamp,
    ) -> Result<()> {
        let json = serde_json::to_vec(completion)
            .map_err(|e| Error::new(ErrorKind::Invalid, "the answer has no JSON form").caused_by(e))?;
        let bytes = json.len() + BYTES_PER_ENTRY;
        let place = (tenant.clone(), *key);
        let mut state = self.state();
        if bytes > self.max_bytes || self.max_entries == 0 || state.kept.contains_key(&place) {
            return Ok(());
        }
        let used = state.next_use();
        state.bytes += bytes;
        state.order.insert(used, place.clone());
        let kept = Kept {
            completion: completion.clone(),
            at,
            bytes,
            used,
        };
        state.kept.insert(place, kept);
        while state.kept.len() > self.max_entries || state.bytes > self.max_bytes {
            let Some((_, oldest)) = state.order.pop_first() else {
                break;
            };
            state.remove(&oldest);
        }
        Ok(())
    }

    async fn forget_completions(&self, tenant: &TenantId, before: Timestamp) -> Result<u64> {
        let mut state = self.state();
        let old: Vec<Place> = state
            .kept
            .iter()
            .filter(|(place, kept)| place.0 == *tenant && kept.at < before)
            .map(|(place, _)| place.clone())
            .collect();
        for place in &old {
            state.remove(place);
        }
        Ok(old.len() as u64)
    }
}

/// How much is kept, without what.
impl fmt::Debug for MemoryCompletions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryCompletions")
            .field("entries", &self.len())
            .field("bytes", &self.bytes())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use promptops_core::base::{Clock, ManualClock};
    use std::time::Duration;

    fn key(n: u8) -> CompletionKey {
        CompletionKey::from_bytes([n; 32])
    }

    fn acme() -> TenantId {
        TenantId::new("acme").unwrap()
    }

    async fn keep(store: &MemoryCompletions, n: u8, text: &str) {
        let now = ManualClock::default().now();
        let completion = Completion::new("m", text);
        store
            .keep_completion(&acme(), &key(n), &completion, now)
            .await
            .unwrap();
    }

    async fn text(store: &MemoryCompletions, n: u8) -> Option<String> {
        store
            .completion(&acme(), &key(n))
            .await
            .unwrap()
            .map(|c| c.text())
    }

    #[tokio::test]
    async fn the_answer_that_was_not_asked_for_the_longest_goes_first() {
        let store = MemoryCompletions::default().max_entries(2);
        keep(&store, 1, "a").await;
        keep(&store, 2, "b").await;
        assert_eq!(text(&store, 1).await.as_deref(), Some("a"));
        keep(&store, 3, "c").await;
        assert_eq!(text(&store, 2).await, None);
        assert_eq!(
            (text(&store, 1).await.is_some(), text(&store, 3).await.is_some()),
            (true, true)
        );
        assert_eq!(store.len(), 2);
        let none = MemoryCompletions::default().max_entries(0);
        keep(&none, 1, "a").await;
        assert!(none.is_empty());
    }

    #[tokio::test]
    async fn bytes_are_bounded() {
        let store = MemoryCompletions::default().max_bytes(4_000);
        keep(&store, 0, &"x".repeat(4_000)).await;
        assert!(store.is_empty());
        for n in 1..100 {
            keep(&store, n, &"x".repeat(500)).await;
            assert!(store.bytes() <= 4_000);
        }
        assert_eq!(store.len(), 3);
        assert!(text(&store, 99).await.is_some());
        let later = ManualClock::default().now() + Duration::from_secs(1);
        assert_eq!(store.forget_completions(&acme(), later).await.unwrap(), 3);
        assert_eq!((store.len(), store.bytes()), (0, 0));
        assert!(store.state().order.is_empty());
    }

    #[tokio::test]
    async fn the_first_answer_stays_and_is_the_tenants_alone() {
        let store = MemoryCompletions::default();
        keep(&store, 1, "first").await;
        keep(&store, 1, "second").await;
        assert_eq!(text(&store, 1).await.as_deref(), Some("first"));
        let other = TenantId::new("other").unwrap();
        assert_eq!(store.completion(&other, &key(1)).await.unwrap(), None);
        let later = ManualClock::default().now() + Duration::from_secs(1);
        assert_eq!(store.forget_completions(&other, later).await.unwrap(), 0);
        assert_eq!(
            store
                .forget_completions(&acme(), ManualClock::default().now())
                .await
                .unwrap(),
            0
        );
        assert_eq!(store.len(), 1);
    }
}
