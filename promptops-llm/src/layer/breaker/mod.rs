//! Leaving a provider alone that is down.

mod circuit;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use promptops_core::llm::{Blueprint, Completion, Embedder, Embeddings, LlmClient, LlmError, LlmErrorKind};
use tokio::time::Instant;

use self::circuit::{Circuit, Outcome, Pass, Position};

/// When a provider counts as down, and for how long it is left alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BreakerPolicy {
    /// How many failures open the circuit. Default five in a row.
    pub trip: Trip,
    /// How long no call is made before one tries again; also how long such a try may take before the next one. Default
    /// 30 s.
    pub open_for: Duration,
}

/// How many failures open a circuit. 0 counts as 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trip {
    /// So many in a row.
    Consecutive(u32),
    /// So many among the last outcomes.
    Share {
        /// Failures.
        failed: u32,
        /// Outcomes looked at, at most; fewer than `failed` can never open it.
        of: u32,
    },
}

impl Default for BreakerPolicy {
    fn default() -> Self {
        Self {
            trip: Trip::Consecutive(5),
            open_for: Duration::from_secs(30),
        }
    }
}

/// The circuit to one provider, for as many clients as ask it. Clones are the same circuit.
#[derive(Clone)]
pub struct Breaker(Arc<Mutex<Circuit>>);

/// How a circuit stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BreakerStatus {
    /// Calls are made.
    Closed,
    /// No call is made for this time; after it, the next one is a probe.
    Open(Duration),
    /// One call is being made to see whether the provider is back.
    Probing,
}

impl Breaker {
    /// A closed circuit.
    #[must_use]
    pub fn new(policy: BreakerPolicy) -> Self {
        Self(Arc::new(Mutex::new(Circuit::new(policy))))
    }

    /// How it stands.
    #[must_use]
    pub fn status(&self) -> BreakerStatus {
        match *self.circuit().position() {
            Position::Closed { .. } => BreakerStatus::Closed,
            Position::Open { until } => BreakerStatus::Open(until.saturating_duration_since(Instant::now())),
            Position::Probing { .. } => BreakerStatus::Probing,
        }
    }

    fn circuit(&self) -> MutexGuard<'_, Circuit> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl From<BreakerPolicy> for Breaker {
    fn from(policy: BreakerPolicy) -> Self {
        Self::new(policy)
    }
}

/// How it stands.
impl fmt::Debug for Breaker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Breaker").field(&self.status()).finish()
    }
}

/// Makes no calls while the provider is down, but one now and then to see whether it is back.
///
/// - Failures are errors of the kinds [`Overloaded`](LlmErrorKind::Overloaded), [`Timeout`](LlmErrorKind::Timeout) and
///   [`Network`](LlmErrorKind::Network) that [are retryable](LlmError::is_retryable). Answers, and errors by which a
///   provider shows that it is there, count for it. What says neither
///   ([`RateLimit`](LlmErrorKind::RateLimit), a call that was never made or that the caller dropped) does not count.
/// - What is not asked fails with [`CircuitOpen`](LlmErrorKind::CircuitOpen), whose
///   [`retry_after`](LlmError::retry_after) is the time until the next probe may be made, at the latest.
/// - A probe that is dropped, or says neither, makes way for the next call; one that does not end is given up after
///   [`BreakerPolicy::open_for`].
pub struct CircuitBreaker<C> {
    client: C,
    breaker: Breaker,
}

impl<C> CircuitBreaker<C> {
    /// Asks this client or embedder while the circuit is closed.
    pub fn new(client: C, breaker: impl Into<Breaker>) -> Self {
        Self {
            client,
            breaker: breaker.into(),
        }
    }

    /// Makes a call, which has not begun yet, if the circuit lets it.
    async fn guard<T>(
        &self,
        provider: &str,
        call: impl Future<Output = Result<T, LlmError>>,
    ) -> Result<T, LlmError> {
        let entered = self.breaker.circuit().enter(Instant::now());
        let pass = entered.map_err(|wait| {
            let text = format!(
                "it failed too often a moment ago, so it was not asked; it is tried again in {} s at the latest",
                wait.as_secs_f64().ceil()
            );
            LlmError::new(LlmErrorKind::CircuitOpen, provider, text).with_retry_after(wait)
        })?;
        // Dropped before the call has ended, it says what a call says that was never made.
        let mut entered = Call {
            breaker: &self.breaker,
            pass,
            outcome: Outcome::Neither,
        };
        let result = call.await;
        entered.outcome = outcome(&result);
        result
    }
}

#[async_trait]
impl<C: LlmClient> LlmClient for CircuitBreaker<C> {
    fn provider(&self) -> &str {
        self.client.provider()
    }

    fn model(&self) -> Option<&str> {
        self.client.model()
    }

    async fn complete(&self, request: &Blueprint) -> Result<Completion, LlmError> {
        self.guard(LlmClient::provider(&self.client), self.client.complete(request))
            .await
    }
}

#[async_trait]
impl<E: Embedder> Embedder for CircuitBreaker<E> {
    fn provider(&self) -> &str {
        self.client.provider()
    }

    fn model(&self) -> &str {
        self.client.model()
    }

    async fn embed(&self, texts: &[String]) -> Result<Embeddings, LlmError> {
        self.guard(Embedder::provider(&self.client), self.client.embed(texts))
            .await
    }
}

struct Call<'a> {
    breaker: &'a Breaker,
    pass: Pass,
    outcome: Outcome,
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        self.breaker
            .circuit()
            .leave(self.pass, self.outcome, Instant::now());
    }
}

fn outcome<T>(result: &Result<T, LlmError>) -> Outcome {
    let Err(error) = result else {
        return Outcome::Up;
    };
    match error.kind() {
        LlmErrorKind::Overloaded | LlmErrorKind::Timeout | LlmErrorKind::Network if error.is_retryable() => {
            Outcome::Down
        }
        LlmErrorKind::Auth
        | LlmErrorKind::Quota
        | LlmErrorKind::ContextLength
        | LlmErrorKind::ContentFilter
        | LlmErrorKind::InvalidRequest
        | LlmErrorKind::Malformed => Outcome::Up,
        // What it answered cannot be said here, but it answered.
        LlmErrorKind::Unsupported if error.status().is_some() => Outcome::Up,
        _ => Outcome::Neither,
    }
}

/// How the circuit stands and who is asked.
impl<C: LlmClient> fmt::Debug for CircuitBreaker<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CircuitBreaker")
            .field("provider", &self.client.provider())
            .field("breaker", &self.breaker)
            .finish_non_exhaustive()
    }
}
