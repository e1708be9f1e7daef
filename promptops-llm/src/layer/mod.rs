//! What stands between a caller and a model: repeating, limits, caching, counting, recording.
//!
//! Each layer wraps any [`LlmClient`] and is one; what it needs to share or to show is a handle beside it (a
//! [`Limiter`], a [`Breaker`], a [`Cache`], a [`Meter`], a [`Cassette`]), which several clients can have in common.
//! The layer added last is the first to see a request. The recommended order, from the model outwards:
//!
//! ```
//! use std::sync::Arc;
//! use promptops_core::base::TenantId;
//! use promptops_core::llm::{Blueprint, BlueprintMessage, LlmClient, PriceTable, ScriptedLlm};
//! use promptops_core::prompt::MessageRole;
//! use promptops_llm::layer::{
//!     BreakerPolicy, Cache, Limits, LlmClientExt, MemoryCompletions, Meter, RetryPolicy,
//! };
//!
//! # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
//! let meter = Meter::new(PriceTable::new());
//! let cache = Cache::new(Arc::new(MemoryCompletions::default()), TenantId::new("acme")?);
//! let model: Arc<dyn LlmClient> = Arc::new(
//!     ScriptedLlm::saying("yes")
//!         .metered(meter.clone())
//!         .circuit_breaker(BreakerPolicy::default())
//!         .limit(Limits::per_minute(500).tokens_per_minute(200_000).concurrent(10))
//!         .retry(RetryPolicy::default())
//!         .cached(cache.clone()),
//! );
//! let request = Blueprint::new([BlueprintMessage::new(MessageRole::User, "Is it?")]);
//! assert_eq!(model.complete(&request).await?.text(), "yes");
//! assert_eq!(model.complete(&request).await?.text(), "yes");
//! assert_eq!((meter.snapshot().calls, cache.counts().hits), (1, 1));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! | layer | why there |
//! |---|---|
//! | [`Recorded`] | next to the model, or in its place: what it plays back goes through every other layer |
//! | [`Metered`] | under everything that repeats or refuses: it counts what the provider was really asked, each retry too, and its budget is asked last, when most is known of what is spent |
//! | [`CircuitBreaker`] | it sees each attempt; under the limits, so that what waited there while it opened is not sent to a provider that is down |
//! | [`Limited`] | each attempt counts at the provider, so each waits its turn, and none holds a place while it pauses |
//! | [`Retry`] | above what a single attempt goes through |
//! | [`Cached`] | what is known already is neither limited nor counted |
//!
//! One handle stands once in a stack: a call that waits for a [`Limiter`] or a [`Cache`] inside of itself would wait for
//! ever. Embedders can be repeated, limited, left alone and counted in the same way: [`EmbedderExt`].
//!
//! Every wait is on tokio's time, so a test can pause it, and ends when the caller drops the future.

mod breaker;
mod cache;
mod cassette;
mod limit;
mod meter;
mod retry;

use promptops_core::llm::{Blueprint, Completion, Embedder, Embeddings, LlmClient, Usage};

pub use breaker::{Breaker, BreakerPolicy, BreakerStatus, CircuitBreaker, Trip};
pub use cache::{Cache, CacheCounts, Cached, MemoryCompletions};
pub use cassette::{Cassette, Nobody, Recorded};
pub use limit::{Limited, Limiter, LimiterStatus, Limits, estimate_input_tokens};
pub use meter::{Budget, Meter, MeterSnapshot, Metered};
pub use retry::{Jitter, Retry, RetryPolicy};

/// The layers as methods, for every client; see [the recommended order](self).
pub trait LlmClientExt: LlmClient + Sized {
    /// Repeats what failed for a moment: [`Retry`].
    fn retry(self, policy: RetryPolicy) -> Retry<Self> {
        Retry::new(self, policy)
    }

    /// Asks no more than an account allows: [`Limited`].
    fn limit(self, limiter: impl Into<Limiter>) -> Limited<Self> {
        Limited::new(self, limiter)
    }

    /// Leaves a provider alone that is down: [`CircuitBreaker`].
    fn circuit_breaker(self, breaker: impl Into<Breaker>) -> CircuitBreaker<Self> {
        CircuitBreaker::new(self, breaker)
    }

    /// Asks for the same once: [`Cached`].
    fn cached(self, cache: Cache) -> Cached<Self> {
        Cached::new(self, cache)
    }

    /// Counts, and ends spending at a budget: [`Metered`].
    fn metered(self, meter: Meter) -> Metered<Self> {
        Metered::new(self, meter)
    }

    /// Records exchanges, or plays them back: [`Recorded`].
    fn cassette(self, cassette: Cassette) -> Recorded<Self> {
        Recorded::new(self, cassette)
    }
}

impl<C: LlmClient> LlmClientExt for C {}

/// The layers that an embedder can wear, as methods, in the same order as a client's.
pub trait EmbedderExt: Embedder + Sized {
    /// Repeats what failed for a moment: [`Retry`].
    fn retry(self, policy: RetryPolicy) -> Retry<Self> {
        Retry::new(self, policy)
    }

    /// Asks no more than an account allows: [`Limited`].
    fn limit(self, limiter: impl Into<Limiter>) -> Limited<Self> {
        Limited::new(self, limiter)
    }

    /// Leaves a provider alone that is down: [`CircuitBreaker`].
    fn circuit_breaker(self, breaker: impl Into<Breaker>) -> CircuitBreaker<Self> {
        CircuitBreaker::new(self, breaker)
    }

    /// Counts, and ends spending at a budget: [`Metered`].
    fn metered(self, meter: Meter) -> Metered<Self> {
        Metered::new(self, meter)
    }
}

impl<E: Embedder> EmbedderExt for E {}

/// An answer with what was counted.
trait Counted {
    fn usage(&self) -> &Usage;
    fn model(&self) -> &str;
}

impl Counted for Completion {
    fn usage(&self) -> &Usage {
        &self.usage
    }

    fn model(&self) -> &str {
        &self.model
    }
}

impl Counted for Embeddings {
    fn usage(&self) -> &Usage {
        &self.usage
    }

    fn model(&self) -> &str {
        &self.model
    }
}

/// The model that is to answer, where it is known.
fn asked_model<'a>(client: &'a impl LlmClient, request: &'a Blueprint) -> Option<&'a str> {
    request.settings.model.as_deref().or_else(|| client.model())
}

/// A name in quotes with everything invisible escaped, so that an error can safely be shown; of a long one, the
/// beginning.
fn quoted(name: &str) -> String {
    match name.char_indices().nth(100) {
        None => format!("{name:?}"),
        Some((end, _)) => format!("{:?}…", &name[..end]),
    }
}
