//! The handle: recording, waiting for what was recorded, and the end.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::timeout;

use super::queue::{Phase, State, Writing};
use super::recorded::{Recorded, Verdict};
use super::settings::RecordingSettings;
use super::shared::{Shared, too_late};
use super::sink::Sink;
use super::stats::RecordingStats;
use crate::base::Spawn;
use crate::base::error::{Error, ErrorKind, Result, invalid};

/// How long a shutdown whose time is over waits for the writer to put down what it has: longer only for one whose thread
/// is blocked.
const GRACE: Duration = Duration::from_millis(100);

/// A bounded queue with a writer of its own. Clones are handles of the same one.
///
/// The writer begins with the first item that is recorded where something can run it, and after its runtime was shut down
/// with the first one where there is another; what was queued, or being written, is written then. When the last handle is
/// dropped, the writer writes what is queued and ends, if its runtime lives so long.
///
/// What awaits needs a tokio runtime with time.
pub(crate) struct Pipeline<S: Sink>(Arc<Handle<S>>);

struct Handle<S: Sink>(Arc<Shared<S>>);

impl<S: Sink> Pipeline<S> {
    /// A pipeline into this sink. Nothing is started, and nothing allocated for the queue.
    pub(crate) fn new(sink: S, settings: RecordingSettings, spawn: Arc<dyn Spawn>) -> Self {
        Self(Arc::new(Handle(Arc::new(Shared::new(sink, settings, spawn)))))
    }

    fn shared(&self) -> &Arc<Shared<S>> {
        &self.0.0
    }

    /// Where the items go.
    pub(crate) fn sink(&self) -> &S {
        &self.shared().sink
    }

    /// Records an item. Never waits and never fails: without room the item is dropped and counted.
    pub(crate) fn record(&self, item: S::Item) -> Recorded {
        let shared = self.shared();
        let weight = shared.sink.weight(&item);
        let (mut starts, mut wakes) = (false, false);
        let mut refused = None;
        {
            let mut state = shared.state();
            let refusal = match state.refusal(weight) {
                None if state.is_room_awaited => Some(Recorded::Full),
                refusal => refusal,
            };
            match refusal {
                None => {
                    wakes = state.push(item, weight, None);
                    starts = state.lacks_writer();
                }
                Some(why) => {
                    state.count_dropped();
                    if why == Recorded::Full && !state.is_hurried() {
                        // What is full is not to wait for more.
                        state.hurry();
                        wakes = true;
                    }
                    refused = Some((item, why));
                }
            }
        }
        if starts {
            // Without a runtime the item waits for a later call that has one.
            drop(shared.start());
        } else if wakes {
            shared.wake.notify_one();
        }
        match refused {
            None => Recorded::Queued,
            Some((item, why)) => {
                shared.tell_dropped(&item, why);
                why
            }
        }
    }

    /// Records an item and waits until it is stored, without waiting for other items to be written with it. Waits for room
    /// if there is none, and [`record`](Self::record) drops what comes meanwhile.
    ///
    /// When the future is dropped while it waits for room, nothing is recorded or counted; dropped later, the item is
    /// recorded all the same.
    ///
    /// # Errors
    /// What the sink failed with; [`Invalid`](ErrorKind::Invalid) for an item that is heavier than all that may wait;
    /// [`IllegalTransition`](ErrorKind::IllegalTransition) after a shutdown. A shutdown whose time was over:
    /// [`Unavailable`](ErrorKind::Unavailable) when the item was not written, and
    /// [`OutcomeUnknown`](ErrorKind::OutcomeUnknown) when it may have been.
    pub(crate) async fn record_durable(&self, item: S::Item) -> Result<Verdict> {
        let shared = self.shared();
        let weight = shared.sink.weight(&item);
        let (sender, mut answer) = oneshot::channel();
        if let Some((item, why)) = self.enter(item, weight, sender).await {
            shared.tell_dropped(&item, why);
            return Err(self.refusal(why, weight));
        }
        let closed = |_| Err(too_late(true));
        let ended = shared.until(&shared.ended, |state| (state.phase == Phase::Ended).then_some(()));
        tokio::select! {
            biased;
            answer = &mut answer => answer.unwrap_or_else(closed),
            // Of an item that was answered for meanwhile, the answer is there.
            () = ended => answer.try_recv().unwrap_or_else(|_| Err(too_late(true))),
        }
    }

