//! Promotion, rollback, approval and policies of one tenant: load, decide, commit.

use std::fmt;
use std::sync::Arc;

use serde_json::json;

use super::approval::Approval;
use super::evidence::EvaluationFound;
use super::gate::{Condition, Facts, check_policy};
use super::history::{HistoryRecord, MoveKind};
use super::pointer::Pointer;
use super::policy::{Policy, PolicyRecord};
use super::promotion::Promotion;
use super::rollback::Rollback;
use super::store::{ApprovalEntry, EnvironmentStore, PointerMove, PolicyChange, Slots, SourceGuard};
use crate::base::audit::{AuditAction, AuditEntry, check_reason};
use crate::base::error::{Error, ErrorKind, Result};
use crate::base::spawn::to_completion;
use crate::base::{
    Actor, Change, Clock, EnvironmentName, Event, EventBus, Operation, Page, PageRequest, PromptName, Spawn,
    TenantId,
};
use crate::evaluation::{Evaluating, Evaluations};
use crate::observation::{Metrics, MetricsStore};
use crate::prompt::{Reference, Store, Version, own};
use crate::render::{Closure, Compiler};

/// What governing environments works with.
#[derive(Clone)]
pub struct Governance {
    /// Where pointers, policies and history are kept.
    pub environments: Arc<dyn EnvironmentStore>,
    /// Where versions are kept.
    pub prompts: Arc<dyn Store>,
    /// Where feedback is counted.
    pub metrics: Arc<dyn MetricsStore>,
    /// Where evidence is found, and made where it is missing.
    pub evaluating: Evaluating,
    /// Resolves and compiles what is to go live.
    pub compiler: Compiler,
    /// Who hears of changes.
    pub events: Arc<dyn EventBus>,
    /// Where a change is finished whose caller stopped waiting.
    pub spawn: Arc<dyn Spawn>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// The environments that every tenant has.
    pub defaults: Arc<[EnvironmentName]>,
}

/// The environments of one tenant.
#[derive(Clone)]
pub struct Environments {
    pub(super) governance: Governance,
    pub(super) tenant: TenantId,
}

/// Everything that a decision about one slot rests on.
pub(crate) struct Case {
    pub(crate) environment: EnvironmentName,
    pub(crate) slots: Slots,
    pub(super) policy: Policy,
    pub(crate) closure: Closure,
    pub(crate) revision: u64,
    pub(super) source: Option<SourceGuard>,
    pub(super) evaluation: EvaluationFound,
    pub(crate) conditions: Vec<Condition>,
}

impl Environments {
    /// The environments of this tenant.
    #[must_use]
    pub fn new(governance: Governance, tenant: TenantId) -> Self {
        Self { governance, tenant }
    }

