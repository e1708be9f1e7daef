//! Answers kept, so that the same request is paid for once.

mod flight;
mod memory;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use promptops_core::base::{Clock, Error, SystemClock, TenantId};
use promptops_core::llm::{
    Blueprint, Completion, CompletionKey, CompletionStore, FinishReason, LlmClient, LlmError,
};

use self::flight::{Flights, Heard, Leader, Turn};
pub use self::memory::MemoryCompletions;
use super::asked_model;

/// How many leaders that fail a caller waits for before it asks on its own.
const LEADERS_WAITED_FOR: u32 = 2;

/// The answers kept for one tenant, for as many clients as ask for it. Clones are the same cache.
#[derive(Clone)]
pub struct Cache {
    store: Arc<dyn CompletionStore>,
    tenant: TenantId,
    clock: Arc<dyn Clock>,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    flights: Flights,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    counts: CacheCounts,
    last_store_failure: Option<Error>,
}

/// What a cache has come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CacheCounts {
    /// Answered from the store.
    pub hits: u64,
    /// Asked, since the store had no answer or failed.
    pub misses: u64,
    /// Answered by what another caller was asking at the same time.
    pub shared: u64,
    /// Passed on unseen, since no model is named or the request has no key.
    pub passed_on: u64,
    /// Answers not kept, since they were not finished.
    pub unfinished: u64,
    /// Times that the store failed to find or to keep an answer.
    pub store_failures: u64,
}

impl Cache {
    /// Keeps answers for this tenant in this store.
    #[must_use]
    pub fn new(store: Arc<dyn CompletionStore>, tenant: TenantId) -> Self {
        Self {
            store,
            tenant,
            clock: Arc::new(SystemClock::new()),
            shared: Arc::default(),
        }
    }

    /// Takes the time of keeping from this clock.
    #[must_use]
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// What it has come to.
    #[must_use]
    pub fn counts(&self) -> CacheCounts {
        self.state().counts
    }

    /// The last error of the store's, which no caller was told.
    #[must_use]
    pub fn last_store_failure(&self) -> Option<Error> {
        self.state().last_store_failure.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count(&self, which: impl FnOnce(&mut CacheCounts) -> &mut u64) {
        *which(&mut self.state().counts) += 1;
    }

    fn store_failed(&self, error: Error) {
        let mut state = self.state();
        state.counts.store_failures += 1;
        state.last_store_failure = Some(error);
    }

    async fn find(&self, key: &CompletionKey) -> Option<Completion> {
        let found = self.store.completion(&self.tenant, key).await;
        found.unwrap_or_else(|error| {
            self.store_failed(error);
            None
        })
    }

    async fn keep(&self, key: &CompletionKey, completion: &Completion) {
        if !is_finished(completion) {
            return self.count(|counts| &mut counts.unfinished);
        }
        let now = self.clock.now();
        let kept = self.store.keep_completion(&self.tenant, key, completion, now);
        if let Err(error) = kept.await {
            self.store_failed(error);
        }
    }
}

/// Whether asking again would not give a better answer.
fn is_finished(completion: &Completion) -> bool {
    matches!(completion.finish, FinishReason::Stop | FinishReason::ToolCalls)
}

/// What it has come to.
impl fmt::Debug for Cache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache")
            .field("tenant", &self.tenant)
            .field("counts", &self.counts())
            .finish_non_exhaustive()
    }
}

/// Answers from a [`Cache`] what was asked before, and asks the rest once.
///
/// - The key is [`CompletionKey::of`] provider, model, no closure hash, repetition 0 and the request. What differs
///   in anything is another request; clients of the same provider name and model that reach different models must not
///   share a cache. A request without a known model is passed on.
/// - **An answer is frozen by it**: with a temperature above 0 too, the same request gets the same answer from now on,
///   where the model would have given others. To sample, ask past the cache.
/// - Only finished answers are kept ([`Stop`](FinishReason::Stop), [`ToolCalls`](FinishReason::ToolCalls)): cut off,
///   filtered or failed, the next one may be better.
/// - Equal requests at the same time are asked once. When the one that asks is dropped or fails, its error is its own,
///   and one of the others asks; after two that failed, a caller asks on its own.
/// - A store that fails fails no call: the model is asked, or the answer not kept, and the failure
///   [counted](CacheCounts::store_failures).
/// - An answer from the cache has the usage of the call that it was kept from: it costs nothing now. Count under the
///   cache, not above.
pub struct Cached<C> {
    client: C,
    cache: Cache,
}

impl<C: LlmClient> Cached<C> {
    /// Asks this client what the cache does not know.
    pub fn new(client: C, cache: Cache) -> Self {
        Self { client, cache }
    }

    async fn lead(
        &self,
        leader: Leader<'_>,
        key: &CompletionKey,
        request: &Blueprint,
    ) -> Result<Completion, LlmError> {
        if let Some(completion) = self.cache.find(key).await {
            self.cache.count(|counts| &mut counts.hits);
            leader.answered(&completion);
            return Ok(completion);
        }
        self.cache.count(|counts| &mut counts.misses);
        let result = self.client.complete(request).await;
        match &result {
            Ok(completion) => {
                leader.answered(completion);
                self.cache.keep(key, completion).await;
            }
            Err(_) => leader.failed(),
        }
        result
    }
}

#[async_trait]
impl<C: LlmClient> LlmClient for Cached<C> {
    fn provider(&self) -> &str {
        self.client.provider()
    }

    fn model(&self) -> Option<&str> {
        self.client.model()
    }

    async fn complete(&self, request: &Blueprint) -> Result<Completion, LlmError> {
        let key = asked_model(&self.client, request)
            .and_then(|model| CompletionKey::of(self.provider(), model, None, 0, request).ok());
        let Some(key) = key else {
            self.cache.count(|counts| &mut counts.passed_on);
            return self.client.complete(request).await;
        };
        let mut failed = 0;
        loop {
            match self.cache.shared.flights.join(key) {
                Turn::Lead(leader) => return self.lead(leader, &key, request).await,
                Turn::Follow(_) if failed == LEADERS_WAITED_FOR => {
                    self.cache.count(|counts| &mut counts.misses);
                    return self.client.complete(request).await;
                }
                Turn::Follow(follower) => match follower.wait().await {
                    Heard::Answer(completion) => {
                        self.cache.count(|counts| &mut counts.shared);
                        return Ok(*completion);
                    }
                    Heard::Failed => failed += 1,
                    Heard::Nothing => {}
                },
            }
        }
    }
}

/// The cache and who is asked.
impl<C: LlmClient> fmt::Debug for Cached<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cached")
            .field("provider", &self.client.provider())
            .field("cache", &self.cache)
            .finish_non_exhaustive()
    }
}
