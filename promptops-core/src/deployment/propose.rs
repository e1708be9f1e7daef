//! Proposing: a version becomes a candidate for an environment.

use std::fmt;
use std::future::{Future, IntoFuture};
use std::pin::Pin;

use serde_json::json;

use super::document::Document;
use super::machine::{Standing, Step};
use super::record::{Base, Deployment, Live, Origin, Target};
use super::refusal;
use super::service::Deployments;
use super::state::State;
use super::steps::{Said, Work};
use super::store::DeploymentFilter;
use crate::base::audit::check_text;
use crate::base::error::{Error, ErrorKind, Result, invalid};
use crate::base::{Actor, ClosureHash, CommandKey, DeploymentId, Operation, PageRequest, Role};
use crate::environment::Case;
use crate::prompt::{Reference, Version, find_version};

/// Longest rationale in bytes.
const MAX_RATIONALE_BYTES: usize = 4_000;

/// A proposal about to be made; await it.
#[must_use = "nothing is proposed until this is awaited"]
pub struct Propose<'a> {
    deployments: &'a Deployments,
    version: &'a Version,
    environment: &'a str,
    actor: &'a Actor,
    origin: Origin,
    rationale: String,
    proposal: Option<Document>,
    key: Option<&'a CommandKey>,
}

impl<'a> Propose<'a> {
    pub(super) fn new(
        deployments: &'a Deployments,
        version: &'a Version,
        environment: &'a str,
        actor: &'a Actor,
    ) -> Self {
        Self {
            deployments,
            version,
            environment,
            actor,
            origin: Origin::Author,
            rationale: String::new(),
            proposal: None,
            key: None,
        }
    }

    /// Says why it should be better. At most 4,000 bytes.
    pub fn rationale(mut self, text: impl Into<String>) -> Self {
        self.rationale = text.into();
        self
    }

    /// Says where it comes from. Default: from who proposes it.
    pub fn origin(mut self, origin: Origin) -> Self {
        self.origin = origin;
        self
    }

    /// Keeps what it was made of.
    pub fn proposal(mut self, document: Document) -> Self {
        self.proposal = Some(document);
        self
    }

    /// Gives the command a key: sent again with the same one, it returns what the first one made.
    pub fn key(mut self, key: &'a CommandKey) -> Self {
        self.key = Some(key);
        self
    }

    async fn run(self) -> Result<Deployment> {
        self.actor.authorise(Operation::Propose)?;
        let (deployments, key) = (self.deployments, self.key);
        deployments.once(key, None, Step::Propose, self.make()).await
    }

    async fn make(self) -> Result<Deployment> {
        let rationale = self.rationale.trim();
        check_text("a rationale", rationale)?;
        if rationale.len() > MAX_RATIONALE_BYTES {
            return Err(invalid(format!(
                "the rationale has {} bytes; at most {MAX_RATIONALE_BYTES} are allowed",
                rationale.len()
            )));
        }
        let case = self
            .deployments
            .environments()
            .case(self.version, self.environment, self.actor)
            .await?;
        let is_quarantined = self.deployments.is_known(&case, self.version, self.actor).await?;
        let mut work = Work::new(self.deployments);
        let mut deployment = self.deployments.proposed(
            &case,
            self.version,
            Candidate {
                origin: self.origin,
                rationale: rationale.to_owned(),
                by: self.actor,
                is_quarantined,
            },
        )?;
        deployment.proposal = self.proposal.as_ref().map(Document::hash);
        work.commit.documents.extend(self.proposal);
        let detail = json!({
            "candidate": deployment.candidate,
            "base": deployment.base,
            "origin": deployment.origin,
            "proposal": deployment.proposal,
            "is_quarantined": is_quarantined,
        });
        let said = Said::new(self.actor, rationale).key(self.key).detail(detail);
        work.take(&mut deployment, Step::Propose, Standing::PROPOSED, said);
        work.commit.created = Some(deployment.clone());
        work.commit().await?;
        Ok(deployment)
    }
}

struct Candidate<'a> {
    origin: Origin,
    rationale: String,
    by: &'a Actor,
    is_quarantined: bool,
}

impl Deployments {
    /// Checks that the candidate is not live or on its way; says whether it was not let in before.
    async fn is_known(&self, case: &Case, version: &Version, actor: &Actor) -> Result<bool> {
        let closure = case.closure.hash;
        if let Some(live) = case.slots.pointer(&case.environment)
            && live.closure_hash == closure
        {
            return Err(Error::new(
                ErrorKind::AlreadyExists,
                format!(
                    "{version} is what is live in {} already (closure {}); propose another text",
                    case.environment,
                    closure.short()
                ),
            ));
        }
        let known = self.ended_with(case, version, closure).await?;
        match known {
            Some(known) if actor.role == Role::System => {
                Err(refusal::candidate_was_refused(&closure, &known.id, known.state))
            }
            known => Ok(known.is_some()),
        }
    }

