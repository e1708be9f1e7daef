//! What the loop remembers of one tenant, and the switch that stops it.

use std::fmt;
use std::sync::Arc;

use chrono::NaiveDate;
use serde_json::json;

use super::attempt::Attempt;
use super::cluster::{ClusterRecord, ClusterStatus, Label, Member};
use super::control::{Control, Stopped};
use super::controller::{ImprovementPlan, Improver};
use super::record::{ImprovementRecord, KnownCluster, RecordKind};
use super::refusal;
use super::spending::Spending;
use super::store::{ImprovementCommit, ImprovementStore, RecordFilter};
use super::watch::Watch;
use crate::base::audit::{AuditAction, AuditEntry, check_reason};
use crate::base::error::{Error, ErrorKind, Result};
use crate::base::spawn::to_completion;
use crate::base::{
    Actor, AttemptId, ClusterId, DeploymentId, EnvironmentName, Event, Operation, Page, PageRequest,
    PromptName, Role, TenantId,
};
use crate::deployment::Deploying;
use crate::observation::TraceStore;
use crate::prompt::Authoring;

/// What improving works with.
#[derive(Clone)]
pub struct Improving {
    /// Where what the loop remembers is kept.
    pub store: Arc<dyn ImprovementStore>,
    /// Where traces are kept.
    pub traces: Arc<dyn TraceStore>,
    /// How candidates are kept.
    pub authoring: Authoring,
    /// How they go live.
    pub deploying: Deploying,
}

impl Improving {
    /// Commits and tells of it, both or neither, whether or not the caller waits for the end.
    pub(super) async fn commit(&self, commit: ImprovementCommit) -> Result<()> {
        let with = self.clone();
        let spawn = self.deploying.governance.spawn.clone();
        to_completion(spawn.as_ref(), async move {
            let (tenant, told) = (commit.tenant.clone(), commit.changes.clone());
            with.store.commit_improvement(commit).await?;
            for change in told {
                with.deploying.governance.events.publish(&Event::Changed {
                    tenant: tenant.clone(),
                    change,
                });
            }
            Ok(())
        })
        .await
    }

    /// The tenant's switch.
    pub(super) async fn control(&self, tenant: &TenantId) -> Result<Control> {
        let kind = RecordKind::Control;
        let found = self
            .store
            .improvement_record(tenant, kind, ImprovementRecord::CONTROL)
            .await?;
        Ok(match found {
            Some(ImprovementRecord::Control(control)) => control,
            _ => Control::default(),
        })
    }

    /// All records, page after page.
    pub(super) async fn all_records(
        &self,
        tenant: &TenantId,
        filter: &RecordFilter,
        page: &PageRequest,
    ) -> Result<Vec<ImprovementRecord>> {
        let mut page = page.clone();
        let mut all = Vec::new();
        loop {
            let found = self.store.improvement_records(tenant, filter, &page).await?;
            all.extend(found.items);
            match found.next {
                Some(next) => page = page.after(next),
                None => return Ok(all),
            }
        }
    }
}

/// Which clusters are wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClusterFilter {
    /// Those of this prompt.
    pub prompt: Option<PromptName>,
    /// Those in this environment.
    pub environment: Option<EnvironmentName>,
    /// Those of which this is said.
    pub status: Option<ClusterStatus>,
}

/// Improvement of one tenant's prompts.
#[derive(Clone)]
pub struct Improvements {
    with: Improving,
    tenant: TenantId,
}

impl Improvements {
    /// Improvement of this tenant's prompts.
    #[must_use]
    pub fn new(with: Improving, tenant: TenantId) -> Self {
        Self { with, tenant }
    }

    /// Improves a prompt in an environment by a plan: see [`Improver`]. Nothing happens before it is told to.
    ///
    /// # Errors
    /// [`Invalid`](ErrorKind::Invalid) for a text that is no name, and for a setting out of range.
    pub fn improver(&self, prompt: &str, environment: &str, plan: ImprovementPlan) -> Result<Improver> {
        Improver::new(
            self.with.clone(),
            self.tenant.clone(),
            (prompt, environment),
            plan,
        )
    }

    /// Clusters of failures, the newest first.
    ///
    /// # Errors
    /// The backend's errors.
    pub async fn clusters(&self, filter: &ClusterFilter, page: &PageRequest) -> Result<Page<ClusterRecord>> {
        let filter = RecordFilter {
            kind: RecordKind::Cluster,
            prompt: filter.prompt.clone(),
            environment: filter.environment.clone(),
            status: filter.status.map(ClusterStatus::as_str),
        };
        self.page(&filter, page, |record| match record {
            ImprovementRecord::Cluster(known) => Some(known.record),
            _ => None,
        })
        .await
    }

