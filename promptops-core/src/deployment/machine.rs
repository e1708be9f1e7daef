//! The state machine: one pure function says what a step comes to, and who may take it.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::record::Transition;
use super::refusal;
use super::state::{MonitorOutcome, State};
use crate::base::error::{Error, ErrorKind, Result};
use crate::base::{Actor, DeploymentId, Operation, Role, text_enum};

text_enum! {
    /// What is done to a deployment.
    Step, "step of a deployment", {
        /// It comes to be.
        Propose = "propose",
        /// A replay against what is live begins.
        StartReplay = "start_replay",
        /// The replay showed that the candidate can be shipped.
        PassReplay = "pass_replay",
        /// The replay did not show it.
        FailReplay = "fail_replay",
        /// Who replayed did not come to an end.
        ReturnReplay = "return_replay",
        /// An owner does not let it in.
        Reject = "reject",
        /// It begins anew against what is live now, as another deployment.
        Rebase = "rebase",
        /// It goes live: an owner approves it, or automation that was switched on does.
        Ship = "ship",
        /// Its watch begins, or begins anew.
        Watch = "watch",
        /// Its watch ends well.
        Clear = "clear",
        /// Its watch ends: all of the prompt's versions would do worse than before.
        FindDrift = "find_drift",
        /// Its watch ends without having seen anything.
        FindNoData = "find_no_data",
        /// Something else went live.
        Supersede = "supersede",
        /// It is worse than what was live before.
        Regress = "regress",
        /// An owner keeps it all the same, and its watch begins anew.
        Override = "override",
        /// What was live before goes live again.
        RollBack = "roll_back",
    }
}

/// All that a deployment's past comes to for the next step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Standing {
    /// Where it is.
    pub state: State,
    /// How its watch stands; `None` as long as it was never watched.
    pub monitor: Option<MonitorOutcome>,
    /// How often its watch began.
    pub epoch: u32,
}

impl Standing {
    /// Of a deployment that was just proposed.
    pub const PROPOSED: Self = Self {
        state: State::Proposed,
        monitor: None,
        epoch: 0,
    };

    /// Whether it has its slot: of a prompt's deployments into one environment at most one is live and not known to be
    /// well.
    #[must_use]
    pub fn has_slot(self) -> bool {
        self.state.is_shipped() && self.is_watch_open()
    }

    /// Whether its watch goes on, or never began.
    fn is_watch_open(self) -> bool {
        matches!(self.monitor, None | Some(MonitorOutcome::Open))
    }

    /// What the step leads to; `None` where it cannot be taken.
    #[must_use]
    pub fn after(self, step: Step) -> Option<Self> {
        use State::{
            AbFailed, AbPassed, AbRunning, Monitoring, Proposed, Regressed, Rejected, RolledBack, Shipped,
        };
        let is_superseded = self.monitor == Some(MonitorOutcome::Superseded);
        let is_watched = self.monitor == Some(MonitorOutcome::Open);
        let to = |state| Some(Self { state, ..self });
        let closed = |outcome| {
            is_watched.then_some(Self {
                monitor: Some(outcome),
                ..self
            })
        };
        let watched = Some(Self {
            state: Monitoring,
            monitor: Some(MonitorOutcome::Open),
            epoch: self.epoch.saturating_add(1),
        });
        match (self.state, step) {
            (Proposed | AbPassed | AbFailed, Step::StartReplay) => to(AbRunning),
            (AbRunning, Step::PassReplay) => to(AbPassed),
            (AbRunning, Step::FailReplay) => to(AbFailed),
            (AbRunning, Step::ReturnReplay) => to(Proposed),
            (Proposed | AbRunning | AbPassed | AbFailed, Step::Reject | Step::Rebase) => to(Rejected),
            (Proposed | AbPassed, Step::Ship) => to(Shipped),
            (Shipped | Monitoring, Step::Watch) if !is_superseded => watched,
            (Monitoring, Step::Clear) => closed(MonitorOutcome::Cleared),
            (Monitoring, Step::FindDrift) => closed(MonitorOutcome::Drift),
            (Monitoring, Step::FindNoData) => closed(MonitorOutcome::NoData),
            (Monitoring, Step::Regress) if is_watched => to(Regressed),
            (Regressed, Step::Override) if is_watched => watched,
            (Shipped | Monitoring | Regressed, Step::Supersede) if self.is_watch_open() => Some(Self {
                monitor: Some(MonitorOutcome::Superseded),
                ..self
            }),
            (Shipped | Monitoring | Regressed, Step::RollBack) if !is_superseded => to(RolledBack),
            _ => None,
        }
    }
}

impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.state.fmt(f)?;
        match self.monitor {
            // Of what is over, how its watch stood says nothing any more.
            Some(outcome) if !self.state.is_final() => write!(f, " ({outcome})"),
            _ => Ok(()),
        }
    }
}

impl Step {
    /// Whether this role may take the step on a deployment that stands so.
    ///
    /// Automation ([`Role::System`]) ships and rolls back too, where the
    /// [settings](super::DeploymentSettings) switch that on, and rolls back only what has regressed.
    #[must_use]
    pub fn is_allowed_to(self, role: Role, from: Standing) -> bool {
        let is_automation = role == Role::System;
        match self {
            Self::Propose
            | Self::StartReplay
            | Self::PassReplay
            | Self::FailReplay
            | Self::ReturnReplay
            | Self::Rebase => Operation::Propose.is_allowed_to(role),
            Self::Reject | Self::Override => Operation::Deploy.is_allowed_to(role),
            Self::Ship => Operation::Deploy.is_allowed_to(role) || is_automation,
            Self::RollBack => {
                Operation::Deploy.is_allowed_to(role) || (is_automation && from.state == State::Regressed)
            }
            Self::Watch => Operation::Deploy.is_allowed_to(role) || is_automation,
            Self::Clear | Self::FindDrift | Self::FindNoData | Self::Supersede | Self::Regress => {
                is_automation
            }
        }
    }

    /// Whether a person who takes it must say why.
    #[must_use]
    pub fn needs_reason(self) -> bool {
        matches!(self, Self::Reject | Self::RollBack | Self::Override)
    }
}

/// Decides what a step comes to.
///
/// # Errors
/// [`Forbidden`](ErrorKind::Forbidden) for a role that may not take it, or an actor without a well-formed id;
/// [`IllegalTransition`](ErrorKind::IllegalTransition) where it cannot be taken.
pub fn transition(id: &DeploymentId, from: Standing, step: Step, by: &Actor) -> Result<Standing> {
    // Whoever proposes may do the least; what else is needed follows.
    by.authorise(match step {
        Step::Reject | Step::Override => Operation::Deploy,
        _ => Operation::Propose,
    })?;
    if !step.is_allowed_to(by.role, from) {
        return Err(refusal::may_not(id, from, step, by));
    }
    from.after(step)
        .ok_or_else(|| refusal::illegal_step(id, from, step))
}

/// What recorded transitions come to, replayed from the first on.
///
/// # Errors
/// [`Corrupt`](ErrorKind::Corrupt), naming the transition, where one does not follow from those before it.
pub fn replayed(transitions: &[Transition]) -> Result<Standing> {
    let mut standing = Standing::PROPOSED;
    for (at, transition) in transitions.iter().enumerate() {
        let next = match (at, transition.step) {
            (0, Step::Propose) => Some(standing),
            (0, _) | (_, Step::Propose) => None,
            (_, step) => standing.after(step),
        };
        let follows = next.filter(|next| *next == transition.to && transition.number as usize == at + 1);
        standing = follows.ok_or_else(|| {
            Error::new(
                ErrorKind::Corrupt,
                format!(
                    "transition {} of the deployment {} does not follow from those before it",
                    transition.number, transition.deployment
                ),
            )
        })?;
    }
    Ok(standing)
}
