//! No more requests and tokens in a time than an account has, and no more at once.

mod bucket;
mod estimate;
mod limiter;
mod limits;

use std::fmt;

use async_trait::async_trait;
use promptops_core::llm::{Blueprint, Completion, Embedder, Embeddings, LlmClient, LlmError};

pub use self::estimate::estimate_input_tokens;
use self::estimate::estimate_text_tokens;
pub use self::limiter::{Limiter, LimiterStatus};
pub use self::limits::Limits;

/// Asks no more than its [`Limiter`] allows; callers wait their turn, and one that is dropped gives it to the next.
///
/// - Tokens are taken by estimate before a call and put right by what was counted. A call that fails, or is dropped
///   under way, keeps what it took, since providers count those too; one that never reached the provider
///   ([`CircuitOpen`][kind], [`Budget`][kind], [`NotRecorded`][kind], [`Unsupported`][kind]) gives it back.
/// - A [`RateLimit`][kind] with a time to wait holds everybody up for that time.
/// - A request that alone is more than the tokens of a minute fails with [`InvalidRequest`][kind], any request under a
///   limit of 0 with [`Budget`][kind].
///
/// [kind]: promptops_core::llm::LlmErrorKind
pub struct Limited<C> {
    client: C,
    limiter: Limiter,
}

impl<C> Limited<C> {
    /// Asks this client or embedder, as often as the limiter allows.
    pub fn new(client: C, limiter: impl Into<Limiter>) -> Self {
        Self {
            client,
            limiter: limiter.into(),
        }
    }
}

#[async_trait]
impl<C: LlmClient> LlmClient for Limited<C> {
    fn provider(&self) -> &str {
        self.client.provider()
    }

    fn model(&self) -> Option<&str> {
        self.client.model()
    }

    async fn complete(&self, request: &Blueprint) -> Result<Completion, LlmError> {
        let shared = self.limiter.shared();
        let tokens = shared.estimate(request);
        let _place = shared.enter(self.provider(), tokens).await?;
        let result = self.client.complete(request).await;
        shared.settle(tokens, &result);
        result
    }
}

/// Tokens are estimated as a quarter of the bytes of the texts, rounded up for each.
#[async_trait]
impl<E: Embedder> Embedder for Limited<E> {
    fn provider(&self) -> &str {
        self.client.provider()
    }

    fn model(&self) -> &str {
        self.client.model()
    }

    async fn embed(&self, texts: &[String]) -> Result<Embeddings, LlmError> {
        let shared = self.limiter.shared();
        let tokens = estimate_text_tokens(texts);
        let _place = shared.enter(self.provider(), tokens).await?;
        let result = self.client.embed(texts).await;
        shared.settle(tokens, &result);
        result
    }
}

/// The limiter and who is asked.
impl<C: LlmClient> fmt::Debug for Limited<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Limited")
            .field("provider", &self.client.provider())
            .field("limiter", &self.limiter)
            .finish_non_exhaustive()
    }
}
