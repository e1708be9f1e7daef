//! What stands between a caller and a model: repeating, limits, caching, counting, recording.

mod retry;

use promptops_core::llm::LlmClient;

pub use retry::{Jitter, Retry, RetryPolicy};

/// The layers as methods, for every client.
pub trait LlmClientExt: LlmClient + Sized {
    /// Repeats what failed for a moment: [`Retry`].
    fn retry(self, policy: RetryPolicy) -> Retry<Self> {
        Retry::new(self, policy)
    }
}

impl<C: LlmClient> LlmClientExt for C {}
