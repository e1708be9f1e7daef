//! Reporting outcomes of one tenant.

use std::borrow::Borrow;
use std::fmt;
use std::time::Duration;

use super::outcome::Outcome;
use super::recorder::OutcomeRecorder;
use crate::base::TenantId;
use crate::base::error::Result;
use crate::observation::{Recorded, RecordingStats, Stamp, Verdict};

/// The outcomes of one tenant's experiments.
#[derive(Clone)]
pub struct Outcomes {
    recorder: OutcomeRecorder,
    tenant: TenantId,
}

impl Outcomes {
    /// The outcomes of this tenant.
    #[must_use]
    pub fn new(recorder: OutcomeRecorder, tenant: TenantId) -> Self {
        Self { recorder, tenant }
    }

    /// Reports how the answer with this stamp fared, for the experiment that it names: never waits, never fails. Each unit's
    /// first outcome counts. Where the stamp names no experiment that counts the unit, nothing happens.
    ///
    /// What is lost on the way is counted: see [`stats`](Self::stats), and by variant the experiment's analysis.
    pub fn record(&self, stamp: impl Borrow<Stamp>, outcome: Outcome) -> Recorded {
        self.recorder.record(&self.tenant, stamp.borrow(), outcome)
    }

    /// Reports an outcome and waits until it is stored: then it counts, or is known as a duplicate or contaminated. `None`
    /// when the stamp names no experiment that counts the unit.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) for a score that is not in 0.0 ..= 1.0, an outcome that says nothing of the
    /// experiment's goal, or a stamp that is not as it was handed out, saying what; [`NotFound`](crate::ErrorKind::NotFound)
    /// when the tenant has no such experiment; [`IllegalTransition`](crate::ErrorKind::IllegalTransition) when that is
    /// completed, or after a shutdown; the backend's errors. What the experiment refused is in the counts as invalid.
    pub async fn record_durable(
        &self,
        stamp: impl Borrow<Stamp>,
        outcome: Outcome,
    ) -> Result<Option<Verdict>> {
        let stamp = stamp.borrow().clone();
        self.recorder.record_durable(&self.tenant, &stamp, outcome).await
    }

    /// Waits until all that was reported before, of every tenant, is settled.
    ///
    /// # Errors
    /// [`Unavailable`](crate::ErrorKind::Unavailable) when the time is over before; the writer goes on.
    pub async fn flush(&self, deadline: Duration) -> Result<RecordingStats> {
        self.recorder.flush(deadline).await
    }

    /// What became of all that was reported in this process, of every tenant.
    #[must_use]
    pub fn stats(&self) -> RecordingStats {
        self.recorder.stats()
    }
}

impl fmt::Debug for Outcomes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outcomes")
            .field("tenant", &self.tenant)
            .finish_non_exhaustive()
    }
}
