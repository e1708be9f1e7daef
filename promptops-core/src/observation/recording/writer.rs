//! The writer: one task that takes batches from the queue, hands them to the sink and counts what became of them.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::queue::{Chunk, Phase, Step, Waited, Writing};
use super::recorded::Verdict;
use super::shared::{Shared, too_late};
use super::sink::Sink;
use crate::base::Task;
use crate::base::error::{Error, ErrorKind, Result};

/// First pause after a failed try; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
/// Longest pause between tries.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// A writer that is to be run. Until it is first polled it has done nothing.
pub(super) fn task<S: Sink>(shared: Arc<Shared<S>>) -> Task {
    let writer = Writer {
        shared,
        has_begun: false,
        batch: None,
    };
    Box::pin(writer.work())
}

struct Writer<S: Sink> {
    shared: Arc<Shared<S>>,
    has_begun: bool,
    /// Taken out and not settled.
    batch: Option<Chunk<S::Item>>,
}

impl<S: Sink> Writer<S> {
    async fn work(mut self) {
        self.has_begun = true;
        let mut gathering: Option<Gathering> = None;
        loop {
            let now = Instant::now();
            let waited = gathering.map_or(Waited::Unknown, |gathering| gathering.waited(now));
            let step = self.shared.state().step(waited);
            match step {
                Step::Write(chunks) => {
                    // What comes meanwhile waits no longer than if it came now.
                    gathering = Some(Gathering::since(now, self.shared.settings.interval));
                    let mut batch = Chunk::merged(chunks);
                    batch.was_tried = true;
                    self.batch = Some(batch);
                    let shared = Arc::clone(&self.shared);
                    tokio::select! {
                        biased;
                        () = self.write() => {}
                        () = shared.stop.notified() => return,
                    }
                }
                Step::Gather(fill) => {
                    let gathering =
                        gathering.get_or_insert(Gathering::since(now, self.shared.settings.interval));
                    let look = gathering.look_after(now, fill);
                    if look > now + TICK && self.shared.state().rest_long() {
                        continue;
                    }
                    tokio::select! {
                        () = self.shared.wake.notified() => {}
                        () = sleep_until(look) => {}
                    }
                }
                Step::Idle => {
                    gathering = None;
                    self.shared.wake.notified().await;
                }
                Step::End => return,
            }
        }
    }

    /// Writes the batch and settles it.
    async fn write(&mut self) {
        let Some(batch) = &self.batch else { return };
        let result = self.tries(&batch.items).await;
        let Some(batch) = self.batch.take() else { return };
        let batch = self.settle(batch, &result);
        self.shared.announce_settled();
        if let (Some(items), Ok(verdicts)) = (batch, result) {
            let told = AssertUnwindSafe(async { self.shared.sink.written(&items, &verdicts).await });
            // Whatever becomes of it, the items are stored and counted.
            let _ = timeout(self.shared.settings.write_timeout, told.catch_unwind()).await;
        }
        self.shared.state().finish();
        self.shared.announce_settled();
    }

    /// Counts the batch and answers who waits. Gives the items back, unless they are not the writer's to count any more.
    fn settle(&self, batch: Chunk<S::Item>, result: &Result<Vec<Verdict>>) -> Option<Vec<S::Item>> {
        {
            let mut state = self.shared.state();
            if state.phase == Phase::Ended {
                drop(state);
                self.shared.give_up(batch);
                return None;
            }
            state.settle(&batch, result);
        }
        match result {
            Ok(verdicts) if verdicts.contains(&Verdict::Invalid) => {
                let shared = &self.shared;
                shared
                    .warnings
                    .invalid(shared.sink.what(), || shared.state().stats());
            }
            Ok(_) => {}
            Err(error) => self.shared.tell_failed(&batch.items, error),
        }
        for (at, answer) in batch.answers {
            let verdict = match result {
                Ok(verdicts) => verdicts.get(at).copied().ok_or_else(|| too_late(true)),
                Err(error) => Err(error.clone()),
            };
            // Nobody may be waiting any more.
            let _ = answer.send(verdict);
        }
        Some(batch.items)
    }

