//! Promotion: a version goes live, if the policy is met.

use std::fmt;
use std::future::{Future, IntoFuture};
use std::pin::Pin;

use serde_json::json;

use super::gate::Condition;
use super::history::{MoveKind, Waiver};
use super::pointer::Pointer;
use super::service::{Case, Environments, slot};
use super::store::PointerMove;
use crate::base::audit::{AuditAction, check_reason};
use crate::base::error::{Error, ErrorKind, Result, Unmet};
use crate::base::{Actor, Operation};
use crate::evaluation::Evaluation;
use crate::prompt::Version;

/// A promotion about to be made; await it.
#[must_use = "a promotion does nothing until it is awaited"]
pub struct Promotion<'a> {
    environments: &'a Environments,
    version: &'a Version,
    environment: &'a str,
    actor: &'a Actor,
    expected: Option<u64>,
    reason: String,
    waiver: Option<&'a str>,
    evaluation: Option<&'a Evaluation>,
}

impl<'a> Promotion<'a> {
    pub(super) fn new(
        environments: &'a Environments,
        version: &'a Version,
        environment: &'a str,
        actor: &'a Actor,
    ) -> Self {
        Self {
            environments,
            version,
            environment,
            actor,
            expected: None,
            reason: String::new(),
            waiver: None,
            evaluation: None,
        }
    }

    /// Goes through only if the pointer has this revision still; 0 when nothing may be live yet.
    pub fn expecting(mut self, revision: u64) -> Self {
        self.expected = Some(revision);
        self
    }

    /// Says why, for the history. Without it the history says what the evaluations showed that the policy asks for.
    pub fn reason(mut self, text: impl Into<String>) -> Self {
        self.reason = text.into();
        self
    }

    /// Sets the policy's unmet conditions aside. Only an owner may, with a reason; both are recorded, with the
    /// conditions.
    pub fn waive(mut self, reason: &'a str) -> Self {
        self.waiver = Some(reason);
        self
    }

    /// Makes the evaluations that the policy's gate asks for and that are not there: of this version, and where it must not
    /// be worse, of what is live. They are paid for as `evaluation` says, and take as long as they take.
    pub fn evaluate_missing(mut self, evaluation: &'a Evaluation) -> Self {
        self.evaluation = Some(evaluation);
        self
    }

    async fn run(self) -> Result<Pointer> {
        let environments = self.environments;
        match self.decide().await? {
            Decided::Live(pointer) => Ok(pointer),
            Decided::Move(change) => environments.commit(*change).await,
        }
    }

    /// Decides, and commits nothing: for who makes the move in a commit of their own.
    pub(crate) async fn decide(self) -> Result<Decided> {
        let said = self.said()?;
        let Self {
            environments,
            version,
            environment,
            actor,
            evaluation,
            ..
        } = self;
        let mut case = environments.case(version, environment, actor).await?;
        if let Some(evaluation) = evaluation {
            // A run of this version may show that one of what is live is missing too.
            for _ in 0..2 {
                if case.evaluation.missing.is_empty() {
                    break;
                }
                environments
                    .evaluate_missing(version, &case, evaluation, actor)
                    .await?;
                case = environments.case(version, environment, actor).await?;
            }
        }
        self.decided(case, said)
    }

    /// Decides on a case that was loaded for this version, environment and actor, and commits nothing.
    pub(crate) fn decide_on(self, case: Case) -> Result<Decided> {
        let said = self.said()?;
        self.decided(case, said)
    }

    /// The waiver's reason and the promotion's, checked.
    fn said(&self) -> Result<(Option<String>, String)> {
        self.actor.authorise(Operation::Promote)?;
        let waiver = self
            .waiver
            .map(|reason| {
                self.actor.authorise(Operation::Waive)?;
                check_reason("a waiver", reason)
            })
            .transpose()?;
        let reason = if self.reason.trim().is_empty() {
            String::new()
        } else {
            check_reason("a promotion", &self.reason)?
        };
        Ok((waiver, reason))
    }

    fn decided(self, case: Case, (waiver, reason): (Option<String>, String)) -> Result<Decided> {
        let Self {
            environments,
            version,
            actor,
            expected,
            ..
        } = self;
        if let Some(expected) = expected
            && expected != case.revision
        {
            return Err(super::refusal::revision_conflict(
                &version.prompt,
                &case.environment,
                expected,
                case.revision,
            ));
        }
        if let Some(live) = case.slots.pointer(&case.environment)
            && live.version == version.number
            && live.closure_hash == case.closure.hash
        {
            return Ok(Decided::Live(live.clone()));
        }
        let reason = if reason.is_empty() {
            evidence_in_words(&case.conditions)
        } else {
            reason
        };
        let found: Vec<_> = case
            .conditions
            .iter()
            .map(|condition| json!({ "met": condition.met, "condition": condition.detail }))
            .collect();
        let waiver = set_aside(case.conditions, waiver, || {
            format!("{version} may not go live in {}", case.environment)
        })?;
        let detail = json!({
            "from": case.slots.pointer(&case.environment).map(|pointer| pointer.version),
            "to": version.number,
            "closure_hash": case.closure.hash,
            "revision": case.revision + 1,
            "reason": reason,
            "waiver": waiver,
            "policy": case.policy,
            "conditions": found,
        });
        let audit = environments.audit(
            actor,
            AuditAction::Promote,
            slot(&version.prompt, &case.environment),
            &detail,
        );
        Ok(Decided::Move(Box::new(PointerMove {
            tenant: environments.tenant.clone(),
            prompt: version.prompt.clone(),
            environment: case.environment,
            kind: MoveKind::Promote,
            to: version.number,
            hash: version.hash,
            closure_hash: case.closure.hash,
            expected_revision: case.revision,
            policy_revision: case.slots.policy_revision,
            source: case.source,
            actor: actor.clone(),
            reason,
            waiver,
            at: audit.at,
            audit,
        })))
    }
}

/// What a promotion comes to.
pub(crate) enum Decided {
    /// It is live already.
    Live(Pointer),
    /// This move is to be committed.
    Move(Box<PointerMove>),
}

/// The waiver of what is not met, where there is something and a reason to set it aside.
///
/// # Errors
/// [`Refused`](ErrorKind::Refused), in the words given, listing what is not met, without a reason.
pub(crate) fn set_aside(
    conditions: Vec<Condition>,
    reason: Option<String>,
    refusal: impl FnOnce() -> String,
) -> Result<Option<Waiver>> {
    let unmet: Vec<Unmet> = conditions
        .into_iter()
        .filter(|condition| !condition.met)
        .map(|condition| condition.detail)
        .collect();
    match reason {
        // Nothing to set aside.
        _ if unmet.is_empty() => Ok(None),
        Some(reason) => Ok(Some(Waiver { reason, unmet })),
        None => Err(Error::new(ErrorKind::Refused, refusal()).with_unmet(unmet)),
    }
}

/// What evaluations showed, as the reason of a promotion whose caller gives none.
fn evidence_in_words(conditions: &[Condition]) -> String {
    let is_evaluation = |name: &str| {
        let name = name.split(' ').next().unwrap_or_default();
        ["evaluation", "evaluation_floor", "no_regression"].contains(&name)
    };
    let words = conditions
        .iter()
        .filter(|condition| condition.met && is_evaluation(&condition.detail.condition))
        .map(|condition| condition.detail.to_string());
    words.collect::<Vec<_>>().join("; ")
}

impl<'a> IntoFuture for Promotion<'a> {
    type Output = Result<Pointer>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send + 'a>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}

impl fmt::Debug for Promotion<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Promotion({} to {})", self.version, self.environment)
    }
}
