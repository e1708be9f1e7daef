//! Background work, injected.

use std::future::Future;
use std::pin::Pin;

/// A boxed future that needs no answer.
pub type Task = Pin<Box<dyn Future<Output = ()> + Send + 'static>>;

/// Where background work runs: refreshing what has aged, so far.
pub trait Spawn: Send + Sync + 'static {
    /// Runs the task soon, or drops it where nothing can run it: the caller loses freshness, never correctness.
    fn spawn(&self, task: Task);
}

/// Spawns on the tokio runtime of the calling thread; drops the task where there is none.
#[derive(Debug, Clone, Copy, Default)]
pub struct TokioSpawn;

impl Spawn for TokioSpawn {
    fn spawn(&self, task: Task) {
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(task);
        }
    }
}