    /// A deployment of the same text that was rejected or rolled back there.
    async fn ended_with(
        &self,
        case: &Case,
        version: &Version,
        closure: ClosureHash,
    ) -> Result<Option<Deployment>> {
        let filter = DeploymentFilter {
            prompt: Some(version.prompt.clone()),
            environment: Some(case.environment.clone()),
            closure_hash: Some(closure),
            ..DeploymentFilter::default()
        };
        let mut page = PageRequest::default();
        loop {
            let found = self.list(&filter, &page).await?;
            if let Some(open) = found.items.iter().find(|of| of.state.is_before_ship()) {
                return Err(refusal::candidate_is_known(&closure, &open.id, open.state));
            }
            let is_refused = |of: &&Deployment| of.state.is_final() && of.rebased_as.is_none();
            if let Some(refused) = found.items.iter().find(is_refused) {
                return Ok(Some(refused.clone()));
            }
            match found.next {
                Some(next) => page = page.after(next),
                None => return Ok(None),
            }
        }
    }

    fn proposed(&self, case: &Case, version: &Version, candidate: Candidate<'_>) -> Result<Deployment> {
        let at = self.with.governance.clock.now();
        let live = case.slots.pointer(&case.environment);
        Ok(Deployment {
            id: DeploymentId::new(self.with.ids.id(at))?,
            prompt: version.prompt.clone(),
            environment: case.environment.clone(),
            state: State::Proposed,
            monitor: None,
            monitor_epoch: 0,
            revision: 1,
            steps: 0,
            candidate: Target {
                version: version.number,
                content_hash: version.hash,
                closure_hash: case.closure.hash,
            },
            base: Base {
                revision: case.revision,
                live: live.map(|pointer| Live {
                    version: pointer.version,
                    closure_hash: pointer.closure_hash,
                }),
            },
            origin: candidate.origin,
            rationale: candidate.rationale,
            proposal: None,
            is_quarantined: candidate.is_quarantined,
            evidence: None,
            lease: None,
            shipped: None,
            ended: None,
            rebased_as: None,
            proposed_by: candidate.by.clone(),
            proposed_at: at,
            watched_since: None,
        })
    }

    /// Begins a deployment anew against what is live now: the present one ends, and another one with the same candidate has
    /// to be replayed.
    ///
    /// # Errors
    /// [`IllegalTransition`](ErrorKind::IllegalTransition) once it was shipped or ended;
    /// [`AlreadyExists`](ErrorKind::AlreadyExists) when its candidate is live; [`Forbidden`](ErrorKind::Forbidden);
    /// [`Conflict`](ErrorKind::Conflict) when somebody else was faster; [`NotFound`](ErrorKind::NotFound); the backend's
    /// errors.
    pub async fn rebase(&self, id: &DeploymentId, actor: &Actor) -> Result<Deployment> {
        actor.authorise(Operation::Propose)?;
        let mut old = self.get(id).await?;
        let reference = Reference::version(old.prompt.clone(), old.candidate.version);
        let prompts = self.with.governance.prompts.as_ref();
        let version = find_version(prompts, &self.tenant, &reference).await?;
        let case = self
            .environments()
            .case(version.as_ref(), &old.environment, actor)
            .await?;
        if let Some(live) = case.slots.pointer(&case.environment)
            && live.closure_hash == case.closure.hash
        {
            return Err(Error::new(
                ErrorKind::AlreadyExists,
                format!("{version} is what is live in {} already", case.environment),
            ));
        }
        let mut work = Work::new(self);
        let candidate = Candidate {
            origin: Origin::Rebase { of: old.id.clone() },
            rationale: old.rationale.clone(),
            by: actor,
            is_quarantined: old.is_quarantined,
        };
        let mut new = self.proposed(&case, version.as_ref(), candidate)?;
        new.proposal = old.proposal;
        let reason = format!("begun anew as {} against what is live now", new.id);
        work.step(&mut old, Step::Rebase, Said::new(actor, &reason))?;
        old.rebased_as = Some(new.id.clone());
        work.change(old);
        let detail = json!({ "candidate": new.candidate, "base": new.base, "origin": new.origin });
        let rationale = new.rationale.clone();
        let said = Said::new(actor, &rationale).detail(detail);
        work.take(&mut new, Step::Propose, Standing::PROPOSED, said);
        work.commit.created = Some(new.clone());
        work.commit().await?;
        Ok(new)
    }
}

impl<'a> IntoFuture for Propose<'a> {
    type Output = Result<Deployment>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send + 'a>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}

impl fmt::Debug for Propose<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Propose({} for {})", self.version, self.environment)
    }
}
