//! Rollback: what was live before goes live again.

use std::fmt;
use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::sync::Arc;

use serde_json::json;

use super::history::{MoveKind, predecessors, standing};
use super::pointer::Pointer;
use super::service::{Environments, slot};
use super::store::PointerMove;
use crate::base::audit::{AuditAction, check_reason};
use crate::base::error::{Error, ErrorKind, Result, invalid};
use crate::base::{Actor, EnvironmentName, Operation, PageRequest, PromptName, Role, VersionNumber};
use crate::prompt::{Reference, Status, Version, find_version};

/// A rollback about to be made; await it.
#[must_use = "a rollback does nothing until it is awaited"]
pub struct Rollback<'a> {
    environments: &'a Environments,
    prompt: &'a str,
    environment: &'a str,
    actor: &'a Actor,
    reason: &'a str,
    to: Option<VersionNumber>,
    expected: Option<u64>,
}

impl<'a> Rollback<'a> {
    pub(super) fn new(
        environments: &'a Environments,
        prompt: &'a str,
        environment: &'a str,
        actor: &'a Actor,
        reason: &'a str,
    ) -> Self {
        Self {
            environments,
            prompt,
            environment,
            actor,
            reason,
            to: None,
            expected: None,
        }
    }

    /// Goes back to this version, which must have been live in the environment before, and not have been rolled back
    /// since: what was taken out of service comes back by a promotion, which asks the policy.
    pub fn to(mut self, version: VersionNumber) -> Self {
        self.to = Some(version);
        self
    }

    /// Goes through only if the pointer has this revision still.
    pub fn expecting(mut self, revision: u64) -> Self {
        self.expected = Some(revision);
        self
    }

    async fn run(self) -> Result<Pointer> {
        let environments = self.environments;
        let change = self.decide().await?;
        environments.commit(change).await
    }

    /// Decides, and commits nothing: for who makes the move in a commit of their own.
    pub(crate) async fn decide(self) -> Result<PointerMove> {
        let Self {
            environments,
            prompt,
            environment,
            actor,
            reason,
            to,
            expected,
        } = self;
        actor.authorise(Operation::Rollback)?;
        let reason = check_reason("a rollback", reason)?;
        let (prompt, environment) = (PromptName::new(prompt)?, EnvironmentName::new(environment)?);
        let governance = &environments.governance;
        let tenant = &environments.tenant;
        let slots = governance.environments.slots(tenant, &prompt).await?;
        let owner_only = slots.policy(&environment).is_some_and(|policy| policy.owner_only);
        if owner_only && !matches!(actor.role, Role::Owner | Role::System) {
            return Err(Error::new(
                ErrorKind::Forbidden,
                format!("{actor} may not roll back in {environment}; its policy lets only owners"),
            ));
        }
        let Some(live) = slots.pointer(&environment) else {
            let reference = Reference::environment(prompt, environment);
            return Err(crate::prompt::Missing::Promotion.error(tenant, &reference));
        };
        if let Some(expected) = expected
            && expected != live.revision
        {
            return Err(super::refusal::revision_conflict(
                &prompt,
                &environment,
                expected,
                live.revision,
            ));
        }
        let moves = environments.moves(&prompt, &environment).await?;
        let standing = standing(moves.iter().copied());
        let version = match to {
            None => {
                environments
                    .predecessor(&prompt, &environment, live.version, &predecessors(&standing))
                    .await?
            }
            Some(to) if to == live.version => {
                return Err(invalid(format!("{prompt} {to} is live in {environment} already")));
            }
            Some(to) if standing.contains(&to) => {
                let version = environments.version(&prompt, to).await?;
                if version.status == Status::Archived {
                    return Err(super::refusal::version_is_archived(&prompt, to, &environment));
                }
                version
            }
            Some(to) if moves.iter().any(|(_, version)| *version == to) => {
                return Err(super::refusal::version_was_rolled_back(&prompt, to, &environment));
            }
            Some(to) => {
                return Err(Error::new(
                    ErrorKind::NotFound,
                    format!("{prompt} {to} was never live in {environment}; promote it instead"),
                ));
            }
        };
        let to = version.number;
        let closure = governance.compiler.closure(tenant, version.as_ref()).await?;
        // What cannot be rendered must not go live, in an emergency least of all.
        governance.compiler.compile(&closure)?;
        let detail = json!({
            "from": live.version,
            "to": to,
            "closure_hash": closure.hash,
            "revision": live.revision + 1,
            "reason": reason,
        });
        let audit = environments.audit(actor, AuditAction::Rollback, slot(&prompt, &environment), &detail);
        Ok(PointerMove {
            tenant: tenant.clone(),
            prompt,
            environment,
            kind: MoveKind::Rollback,
            to,
            hash: version.hash,
            closure_hash: closure.hash,
            expected_revision: live.revision,
            policy_revision: slots.policy_revision,
            source: None,
            actor: actor.clone(),
            reason,
            waiver: None,
            at: audit.at,
            audit,
        })
    }
}

impl<'a> IntoFuture for Rollback<'a> {
    type Output = Result<Pointer>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send + 'a>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}

impl fmt::Debug for Rollback<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Rollback({}@{})", self.prompt, self.environment)
    }
}

impl Environments {
    /// The nearest of these versions that is not archived.
    async fn predecessor(
        &self,
        prompt: &PromptName,
        environment: &EnvironmentName,
        live: VersionNumber,
        predecessors: &[VersionNumber],
    ) -> Result<Arc<Version>> {
        for number in predecessors {
            let version = self.version(prompt, *number).await?;
            if version.status != Status::Archived {
                return Ok(version);
            }
        }
        let why = if predecessors.is_empty() {
            format!("nothing was live in {environment} before {prompt} {live}; promote another version")
        } else {
            format!(
                "all that was live in {environment} before {prompt} {live} is archived; take a version back into \
                 use, or promote another"
            )
        };
        Err(Error::new(ErrorKind::NotFound, why))
    }

    async fn version(&self, prompt: &PromptName, number: VersionNumber) -> Result<Arc<Version>> {
        let reference = Reference::version(prompt.clone(), number);
        find_version(self.governance.prompts.as_ref(), &self.tenant, &reference).await
    }

    /// All moves of a pointer, oldest first.
    async fn moves(
        &self,
        prompt: &PromptName,
        environment: &EnvironmentName,
    ) -> Result<Vec<(MoveKind, VersionNumber)>> {
        let mut moves = Vec::new();
        let mut page = PageRequest::first(PageRequest::MAX_LIMIT);
        loop {
            let records = self
                .governance
                .environments
                .history(&self.tenant, prompt, environment, &page)
                .await?;
            moves.extend(records.items.iter().map(|record| (record.kind, record.to)));
            match records.next {
                Some(cursor) => page = page.after(cursor),
                None => break,
            }
        }
        moves.reverse();
        Ok(moves)
    }
}
