//! Steps put together to one commit.

use serde_json::{Value, json};

use super::machine::{Standing, Step, transition};
use super::record::{Deployment, SlotControl, Transition};
use super::service::Deployments;
use super::store::DeploymentCommit;
use crate::base::audit::{AuditAction, AuditEntry};
use crate::base::error::Result;
use crate::base::spawn::to_completion;
use crate::base::{Actor, CommandKey, Event, Timestamp};

/// What is about to be committed.
pub(super) struct Work<'a> {
    deployments: &'a Deployments,
    pub(super) commit: DeploymentCommit,
    /// When all of it happens.
    pub(super) at: Timestamp,
}

/// Who takes a step, and what is said of it.
pub(super) struct Said<'a> {
    pub(super) by: &'a Actor,
    pub(super) reason: &'a str,
    pub(super) key: Option<&'a CommandKey>,
    pub(super) detail: Value,
}

impl<'a> Said<'a> {
    pub(super) fn new(by: &'a Actor, reason: &'a str) -> Self {
        Self {
            by,
            reason,
            key: None,
            detail: json!({}),
        }
    }

    pub(super) fn key(mut self, key: Option<&'a CommandKey>) -> Self {
        self.key = key;
        self
    }

    pub(super) fn detail(mut self, detail: Value) -> Self {
        self.detail = detail;
        self
    }
}

impl<'a> Work<'a> {
    pub(super) fn new(deployments: &'a Deployments) -> Self {
        Self {
            deployments,
            commit: DeploymentCommit::new(deployments.tenant.clone()),
            at: deployments.with.governance.clock.now(),
        }
    }

    /// Takes a step, if it may be taken.
    pub(super) fn step(&mut self, deployment: &mut Deployment, step: Step, said: Said<'_>) -> Result<()> {
        let to = transition(&deployment.id, deployment.standing(), step, said.by)?;
        self.take(deployment, step, to, said);
        Ok(())
    }

    /// Records a step that is known to lead there.
    pub(super) fn take(&mut self, deployment: &mut Deployment, step: Step, to: Standing, said: Said<'_>) {
        let from = deployment.standing();
        deployment.stand(to);
        deployment.steps += 1;
        if step != Step::StartReplay {
            deployment.lease = None;
        }
        if matches!(step, Step::Watch | Step::Override) {
            deployment.watched_since = Some(self.at);
        }
        let action = match step {
            Step::Propose => AuditAction::ProposeDeployment,
            _ => AuditAction::ChangeDeployment,
        };
        let detail = json!({
            "step": step,
            "from": from,
            "to": to,
            "reason": said.reason,
            "detail": said.detail,
        });
        self.audit(
            said.by,
            action,
            format!("{} of {}", deployment.id, deployment.slot()),
            &detail,
        );
        self.commit.transitions.push(Transition {
            deployment: deployment.id.clone(),
            number: deployment.steps,
            step,
            to,
            by: said.by.clone(),
            reason: said.reason.to_owned(),
            key: said.key.cloned(),
            detail: said.detail,
            at: self.at,
        });
    }

    pub(super) fn audit(&mut self, by: &Actor, action: AuditAction, subject: String, detail: &Value) {
        let tenant = &self.deployments.tenant;
        self.commit
            .audits
            .push(AuditEntry::new(tenant, self.at, by, action, subject, detail));
    }

    /// Puts a deployment into the commit that was there before, and returns it as it is then.
    pub(super) fn change(&mut self, mut deployment: Deployment) -> Deployment {
        deployment.revision += 1;
        self.commit.changed.push(deployment.clone());
        deployment
    }

    /// The commit is made only if nothing happened in the slot since.
    pub(super) fn guard(&mut self, mut slot: SlotControl) {
        slot.revision += 1;
        self.commit.slot = Some(slot);
    }

    /// Commits and tells of it, both or neither, whether or not the caller waits for the end.
    pub(super) async fn commit(self) -> Result<()> {
        let with = self.deployments.with.clone();
        let commit = self.commit;
        to_completion(self.deployments.with.governance.spawn.as_ref(), async move {
            let (tenant, told) = (commit.tenant.clone(), commit.changes());
            with.deployments.commit_deployments(commit).await?;
            for change in told {
                with.governance.events.publish(&Event::Changed {
                    tenant: tenant.clone(),
                    change,
                });
            }
            Ok(())
        })
        .await
    }
}
