//! What stands between a caller and a model: repeating, limits, caching, counting, recording.

mod breaker;
mod cache;
mod limit;
mod meter;
mod retry;

use promptops_core::llm::{Blueprint, LlmClient};

pub use breaker::{Breaker, BreakerPolicy, BreakerStatus, CircuitBreaker, Trip};
pub use cache::{Cache, CacheCounts, Cached, MemoryCompletions};
pub use limit::{Limited, Limiter, LimiterStatus, Limits, estimate_input_tokens};
pub use meter::{Budget, Meter, MeterSnapshot, Metered};
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

    /// Counts, and ends spending at a budget: [`Metered`].
    fn metered(self, meter: Meter) -> Metered<Self> {
        Metered::new(self, meter)
    }
}

impl<C: LlmClient> LlmClientExt for C {}

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