    /// Puts the item into the queue when there is room. Gives it back, counted as dropped, when there never will be.
    async fn enter(
        &self,
        item: S::Item,
        weight: usize,
        sender: oneshot::Sender<Result<Verdict>>,
    ) -> Option<(S::Item, Recorded)> {
        let shared = self.shared();
        let _turn = shared.turn.lock().await;
        let _first = FirstInLine(shared);
        let mut entering = Some((item, sender));
        let look = |state: &mut State<S::Item>| {
            let refusal = state.refusal(weight);
            if refusal == Some(Recorded::Full) {
                state.is_room_awaited = true;
                state.hurry();
                return None;
            }
            let (item, sender) = entering.take()?;
            Some(match refusal {
                None => {
                    state.push(item, weight, Some(sender));
                    state.hurry();
                    None
                }
                Some(why) => {
                    state.count_dropped();
                    Some((item, why))
                }
            })
        };
        shared.until(&shared.settled, look).await
    }

    fn refusal(&self, why: Recorded, weight: usize) -> Error {
        match why {
            Recorded::TooLarge => invalid(format!(
                "an item of about {weight} bytes cannot be recorded: at most {} bytes may wait; record less, or raise \
                 `max_bytes`",
                self.shared().settings.max_bytes
            )),
            _ => Error::new(
                ErrorKind::IllegalTransition,
                "the recorder was shut down and takes nothing any more; record before that",
            ),
        }
    }

    /// Waits until all that was recorded before is settled, and gives the counts as they are then. The writer does not wait
    /// for more items meanwhile.
    ///
    /// # Errors
    /// [`Unavailable`](ErrorKind::Unavailable) when the time is over before; the writer goes on.
    pub(crate) async fn flush(&self, deadline: Duration) -> Result<RecordingStats> {
        let shared = self.shared();
        let position = shared.state().hurry();
        let finished = shared.until(&shared.settled, |state| {
            state.is_finished_to(position).then(|| state.stats())
        });
        if let Ok(stats) = timeout(deadline, finished).await {
            return Ok(stats);
        }
        let (left, cause) = {
            let state = shared.state();
            (state.unsettled_to(position), state.last_error())
        };
        let error = Error::new(
            ErrorKind::Unavailable,
            format!(
                "{left} of the items recorded before are not settled after {deadline:?}; they still wait, flush again"
            ),
        );
        Err(match cause {
            Some(cause) => error.caused_by(cause),
            None => error,
        })
    }

    /// Takes nothing more, writes what is queued, and gives the counts, which do not change any more but for what is
    /// handed in and dropped later. When the time is over, what is not known to be written has failed, at most a tenth of
    /// a second later. Of several shutdowns the shortest deadline counts.
    pub(crate) async fn shutdown(&self, deadline: Duration) -> RecordingStats {
        let shared = self.shared();
        shared.close();
        let ended = shared.until(&shared.settled, |state| {
            state.is_finished().then(|| {
                state.phase = Phase::Ended;
                state.stats()
            })
        });
        if let Ok(stats) = timeout(deadline, ended).await {
            shared.wake.notify_one();
            shared.announce_end();
            return stats;
        }
        {
            let mut state = shared.state();
            state.phase = state.phase.max(Phase::Stopped);
        }
        shared.stop.notify_one();
        let put_down = shared.until(&shared.ended, |state| {
            (state.writing == Writing::Nobody).then_some(())
        });
        // One that does not come in time is counted out.
        let _ = timeout(GRACE, put_down).await;
        let (chunks, stats) = {
            let mut state = shared.state();
            (state.end(), state.stats())
        };
        for chunk in chunks {
            shared.give_up(chunk);
        }
        shared.announce_end();
        stats
    }

    /// The counts at this moment.
    pub(crate) fn stats(&self) -> RecordingStats {
        self.shared().state().stats()
    }

    /// What a try to write failed with last, if one did.
    pub(crate) fn last_error(&self) -> Option<Error> {
        self.shared().state().last_error()
    }
}

impl<S: Sink> Shared<S> {
    /// Takes nothing more, and lets nothing wait.
    fn close(&self) {
        {
            let mut state = self.state();
            state.phase = state.phase.max(Phase::Closing);
        }
        self.wake.notify_one();
        // Who waits for room is to hear of it.
        self.announce_settled();
    }
}

/// Nobody overtakes it until it is dropped.
struct FirstInLine<'a, S: Sink>(&'a Shared<S>);

impl<S: Sink> Drop for FirstInLine<'_, S> {
    fn drop(&mut self) {
        self.0.state().is_room_awaited = false;
    }
}

impl<S: Sink> Drop for Handle<S> {
    fn drop(&mut self) {
        self.0.close();
        // Where nothing can run it, what is queued is lost.
        drop(self.0.start());
    }
}

impl<S: Sink> Clone for Pipeline<S> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<S: Sink> fmt::Debug for Pipeline<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pipeline")
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}
