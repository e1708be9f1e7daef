//! One worker at a time.

use std::future::Future;
use std::time::Duration;

use chrono::TimeDelta;
use tokio::time::sleep;

use super::improver::Improver;
use crate::base::error::{Error, ErrorKind, Result};
use crate::base::{DeploymentId, Timestamp};
use crate::improvement::store::SlotLease;

impl Improver {
    fn lease_until(&self) -> Timestamp {
        let lease = TimeDelta::from_std(self.plan.lease).unwrap_or(TimeDelta::MAX);
        self.now().checked_add_signed(lease).unwrap_or(Timestamp::MAX_UTC)
    }

    /// Takes the slot, or prolongs having it; the other worker's lease when that has it.
    pub(super) async fn take_slot(&self) -> Result<Result<(), SlotLease>> {
        let lease = SlotLease {
            prompt: self.prompt.clone(),
            environment: self.environment.clone(),
            worker: self.worker.clone(),
            until: self.lease_until(),
        };
        let holder = self
            .with
            .store
            .take_slot_lease(&self.tenant, lease, self.now())
            .await?;
        Ok(if holder.worker == self.worker {
            Ok(())
        } else {
            Err(holder)
        })
    }

    /// Gives the slot back.
    pub(super) async fn return_slot(&self) -> Result<()> {
        let store = &self.with.store;
        store
            .return_slot_lease(&self.tenant, &self.prompt, &self.environment, &self.worker)
            .await
    }

    /// Does work that may take longer than a lease, and keeps the slot meanwhile, and a replay where it is one.
    ///
    /// # Errors
    /// [`Conflict`](ErrorKind::Conflict) when another worker has taken the slot, as after a pause of this process: the work is
    /// dropped then. The work's own.
    pub(super) async fn keeping<T>(
        &self,
        replay: Option<&DeploymentId>,
        work: impl Future<Output = Result<T>> + Send,
    ) -> Result<T> {
        // On the heap: what a pass does is much, and a thread's stack is the host's.
        let mut work = Box::pin(work);
        let third = self.plan.lease / 3;
        loop {
            tokio::select! {
                done = &mut work => return done,
                () = sleep(third.max(Duration::from_millis(100))) => {}
            }
            match self.take_slot().await {
                Ok(Ok(())) => {}
                Ok(Err(holder)) => return Err(lost(&holder)),
                // The lease has two thirds left; the next time may go better.
                Err(_) => continue,
            }
            if let Some(replay) = replay
                && let Err(error) = self
                    .deployments()
                    .lease_replay(replay, &self.worker, self.plan.lease)
                    .await
                && matches!(error.kind(), ErrorKind::IllegalTransition)
            {
                // Somebody rejected it: nothing of what is asked still counts.
                return Err(error);
            }
        }
    }
}

fn lost(holder: &SlotLease) -> Error {
    Error::new(
        ErrorKind::Conflict,
        format!(
            "{}@{} is worked on by {} now, until {}; this worker was away for longer than its lease",
            holder.prompt, holder.environment, holder.worker, holder.until
        ),
    )
}
