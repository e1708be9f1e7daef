//! A candidate's replay, as its deployment knows of it: begun under a lease, ended with evidence. The replay itself is the
//! [improvement](crate::improvement)'s.

use std::time::Duration;

use serde_json::json;

use super::document::Document;
use super::machine::Step;
use super::record::{Base, Deployment, Evidence, Lease, Live, Verdict};
use super::refusal;
use super::service::Deployments;
use super::steps::{Said, Work};
use crate::base::error::{Error, ErrorKind, Result};
use crate::base::{Actor, ClosureHash, DeploymentId};

/// What a replay came to, about to be kept.
#[derive(Debug, Clone)]
pub(crate) struct Finding {
    pub(crate) verdict: Verdict,
    pub(crate) reason: String,
    pub(crate) base: Base,
    pub(crate) candidate: ClosureHash,
    pub(crate) report: Document,
}

impl Deployments {
    /// What is live where a deployment goes.
    pub(crate) async fn base_now(&self, deployment: &Deployment) -> Result<Base> {
        let store = &self.with.governance.environments;
        let slots = store.slots(&self.tenant, &deployment.prompt).await?;
        let pointer = slots.pointer(&deployment.environment);
        Ok(Base {
            revision: pointer.map_or(0, |pointer| pointer.revision),
            live: pointer.map(|pointer| Live {
                version: pointer.version,
                closure_hash: pointer.closure_hash,
            }),
        })
    }

    /// Begins a replay for a worker, which has it for so long. One that failed is begun again only for new evidence, which is
    /// the caller's to know.
    ///
    /// # Errors
    /// [`IllegalTransition`](ErrorKind::IllegalTransition) in a state from which none begins;
    /// [`Conflict`](ErrorKind::Conflict) when another worker was faster; [`Forbidden`](ErrorKind::Forbidden);
    /// [`NotFound`](ErrorKind::NotFound); the backend's errors.
    pub(crate) async fn start_replay(
        &self,
        id: &DeploymentId,
        worker: &str,
        lease: Duration,
        actor: &Actor,
    ) -> Result<Deployment> {
        let mut deployment = self.get(id).await?;
        let mut work = Work::new(self);
        let detail = json!({ "worker": worker });
        work.step(
            &mut deployment,
            Step::StartReplay,
            Said::new(actor, "").detail(detail),
        )?;
        deployment.lease = Some(Lease {
            worker: worker.to_owned(),
            until: work.at + lease,
        });
        work.change(deployment.clone());
        work.commit().await?;
        deployment.revision += 1;
        Ok(deployment)
    }

    /// Prolongs a worker's lease, or takes over one that has run out.
    ///
    /// # Errors
    /// [`Conflict`](ErrorKind::Conflict) when another worker has it; [`IllegalTransition`](ErrorKind::IllegalTransition) when
    /// no replay runs; [`NotFound`](ErrorKind::NotFound); the backend's errors.
    pub(crate) async fn lease_replay(
        &self,
        id: &DeploymentId,
        worker: &str,
        lease: Duration,
    ) -> Result<Deployment> {
        let mut deployment = self.get(id).await?;
        let mut work = Work::new(self);
        let until = work.at + lease;
        match &mut deployment.lease {
            Some(present) if present.worker == worker || present.until <= work.at => {
                *present = Lease {
                    worker: worker.to_owned(),
                    until,
                };
            }
            Some(present) => {
                return Err(Error::new(
                    ErrorKind::Conflict,
                    format!(
                        "the deployment {id} is being replayed by {} until {}",
                        present.worker, present.until
                    ),
                ));
            }
            None => {
                return Err(refusal::illegal_step(
                    id,
                    deployment.standing(),
                    Step::StartReplay,
                ));
            }
        }
        work.change(deployment.clone());
        work.commit().await?;
        deployment.revision += 1;
        Ok(deployment)
    }

    /// Gives a replay back that its worker did not bring to an end.
    ///
    /// # Errors
    /// [`IllegalTransition`](ErrorKind::IllegalTransition) when none runs; [`Conflict`](ErrorKind::Conflict);
    /// [`NotFound`](ErrorKind::NotFound); the backend's errors.
    pub(crate) async fn return_replay(
        &self,
        id: &DeploymentId,
        reason: &str,
        actor: &Actor,
    ) -> Result<Deployment> {
        let mut deployment = self.get(id).await?;
        let mut work = Work::new(self);
        work.step(&mut deployment, Step::ReturnReplay, Said::new(actor, reason))?;
        work.change(deployment.clone());
        work.commit().await?;
        deployment.revision += 1;
        Ok(deployment)
    }

    /// Ends a worker's replay with what it showed, and keeps the report.
    ///
    /// # Errors
    /// [`Conflict`](ErrorKind::Conflict) when the worker lost its lease; [`IllegalTransition`](ErrorKind::IllegalTransition)
    /// when none runs; [`NotFound`](ErrorKind::NotFound); the backend's errors.
    pub(crate) async fn finish_replay(
        &self,
        id: &DeploymentId,
        worker: &str,
        finding: Finding,
        actor: &Actor,
    ) -> Result<Deployment> {
        let mut deployment = self.get(id).await?;
        if deployment
            .lease
            .as_ref()
            .is_some_and(|lease| lease.worker != worker)
        {
            return Err(Error::new(
                ErrorKind::Conflict,
                format!(
                    "the deployment {id} is being replayed by somebody else now; this worker was too slow"
                ),
            ));
        }
        let mut work = Work::new(self);
        let step = match finding.verdict {
            Verdict::Passed => Step::PassReplay,
            Verdict::Failed | Verdict::Inconclusive => Step::FailReplay,
        };
        let number = deployment.evidence.as_ref().map_or(0, |evidence| evidence.number) + 1;
        let evidence = Evidence {
            verdict: finding.verdict,
            reason: finding.reason,
            base: finding.base,
            candidate: finding.candidate,
            report: finding.report.hash(),
            number,
            at: work.at,
        };
        let detail = json!({ "evidence": evidence });
        let reason = evidence.reason.clone();
        work.step(&mut deployment, step, Said::new(actor, &reason).detail(detail))?;
        deployment.evidence = Some(evidence);
        work.commit.documents.push(finding.report);
        work.change(deployment.clone());
        work.commit().await?;
        deployment.revision += 1;
        Ok(deployment)
    }
}
