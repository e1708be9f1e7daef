//! One pass over a slot, and what it did.

use std::fmt;

use super::improver::{Improver, Live};
use crate::base::error::{Error, ErrorKind, Result};
use crate::base::{Actor, AttemptId, ClusterId, DeploymentId, Timestamp, VersionNumber};
use crate::deployment::State;
use crate::improvement::control::Stopped;
use crate::improvement::monitor::Alarm;

/// Who ships by itself.
const AUTO_SHIP: &str = "auto_ship";

/// What one pass did.
#[derive(Debug)]
#[non_exhaustive]
pub struct Pass {
    /// Whether there was anything to do for this worker.
    pub state: PassState,
    /// What was done, in order.
    pub did: Vec<Done>,
    /// What could not be done, with the step that could not; the other steps were. It is tried again with the next pass.
    pub problems: Vec<(&'static str, Error)>,
}

/// Whether a pass worked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PassState {
    /// It did what there was to do.
    Worked,
    /// Another worker has the prompt and environment.
    Busy {
        /// Which.
        worker: String,
        /// Until when.
        until: Timestamp,
    },
    /// Automatic improvement is stopped for the tenant: what is live was watched, and nothing was changed.
    Stopped(Stopped),
}

/// Something that a pass did.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Done {
    /// Somebody moved the pointer past a deployment.
    Reconciled {
        /// The deployment.
        deployment: DeploymentId,
        /// Where it is now.
        state: State,
    },
    /// Failures were looked at, and something about clusters is new.
    Clustered {
        /// New ones.
        opened: Vec<ClusterId>,
        /// Resolved ones that came back.
        reopened: Vec<ClusterId>,
        /// Known ones with new members.
        seen: usize,
    },
    /// A better text was looked for.
    Attempted {
        /// The attempt.
        attempt: AttemptId,
        /// The cluster.
        cluster: ClusterId,
        /// What came of it; `None` when nothing did.
        deployment: Option<DeploymentId>,
        /// In plain words.
        reason: String,
    },
    /// A candidate was replayed beside what is live.
    Replayed {
        /// The deployment.
        deployment: DeploymentId,
        /// Where it is now.
        state: State,
        /// Why.
        reason: String,
    },
    /// A candidate was shipped by itself.
    Shipped {
        /// The deployment.
        deployment: DeploymentId,
    },
    /// A watch raised an alarm.
    Alarm {
        /// The deployment, or the one whose rollback restored what is watched.
        deployment: DeploymentId,
        /// The alarm.
        alarm: Alarm,
    },
    /// A deployment was found to do harm.
    Regressed {
        /// The deployment.
        deployment: DeploymentId,
        /// Why.
        reason: String,
    },
    /// An alarm was not a deployment's fault.
    Drift {
        /// The deployment.
        deployment: DeploymentId,
        /// Why.
        reason: String,
    },
    /// A deployment was rolled back.
    RolledBack {
        /// The deployment.
        deployment: DeploymentId,
        /// What is live again.
        restored: Option<VersionNumber>,
    },
    /// A deployment does harm, and is not rolled back by itself.
    LeftToPeople {
        /// The deployment.
        deployment: DeploymentId,
        /// Why not.
        reason: String,
    },
    /// A watch ended well.
    Cleared {
        /// The deployment.
        deployment: DeploymentId,
    },
    /// A watch ended without having seen anything.
    NoData {
        /// The deployment.
        deployment: DeploymentId,
    },
    /// A watch began anew.
    WatchedAnew {
        /// The deployment.
        deployment: DeploymentId,
        /// Why.
        reason: String,
    },
}

impl Pass {
    fn new(state: PassState) -> Self {
        Self {
            state,
            did: Vec::new(),
            problems: Vec::new(),
        }
    }

    pub(super) fn did(&mut self, done: Done) {
        self.did.push(done);
    }

    pub(super) fn problem(&mut self, step: &'static str, error: Error) {
        self.problems.push((step, error));
    }

    /// Notes an error as a problem of a step.
    fn note(&mut self, step: &'static str, done: Result<()>) {
        if let Err(error) = done {
            self.problem(step, error);
        }
    }
}

impl Improver {
    /// One pass: what was moved by hand is noticed; what is live is watched, and rolled back where it does harm; candidates
    /// are replayed, and shipped where that is switched on; failures are grouped; a better text is looked for. Does nothing
    /// while another worker has the prompt and environment.
    ///
    /// Each step is durable once it is done, and no step is done twice: whatever happens to this process, the next pass, here
    /// or elsewhere, goes on where it was. Dropping the future is as good as that.
    ///
    /// # Errors
    /// [`Conflict`](ErrorKind::Conflict) when this worker was away for longer than its lease and another one took over; the
    /// backend's, when it is not known who has the slot or whether it is stopped. What goes wrong in one step is among
    /// the [`problems`](Pass::problems) and keeps no other from being done.
    pub async fn run_once(&self) -> Result<Pass> {
        // A lease tells workers apart, and clones are one.
        let _turn = self.turn.lock().await;
        if let Err(holder) = self.take_slot().await? {
            return Ok(Pass::new(PassState::Busy {
                worker: holder.worker,
                until: holder.until,
            }));
        }
        let done = self.keeping(None, Box::pin(self.pass())).await;
        // Who comes next need not wait for the lease to end.
        let returned = self.return_slot().await;
        let mut pass = done?;
        pass.note("return", returned);
        Ok(pass)
    }