    /// Makes a version live in an environment, if the environment's policy is met. A draft becomes active by it.
    ///
    /// Await what is returned; before that, say more about the promotion: an expected revision, a reason, a waiver.
    /// Promoting what is live already, with the same snippets, changes nothing.
    ///
    /// # Errors
    /// [`Refused`](ErrorKind::Refused) listing every unmet condition; [`Forbidden`](ErrorKind::Forbidden) for a role
    /// that may not; [`Conflict`](ErrorKind::Conflict) when somebody else moved the pointer or changed what the
    /// decision rested on; [`IllegalTransition`](ErrorKind::IllegalTransition) for an archived version;
    /// [`NotFound`](ErrorKind::NotFound) for an unknown environment or an inherited version; what resolving the
    /// version's snippets fails with; the backend's errors.
    pub fn promote<'a>(
        &'a self,
        version: &'a Version,
        environment: &'a str,
        actor: &'a Actor,
    ) -> Promotion<'a> {
        Promotion::new(self, version, environment, actor)
    }

    /// Makes the version live again that was live before the one that is live now, or a named earlier one.
    ///
    /// Await what is returned. The policy's gate is not asked: what it lets in, it let in before. So only versions
    /// come into question that were live and were not themselves rolled back. Without a named one, archived versions
    /// are passed over.
    ///
    /// Snippets that were changed since are no hindrance, so that an emergency can be met: the version goes live with
    /// its snippets as they are now, and the history records that closure. A version that cannot be rendered with them
    /// does not go live.
    ///
    /// # Errors
    /// [`Invalid`](ErrorKind::Invalid) without a reason; [`NotFound`](ErrorKind::NotFound) when there is nothing to
    /// go back to; [`IllegalTransition`](ErrorKind::IllegalTransition) for a named version that was rolled back or is
    /// archived; [`Forbidden`](ErrorKind::Forbidden), [`Conflict`](ErrorKind::Conflict) as with
    /// [`promote`](Self::promote); what resolving the version's snippets and compiling it fail with; the backend's
    /// errors.
    pub fn rollback<'a>(
        &'a self,
        prompt: &'a str,
        environment: &'a str,
        actor: &'a Actor,
        reason: &'a str,
    ) -> Rollback<'a> {
        Rollback::new(self, prompt, environment, actor, reason)
    }

    /// How the version stands with the environment's policy: every condition, met or not, in the policy's order.
    ///
    /// # Errors
    /// As [`promote`](Self::promote), but for `Refused` and `Conflict`.
    pub async fn check(&self, version: &Version, environment: &str, actor: &Actor) -> Result<Vec<Condition>> {
        Ok(self.case(version, environment, actor).await?.conditions)
    }

    /// Approves that somebody else promotes exactly this version with its snippets as they are now, on top of what is
    /// live now.
    ///
    /// # Errors
    /// [`Forbidden`](ErrorKind::Forbidden) for who is no owner; [`Conflict`](ErrorKind::Conflict) when the pointer
    /// moves meanwhile; [`NotFound`](ErrorKind::NotFound) for an unknown environment or an inherited version; the
    /// backend's errors.
    pub async fn approve(
        &self,
        version: &Version,
        environment: &str,
        actor: &Actor,
        note: &str,
    ) -> Result<Approval> {
        actor.authorise(Operation::Approve)?;
        let case = self.case(version, environment, actor).await?;
        let note = if note.trim().is_empty() {
            String::new()
        } else {
            check_reason("an approval's note", note)?
        };
        let at = self.governance.clock.now();
        let approval = Approval {
            prompt: version.prompt.clone(),
            environment: case.environment.clone(),
            version: version.number,
            closure_hash: case.closure.hash,
            base_revision: case.revision,
            approved_by: actor.clone(),
            note,
            at,
        };
        let detail = json!({
            "version": version.number,
            "closure_hash": approval.closure_hash,
            "base_revision": approval.base_revision,
            "note": approval.note,
        });
        let audit = self.audit(
            actor,
            AuditAction::Approve,
            slot(&version.prompt, &case.environment),
            &detail,
        );
        let entry = ApprovalEntry {
            tenant: self.tenant.clone(),
            approval: approval.clone(),
            audit,
        };
        self.governance.environments.approve(entry).await?;
        Ok(approval)
    }

    /// What is live in an environment.
    ///
    /// # Errors
    /// [`NotFound`](ErrorKind::NotFound) when nothing of the tenant's own is; the backend's errors.
    pub async fn get(&self, prompt: &str, environment: &str) -> Result<Pointer> {
        let (prompt, environment) = (PromptName::new(prompt)?, EnvironmentName::new(environment)?);
        let slots = self.governance.environments.slots(&self.tenant, &prompt).await?;
        slots.pointer(&environment).cloned().ok_or_else(|| {
            let reference = Reference::environment(prompt, environment);
            crate::prompt::Missing::Promotion.error(&self.tenant, &reference)
        })
    }

    /// What is live of a prompt, by environment.
    ///
    /// # Errors
    /// [`Invalid`](ErrorKind::Invalid) for a text that is no name; the backend's errors.
    pub async fn list(&self, prompt: &str) -> Result<Vec<Pointer>> {
        Ok(self
            .governance
            .environments
            .slots(&self.tenant, &PromptName::new(prompt)?)
            .await?
            .pointers)
    }

    /// The moves of one pointer, newest first.
    ///
    /// # Errors
    /// [`Invalid`](ErrorKind::Invalid) for a text that is no name or a cursor of another list; the backend's errors.
    pub async fn history(
        &self,
        prompt: &str,
        environment: &str,
        page: &PageRequest,
    ) -> Result<Page<HistoryRecord>> {
        let (prompt, environment) = (PromptName::new(prompt)?, EnvironmentName::new(environment)?);
        self.governance
            .environments
            .history(&self.tenant, &prompt, &environment, page)
            .await
    }

    /// Sets what an environment asks of every prompt that has no policy of its own there. An environment that is not
    /// one of the defaults comes to be by it.
    ///
    /// # Errors
    /// [`Forbidden`](ErrorKind::Forbidden) for who is no owner; [`Invalid`](ErrorKind::Invalid) for a rate outside of
    /// 0 ..= 1 or a source environment that is unknown; the backend's errors.
    pub async fn set_policy(&self, environment: &str, policy: Policy, actor: &Actor) -> Result<()> {
        self.change_policy(environment, None, Some(policy), actor).await
    }

    /// Sets what an environment asks of one prompt.
    ///
    /// # Errors
    /// Those of [`set_policy`](Self::set_policy).
    pub async fn set_policy_for(
        &self,
        prompt: &str,
        environment: &str,
        policy: Policy,
        actor: &Actor,
    ) -> Result<()> {
        self.change_policy(environment, Some(prompt), Some(policy), actor)
            .await
    }

    /// Removes an environment's policy, or that of one prompt there.
    ///
    /// # Errors
    /// [`NotFound`](ErrorKind::NotFound) when there is none; those of [`set_policy`](Self::set_policy).
    pub async fn remove_policy(&self, environment: &str, prompt: Option<&str>, actor: &Actor) -> Result<()> {
        self.change_policy(environment, prompt, None, actor).await
    }

    async fn change_policy(
        &self,
        environment: &str,
        prompt: Option<&str>,
        policy: Option<Policy>,
        actor: &Actor,
    ) -> Result<()> {
        actor.authorise(Operation::SetPolicy)?;
        let environment = EnvironmentName::new(environment)?;
        let prompt = prompt.map(PromptName::new).transpose()?;
        if let Some(policy) = &policy {
            policy.check(&environment)?;
            if let Some(source) = &policy.source {
                let store = &self.governance.environments;
                let records = store.policies(&self.tenant).await?;
                let pointers = match &prompt {
                    Some(prompt) => store.slots(&self.tenant, prompt).await?.pointers,
                    None => Vec::new(),
                };
                self.known(source, &records, &pointers)?;
            }
        }
        let subject = prompt
            .as_ref()
            .map_or_else(|| environment.to_string(), |prompt| slot(prompt, &environment));
        let audit = self.audit(
            actor,
            AuditAction::SetPolicy,
            subject,
            &json!({ "policy": policy }),
        );
        let change = PolicyChange {
            tenant: self.tenant.clone(),
            environment,
            prompt,
            policy,
            audit,
        };
        let this = self.clone();
        to_completion(self.governance.spawn.as_ref(), async move {
            let told = change.change();
            this.governance.environments.set_policy(change).await?;
            this.publish(told);
            Ok(())
        })
        .await
    }

    /// All policies of the tenant.
    ///
    /// # Errors
    /// The backend's errors.
    pub async fn policies(&self) -> Result<Vec<PolicyRecord>> {
        self.governance.environments.policies(&self.tenant).await
    }

    /// The policy in force for a prompt in an environment.
    ///
    /// # Errors
    /// [`Invalid`](ErrorKind::Invalid) for a text that is no name; the backend's errors.
    pub async fn policy(&self, prompt: &str, environment: &str) -> Result<Policy> {
        let environment = EnvironmentName::new(environment)?;
        let slots = self
            .governance
            .environments
            .slots(&self.tenant, &PromptName::new(prompt)?)
            .await?;
        Ok(slots.policy(&environment).cloned().unwrap_or_default())
    }

    /// The pointer's revision; 0 when nothing is live.
    pub(crate) async fn revision(&self, prompt: &PromptName, environment: &EnvironmentName) -> Result<u64> {
        let slots = self.governance.environments.slots(&self.tenant, prompt).await?;
        Ok(slots.pointer(environment).map_or(0, |pointer| pointer.revision))
    }

    /// Checks that an environment exists: one of the defaults, one that has a policy, or one in which something of the
    /// prompt is live.
    fn known(
        &self,
        environment: &EnvironmentName,
        policies: &[PolicyRecord],
        pointers: &[Pointer],
    ) -> Result<()> {
        let defaults = self.governance.defaults.iter();
        let mut names: Vec<&EnvironmentName> = defaults
            .chain(policies.iter().map(|record| &record.environment))
            .chain(pointers.iter().map(|pointer| &pointer.environment))
            .collect();
        if names.contains(&environment) {
            return Ok(());
        }
        names.sort_unstable();
        names.dedup();
        Err(Error::new(
            ErrorKind::NotFound,
            format!(
                "the environment {environment} does not exist; there are {}. Set a policy for it to make it",
                names
                    .into_iter()
                    .map(EnvironmentName::as_str)
                    .collect::<Vec<_>>()
                    .join(", ")
            ),
        )
        .with("tenant", &self.tenant))
    }

    /// Loads all facts and holds them against the policy.
    pub(crate) async fn case(&self, version: &Version, environment: &str, actor: &Actor) -> Result<Case> {
        let governance = &self.governance;
        let environment = EnvironmentName::new(environment)?;
        own(&self.tenant, version)?;
        // The store compares the hash with its own, so that nothing is decided on another text than goes live.
        if version.content.hash() != version.hash {
            return Err(crate::prompt::refusal::other_content(
                &version.prompt,
                version.number,
                &version.hash,
            ));
        }
        // What does not need the other is asked for at once: a store may be a network away.
        let (slots, closure) = tokio::try_join!(
            governance.environments.slots(&self.tenant, &version.prompt),
            governance.compiler.closure(&self.tenant, version),
        )?;
        self.known(&environment, &slots.policies, &slots.pointers)?;
        let policy = slots.policy(&environment).cloned().unwrap_or_default();
        // What cannot be rendered must not go live, whatever the policy says.
        governance.compiler.compile(&closure)?;
        let gate = &policy.gate;
        let counts =
            gate.min_usage_count > 0 || gate.min_success_rate.is_some() || gate.min_average_rating.is_some();
        let metrics = async {
            if counts {
                let metrics = &governance.metrics;
                metrics
                    .metrics(&self.tenant, &version.prompt, &closure.hash, None)
                    .await
            } else {
                Ok(Metrics::default())
            }
        };
        let evaluation = async {
            match &gate.evaluation {
                Some(required) => {
                    let live = slots.pointer(&environment);
                    self.find_evaluation(required, &version.prompt, version.number, &closure.hash, live)
                        .await
                }
                None => Ok(EvaluationFound::default()),
            }
        };
        let (metrics, evaluation) = tokio::try_join!(metrics, evaluation)?;
        let revision = slots.pointer(&environment).map_or(0, |pointer| pointer.revision);
        let in_source = policy.source.as_ref().and_then(|source| slots.pointer(source));
        let source = policy.source.as_ref().map(|source| SourceGuard {
            environment: source.clone(),
            revision: in_source.map_or(0, |pointer| pointer.revision),
        });
        let floating = closure.floating_includes(&environment);
        let conditions = check_policy(
            &policy,
            &Facts {
                actor,
                environment: &environment,
                version: version.number,
                closure_hash: closure.hash,
                live_in_source: in_source.map(|pointer| (pointer.version, pointer.closure_hash)),
                floating_includes: &floating,
                base_revision: revision,
                approvals: &slots.approvals,
                metrics,
                evaluation: evaluation.facts(),
            },
        );
        Ok(Case {
            environment,
            slots,
            policy,
            closure,
            revision,
            source,
            evaluation,
            conditions,
        })
    }

    /// The evaluations of this tenant.
    pub(super) fn evaluations(&self) -> Evaluations {
        Evaluations::new(self.governance.evaluating.clone(), self.tenant.clone())
    }

    /// Moves the pointer and tells of it, both or neither, whether or not the caller waits for the end.
    pub(super) async fn commit(&self, change: PointerMove) -> Result<Pointer> {
        let this = self.clone();
        to_completion(self.governance.spawn.as_ref(), async move {
            let (moved, activated) = (change.change(), change.activation());
            let kind = change.kind;
            let pointer = this.governance.environments.move_pointer(change).await?;
            this.publish(moved);
            // It may have activated a draft, which a rollback never does.
            if kind == MoveKind::Promote {
                this.publish(activated);
            }
            Ok(pointer)
        })
        .await
    }

    pub(super) fn audit(
        &self,
        actor: &Actor,
        action: AuditAction,
        subject: String,
        detail: &serde_json::Value,
    ) -> AuditEntry {
        AuditEntry::new(
            &self.tenant,
            self.governance.clock.now(),
            actor,
            action,
            subject,
            detail,
        )
    }

    fn publish(&self, change: Change) {
        self.governance.events.publish(&Event::Changed {
            tenant: self.tenant.clone(),
            change,
        });
    }
}

impl fmt::Debug for Environments {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Environments")
            .field("tenant", &self.tenant)
            .finish_non_exhaustive()
    }
}

pub(super) fn slot(prompt: &PromptName, environment: &EnvironmentName) -> String {
    format!("{prompt}@{environment}")
}
