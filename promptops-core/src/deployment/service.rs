//! Deployments of one tenant: load, decide, commit.

use std::fmt;
use std::sync::Arc;

use super::commands::{Command, Doing};
use super::document::Document;
use super::machine::Step;
use super::propose::Propose;
use super::record::{Deployment, SlotControl, Transition};
use super::refusal;
use super::settings::DeploymentSettings;
use super::ship::Ship;
use super::state::State;
use super::store::{DeploymentFilter, DeploymentStore};
use crate::base::error::{Error, ErrorKind, Result};
use crate::base::{
    Actor, CommandKey, DeploymentId, DocumentHash, EnvironmentName, IdSource, Page, PageRequest, PromptName,
    TenantId,
};
use crate::environment::{Environments, Governance};
use crate::prompt::Version;

/// What deployments work with.
#[derive(Clone)]
pub struct Deploying {
    /// Where deployments are kept.
    pub deployments: Arc<dyn DeploymentStore>,
    /// By whose policies they go live.
    pub governance: Governance,
    /// Where ids come from.
    pub ids: Arc<dyn IdSource>,
    /// What may happen without a person.
    pub settings: DeploymentSettings,
}

/// The deployments of one tenant.
#[derive(Clone)]
pub struct Deployments {
    pub(super) with: Deploying,
    pub(super) tenant: TenantId,
}

impl Deployments {
    /// The deployments of this tenant.
    #[must_use]
    pub fn new(with: Deploying, tenant: TenantId) -> Self {
        Self { with, tenant }
    }