    async fn pass(&self) -> Result<Pass> {
        let control = self.with.control(&self.tenant).await?;
        if let Some(stopped) = control.stopped {
            let mut pass = Pass::new(PassState::Stopped(stopped));
            let live = self.live().await?;
            let watched = Box::pin(self.watch(live, false, &mut pass)).await;
            pass.note("watch", watched);
            return Ok(pass);
        }
        let mut pass = Pass::new(PassState::Worked);
        match Box::pin(self.deployments().reconcile()).await {
            Ok(changed) => changed.into_iter().for_each(|deployment| {
                pass.did(Done::Reconciled {
                    deployment: deployment.id,
                    state: deployment.state,
                });
            }),
            Err(error) => pass.problem("reconcile", error),
        }
        let watched = match self.live().await {
            Ok(live) => Box::pin(self.watch(live, true, &mut pass)).await,
            Err(error) => Err(error),
        };
        pass.note("watch", watched);
        // After the watch: it may have rolled back.
        let improved = match self.live().await {
            Ok(live) => Box::pin(self.improve(live, &mut pass)).await,
            Err(error) => Err(error),
        };
        pass.note("improve", improved);
        Ok(pass)
    }

    async fn improve(&self, live: Option<Live>, pass: &mut Pass) -> Result<()> {
        let traces = self.recent().await?;
        let replayed = Box::pin(self.replay_candidates(live, &traces, pass)).await;
        pass.note("replay", replayed);
        let shipped = Box::pin(self.ship_by_itself(pass)).await;
        pass.note("ship", shipped);
        // Of what is not live nothing fails.
        let Some(live) = live else {
            return Ok(());
        };
        // What is live now is not what was looked at: the next pass begins with that.
        if self.live().await? != Some(live) || !self.is_on().await? {
            return Ok(());
        }
        let clustered = Box::pin(self.look_at_failures(live, &traces, pass)).await;
        pass.note("clusters", clustered);
        let attempted = Box::pin(self.attempt(live, &traces, pass)).await;
        pass.note("propose", attempted);
        Ok(())
    }

    /// Whether nobody has stopped it meanwhile.
    pub(super) async fn is_on(&self) -> Result<bool> {
        Ok(self.with.control(&self.tenant).await?.stopped.is_none())
    }

    async fn ship_by_itself(&self, pass: &mut Pass) -> Result<()> {
        if !self.with.deploying.settings.auto_ship || !self.is_on().await? {
            return Ok(());
        }
        let actor = Actor::system(AUTO_SHIP);
        for deployment in self.before_ship().await? {
            if deployment.state != State::AbPassed {
                continue;
            }
            match self.deployments().approve(&deployment.id, &actor).await {
                Ok(deployment) => pass.did(Done::Shipped {
                    deployment: deployment.id,
                }),
                // The policy, a hold, an open watch: a person's to decide, or a later pass's.
                Err(error) if matches!(error.kind(), ErrorKind::Refused | ErrorKind::StaleBase) => {}
                Err(error) => pass.problem("ship", error.with("deployment", &deployment.id)),
            }
        }
        Ok(())
    }
}

/// One line in plain words.
impl fmt::Display for Done {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reconciled { deployment, state } => {
                write!(f, "{deployment}: somebody moved the pointer, it is {state} now")
            }
            Self::Clustered {
                opened,
                reopened,
                seen,
            } => write!(
                f,
                "clusters of failures: {} new, {} reopened, {seen} seen again",
                opened.len(),
                reopened.len()
            ),
            Self::Attempted {
                cluster,
                deployment: Some(deployment),
                reason,
                ..
            } => write!(f, "{cluster}: proposed {deployment}: {reason}"),
            Self::Attempted { cluster, reason, .. } => write!(f, "{cluster}: nothing to propose: {reason}"),
            Self::Replayed {
                deployment,
                state,
                reason,
            } => write!(f, "{deployment}: {state}: {reason}"),
            Self::Shipped { deployment } => write!(f, "{deployment}: shipped by itself"),
            Self::Alarm { deployment, alarm } => write!(f, "{deployment}: alarm: {alarm}"),
            Self::Regressed { deployment, reason } => write!(f, "{deployment}: regressed: {reason}"),
            Self::Drift { deployment, reason } => write!(f, "{deployment}: drift: {reason}"),
            Self::RolledBack {
                deployment,
                restored: Some(restored),
            } => write!(f, "{deployment}: rolled back, {restored} is live again"),
            Self::RolledBack { deployment, .. } => write!(f, "{deployment}: rolled back"),
            Self::LeftToPeople { deployment, reason } => write!(f, "{deployment}: {reason}"),
            Self::Cleared { deployment } => write!(f, "{deployment}: cleared"),
            Self::NoData { deployment } => write!(f, "{deployment}: no data"),
            Self::WatchedAnew { deployment, reason } => write!(f, "{deployment}: watched anew: {reason}"),
        }
    }
}
