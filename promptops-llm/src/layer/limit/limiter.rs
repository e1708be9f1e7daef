//! The queue before an account's limits.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use promptops_core::llm::{Blueprint, LlmError, LlmErrorKind};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::bucket::Bucket;
use super::estimate::estimate_input_tokens;
use super::limits::Limits;
use crate::layer::Counted;

type Estimate = dyn Fn(&Blueprint) -> u64 + Send + Sync;

/// The limits of one account, for as many clients as share it. Clones are the same limiter.
///
/// Callers go in the order in which they came: one that waits for many tokens is not overtaken by small ones.
#[derive(Clone)]
pub struct Limiter(Arc<Shared>);

pub(super) struct Shared {
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

    pub(super) fn shared(&self) -> &Shared {
        &self.0
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
    pub(super) fn estimate(&self, request: &Blueprint) -> u64 {
        (self.estimate)(request)
    }

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
    pub(super) async fn enter(
        &self,
        provider: &str,
        tokens: u64,
    ) -> Result<Option<OwnedSemaphorePermit>, LlmError> {
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
    pub(super) fn settle(&self, taken: u64, result: &Result<impl Counted, LlmError>) {
        let now = Instant::now();
        let mut state = self.state();
        match result {
            // A provider that counts nothing leaves the estimate as the best that is known.
            Ok(answer) if answer.usage().total() > 0 => {
                let used = answer.usage().total();
                if let Some(tokens) = &mut state.tokens {
                    tokens.give_back(taken.saturating_sub(used));
                    tokens.take(used.saturating_sub(taken));
                }
            }
            Ok(_) => {}
            Err(error) if !was_asked(error) => {
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
fn was_asked(error: &LlmError) -> bool {
    // An answer may also be what cannot be said here.
    error.status().is_some()
        || !matches!(
            error.kind(),
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
