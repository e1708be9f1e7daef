//! No more requests and tokens in a time than an account has, and no more at once.

mod bucket;
mod estimate;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use promptops_core::llm::{Blueprint, Completion, LlmClient, LlmError, LlmErrorKind};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use self::bucket::Bucket;
pub use self::estimate::estimate_input_tokens;

/// How much may be asked. What is `None` is not limited; 0 lets nothing through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Requests in a minute.
    pub requests_per_minute: Option<u32>,
    /// Tokens in a minute, of requests and answers together.
    pub tokens_per_minute: Option<u32>,
    /// Requests under way at once.
    pub concurrent: Option<u32>,
    /// How much may be used at once after a rest: what is allowed in this time, and at least one request. In the worst
    /// minute, that much more than the limit is used, and of tokens as much more again as the largest request has.
    /// Default 10 s.
    pub burst: Duration,
    /// The tokens that an answer is taken for while nobody knows, when the request sets no most. Default 1,024.
    pub answer_tokens: u32,
    /// The longest pause of a provider's that callers wait through. While it asks for a longer one, calls fail at once.
    /// Default 120 s.
    pub longest_pause: Duration,
}

impl Default for Limits {
    /// No limit, but the pauses that a provider asks for.
    fn default() -> Self {
        Self {
            requests_per_minute: None,
            tokens_per_minute: None,
            concurrent: None,
            burst: Duration::from_secs(10),
            answer_tokens: 1_024,
            longest_pause: Duration::from_secs(120),
        }
    }
}

impl Limits {
    /// So many requests in a minute.
    #[must_use]
    pub fn per_minute(requests: u32) -> Self {
        Self {
            requests_per_minute: Some(requests),
            ..Self::default()
        }
    }

    /// So many tokens in a minute.
    #[must_use]
    pub fn tokens_per_minute(mut self, tokens: u32) -> Self {
        self.tokens_per_minute = Some(tokens);
        self
    }

    /// So many requests at once.
    #[must_use]
    pub fn concurrent(mut self, requests: u32) -> Self {
        self.concurrent = Some(requests);
        self
    }

    /// As much at once, after a rest, as is allowed in this time.
    #[must_use]
    pub fn burst(mut self, time: Duration) -> Self {
        self.burst = time;
        self
    }
}

type Estimate = dyn Fn(&Blueprint) -> u64 + Send + Sync;

/// The limits of one account, for as many clients as share it. Clones are the same limiter.
///
/// Callers go in the order in which they came: one that waits for many tokens is not overtaken by small ones.
#[derive(Clone)]
pub struct Limiter(Arc<Shared>);

struct Shared {
    limits: Limits,
    estimate: Box<Estimate>,
    /// Whoever holds it is next, and waits until it may go.
    turn: tokio::sync::Mutex<()>,
    places: Option<Arc<Semaphore>>,
    state: Mutex<State>,
    /// Told when whoever is next may be able to go sooner than it thinks.
    sooner: Notify,
}

struct State {
    requests: Option<Bucket>,
    tokens: Option<Bucket>,
    paused_until: Option<Instant>,
    waiting: u64,
}

/// How a limiter stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LimiterStatus {
    /// Callers that wait.
    pub waiting: u64,
    /// How long the provider still wants to be left alone; nothing when it does not.
    pub paused_for: Duration,
}

