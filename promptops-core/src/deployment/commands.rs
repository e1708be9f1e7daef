//! What an owner decides on a deployment beside its ship: rejecting it, rolling it back, keeping it, holding its slot.

use std::fmt;
use std::future::{Future, IntoFuture};
use std::pin::Pin;

use serde_json::json;

use super::machine::{Step, transition};
use super::record::{Deployment, Ended, Hold, SlotControl};
use super::refusal;
use super::service::Deployments;
use super::steps::{Said, Work};
use crate::base::audit::{AuditAction, check_reason};
use crate::base::error::{Error, ErrorKind, Result};
use crate::base::{Actor, CommandKey, DeploymentId, Operation};
use crate::environment::PointerMove;

/// Which command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Doing {
    Reject,
    RollBack,
    Override,
}

impl Doing {
    fn step(self) -> Step {
        match self {
            Self::Reject => Step::Reject,
            Self::RollBack => Step::RollBack,
            Self::Override => Step::Override,
        }
    }

    fn what(self) -> &'static str {
        match self {
            Self::Reject => "a rejection",
            Self::RollBack => "a rollback",
            Self::Override => "keeping what has regressed",
        }
    }
}

/// A command about to be carried out; await it.
#[must_use = "nothing is done until this is awaited"]
pub struct Command<'a> {
    deployments: &'a Deployments,
    doing: Doing,
    id: &'a DeploymentId,
    reason: &'a str,
    actor: &'a Actor,
    expected: Option<u64>,
    key: Option<&'a CommandKey>,
}

impl<'a> Command<'a> {
    pub(super) fn new(
        deployments: &'a Deployments,
        doing: Doing,
        id: &'a DeploymentId,
        reason: &'a str,
        actor: &'a Actor,
    ) -> Self {
        Self {
            deployments,
            doing,
            id,
            reason,
            actor,
            expected: None,
            key: None,
        }
    }

    /// Goes through only if the deployment has this revision still.
    pub fn expecting(mut self, revision: u64) -> Self {
        self.expected = Some(revision);
        self
    }

    /// Gives the command a key: sent again with the same one, it returns what the first one came to.
    pub fn key(mut self, key: &'a CommandKey) -> Self {
        self.key = Some(key);
        self
    }

    async fn run(self) -> Result<Deployment> {
        let (deployments, id, key, step) = (self.deployments, self.id, self.key, self.doing.step());
        deployments.once(key, Some(id), step, self.carry_out()).await
    }

    async fn carry_out(self) -> Result<Deployment> {
        self.actor.authorise(Operation::Deploy)?;
        let reason = check_reason(self.doing.what(), self.reason)?;
        let deployment = self.deployments.get(self.id).await?;
        if let Some(expected) = self.expected
            && expected != deployment.revision
        {
            return Err(refusal::deployment_conflict(
                self.id,
                expected,
                deployment.revision,
                deployment.standing(),
            ));
        }
        let slot = self.deployments.slot_of(&deployment).await?;
        self.deployments
            .take_back(deployment, slot, self.doing.step(), &reason, self.actor, self.key)
            .await
    }
}

impl Deployments {
    pub(super) async fn slot_of(&self, deployment: &Deployment) -> Result<SlotControl> {
        self.with
            .deployments
            .slot_control(&self.tenant, &deployment.prompt, &deployment.environment)
            .await
    }

    /// Takes a step that rejects, rolls back or keeps.
    pub(super) async fn take_back(
        &self,
        mut deployment: Deployment,
        slot: SlotControl,
        step: Step,
        reason: &str,
        actor: &Actor,
        key: Option<&CommandKey>,
    ) -> Result<Deployment> {
        transition(&deployment.id, deployment.standing(), step, actor)?;
        let mut work = Work::new(self);
        if step == Step::RollBack {
            work.commit.pointer = Some(self.way_back(&deployment, reason, actor).await?);
        }
        let detail = json!({ "to": work.commit.pointer.as_ref().map(|pointer| pointer.to) });
        let said = Said::new(actor, reason).key(key).detail(detail);
        work.step(&mut deployment, step, said)?;
        if deployment.state.is_final() {
            deployment.ended = Some(Ended {
                by: actor.clone(),
                reason: reason.to_owned(),
                at: work.at,
            });
        }
        work.change(deployment.clone());
        if step != Step::Reject {
            work.guard(slot);
        }
        work.commit().await?;
        self.get(&deployment.id).await
    }

