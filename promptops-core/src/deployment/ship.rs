//! Shipping: a candidate goes live, and its watch begins, in one commit.

use std::fmt;
use std::future::{Future, IntoFuture};
use std::pin::Pin;

use serde_json::json;

use super::conditions::{BASE, Facts, compared_with, conditions};
use super::machine::Step;
use super::record::{Deployment, Hold, Shipped};
use super::refusal;
use super::service::Deployments;
use super::state::State;
use super::steps::{Said, Work};
use crate::base::audit::check_reason;
use crate::base::error::{Error, ErrorKind, Result};
use crate::base::{Actor, CommandKey, DeploymentId, Operation, Role};
use crate::environment::{Decided, set_aside};
use crate::prompt::{Reference, find_version};

/// An approval about to be carried out; await it.
#[must_use = "nothing is shipped until this is awaited"]
pub struct Ship<'a> {
    deployments: &'a Deployments,
    id: &'a DeploymentId,
    actor: &'a Actor,
    reason: &'a str,
    waiver: Option<&'a str>,
    expected: Option<u64>,
    key: Option<&'a CommandKey>,
}

impl<'a> Ship<'a> {
    pub(super) fn new(deployments: &'a Deployments, id: &'a DeploymentId, actor: &'a Actor) -> Self {
        Self {
            deployments,
            id,
            actor,
            reason: "",
            waiver: None,
            expected: None,
            key: None,
        }
    }

    /// Says why, for the history. Default: what the replay showed.
    pub fn reason(mut self, text: &'a str) -> Self {
        self.reason = text;
        self
    }

    /// Sets aside whatever is not met: that nothing was replayed, that something else is live than what was compared with,
    /// that another deployment is being watched (which is superseded then), and the environment's policy. Only an owner may,
    /// with a reason; both are recorded, with the conditions.
    pub fn waive(mut self, reason: &'a str) -> Self {
        self.waiver = Some(reason);
        self
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
        let (deployments, id, key) = (self.deployments, self.id, self.key);
        deployments.once(key, Some(id), Step::Ship, self.ship()).await
    }

