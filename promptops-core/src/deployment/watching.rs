//! What becomes of a deployment after its ship without a person: its watch ends, it regresses, it is rolled back, something
//! else goes live.

use chrono::TimeDelta;
use serde_json::json;

use super::document::Document;
use super::machine::Step;
use super::record::{Deployment, Ended, Hold};
use super::refusal;
use super::service::Deployments;
use super::steps::{Said, Work};
use super::store::DeploymentFilter;
use crate::base::error::{Error, ErrorKind, Result};
use crate::base::{Actor, DeploymentId, PageRequest};
use crate::environment::{HistoryRecord, MoveKind};

/// Who rolls back by itself.
const AUTO_ROLLBACK: &str = "auto_rollback";
/// Who notices what others moved.
const RECONCILIATION: &str = "reconciliation";

impl Deployments {
    /// Ends a watch, begins it anew, or finds that the deployment has regressed, with the evidence for it.
    ///
    /// # Errors
    /// [`IllegalTransition`](ErrorKind::IllegalTransition) where the step cannot be taken; [`Forbidden`](ErrorKind::Forbidden);
    /// [`Conflict`](ErrorKind::Conflict) when something happens in the slot meanwhile; [`NotFound`](ErrorKind::NotFound); the
    /// backend's errors.
    pub(crate) async fn observe(
        &self,
        id: &DeploymentId,
        step: Step,
        reason: &str,
        evidence: Option<Document>,
        actor: &Actor,
    ) -> Result<Deployment> {
        let mut deployment = self.get(id).await?;
        let slot = self.slot_of(&deployment).await?;
        let mut work = Work::new(self);
        let detail = json!({ "evidence": evidence.as_ref().map(Document::hash) });
        work.step(&mut deployment, step, Said::new(actor, reason).detail(detail))?;
        work.commit.documents.extend(evidence);
        work.change(deployment.clone());
        work.guard(slot);
        work.commit().await?;
        deployment.revision += 1;
        Ok(deployment)
    }

    /// Rolls back by itself what has regressed, where that is switched on and nobody holds the slot. A second time within
    /// the cooldown the slot is held instead, until an owner releases it.
    ///
    /// # Errors
    /// [`Refused`](ErrorKind::Refused) saying why it is not rolled back; otherwise as [`roll_back`](Self::roll_back).
    pub(crate) async fn roll_back_by_itself(&self, id: &DeploymentId, reason: &str) -> Result<Deployment> {
        let actor = Actor::system(AUTO_ROLLBACK);
        let deployment = self.get(id).await?;
        let mut slot = self.slot_of(&deployment).await?;
        if !self.with.settings.auto_rollback {
            return Err(Error::new(
                ErrorKind::Refused,
                format!(
                    "the deployment {id} is not rolled back by itself: that is not switched on; an owner rolls it back or keeps it"
                ),
            ));
        }
        if let Some(hold) = &slot.hold {
            return Err(refusal::slot_is_held(hold));
        }
        let now = self.with.governance.clock.now();
        let cooldown = TimeDelta::from_std(self.with.settings.cooldown).unwrap_or(TimeDelta::MAX);
        if let Some(last) = slot.last_auto_rollback
            && now.signed_duration_since(last) < cooldown
        {
            let hold = Hold {
                by: actor.clone(),
                reason: format!(
                    "{id} has regressed, and another deployment was rolled back by itself at {last}: a person is to look"
                ),
                at: now,
            };
            let held = refusal::slot_is_held(&hold);
            self.set_hold(slot, Some(hold), &actor).await?;
            return Err(held);
        }
        slot.last_auto_rollback = Some(now);
        self.take_back(deployment, slot, Step::RollBack, reason, &actor, None)
            .await
    }

    /// Brings deployments that have their slot in line with the pointers: of what somebody rolled back or replaced in the
    /// environment itself, past its deployment, it is recorded. To be called when a host begins, and now and then. Returns
    /// what was changed.
    ///
    /// # Errors
    /// The backend's errors; [`Conflict`](ErrorKind::Conflict) is none: what somebody else changed meanwhile is left to the
    /// next time.
    pub async fn reconcile(&self) -> Result<Vec<Deployment>> {
        let filter = DeploymentFilter {
            has_slot: Some(true),
            ..DeploymentFilter::default()
        };
        let mut page = PageRequest::default();
        let mut changed = Vec::new();
        loop {
            let found = self.list(&filter, &page).await?;
            for deployment in found.items {
                match self.reconcile_one(deployment).await {
                    Ok(deployment) => changed.extend(deployment),
                    Err(error) if error.kind() == ErrorKind::Conflict => {}
                    Err(error) => return Err(error),
                }
            }
            match found.next {
                Some(next) => page = page.after(next),
                None => return Ok(changed),
            }
        }
    }

    async fn reconcile_one(&self, mut deployment: Deployment) -> Result<Option<Deployment>> {
        let Some(revision) = deployment.shipped.as_ref().map(|shipped| shipped.revision) else {
            return Err(crate::base::stored::corrupt("deployment").with("deployment", &deployment.id));
        };
        let slot = self.slot_of(&deployment).await?;
        let environments = self.environments();
        let current = environments
            .revision(&deployment.prompt, &deployment.environment)
            .await?;
        if current <= revision {
            return Ok(None);
        }
        let next = self.next_move(&deployment, revision).await?;
        let mut work = Work::new(self);
        let standing = deployment.standing();
        match next {
            Some(moved) if moved.kind == MoveKind::Rollback => {
                let to = standing
                    .after(Step::RollBack)
                    .ok_or_else(|| refusal::illegal_step(&deployment.id, standing, Step::RollBack))?;
                let detail = json!({ "revision": moved.revision, "to": moved.to });
                let said = Said::new(&moved.actor, &moved.reason).detail(detail);
                work.take(&mut deployment, Step::RollBack, to, said);
                deployment.ended = Some(Ended {
                    by: moved.actor.clone(),
                    reason: moved.reason.clone(),
                    at: moved.at,
                });
            }
            moved => {
                let why = moved.map_or_else(
                    || format!("the pointer is at revision {current} now"),
                    |moved| {
                        format!(
                            "{} went live in revision {}, moved by {}",
                            moved.to, moved.revision, moved.actor
                        )
                    },
                );
                let system = Actor::system(RECONCILIATION);
                work.step(&mut deployment, Step::Supersede, Said::new(&system, &why))?;
            }
        }
        work.change(deployment.clone());
        work.guard(slot);
        work.commit().await?;
        deployment.revision += 1;
        Ok(Some(deployment))
    }

    /// The move of the pointer that followed a revision.
    async fn next_move(&self, deployment: &Deployment, revision: u64) -> Result<Option<HistoryRecord>> {
        // Newest first; the cursor is the last revision seen, so that this page begins with the one that is wanted.
        let page = PageRequest::first(1).after((revision + 2).to_string());
        let store = &self.with.governance.environments;
        let page = store
            .history(&self.tenant, &deployment.prompt, &deployment.environment, &page)
            .await?;
        Ok(page
            .items
            .into_iter()
            .next()
            .filter(|moved| moved.revision == revision + 1))
    }
}