    /// The move that makes live again what was live before.
    async fn way_back(&self, deployment: &Deployment, reason: &str, actor: &Actor) -> Result<PointerMove> {
        let environments = self.environments();
        let revision = environments
            .revision(&deployment.prompt, &deployment.environment)
            .await?;
        let shipped = deployment
            .shipped
            .as_ref()
            .ok_or_else(|| crate::base::stored::corrupt("deployment"))?;
        if shipped.revision != revision {
            return Err(refusal::not_live(
                &deployment.id,
                &deployment.slot(),
                shipped.revision,
                revision,
            ));
        }
        let rollback = environments.rollback(&deployment.prompt, &deployment.environment, actor, reason);
        match shipped.restores {
            Some(version) => rollback.to(version).expecting(revision).decide().await,
            // Says that there is nothing to go back to.
            None => rollback.expecting(revision).decide().await,
        }
    }

    /// Keeps automation away from a slot: nothing is shipped or rolled back there by itself until somebody releases it.
    ///
    /// # Errors
    /// [`Forbidden`](ErrorKind::Forbidden) for who is no owner; [`Invalid`](ErrorKind::Invalid) without a reason;
    /// [`Conflict`](ErrorKind::Conflict) when something happens in the slot meanwhile; the backend's errors. A slot that is
    /// held gets the new reason.
    pub async fn hold(
        &self,
        prompt: &str,
        environment: &str,
        reason: &str,
        actor: &Actor,
    ) -> Result<SlotControl> {
        actor.authorise(Operation::Deploy)?;
        let reason = check_reason("holding a slot", reason)?;
        let slot = self.slot(prompt, environment).await?;
        let hold = Hold {
            by: actor.clone(),
            reason,
            at: self.with.governance.clock.now(),
        };
        self.set_hold(slot, Some(hold), actor).await
    }

    /// Lets automation into a slot again.
    ///
    /// # Errors
    /// [`Forbidden`](ErrorKind::Forbidden) for who is no owner; [`IllegalTransition`](ErrorKind::IllegalTransition) when
    /// nobody holds it; [`Conflict`](ErrorKind::Conflict) when something happens in the slot meanwhile; the backend's errors.
    pub async fn release(&self, prompt: &str, environment: &str, actor: &Actor) -> Result<SlotControl> {
        actor.authorise(Operation::Deploy)?;
        let slot = self.slot(prompt, environment).await?;
        if slot.hold.is_none() {
            return Err(Error::new(
                ErrorKind::IllegalTransition,
                format!("nobody holds {prompt}@{environment}; there is nothing to release"),
            ));
        }
        self.set_hold(slot, None, actor).await
    }

    pub(super) async fn set_hold(
        &self,
        mut slot: SlotControl,
        hold: Option<Hold>,
        actor: &Actor,
    ) -> Result<SlotControl> {
        let mut work = Work::new(self);
        let subject = format!("{}@{}", slot.prompt, slot.environment);
        work.audit(actor, AuditAction::HoldSlot, subject, &json!({ "hold": hold }));
        slot.hold = hold;
        let held = SlotControl {
            revision: slot.revision + 1,
            ..slot.clone()
        };
        work.guard(slot);
        work.commit().await?;
        Ok(held)
    }
}

impl<'a> IntoFuture for Command<'a> {
    type Output = Result<Deployment>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send + 'a>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}

impl fmt::Debug for Command<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}({})", self.doing, self.id)
    }
}
