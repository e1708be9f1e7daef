//! What the handles of a pipeline and its writer share.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, watch};

use super::queue::{Chunk, State, Writing};
use super::recorded::Recorded;
use super::settings::RecordingSettings;
use super::sink::Sink;
use super::warnings::Warnings;
use super::writer;
use crate::base::error::{Error, ErrorKind};
use crate::base::{Spawn, Task};

pub(super) struct Shared<S: Sink> {
    pub(super) sink: S,
    pub(super) settings: RecordingSettings,
    spawn: Arc<dyn Spawn>,
    /// Held for nanoseconds only: never while the sink is called, nor while something is spawned or woken.
    state: Mutex<State<S::Item>>,
    /// Wakes the writer.
    pub(super) wake: Notify,
    /// Makes the writer put down what it is writing.
    pub(super) stop: Notify,
    /// Changes with every batch that is settled, and with every end.
    pub(super) settled: watch::Sender<()>,
    /// Changes when a writer has ended, and when the pipeline has.
    pub(super) ended: watch::Sender<()>,
    pub(super) warnings: Warnings,
    /// Who holds it is first to get room.
    pub(super) turn: tokio::sync::Mutex<()>,
}

impl<S: Sink> Shared<S> {
    pub(super) fn new(sink: S, settings: RecordingSettings, spawn: Arc<dyn Spawn>) -> Self {
        let settings = settings.clamped();
        Self {
            sink,
            settings,
            spawn,
            state: Mutex::new(State::new(settings)),
            wake: Notify::new(),
            stop: Notify::new(),
            settled: watch::Sender::default(),
            ended: watch::Sender::default(),
            warnings: Warnings::default(),
            turn: tokio::sync::Mutex::default(),
        }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State<S::Item>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts a writer if there is none and something waits. Gives it back when nothing can run it.
    pub(super) fn start(self: &Arc<Self>) -> Result<(), Task> {
        {
            let mut state = self.state();
            if !state.lacks_writer() {
                return Ok(());
            }
            state.writing = Writing::Offered;
        }
        // One that is not taken, or is dropped, says itself that it is gone.
        self.spawn.spawn(writer::task(Arc::clone(self)))?;
        let mut state = self.state();
        if state.writing == Writing::Offered {
            state.writing = Writing::Taken;
        }
        Ok(())
    }

    /// Waits until something is found in the state, looking again with every change of this kind, and sees to it
    /// meanwhile that a writer is at work.
    pub(super) async fn until<T>(
        self: &Arc<Self>,
        changes: &watch::Sender<()>,
        mut look: impl FnMut(&mut State<S::Item>) -> Option<T>,
    ) -> T {
        let mut changes = changes.subscribe();
        let mut own_writer: Option<Task> = None;
        loop {
            changes.mark_unchanged();
            if let Some(found) = look(&mut self.state()) {
                return found;
            }
            if own_writer.is_none() {
                own_writer = self.start().err();
            }
            self.wake.notify_one();
            match &mut own_writer {
                Some(writer) => tokio::select! {
                    () = writer.as_mut() => own_writer = None,
                    _ = changes.changed() => {}
                },
                // Without an error, since the sender is here.
                None => drop(changes.changed().await),
            }
        }
    }

    pub(super) fn announce_settled(&self) {
        self.settled.send_replace(());
    }

    pub(super) fn announce_end(&self) {
        self.ended.send_replace(());
        self.settled.send_replace(());
    }

    /// Tells everyone whom it concerns that these items, counted as failed already, were not written in time.
    pub(super) fn give_up(&self, chunk: Chunk<S::Item>) {
        let error = too_late(chunk.was_tried);
        self.tell_failed(&chunk.items, &error);
        for (_, answer) in chunk.answers {
            // Nobody may be waiting any more.
            let _ = answer.send(Err(error.clone()));
        }
    }

    /// Tells everyone whom it concerns that an item is not taken.
    pub(super) fn tell_dropped(&self, item: &S::Item, why: Recorded) {
        self.sink.dropped(item);
        self.warnings
            .dropped(self.sink.what(), why, || self.state().stats());
    }

    pub(super) fn tell_failed(&self, items: &[S::Item], error: &Error) {
        let stats = || self.state().stats();
        self.warnings.failed(self.sink.what(), error.kind(), stats);
        for item in items {
            // A bug of the sink must not keep the others from hearing. The panic hook has reported it.
            let _ = catch_unwind(AssertUnwindSafe(|| self.sink.failed(item, error)));
        }
    }
}

/// What is said of an item that was taken and is not known to be written when a shutdown's time is over.
pub(super) fn too_late(was_tried: bool) -> Error {
    if was_tried {
        Error::new(
            ErrorKind::OutcomeUnknown,
            "the recorder was shut down, and its time was over while the item was being written; look whether it was \
             before repeating it",
        )
    } else {
        Error::new(
            ErrorKind::Unavailable,
            "the recorder was shut down, and its time was over before the item was written; give `shutdown` more time",
        )
    }
}
