//! A tenant's handle.

use std::fmt;

use super::builder::PromptOps;
use crate::base::TenantId;
use crate::base::audit::Audit;
use crate::base::error::Result;
use crate::curation::Curation;
use crate::deployment::Deployments;
use crate::environment::Environments;
use crate::evaluation::{Datasets, Evaluations};
use crate::experiment::{Experiments, Outcomes};
use crate::improvement::Improvements;
use crate::observation::{MetricsService, Traces};
use crate::prompt::Prompts;
use crate::resolve::{Resolve, Resolved};

/// One tenant's prompts and everything about them. Cheap to clone.
#[derive(Clone)]
pub struct Tenant {
    ops: PromptOps,
    id: TenantId,
}

impl Tenant {
    pub(super) fn new(ops: PromptOps, id: TenantId) -> Self {
        Self { ops, id }
    }

    /// The tenant's id.
    #[must_use]
    pub fn id(&self) -> &TenantId {
        &self.id
    }

    /// Authoring: save, find, tag, activate, archive, diff.
    #[must_use]
    pub fn prompts(&self) -> Prompts {
        Prompts::new(self.ops.0.authoring.clone(), self.id.clone())
    }

    /// Governing: promote, roll back, approve, policies, history.
    #[must_use]
    pub fn environments(&self) -> Environments {
        Environments::new(self.ops.0.governance.clone(), self.id.clone())
    }

    /// Feedback and what it adds up to.
    #[must_use]
    pub fn metrics(&self) -> MetricsService {
        MetricsService::new(
            self.ops.0.stores.metrics.clone(),
            self.ops.0.clock.clone(),
            self.id.clone(),
        )
    }

    /// Traces: what was asked and answered in production.
    #[must_use]
    pub fn traces(&self) -> Traces {
        Traces::new(
            self.ops.0.stores.traces.clone(),
            self.ops.0.traces.clone(),
            self.ops.0.lookups.clone(),
            self.id.clone(),
        )
    }

    /// Experiments: begin, change, analyse, end.
    #[must_use]
    pub fn experiments(&self) -> Experiments {
        Experiments::new(self.ops.0.experimenting.clone(), self.id.clone())
    }

    /// Reporting how answers fared, for experiments.
    #[must_use]
    pub fn outcomes(&self) -> Outcomes {
        Outcomes::new(self.ops.0.outcomes.clone(), self.id.clone())
    }

    /// Deployments: candidates on their way into environments.
    #[must_use]
    pub fn deployments(&self) -> Deployments {
        Deployments::new(self.ops.0.deploying.clone(), self.id.clone())
    }

    /// Improvement: from failures in production to better texts, watched, and back when they do harm.
    #[must_use]
    pub fn improvements(&self) -> Improvements {
        Improvements::new(self.ops.0.improving.clone(), self.id.clone())
    }

    /// What to evaluate on.
    #[must_use]
    pub fn datasets(&self) -> Datasets {
        Datasets::new(
            self.ops.0.stores.datasets.clone(),
            self.ops.0.clock.clone(),
            self.id.clone(),
        )
    }

    /// Making datasets of traces.
    #[must_use]
    pub fn curation(&self) -> Curation {
        Curation::new(self.ops.0.stores.traces.clone(), self.datasets(), self.id.clone())
    }

    /// Evaluating: runs, reports, comparisons, evidence.
    #[must_use]
    pub fn evaluations(&self) -> Evaluations {
        Evaluations::new(self.ops.0.evaluating.clone(), self.id.clone())
    }

    /// The audit log.
    #[must_use]
    pub fn audit(&self) -> Audit {
        Audit::new(self.ops.0.stores.audit.clone(), self.id.clone())
    }

    /// Resolves a reference: `support/triage@production`, `support/triage@v3`, `support/triage@sha256:…`, or
    /// `support/triage` for the latest active version. Warm, this does no I/O and allocates nothing.
    ///
    /// Must be awaited on a tokio runtime with time enabled.
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound) saying what is missing; [`Invalid`](crate::ErrorKind::Invalid) for a
    /// text that is no reference; [`Unavailable`](crate::ErrorKind::Unavailable) when the store cannot be reached and
    /// nothing is known from before; [`Corrupt`](crate::ErrorKind::Corrupt) for a version that was changed.
    pub fn resolve<'a, R: AsRef<str> + ?Sized>(&'a self, reference: &'a R) -> Resolve<'a> {
        Resolve::new(&self.ops.0.resolver, &self.id, reference.as_ref())
    }

    /// Resolves without waiting, for callers that cannot: what is known now, stale or not.
    ///
    /// # Errors
    /// [`Unavailable`](crate::ErrorKind::Unavailable) when nothing is known yet; it is then loaded behind, where a
    /// runtime is at hand.
    pub fn try_resolve(&self, reference: impl AsRef<str>) -> Result<Resolved> {
        self.resolve(&reference).try_now()
    }
}

impl fmt::Debug for Tenant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tenant")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}