    async fn tries(&self, items: &[S::Item]) -> Result<Vec<Verdict>> {
        let last_try = Instant::now() + self.shared.settings.retry_for;
        let mut pause = FIRST_PAUSE;
        loop {
            let failure = match self.try_once(items).await {
                Ok(verdicts) => return Ok(verdicts),
                Err(failure) => failure,
            };
            let left = last_try.saturating_duration_since(Instant::now());
            if !failure.is_worth_another_try || left.is_zero() {
                return Err(failure.error);
            }
            sleep(pause.min(left)).await;
            pause = LONGEST_PAUSE.min(pause * 2);
            self.shared.state().count_retry(&failure.error);
        }
    }

    async fn try_once(&self, items: &[S::Item]) -> Result<Vec<Verdict>, Failure> {
        let limit = self.shared.settings.write_timeout;
        let sink = &self.shared.sink;
        let write = AssertUnwindSafe(async { sink.write(items).await }).catch_unwind();
        match timeout(limit, write).await {
            Ok(Ok(Ok(verdicts))) if verdicts.len() == items.len() => Ok(verdicts),
            Ok(Ok(Ok(verdicts))) => Err(Failure::for_good(
                ErrorKind::Backend,
                format!(
                    "what records must give one verdict per item: expected {}, found {}; this is a bug in it",
                    items.len(),
                    verdicts.len()
                ),
            )),
            Ok(Ok(Err(error))) => Err(Failure {
                is_worth_another_try: sink.is_worth_another_try(&error),
                error,
            }),
            Ok(Err(_)) => Err(Failure::for_good(
                ErrorKind::Backend,
                "what records has panicked while it wrote the batch; the panic is reported where panics are"
                    .to_owned(),
            )),
            Err(_) => Err(Failure {
                error: Error::new(
                    ErrorKind::OutcomeUnknown,
                    format!(
                        "the batch was not written in {limit:?}; look whether it was before repeating it"
                    ),
                ),
                is_worth_another_try: true,
            }),
        }
    }
}

/// How long the writer lets items gather.
///
/// It looks by itself at about the time at which a batch will be three quarters full, so that under a steady load it need
/// not be woken: to wake a thread costs the caller a system call, and where threads are more than cores often its turn.
#[derive(Debug, Clone, Copy)]
struct Gathering {
    since: Instant,
    due: Instant,
    look: Option<Instant>,
}

/// How soon the writer looks at the earliest: what tokio's timers tell apart.
const TICK: Duration = Duration::from_millis(1);

impl Gathering {
    fn since(since: Instant, interval: Duration) -> Self {
        Self {
            since,
            due: since + interval,
            look: None,
        }
    }

    fn waited(&self, now: Instant) -> Waited {
        if self.due <= now {
            Waited::Enough
        } else if self.look.is_some_and(|look| look <= now) {
            Waited::Some
        } else {
            Waited::Little
        }
    }

    /// When to look, a batch being so full now: it never takes more than twice the time so far, as the load may change.
    fn look_after(&mut self, now: Instant, fill: f64) -> Instant {
        let so_far = now.saturating_duration_since(self.since);
        let factor = if fill > 0.375 { 0.75 / fill } else { 2.0 };
        let look = self.since + so_far.mul_f64(factor.min(2.0));
        let look = look.max(now + TICK).min(self.due);
        self.look = Some(look);
        look
    }
}

struct Failure {
    error: Error,
    is_worth_another_try: bool,
}

impl Failure {
    fn for_good(kind: ErrorKind, message: String) -> Self {
        Self {
            error: Error::new(kind, message),
            is_worth_another_try: false,
        }
    }
}

impl<S: Sink> Drop for Writer<S> {
    /// At its end, or given up with its runtime: what it was writing waits for the next writer.
    fn drop(&mut self) {
        let mut too_late = None;
        let was_taken;
        {
            let mut state = self.shared.state();
            match self.batch.take() {
                Some(batch) if state.phase == Phase::Ended => too_late = Some(batch),
                Some(batch) => state.put_back(batch),
                None => {}
            }
            was_taken = self.has_begun || state.writing == Writing::Taken;
            state.writing = Writing::Nobody;
            state.finish();
        }
        if let Some(batch) = too_late {
            self.shared.give_up(batch);
        }
        // Of one that was refused nobody hears, or who waits would offer one after the other.
        if was_taken {
            self.shared.announce_end();
        }
    }
}