impl Limiter {
    /// A limiter that takes a request for its [estimated](estimate_input_tokens) tokens and those of its answer: the
    /// most that it allows, else [`Limits::answer_tokens`]. What was really used is put right when the answer is there.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        let answer = limits.answer_tokens;
        Self::with_estimate(limits, move |request| {
            let answer = request.settings.max_tokens.unwrap_or(answer);
            estimate_input_tokens(request).saturating_add(u64::from(answer))
        })
    }

    /// A limiter with an estimate of the host's own: the tokens of a request and its answer.
    pub fn with_estimate(
        limits: Limits,
        estimate: impl Fn(&Blueprint) -> u64 + Send + Sync + 'static,
    ) -> Self {
        let now = Instant::now();
        let bucket = |per_minute: Option<u32>| per_minute.map(|n| Bucket::new(n, limits.burst, now));
        let state = State {
            requests: bucket(limits.requests_per_minute),
            tokens: bucket(limits.tokens_per_minute),
            paused_until: None,
            waiting: 0,
        };
        let places = |n: u32| Arc::new(Semaphore::new((n as usize).min(Semaphore::MAX_PERMITS)));
        Self(Arc::new(Shared {
            places: limits.concurrent.map(places),
            limits,
            estimate: Box::new(estimate),
            turn: tokio::sync::Mutex::new(()),
            state: Mutex::new(state),
            sooner: Notify::new(),
        }))
    }

    /// How it stands.
    #[must_use]
    pub fn status(&self) -> LimiterStatus {
        let state = self.0.state();
        LimiterStatus {
            waiting: state.waiting,
            paused_for: state.pause(Instant::now()),
        }
    }
}

impl From<Limits> for Limiter {
    fn from(limits: Limits) -> Self {
        Self::new(limits)
    }
}

/// The limits and how it stands.
impl fmt::Debug for Limiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Limiter")
            .field("limits", &self.0.limits)
            .field("status", &self.status())
            .finish_non_exhaustive()
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What waiting would not help.
    fn check(&self, provider: &str, tokens: u64) -> Result<(), LlmError> {
        let limits = &self.limits;
        let none = [
            (limits.requests_per_minute, "requests per minute"),
            (limits.tokens_per_minute, "tokens per minute"),
            (limits.concurrent, "requests at once"),
        ];
        if let Some((_, what)) = none.into_iter().find(|(limit, _)| *limit == Some(0)) {
            return Err(LlmError::new(
                LlmErrorKind::Budget,
                provider,
                format!("the limit is 0 {what}, so no call is made; raise it, or leave it out for no limit"),
            ));
        }
        match limits.tokens_per_minute {
            Some(limit) if tokens > u64::from(limit) => Err(LlmError::new(
                LlmErrorKind::InvalidRequest,
                provider,
                format!(
                    "the request and its answer count as {tokens} tokens, more than the {limit} that are allowed in \
                     a minute, so it was not sent; shorten it, lower its max_tokens, or raise the limit"
                ),
            )),
            _ => self.check_pause(provider),
        }
    }

    fn check_pause(&self, provider: &str) -> Result<(), LlmError> {
        let pause = self.state().pause(Instant::now());
        if pause <= self.limits.longest_pause {
            return Ok(());
        }
        let text = format!(
            "the provider asked to be left alone for another {} s, longer than the {} s that callers wait; try again \
             then",
            pause.as_secs(),
            self.limits.longest_pause.as_secs()
        );
        Err(LlmError::new(LlmErrorKind::RateLimit, provider, text).with_retry_after(pause))
    }

    /// Waits for a turn, a place, and the right to so many tokens. Dropped, it has taken nothing.
    async fn enter(&self, provider: &str, tokens: u64) -> Result<Option<OwnedSemaphorePermit>, LlmError> {
        self.check(provider, tokens)?;
        let _waiting = Waiting::begin(self);
        let _turn = self.turn.lock().await;
        let place = match &self.places {
            None => None,
            Some(places) => Some(Arc::clone(places).acquire_owned().await.map_err(|e| {
                LlmError::new(LlmErrorKind::Internal, provider, "the limiter is closed").caused_by(e)
            })?),
        };
        loop {
            self.check_pause(provider)?;
            let wait = self.state().take(tokens, Instant::now());
            if wait.is_zero() {
                return Ok(place);
            }
            // Whether the time is over or somebody gave something back: look again.
            let _ = tokio::time::timeout(wait, self.sooner.notified()).await;
        }
    }

    /// Puts right what was taken, now that it is known what it came to.
    fn settle(&self, taken: u64, result: &Result<Completion, LlmError>) {
        let now = Instant::now();
        let mut state = self.state();
        match result {
            // A provider that counts nothing leaves the estimate as the best that is known.
            Ok(completion) if completion.usage.total() > 0 => {
                let used = completion.usage.total();
                if let Some(tokens) = &mut state.tokens {
                    tokens.give_back(taken.saturating_sub(used));
                    tokens.take(used.saturating_sub(taken));
                }
            }
            Ok(_) => {}
            Err(error) if !was_asked(error.kind()) => {
                if let Some(tokens) = &mut state.tokens {
                    tokens.give_back(taken);
                }
                if let Some(requests) = &mut state.requests {
                    requests.give_back(1);
                }
            }
            // Providers count requests that fail, too.
            Err(error) => {
                if error.kind() == LlmErrorKind::RateLimit
                    && let Some(until) = error.retry_after().and_then(|wait| now.checked_add(wait))
                {
                    state.paused_until = state.paused_until.max(Some(until));
                }
            }
        }
        drop(state);
        self.sooner.notify_one();
    }
}