    /// Proposes a version for an environment: a person's own edit, or a version from anywhere else. Await what is returned;
    /// before that, say more about it.
    ///
    /// # Errors
    /// [`AlreadyExists`](ErrorKind::AlreadyExists) when the same text is live there or on its way, or, where automation
    /// proposes it, was rejected or rolled back there; [`Forbidden`](ErrorKind::Forbidden) for a role that may not;
    /// [`NotFound`](ErrorKind::NotFound) for an unknown environment or an inherited version;
    /// [`IllegalTransition`](ErrorKind::IllegalTransition) for an archived one; [`Conflict`](ErrorKind::Conflict) when the
    /// pointer moves meanwhile; what resolving the version's snippets fails with; the backend's errors.
    pub fn propose<'a>(
        &'a self,
        version: &'a Version,
        environment: &'a str,
        actor: &'a Actor,
    ) -> Propose<'a> {
        Propose::new(self, version, environment, actor)
    }

    /// A deployment.
    ///
    /// # Errors
    /// [`NotFound`](ErrorKind::NotFound); the backend's errors.
    pub async fn get(&self, id: &DeploymentId) -> Result<Deployment> {
        self.with
            .deployments
            .deployment(&self.tenant, id)
            .await?
            .ok_or_else(|| refusal::unknown_deployment(id).with("tenant", &self.tenant))
    }

    /// Deployments, the newest first.
    ///
    /// # Errors
    /// [`Invalid`](ErrorKind::Invalid) for a foreign cursor; the backend's errors.
    pub async fn list(&self, filter: &DeploymentFilter, page: &PageRequest) -> Result<Page<Deployment>> {
        self.with
            .deployments
            .deployments(&self.tenant, filter, page)
            .await
    }

    /// What has regressed, is live, and waits for somebody: what a banner shows. At most a page of them.
    ///
    /// # Errors
    /// The backend's errors.
    pub async fn open_regressions(&self) -> Result<Vec<Deployment>> {
        let filter = DeploymentFilter {
            state: Some(State::Regressed),
            has_slot: Some(true),
            ..DeploymentFilter::default()
        };
        Ok(self.list(&filter, &PageRequest::default()).await?.items)
    }

    /// All steps of a deployment, the first one first.
    ///
    /// # Errors
    /// [`NotFound`](ErrorKind::NotFound); the backend's errors.
    pub async fn transitions(&self, id: &DeploymentId) -> Result<Vec<Transition>> {
        let transitions = self.with.deployments.transitions(&self.tenant, id).await?;
        if transitions.is_empty() {
            return Err(refusal::unknown_deployment(id).with("tenant", &self.tenant));
        }
        Ok(transitions)
    }

    /// What was kept under a hash: evidence, a proposal.
    ///
    /// # Errors
    /// [`NotFound`](ErrorKind::NotFound); [`Corrupt`](ErrorKind::Corrupt) for a text that was changed; the backend's errors.
    pub async fn document(&self, hash: &DocumentHash) -> Result<Document> {
        let document = self.with.deployments.document(&self.tenant, hash).await?;
        let document = document.ok_or_else(|| {
            Error::new(
                ErrorKind::NotFound,
                format!("there is no document {hash}; take the hash from a deployment"),
            )
            .with("tenant", &self.tenant)
        })?;
        if document.hash() == *hash {
            Ok(document)
        } else {
            Err(crate::base::stored::corrupt("document").with("hash", hash))
        }
    }

    /// What is known of a slot: whether somebody holds it.
    ///
    /// # Errors
    /// [`Invalid`](ErrorKind::Invalid) for a text that is no name; the backend's errors.
    pub async fn slot(&self, prompt: &str, environment: &str) -> Result<SlotControl> {
        let (prompt, environment) = (PromptName::new(prompt)?, EnvironmentName::new(environment)?);
        self.with
            .deployments
            .slot_control(&self.tenant, &prompt, &environment)
            .await
    }

    /// Approves a candidate that passed its replay and ships it: it is live when this returns, and watched. Await what is
    /// returned; before that, say more about it: a waiver, a key.
    ///
    /// The environment's policy is asked as for any promotion.
    ///
    /// # Errors
    /// [`Forbidden`](ErrorKind::Forbidden) for who is no owner; [`StaleBase`](ErrorKind::StaleBase) when something else is
    /// live than what the candidate was compared with; [`Refused`](ErrorKind::Refused) listing whatever else is not met, the
    /// policy's conditions among it; [`IllegalTransition`](ErrorKind::IllegalTransition) from another state;
    /// [`Conflict`](ErrorKind::Conflict) when somebody else was faster; [`NotFound`](ErrorKind::NotFound); the backend's
    /// errors.
    pub fn approve<'a>(&'a self, id: &'a DeploymentId, actor: &'a Actor) -> Ship<'a> {
        Ship::new(self, id, actor)
    }

    /// Does not let a candidate in. Final. Await what is returned.
    ///
    /// # Errors
    /// [`Forbidden`](ErrorKind::Forbidden) for who is no owner; [`Invalid`](ErrorKind::Invalid) without a reason;
    /// [`IllegalTransition`](ErrorKind::IllegalTransition) once it was shipped; [`Conflict`](ErrorKind::Conflict) when
    /// somebody else was faster; [`NotFound`](ErrorKind::NotFound); the backend's errors.
    pub fn reject<'a>(&'a self, id: &'a DeploymentId, reason: &'a str, actor: &'a Actor) -> Command<'a> {
        Command::new(self, Doing::Reject, id, reason, actor)
    }

    /// Makes live again what was live before a deployment. Final. Await what is returned.
    ///
    /// # Errors
    /// [`NotLive`](ErrorKind::NotLive) when something else is live; otherwise as [`reject`](Self::reject), and what a
    /// [rollback](Environments::rollback) of the environment is refused for.
    pub fn roll_back<'a>(&'a self, id: &'a DeploymentId, reason: &'a str, actor: &'a Actor) -> Command<'a> {
        Command::new(self, Doing::RollBack, id, reason, actor)
    }

    /// Keeps a deployment that was found to have regressed, and watches it anew. Await what is returned.
    ///
    /// # Errors
    /// As [`reject`](Self::reject).
    pub fn override_regression<'a>(
        &'a self,
        id: &'a DeploymentId,
        reason: &'a str,
        actor: &'a Actor,
    ) -> Command<'a> {
        Command::new(self, Doing::Override, id, reason, actor)
    }

    /// The deployment that has the slot.
    pub(super) async fn holder(
        &self,
        prompt: &PromptName,
        environment: &EnvironmentName,
    ) -> Result<Option<Deployment>> {
        let filter = DeploymentFilter {
            prompt: Some(prompt.clone()),
            environment: Some(environment.clone()),
            has_slot: Some(true),
            ..DeploymentFilter::default()
        };
        let page = self.list(&filter, &PageRequest::first(1)).await?;
        Ok(page.items.into_iter().next())
    }

    /// Carries out a command, unless one of its key was: then what that came to.
    ///
    /// # Errors
    /// [`AlreadyExists`](ErrorKind::AlreadyExists) when the key is another command's; those of the command.
    pub(super) async fn once(
        &self,
        key: Option<&CommandKey>,
        id: Option<&DeploymentId>,
        step: Step,
        command: impl Future<Output = Result<Deployment>>,
    ) -> Result<Deployment> {
        if let Some(done) = self.carried_out(key, id, step).await? {
            return Ok(done);
        }
        match command.await {
            // The same command may have been sent twice at once.
            Err(error) if matches!(error.kind(), ErrorKind::AlreadyExists | ErrorKind::Conflict) => {
                self.carried_out(key, id, step).await?.ok_or(error)
            }
            done => done,
        }
    }

    /// The deployment that a command of this key was carried out on, if it was.
    ///
    /// # Errors
    /// [`AlreadyExists`](ErrorKind::AlreadyExists) when the key is another command's.
    async fn carried_out(
        &self,
        key: Option<&CommandKey>,
        id: Option<&DeploymentId>,
        step: Step,
    ) -> Result<Option<Deployment>> {
        let Some(key) = key else { return Ok(None) };
        match self.with.deployments.transition_of_key(&self.tenant, key).await? {
            None => Ok(None),
            Some(done) if done.step == step && id.is_none_or(|id| *id == done.deployment) => {
                Ok(Some(self.get(&done.deployment).await?))
            }
            Some(_) => Err(refusal::key_is_taken(key)),
        }
    }

    pub(super) fn environments(&self) -> Environments {
        Environments::new(self.with.governance.clone(), self.tenant.clone())
    }
}

impl fmt::Debug for Deployments {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deployments")
            .field("tenant", &self.tenant)
            .finish_non_exhaustive()
    }
}
