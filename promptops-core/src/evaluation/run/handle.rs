//! A run that is worked on.

use std::fmt;

use tokio::sync::{oneshot, watch};

use super::progress::Progress;
use super::runner::{Command, Finished};
use crate::base::RunId;
use crate::base::error::{Error, ErrorKind, Result};
use crate::evaluation::report::Report;
use crate::evaluation::service::Evaluations;

/// A run that this process works on in the background, with its progress.
///
/// Dropped, it takes no more entries, keeps the results of those under way, and leaves the run to be resumed.
#[must_use = "dropped, it stops working on the run; call `finish`"]
pub struct RunHandle {
    pub(super) evaluations: Evaluations,
    pub(super) id: RunId,
    pub(super) control: watch::Sender<Command>,
    pub(super) progress: watch::Receiver<Progress>,
    pub(super) done: oneshot::Receiver<Result<Finished>>,
}

impl RunHandle {
    /// The run's id, by which it can be resumed, cancelled and read from anywhere.
    #[must_use]
    pub fn id(&self) -> &RunId {
        &self.id
    }

    /// How far it is now.
    #[must_use]
    pub fn progress(&self) -> Progress {
        *self.progress.borrow()
    }

    /// Waits until it is further than this handle has said before, and says how far; `None` when this process does not work
    /// on it any more. Steps that came too fast are passed over.
    pub async fn next_progress(&mut self) -> Option<Progress> {
        self.progress.changed().await.ok()?;
        Some(*self.progress.borrow_and_update())
    }

    /// Stops the run: no further entry is asked, those under way are finished and kept. It can be resumed.
    pub fn cancel(&self) {
        // An error means that nobody works on it any more.
        let _ = self.control.send(Command::Cancel);
    }

    /// Waits until the run is complete or stopped, and reports on all its results. The report of a run that was cancelled,
    /// or whose budget is spent, is [incomplete](Report::is_complete).
    ///
    /// # Errors
    /// What made the run fail: a wrong key, a spent quota; the backend's errors. What is done is kept, and the run can be
    /// resumed.
    pub async fn finish(mut self) -> Result<Report> {
        let done = (&mut self.done).await.unwrap_or_else(|_| {
            Err(Error::new(
                ErrorKind::Unavailable,
                "the work on the run was ended, as when a runtime is shut down; what is done is kept: resume the run",
            ))
        });
        let Finished { run, report, failure } = done.map_err(|e| e.with("run", &self.id))?;
        if let Some(failure) = failure {
            return Err(failure.with("run", &run.id));
        }
        match report {
            Some(report) => Ok(report.in_state(run.state)),
            None => self.evaluations.report_of(run).await,
        }
    }
}

impl fmt::Debug for RunHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunHandle")
            .field("id", &self.id)
            .field("progress", &self.progress())
            .finish_non_exhaustive()
    }
}
