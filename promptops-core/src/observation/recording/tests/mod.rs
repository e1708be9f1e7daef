//! The pipeline, held against a sink that does as it is told.

mod accounting;
mod batches;
mod durable;
mod ends;
mod failures;
mod queue;
mod room;
mod runtimes;

use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;

use super::{Pipeline, RecordingSettings, RecordingStats, Sink, Verdict};
use crate::base::error::{Error, ErrorKind, Result};
use crate::base::{Spawn, Task, TokioSpawn};

const MILLISECOND: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

/// What is recorded: a number, and what it weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Item {
    id: u64,
    weight: usize,
}

fn item(id: u64) -> Item {
    Item { id, weight: 1 }
}

/// What the sink does with a batch.
#[derive(Debug, Clone, Copy)]
pub(super) enum Act {
    /// Stores it.
    Write,
    /// Stores it after so long.
    WriteIn(Duration),
    /// Stores it, and fails nevertheless.
    WriteAndFail(ErrorKind),
    Fail(ErrorKind),
    Panic,
    /// Never answers.
    Hang,
    /// Gives a verdict too few.
    Short,
}

#[derive(Default)]
pub(super) struct Told {
    /// What is done with the batches to come, one after the other.
    script: VecDeque<Act>,
    /// And with all after these.
    then: Option<Act>,
    /// Each try's items.
    tries: Vec<Vec<u64>>,
    /// When, since the first try.
    at: Vec<tokio::time::Instant>,
    stored: HashSet<u64>,
    dropped: Vec<u64>,
    failed: Vec<(u64, ErrorKind)>,
    /// What `written` was called with, and what it does.
    written: Vec<(u64, Verdict)>,
    on_written: Option<Act>,
}

/// A sink that does as it is told. Clones are the same one.
#[derive(Clone, Default)]
pub(super) struct Probe(Arc<Mutex<Told>>);

impl Probe {
    fn does(acts: impl IntoIterator<Item = Act>) -> Self {
        let probe = Self::default();
        probe.told().script = acts.into_iter().collect();
        probe
    }

    fn always(act: Act) -> Self {
        let probe = Self::default();
        probe.told().then = Some(act);
        probe
    }

    fn told(&self) -> MutexGuard<'_, Told> {
        self.0.lock().unwrap()
    }

    fn tries(&self) -> Vec<usize> {
        self.told().tries.iter().map(Vec::len).collect()
    }

    fn store(&self, batch: &[Item]) -> Vec<Verdict> {
        let mut told = self.told();
        let store = |item: &Item| match told.stored.insert(item.id) {
            true => Verdict::Written,
            false => Verdict::Duplicate,
        };
        batch.iter().map(store).collect()
    }
}

#[async_trait]
impl Sink for Probe {
    type Item = Item;

    fn weight(&self, item: &Item) -> usize {
        item.weight
    }

    async fn write(&self, batch: &[Item]) -> Result<Vec<Verdict>> {
        let act = {
            let mut told = self.told();
            told.tries.push(batch.iter().map(|item| item.id).collect());
            told.at.push(tokio::time::Instant::now());
            let then = told.then.unwrap_or(Act::Write);
            told.script.pop_front().unwrap_or(then)
        };
        match act {
            Act::Write => Ok(self.store(batch)),
            Act::WriteIn(time) => {
                tokio::time::sleep(time).await;
                Ok(self.store(batch))
            }
            Act::WriteAndFail(kind) => {
                self.store(batch);
                Err(Error::new(kind, "as told"))
            }
            Act::Fail(kind) => Err(Error::new(kind, "as told")),
            Act::Panic => panic!("as told"),
            Act::Hang => std::future::pending().await,
            Act::Short => Ok(self.store(&batch[1..])),
        }
    }

    fn dropped(&self, item: &Item) {
        self.told().dropped.push(item.id);
    }

    fn failed(&self, item: &Item, error: &Error) {
        self.told().failed.push((item.id, error.kind()));
    }

    async fn written(&self, batch: &[Item], verdicts: &[Verdict]) {
        let act = {
            let mut told = self.told();
            let items = batch.iter().map(|item| item.id);
            told.written.extend(items.zip(verdicts.iter().copied()));
            told.on_written
        };
        match act {
            Some(Act::Panic) => panic!("as told"),
            Some(Act::Hang) => std::future::pending().await,
            Some(Act::WriteIn(time)) => tokio::time::sleep(time).await,
            _ => {}
        }
    }
}

fn pipeline(sink: &Probe, settings: RecordingSettings) -> Pipeline<Probe> {
    Pipeline::new(sink.clone(), settings, Arc::new(TokioSpawn::new()))
}

fn settings() -> RecordingSettings {
    RecordingSettings::default()
}

#[track_caller]
fn assert_balanced(stats: &RecordingStats) {
    assert_eq!(
        stats.enqueued,
        stats.settled() + stats.dropped + stats.queued,
        "{stats:?}"
    );
}

/// Lets the writer come to rest, in no time.
async fn settle() {
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
}

/// Takes no task.
struct Refusing;

impl Spawn for Refusing {
    fn spawn(&self, task: Task) -> Result<(), Task> {
        Err(task)
    }
}

/// Takes tasks and drops them.
struct Dropping;

impl Spawn for Dropping {
    fn spawn(&self, _: Task) -> Result<(), Task> {
        Ok(())
    }
}