    async fn ship(self) -> Result<Deployment> {
        let Self {
            deployments,
            id,
            actor,
            waiver,
            ..
        } = self;
        let is_automatic = actor.role == Role::System;
        if !is_automatic {
            actor.authorise(Operation::Deploy)?;
        }
        let waiver = waiver
            .map(|reason| {
                actor.authorise(Operation::Waive)?;
                check_reason("a waiver", reason)
            })
            .transpose()?;
        let mut deployment = deployments.get(id).await?;
        if let Some(expected) = self.expected
            && expected != deployment.revision
        {
            return Err(refusal::deployment_conflict(
                id,
                expected,
                deployment.revision,
                deployment.standing(),
            ));
        }
        let governance = &deployments.with.governance;
        let (prompt, environment) = (&deployment.prompt, &deployment.environment);
        let reference = Reference::version(prompt.clone(), deployment.candidate.version);
        // At once: a store may be a network away. What changes between them is refused when it is committed.
        let (slot, version, holder) = tokio::join!(
            deployments
                .with
                .deployments
                .slot_control(&deployments.tenant, prompt, environment),
            find_version(governance.prompts.as_ref(), &deployments.tenant, &reference),
            deployments.holder(prompt, environment),
        );
        let slot = slot?;
        if is_automatic {
            may_ship_by_itself(deployments, id, slot.hold.as_ref())?;
        }
        // Before anything costly is looked at, and taken only when all is decided.
        super::machine::transition(id, deployment.standing(), Step::Ship, actor)?;
        let version = version?;
        let environments = deployments.environments();
        let case = environments
            .case(version.as_ref(), &deployment.environment, actor)
            .await?;
        let holder = holder?;
        // What somebody moved the pointer away from has the slot in name alone.
        let is_live = |holder: &Deployment| {
            holder
                .shipped
                .as_ref()
                .is_some_and(|shipped| shipped.revision == case.revision)
        };
        // And nobody would ever say of what is not watched that it is well.
        let is_in_the_way = |holder: &Deployment| is_live(holder) && holder.state != State::Shipped;
        let open = holder.as_ref().filter(|holder| is_in_the_way(holder));
        let facts = Facts {
            closure: case.closure.hash,
            revision: case.revision,
            holder: open,
            is_automatic,
        };
        let found = conditions(&deployment, &facts);
        let is_stale = found
            .iter()
            .any(|condition| !condition.met && condition.detail.condition == BASE);
        if is_stale && waiver.is_none() {
            return Err(refusal::stale_base(
                id,
                &deployment.slot(),
                compared_with(&deployment),
                case.revision,
            ));
        }
        let ours = set_aside(found, waiver.clone(), || {
            format!("{version} may not be shipped to {}", deployment.environment)
        })?;
        let evidence = deployment.evidence.as_ref();
        let reason = match (self.reason.trim(), evidence) {
            ("", Some(evidence)) => evidence.reason.clone(),
            ("", None) => waiver.clone().unwrap_or_default(),
            (reason, _) => check_reason("a ship", reason)?,
        };
        // The last that was known to be good: not what is only just being watched.
        let restores = match open.and_then(|holder| holder.shipped.as_ref()) {
            Some(shipped) => shipped.restores,
            None => case
                .slots
                .pointer(&case.environment)
                .map(|pointer| pointer.version),
        };
        let mut promotion = environments
            .promote(version.as_ref(), &deployment.environment, actor)
            .expecting(case.revision)
            .reason(reason.as_str());
        if let Some(waiver) = &waiver {
            promotion = promotion.waive(waiver);
        }
        let change = match promotion.decide_on(case)? {
            Decided::Move(change) => *change,
            Decided::Live(_) => {
                return Err(Error::new(
                    ErrorKind::AlreadyExists,
                    format!("{version} is what is live in {} already", deployment.environment),
                ));
            }
        };
        let mut work = Work::new(deployments);
        if let Some(mut holder) = holder {
            let system = Actor::system("deployments");
            let why = format!("{} was shipped", deployment.id);
            work.step(&mut holder, Step::Supersede, Said::new(&system, &why))?;
            work.change(holder);
        }
        let waiver = ours.or_else(|| change.waiver.clone());
        let detail = json!({
            "revision": change.expected_revision + 1,
            "restores": restores,
            "waiver": waiver,
            "evidence": deployment.evidence.as_ref().map(|evidence| evidence.report),
        });
        let said = Said::new(actor, &reason).key(self.key).detail(detail);
        work.step(&mut deployment, Step::Ship, said)?;
        deployment.shipped = Some(Shipped {
            revision: change.expected_revision + 1,
            restores,
            waiver,
            by: actor.clone(),
            at: work.at,
        });
        if deployments.with.settings.watch {
            let system = Actor::system("deployments");
            work.step(&mut deployment, Step::Watch, Said::new(&system, ""))?;
        }
        let shipped = work.change(deployment);
        work.guard(slot);
        work.commit.pointer = Some(change);
        work.commit().await?;
        Ok(shipped)
    }
}

fn may_ship_by_itself(deployments: &Deployments, id: &DeploymentId, hold: Option<&Hold>) -> Result<()> {
    if !deployments.with.settings.auto_ship {
        return Err(Error::new(
            ErrorKind::Forbidden,
            format!(
                "automation may not ship the deployment {id}: that is not switched on; an owner approves it"
            ),
        ));
    }
    match hold {
        Some(hold) => Err(refusal::slot_is_held(hold)),
        None => Ok(()),
    }
}

impl<'a> IntoFuture for Ship<'a> {
    type Output = Result<Deployment>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send + 'a>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}

impl fmt::Debug for Ship<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ship({})", self.id)
    }
}