    /// A cluster, with its members at the last look that found it.
    ///
    /// # Errors
    /// [`NotFound`](ErrorKind::NotFound); the backend's errors.
    pub async fn cluster(&self, id: &ClusterId) -> Result<(ClusterRecord, Vec<Member>)> {
        let known = self.known(id).await?;
        Ok((known.record, known.members))
    }

    /// Says what is done about a cluster.
    ///
    /// # Errors
    /// [`Forbidden`](ErrorKind::Forbidden) for a role that may not;
    /// [`IllegalTransition`](ErrorKind::IllegalTransition) for what cannot follow; [`Conflict`](ErrorKind::Conflict) when
    /// somebody else was faster; [`NotFound`](ErrorKind::NotFound); the backend's errors.
    pub async fn set_status(
        &self,
        id: &ClusterId,
        status: ClusterStatus,
        actor: &Actor,
    ) -> Result<ClusterRecord> {
        let known = self.known(id).await?;
        let now = self.with.deploying.governance.clock.now();
        let from = known.record.status;
        let record = known.record.with_status(status, actor, now)?;
        let detail = json!({ "from": from, "to": status });
        self.keep_cluster(KnownCluster { record, ..known }, actor, &detail)
            .await
    }

    /// Names a cluster.
    ///
    /// # Errors
    /// [`Forbidden`](ErrorKind::Forbidden) for a role that may not; [`Invalid`](ErrorKind::Invalid) for a text that cannot be
    /// a name; [`Conflict`](ErrorKind::Conflict) when somebody else was faster; [`NotFound`](ErrorKind::NotFound); the
    /// backend's errors.
    pub async fn rename(&self, id: &ClusterId, name: &str, actor: &Actor) -> Result<ClusterRecord> {
        may_say(actor)?;
        let mut known = self.known(id).await?;
        known.record.label = Label::by_person(name)?;
        known.record.revision += 1;
        let detail = json!({ "label": known.record.label.text() });
        self.keep_cluster(known, actor, &detail).await
    }

    async fn known(&self, id: &ClusterId) -> Result<KnownCluster> {
        let kind = RecordKind::Cluster;
        match self
            .with
            .store
            .improvement_record(&self.tenant, kind, id.as_str())
            .await?
        {
            Some(ImprovementRecord::Cluster(known)) => Ok(*known),
            _ => Err(refusal::unknown_record(kind, id.as_str()).with("tenant", &self.tenant)),
        }
    }

    async fn keep_cluster(
        &self,
        known: KnownCluster,
        actor: &Actor,
        detail: &serde_json::Value,
    ) -> Result<ClusterRecord> {
        let at = self.with.deploying.governance.clock.now();
        let kept = known.record.clone();
        let record = ImprovementRecord::Cluster(Box::new(known));
        let action = AuditAction::ChangeCluster;
        let audit = AuditEntry::new(&self.tenant, at, actor, action, kept.id.as_str(), detail);
        self.with
            .commit(ImprovementCommit {
                tenant: self.tenant.clone(),
                changes: record.change().into_iter().collect(),
                records: vec![record],
                audits: vec![audit],
            })
            .await?;
        Ok(kept)
    }

    /// Attempts at better texts, the newest first; those at a prompt, where one is given.
    ///
    /// # Errors
    /// The backend's errors.
    pub async fn attempts(&self, prompt: Option<&PromptName>, page: &PageRequest) -> Result<Page<Attempt>> {
        let filter = RecordFilter {
            prompt: prompt.cloned(),
            ..RecordFilter::all(RecordKind::Attempt)
        };
        self.page(&filter, page, |record| match record {
            ImprovementRecord::Attempt(attempt) => Some(*attempt),
            _ => None,
        })
        .await
    }

    async fn page<T>(
        &self,
        filter: &RecordFilter,
        page: &PageRequest,
        of: impl Fn(ImprovementRecord) -> Option<T>,
    ) -> Result<Page<T>> {
        let store = &self.with.store;
        let found = store.improvement_records(&self.tenant, filter, page).await?;
        Ok(Page {
            items: found.items.into_iter().filter_map(of).collect(),
            next: found.next,
        })
    }

