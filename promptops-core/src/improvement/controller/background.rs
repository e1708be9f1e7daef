//! Passes in the background, now and then, until it is stopped.

use std::fmt;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tracing::warn;

use super::improver::Improver;
use super::pass::Pass;
use crate::base::error::{Error, ErrorKind, Result, invalid};

/// Passes that are made in the background. Dropped, it stops as soon as the step that is under way lets go.
#[must_use = "dropped, it stops"]
pub struct ImproverHandle {
    stop: watch::Sender<bool>,
    done: watch::Receiver<bool>,
    last: Arc<Mutex<Option<Arc<Pass>>>>,
}

impl Improver {
    /// Makes a pass now, and another so long after each one's end, in the background. Any number of processes may do so for
    /// one prompt and environment: one of them works at a time.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) without a tokio runtime at hand, or for a pause below a tenth of a second.
    pub fn spawn(&self, pause: Duration) -> Result<ImproverHandle> {
        if pause < Duration::from_millis(100) {
            return Err(invalid(
                "the pause between two passes is below 100 ms; leave some time",
            ));
        }
        let (stop, mut stopped) = watch::channel(false);
        let (ended, done) = watch::channel(false);
        let last = Arc::new(Mutex::new(None));
        let improver = self.clone();
        let latest = Arc::clone(&last);
        let work = Box::pin(async move {
            loop {
                let pass = tokio::select! {
                    pass = caught(improver.run_once()) => Some(pass),
                    () = told_to_stop(&mut stopped) => None,
                };
                let Some(pass) = pass else {
                    // What was begun is durable as far as it came; others need not wait for the lease's end, unless a clone
                    // works.
                    if let Ok(_turn) = improver.turn.try_lock() {
                        let _ = improver.return_slot().await;
                    }
                    break;
                };
                match pass {
                    Ok(pass) => {
                        for (step, error) in &pass.problems {
                            warn!(prompt = %improver.prompt, environment = %improver.environment, step, %error,
                                "a step of the improvement loop failed and is tried again");
                        }
                        *latest.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(pass));
                    }
                    Err(error) => {
                        warn!(prompt = %improver.prompt, environment = %improver.environment, %error,
                            "the improvement loop could not look and tries again");
                    }
                }
                tokio::select! {
                    () = sleep(pause) => {}
                    () = told_to_stop(&mut stopped) => break,
                }
            }
            ended.send_replace(true);
        });
        self.with
            .deploying
            .governance
            .spawn
            .spawn(work)
            .map_err(|_| invalid("there is no tokio runtime to work on; call this within one"))?;
        Ok(ImproverHandle { stop, done, last })
    }
}

/// A pass, or that it panicked: a host's scorer or proposer may, and the next pass is made all the same.
async fn caught(pass: impl Future<Output = Result<Pass>>) -> Result<Pass> {
    let pass = AssertUnwindSafe(pass).catch_unwind().await;
    // The panic hook has reported it.
    pass.unwrap_or_else(|_| {
        Err(Error::new(
            ErrorKind::Backend,
            "a step of the pass panicked, in a scorer, a proposer, a labeller or a store",
        ))
    })
}

/// Waits until it is told to stop, or the handle is gone.
async fn told_to_stop(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

impl ImproverHandle {
    /// What the last pass did; `None` before the first has ended.
    #[must_use]
    pub fn last(&self) -> Option<Arc<Pass>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Stops, and waits for that at most so long; says whether it has stopped. What was under way is taken up by the next
    /// pass, here or elsewhere.
    pub async fn stop(mut self, deadline: Duration) -> bool {
        self.stop.send_replace(true);
        timeout(deadline, self.done.wait_for(|done| *done)).await.is_ok()
    }
}

impl fmt::Debug for ImproverHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ImproverHandle").finish_non_exhaustive()
    }
}
