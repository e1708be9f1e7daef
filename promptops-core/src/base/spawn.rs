//! Background work, injected.

use std::future::Future;
use std::pin::Pin;

use tokio::runtime::Handle;
use tokio::sync::oneshot;

use super::error::{Error, ErrorKind, Result};

/// A boxed future that needs no answer.
pub type Task = Pin<Box<dyn Future<Output = ()> + Send + 'static>>;

/// Where background work runs: refreshing what has aged, and changes whose caller may stop waiting.
pub trait Spawn: Send + Sync + 'static {
    /// Runs the task soon.
    ///
    /// # Errors
    /// Gives the task back when nothing can run it. A task that was taken must be run: somebody may wait for it.
    fn spawn(&self, task: Task) -> Result<(), Task>;
}

/// Spawns on the tokio runtime of the calling thread, or else on the one on which this was made.
#[derive(Debug, Clone, Default)]
pub struct TokioSpawn(Option<Handle>);

impl TokioSpawn {
    /// Remembers the runtime of this thread, if there is one, for calls from threads that have none.
    #[must_use]
    pub fn new() -> Self {
        Self(Handle::try_current().ok())
    }
}

impl Spawn for TokioSpawn {
    fn spawn(&self, task: Task) -> Result<(), Task> {
        match Handle::try_current().ok().as_ref().or(self.0.as_ref()) {
            Some(runtime) => {
                runtime.spawn(task);
                Ok(())
            }
            None => Err(task),
        }
    }
}

/// Runs work to its end even when the caller stops waiting for it: what a store has committed must be told to
/// everybody who listens, whether or not a request handler was dropped meanwhile.
pub(crate) async fn to_completion<T: Send + 'static>(
    spawn: &dyn Spawn,
    work: impl Future<Output = Result<T>> + Send + 'static,
) -> Result<T> {
    let (reply, answer) = oneshot::channel();
    let task: Task = Box::pin(async move {
        // Nobody may be waiting any more.
        let _ = reply.send(work.await);
    });
    if let Err(task) = spawn.spawn(task) {
        task.await;
    }
    answer.await.unwrap_or_else(|_| {
        Err(Error::new(
            ErrorKind::OutcomeUnknown,
            "the work on the change was ended before it was known to be made, as when a runtime is shut down; look \
             whether it was before repeating it",
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Dropping;

    impl Spawn for Dropping {
        fn spawn(&self, _: Task) -> Result<(), Task> {
            Ok(())
        }
    }

    #[tokio::test]
    async fn work_that_a_runtime_gave_up_has_an_unknown_outcome() {
        let error = to_completion(&Dropping, async { Ok(()) }).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::OutcomeUnknown);
        assert!(!error.is_retryable());
    }
}