    /// An attempt at a better text.
    ///
    /// # Errors
    /// [`NotFound`](ErrorKind::NotFound); the backend's errors.
    pub async fn attempt(&self, id: &AttemptId) -> Result<Attempt> {
        let kind = RecordKind::Attempt;
        match self
            .with
            .store
            .improvement_record(&self.tenant, kind, id.as_str())
            .await?
        {
            Some(ImprovementRecord::Attempt(attempt)) => Ok(*attempt),
            _ => Err(refusal::unknown_record(kind, id.as_str()).with("tenant", &self.tenant)),
        }
    }

    /// The watches over a deployment, the first one first: what it was held against, what was seen, its
    /// [charts](Watch::charts). The last one may be that over what its rollback restored.
    ///
    /// # Errors
    /// The backend's errors.
    pub async fn watches(&self, deployment: &DeploymentId) -> Result<Vec<Watch>> {
        let mut watches = Vec::new();
        // Epochs follow one another; those that nobody looked at are left out.
        let deployments = &self.with.deploying.deployments;
        let epochs = deployments
            .deployment(&self.tenant, deployment)
            .await?
            .map_or(0, |deployment| deployment.monitor_epoch + 1);
        for epoch in 1..=epochs {
            let id = Watch::key(deployment, epoch);
            let kind = RecordKind::Watch;
            if let Some(ImprovementRecord::Watch(watch)) = self
                .with
                .store
                .improvement_record(&self.tenant, kind, &id)
                .await?
            {
                watches.push(*watch);
            }
        }
        Ok(watches)
    }

    /// What was spent and set aside on a day, in UTC.
    ///
    /// # Errors
    /// The backend's errors.
    pub async fn spending(&self, day: NaiveDate) -> Result<Spending> {
        self.with.store.spending(&self.tenant, day).await
    }

    /// Whether automatic improvement is stopped.
    ///
    /// # Errors
    /// The backend's errors.
    pub async fn control(&self) -> Result<Control> {
        self.with.control(&self.tenant).await
    }

    /// Stops automatic improvement for the tenant, whichever process does it: no model is asked any more, nothing is proposed,
    /// shipped or rolled back by itself. What is live is still watched, and alarms are told. A step that is under way is
    /// finished. Stopping what is stopped changes nothing.
    ///
    /// # Errors
    /// [`Forbidden`](ErrorKind::Forbidden) for who is neither owner nor member; [`Invalid`](ErrorKind::Invalid) without a
    /// reason; the backend's errors.
    pub async fn stop(&self, reason: &str, actor: &Actor) -> Result<Control> {
        may_say(actor)?;
        let reason = check_reason("stopping", reason)?;
        let at = self.with.deploying.governance.clock.now();
        let by = actor.clone();
        self.switch(actor, Some(Stopped { by, reason, at })).await
    }

    /// Lets automatic improvement go on.
    ///
    /// # Errors
    /// [`Forbidden`](ErrorKind::Forbidden) for who is no owner; the backend's errors.
    pub async fn resume(&self, actor: &Actor) -> Result<Control> {
        actor.authorise(Operation::Deploy)?;
        self.switch(actor, None).await
    }

    async fn switch(&self, actor: &Actor, stopped: Option<Stopped>) -> Result<Control> {
        loop {
            let mut control = self.with.control(&self.tenant).await?;
            if control.stopped.is_some() == stopped.is_some() {
                return Ok(control);
            }
            control.stopped.clone_from(&stopped);
            control.revision += 1;
            let at = self.with.deploying.governance.clock.now();
            let action = AuditAction::ControlImprovement;
            let detail = json!({ "stopped": stopped });
            let audit = AuditEntry::new(&self.tenant, at, actor, action, "improvement", &detail);
            let kept = self
                .with
                .commit(ImprovementCommit {
                    tenant: self.tenant.clone(),
                    records: vec![ImprovementRecord::Control(control.clone())],
                    changes: Vec::new(),
                    audits: vec![audit],
                })
                .await;
            match kept {
                Ok(()) => return Ok(control),
                // Whoever was faster may have meant the same: look again. Each time somebody got further.
                Err(error) if error.kind() == ErrorKind::Conflict => {}
                Err(error) => return Err(error),
            }
        }
    }
}

/// What is said of clusters and of the switch is for people who work with the tenant.
fn may_say(actor: &Actor) -> Result<()> {
    actor.authorise(Operation::Author)?;
    if actor.role == Role::System {
        return Err(Error::new(
            ErrorKind::Forbidden,
            format!("{actor} may not do this; needed: owner or member"),
        ));
    }
    Ok(())
}

impl fmt::Debug for Improvements {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Improvements")
            .field("tenant", &self.tenant)
            .finish_non_exhaustive()
    }
}
