//! What stands between a caller and a model: repeating, limits, caching, counting, recording.

mod limit;
mod retry;

use promptops_core::llm::LlmClient;

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
}

impl<C: LlmClient> LlmClientExt for C {}
