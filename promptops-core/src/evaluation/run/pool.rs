//! The tasks that ask entries side by side.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;

use super::attempt::{Asking, Attempt};
use super::work::Task;
use crate::base::error::{Error, ErrorKind, Result};
use crate::base::{Spawn, spawn};

/// How long an entry may be over its time before whoever works on it counts as blocked; at most as long again.
const GRACE: Duration = Duration::from_secs(5);

/// What came back of a task.
pub(super) enum Returned {
    /// It was asked.
    Asked(Attempt),
    /// It was not, since the pool is stopping.
    Unasked,
}

/// So many tasks, each asking one entry after the other.
pub(super) struct Pool {
    shared: Arc<Shared>,
    spawn: Arc<dyn Spawn>,
    tasks: mpsc::UnboundedSender<Arc<Task>>,
    returned: mpsc::UnboundedReceiver<Returned>,
    /// Handed in and not come back. Bounds both channels.
    out: usize,
}

struct Shared {
    asking: Asking,
    queue: tokio::sync::Mutex<mpsc::UnboundedReceiver<Arc<Task>>>,
    returned: mpsc::UnboundedSender<Returned>,
    /// What is being asked, and since when.
    under_way: Mutex<HashMap<u64, (Instant, Arc<Task>)>>,
    stopping: AtomicBool,
}

impl Shared {
    fn under_way(&self) -> MutexGuard<'_, HashMap<u64, (Instant, Arc<Task>)>> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn work(self: Arc<Self>) {
        loop {
            let next = self.queue.lock().await.recv().await;
            let Some(task) = next else { return };
            if self.stopping.load(Ordering::Relaxed) {
                let _ = self.returned.send(Returned::Unasked);
                continue;
            }
            let ordinal = task.ordinal;
            self.under_way()
                .insert(ordinal, (Instant::now(), Arc::clone(&task)));
            let attempt = self.asking.attempt(&task).await;
            if self.under_way().remove(&ordinal).is_none() {
                // It was given up, its result handed in, and another worker took this one's place.
                return;
            }
            // Nobody may be waiting any more.
            let _ = self.returned.send(Returned::Asked(attempt));
        }
    }
}

impl Pool {
    /// Starts `size` tasks.
    pub(super) fn start(asking: Asking, size: usize, spawn: Arc<dyn Spawn>) -> Result<Self> {
        let (tasks, queue) = mpsc::unbounded_channel();
        let (sender, returned) = mpsc::unbounded_channel();
        let pool = Self {
            shared: Arc::new(Shared {
                asking,
                queue: tokio::sync::Mutex::new(queue),
                returned: sender,
                under_way: Mutex::default(),
                stopping: AtomicBool::new(false),
            }),
            spawn,
            tasks,
            returned,
            out: 0,
        };
        for _ in 0..size {
            pool.add_worker()?;
        }
        Ok(pool)
    }

    fn add_worker(&self) -> Result<()> {
        let work: spawn::Task = Box::pin(Arc::clone(&self.shared).work());
        self.spawn.spawn(work).map_err(|_| no_runtime())
    }

    /// How many tasks were handed in and have not come back.
    pub(super) fn out(&self) -> usize {
        self.out
    }

    /// Hands in a task.
    pub(super) fn push(&mut self, task: Task) {
        if self.tasks.send(Arc::new(task)).is_ok() {
            self.out += 1;
        }
    }

    /// Waits for a task to come back, and takes what else has.
    pub(super) async fn next(&mut self, most: usize) -> Vec<Returned> {
        let mut returned = Vec::new();
        let count = self.returned.recv_many(&mut returned, most).await;
        self.out = self.out.saturating_sub(count);
        returned
    }

    /// Asks nothing more: what waits comes back unasked.
    pub(super) fn stop(&self) {
        self.shared.stopping.store(true, Ordering::Relaxed);
    }

    /// Gives up entries whose worker has blocked its thread, puts others in the workers' places, and returns the attempts.
    pub(super) fn give_up_blocked(&mut self) -> Result<Vec<Attempt>> {
        let time = self.shared.asking.entry_timeout;
        let limit = time + GRACE.min(time);
        let blocked: Vec<Arc<Task>> = {
            let mut under_way = self.shared.under_way();
            let late = under_way.iter().filter(|(_, (since, _))| since.elapsed() > limit);
            let late: Vec<u64> = late.map(|(ordinal, _)| *ordinal).collect();
            late.iter()
                .filter_map(|ordinal| under_way.remove(ordinal))
                .map(|(_, task)| task)
                .collect()
        };
        let mut attempts = Vec::new();
        for task in blocked {
            self.add_worker()?;
            self.out = self.out.saturating_sub(1);
            attempts.push(Attempt::Result(Box::new(self.shared.asking.given_up(&task))));
        }
        Ok(attempts)
    }
}

pub(super) fn no_runtime() -> Error {
    Error::new(
        ErrorKind::Invalid,
        "an evaluation works in the background, and there is no tokio runtime at hand; call from within one",
    )
}
