//! What stands between a caller and a model: repeating, limits, caching, counting, recording.

mod breaker;
mod cache;
mod limit;
mod retry;

use promptops_core::llm::{Blueprint, LlmClient};

pub use breaker::{Breaker, BreakerPolicy, BreakerStatus, CircuitBreaker, Trip};
pub use cache::{Cache, CacheCounts, Cached, MemoryCompletions};
pub use limit::{Limited, Limiter, LimiterStatus, Limits, estimate_input_tokens};
pub use retry::{Jitter, Retry, RetryPolicy};

/// The layers as methods, for every client.
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
}

impl<C: LlmClient> LlmClientExt for C {}

/// The model that is to answer, where it is known.
fn asked_model<'a>(client: &'a impl LlmClient, request: &'a Blueprint) -> Option<&'a str> {
    request.settings.model.as_deref().or_else(|| client.model())
}