/// Whether a request that failed like this has reached the provider, as far as is known.
fn was_asked(kind: LlmErrorKind) -> bool {
    !matches!(
        kind,
        LlmErrorKind::CircuitOpen
            | LlmErrorKind::Budget
            | LlmErrorKind::NotRecorded
            | LlmErrorKind::Unsupported
    )
}

impl State {
    fn pause(&self, now: Instant) -> Duration {
        self.paused_until
            .map_or(Duration::ZERO, |until| until.saturating_duration_since(now))
    }

    /// Takes a request and its tokens, or says how long until it may.
    fn take(&mut self, tokens: u64, now: Instant) -> Duration {
        let wait = [
            Some(self.pause(now)),
            self.requests.as_mut().map(|bucket| bucket.wait(1, now)),
            self.tokens.as_mut().map(|bucket| bucket.wait(tokens, now)),
        ];
        let wait = wait.into_iter().flatten().max().unwrap_or_default();
        if wait.is_zero() {
            if let Some(requests) = &mut self.requests {
                requests.take(1);
            }
            if let Some(bucket) = &mut self.tokens {
                bucket.take(tokens);
            }
        }
        wait
    }
}

/// Counts a caller as waiting until it is dropped.
struct Waiting<'a>(&'a Shared);

impl<'a> Waiting<'a> {
    fn begin(shared: &'a Shared) -> Self {
        shared.state().waiting += 1;
        Self(shared)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.state().waiting -= 1;
    }
}

/// Asks no more than its [`Limiter`] allows; callers wait their turn, and one that is dropped gives it to the next.
///
/// - Tokens are taken by estimate before a call and put right by what was counted. A call that fails, or is dropped
///   under way, keeps what it took, since providers count those too; one that never reached the provider
///   ([`CircuitOpen`](LlmErrorKind::CircuitOpen), [`Budget`](LlmErrorKind::Budget),
///   [`NotRecorded`](LlmErrorKind::NotRecorded), [`Unsupported`](LlmErrorKind::Unsupported)) gives it back.
/// - A [`RateLimit`](LlmErrorKind::RateLimit) with a time to wait holds everybody up for that time.
/// - A request that alone is more than the tokens of a minute fails with
///   [`InvalidRequest`](LlmErrorKind::InvalidRequest), any request under a limit of 0 with
///   [`Budget`](LlmErrorKind::Budget).
pub struct Limited<C> {
    client: C,
    limiter: Limiter,
}

impl<C: LlmClient> Limited<C> {
    /// Asks this client, as often as the limiter allows.
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
        let shared = &*self.limiter.0;
        let tokens = (shared.estimate)(request);
        let _place = shared.enter(self.provider(), tokens).await?;
        let result = self.client.complete(request).await;
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
