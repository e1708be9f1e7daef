//! Improves one prompt in one environment: what a pass does, step by step.

use std::fmt;
use std::sync::Arc;

use tokio::sync::Mutex;

use super::plan::ImprovementPlan;
use crate::base::error::Result;
use crate::base::{Actor, EnvironmentName, PromptName, TenantId, Timestamp, VersionNumber};
use crate::deployment::Deployments;
use crate::evaluation::{Datasets, Evaluations};
use crate::improvement::service::Improving;
use crate::prompt::{Reference, Version, find_version};

/// Who acts for the loop.
pub(super) const ACTOR: &str = "improvement";

/// Improves one prompt in one environment, by a plan. Cheap to clone; clones are one worker and work one after the other.
///
/// All that it knows is in the store, so that any number of processes can have one for the same prompt and environment:
/// one of them works at a time, and whatever is left undone by one that died is taken up by the next. See
/// [`run_once`](Self::run_once) for what it does.
#[derive(Clone)]
pub struct Improver {
    pub(super) with: Improving,
    pub(super) tenant: TenantId,
    pub(super) prompt: PromptName,
    pub(super) environment: EnvironmentName,
    pub(super) plan: Arc<ImprovementPlan>,
    pub(super) actor: Actor,
    /// Which worker this is.
    pub(super) worker: String,
    /// Whose turn it is among its clones.
    pub(super) turn: Arc<Mutex<()>>,
}

impl Improver {
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) for a text that is no name, and for a setting out of range.
    pub(in crate::improvement) fn new(
        with: Improving,
        tenant: TenantId,
        (prompt, environment): (&str, &str),
        plan: ImprovementPlan,
    ) -> Result<Self> {
        plan.check()?;
        let worker = with.deploying.ids.id(with.deploying.governance.clock.now());
        Ok(Self {
            with,
            tenant,
            prompt: PromptName::new(prompt)?,
            environment: EnvironmentName::new(environment)?,
            plan: Arc::new(plan),
            actor: Actor::system(ACTOR),
            worker,
            turn: Arc::default(),
        })
    }

    /// The prompt.
    #[must_use]
    pub fn prompt(&self) -> &PromptName {
        &self.prompt
    }

    /// The environment.
    #[must_use]
    pub fn environment(&self) -> &EnvironmentName {
        &self.environment
    }

    pub(super) fn now(&self) -> Timestamp {
        self.with.deploying.governance.clock.now()
    }

    pub(super) fn deployments(&self) -> Deployments {
        Deployments::new(self.with.deploying.clone(), self.tenant.clone())
    }

    pub(super) fn evaluations(&self) -> Evaluations {
        Evaluations::new(
            self.with.deploying.governance.evaluating.clone(),
            self.tenant.clone(),
        )
    }

    pub(super) fn datasets(&self) -> Datasets {
        let evaluating = &self.with.deploying.governance.evaluating;
        Datasets::new(
            evaluating.datasets.clone(),
            evaluating.clock.clone(),
            self.tenant.clone(),
        )
    }

    /// A version of the prompt.
    pub(super) async fn version(&self, number: VersionNumber) -> Result<Arc<Version>> {
        let reference = Reference::version(self.prompt.clone(), number);
        let prompts = &self.with.deploying.governance.prompts;
        find_version(prompts.as_ref(), &self.tenant, &reference).await
    }

    /// What is live in the slot; `None` when nothing is.
    pub(super) async fn live(&self) -> Result<Option<Live>> {
        let store = &self.with.deploying.governance.environments;
        let slots = store.slots(&self.tenant, &self.prompt).await?;
        Ok(slots.pointer(&self.environment).map(|pointer| Live {
            version: pointer.version,
            revision: pointer.revision,
        }))
    }
}

/// What is live in a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Live {
    pub version: VersionNumber,
    pub revision: u64,
}

impl fmt::Debug for Improver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Improver")
            .field("prompt", &self.prompt)
            .field("environment", &self.environment)
            .field("worker", &self.worker)
            .finish_non_exhaustive()
    }
}
