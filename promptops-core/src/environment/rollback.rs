//! Rollback: what was live before goes live again.

use std::fmt;
use std::future::{Future, IntoFuture};
use std::pin::Pin;

use serde_json::json;

use super::history::{MoveKind, predecessor};
use super::pointer::Pointer;
use super::service::{Environments, slot};
use super::store::PointerMove;
use crate::base::audit::{AuditAction, check_reason};
use crate::base::error::{Error, ErrorKind, Result, invalid};
use crate::base::{Actor, EnvironmentName, Operation, PageRequest, PromptName, Role, VersionNumber};
use crate::prompt::{Lookup, Reference};

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

    /// Goes back to this version, which must have been live in the environment before.
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
        let to = match to {
            None => predecessor(moves).ok_or_else(|| {
                Error::new(
                    ErrorKind::NotFound,
                    format!(
                        "nothing was live in {environment} before {prompt} {}; promote another version",
                        live.version
                    ),
                )
            })?,
            Some(to) if to == live.version => {
                return Err(invalid(format!("{prompt} {to} is live in {environment} already")));
            }
            Some(to) if moves.iter().any(|(_, version)| *version == to) => to,
            Some(to) => {
                return Err(Error::new(
                    ErrorKind::NotFound,
                    format!("{prompt} {to} was never live in {environment}; promote it instead"),
                ));
            }
        };
        let reference = Reference::version(prompt.clone(), to);
        let lookups = governance
            .prompts
            .find(tenant, std::slice::from_ref(&reference))
            .await?;
        let version = match lookups.into_iter().next() {
            Some(Lookup::Found(found)) => found.version,
            Some(Lookup::Missing(missing)) => return Err(missing.error(tenant, &reference)),
            None => {
                return Err(Error::new(
                    ErrorKind::Backend,
                    "the store answered nothing where a version was asked for",
                ));
            }
        };
        let closure = governance.compiler.closure(tenant, version.as_ref()).await?;
        let detail = json!({
            "from": live.version,
            "to": to,
            "closure_hash": closure.hash,
            "revision": live.revision + 1,
            "reason": reason,
        });
        let audit = environments.audit(actor, AuditAction::Rollback, slot(&prompt, &environment), &detail);
        environments
            .commit(PointerMove {
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
            .await
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
