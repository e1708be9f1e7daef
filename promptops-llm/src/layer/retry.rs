//! Asking again after a failure that may pass.

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use promptops_core::llm::{Blueprint, Completion, Embedder, Embeddings, LlmClient, LlmError};

/// When to ask again, and how long to wait before. The defaults are those of the official clients of OpenAI and
/// Anthropic: two retries, from half a second to 8 seconds.
#[derive(Debug, Clone, PartialEq)]
pub struct RetryPolicy {
    /// How often to ask in all; 0 counts as 1. Default 3.
    pub attempts: u32,
    /// The pause after the first failure, before jitter. Default 0.5 s.
    pub first: Duration,
    /// The longest pause that this policy makes by itself. Default 8 s.
    pub cap: Duration,
    /// How much longer each pause is than the one before, ≥ 1; less, or no number, counts as 1. Default 2.
    pub factor: f64,
    /// How pauses are spread, so that callers that failed together do not come back together. Default equal.
    pub jitter: Jitter,
    /// The longest pause that a provider may ask for. One that asks for more is not asked again: the caller gets its
    /// error at once. Default 120 s.
    pub give_up_after: Duration,
    /// Makes the jitter the same every time, for tests.
    pub seed: Option<u64>,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            attempts: 3,
            first: Duration::from_millis(500),
            cap: Duration::from_secs(8),
            factor: 2.0,
            jitter: Jitter::Equal,
            give_up_after: Duration::from_secs(120),
            seed: None,
        }
    }
}

/// How a pause is spread; the names are those of Marc Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog,
/// 2015.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Jitter {
    /// Not at all.
    None,
    /// Anything from nothing to the whole pause.
    Full,
    /// Anything from half of the pause to the whole.
    #[default]
    Equal,
}

impl RetryPolicy {
    /// Asks so often in all.
    #[must_use]
    pub fn attempts(attempts: u32) -> Self {
        Self {
            attempts,
            ..Self::default()
        }
    }

    /// How long to wait before asking again, after so many attempts (≥ 1) of which the last ended like this; `None` to
    /// ask no more. `random` is in 0 .. 1.
    ///
    /// Only what [is retryable](LlmError::is_retryable) is asked again. A pause that the provider asks for is kept to
    /// the letter, without jitter; one of no length is none.
    #[must_use]
    pub fn pause(&self, attempts: u32, error: &LlmError, random: f64) -> Option<Duration> {
        if attempts >= self.attempts || !error.is_retryable() {
            return None;
        }
        match error.retry_after() {
            Some(wait) if wait > self.give_up_after => None,
            Some(wait) if !wait.is_zero() => Some(wait),
            _ => Some(self.own_pause(attempts, random)),
        }
    }

    fn own_pause(&self, attempts: u32, random: f64) -> Duration {
        let growth = self.factor.max(1.0).powf(f64::from(attempts.saturating_sub(1)));
        let whole = Duration::try_from_secs_f64(self.first.as_secs_f64() * growth)
            .unwrap_or(self.cap)
            .min(self.cap);
        match self.jitter {
            Jitter::None => whole,
            Jitter::Full => whole.mul_f64(random),
            Jitter::Equal => whole.mul_f64(0.5 + random / 2.0),
        }
    }
}

/// Asks again after a failure that may pass. The error of the last attempt says how often it was
/// [tried](LlmError::attempts).
pub struct Retry<C> {
    client: C,
    policy: RetryPolicy,
    random: Mutex<fastrand::Rng>,
}

impl<C> Retry<C> {
    /// Asks this client or embedder, by this policy.
    pub fn new(client: C, policy: RetryPolicy) -> Self {
        let random = policy
            .seed
            .map_or_else(fastrand::Rng::new, fastrand::Rng::with_seed);
        Self {
            client,
            policy,
            random: Mutex::new(random),
        }
    }

    fn random(&self) -> f64 {
        self.random.lock().unwrap_or_else(PoisonError::into_inner).f64()
    }

    async fn repeat<T, F>(&self, call: impl Fn() -> F) -> Result<T, LlmError>
    where
        F: Future<Output = Result<T, LlmError>>,
    {
        let mut attempts = 0;
        // What is under this layer may have repeated on its own.
        let mut tried = 0_u32;
        loop {
            attempts += 1;
            let error = match call().await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            tried = tried.saturating_add(error.attempts());
            match self.policy.pause(attempts, &error, self.random()) {
                Some(pause) => tokio::time::sleep(pause).await,
                None => return Err(error.with_attempts(tried)),
            }
        }
    }
}

#[async_trait]
impl<C: LlmClient> LlmClient for Retry<C> {
    fn provider(&self) -> &str {
        self.client.provider()
    }

    fn model(&self) -> Option<&str> {
        self.client.model()
    }

    async fn complete(&self, request: &Blueprint) -> Result<Completion, LlmError> {
        self.repeat(|| self.client.complete(request)).await
    }
}

#[async_trait]
impl<E: Embedder> Embedder for Retry<E> {
    fn provider(&self) -> &str {
        self.client.provider()
    }

    fn model(&self) -> &str {
        self.client.model()
    }

    async fn embed(&self, texts: &[String]) -> Result<Embeddings, LlmError> {
        self.repeat(|| self.client.embed(texts)).await
    }
}

/// The policy and who is asked.
impl<C: LlmClient> fmt::Debug for Retry<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Retry")
            .field("provider", &self.client.provider())
            .field("policy", &self.policy)
            .finish_non_exhaustive()
    }
}
