//! Which backend keeps what.

use std::fmt;
use std::sync::Arc;

use crate::base::ChangeFeed;
use crate::base::audit::AuditStore;
use crate::deployment::DeploymentStore;
use crate::environment::EnvironmentStore;
use crate::evaluation::{DatasetStore, EvaluationStore};
use crate::experiment::ExperimentStore;
use crate::improvement::ImprovementStore;
use crate::llm::CompletionStore;
use crate::observation::{MetricsStore, TraceStore};
use crate::prompt::Store;

/// One type that is every store: what a backend crate exports.
pub trait Backend:
    Store
    + EnvironmentStore
    + MetricsStore
    + TraceStore
    + ExperimentStore
    + DeploymentStore
    + ImprovementStore
    + DatasetStore
    + EvaluationStore
    + CompletionStore
    + AuditStore
    + ChangeFeed
    + 'static
{
}

impl<B> Backend for B where
    B: Store
        + EnvironmentStore
        + MetricsStore
        + TraceStore
        + ExperimentStore
        + DeploymentStore
        + ImprovementStore
        + DatasetStore
        + EvaluationStore
        + CompletionStore
        + AuditStore
        + ChangeFeed
        + 'static
{
}

/// The stores that a `PromptOps` works on: usually one backend for all.
///
/// `metrics` and `traces` together may be another backend's, and so may `completions`. The others must be one backend's, since
/// one commit spans them.
#[derive(Clone)]
pub struct Stores {
    /// Prompts and versions.
    pub prompts: Arc<dyn Store>,
    /// Pointers, policies, history.
    pub environments: Arc<dyn EnvironmentStore>,
    /// What is counted of answers.
    pub metrics: Arc<dyn MetricsStore>,
    /// Traces.
    pub traces: Arc<dyn TraceStore>,
    /// Experiments.
    pub experiments: Arc<dyn ExperimentStore>,
    /// Deployments.
    pub deployments: Arc<dyn DeploymentStore>,
    /// What the improvement loop remembers.
    pub improvement: Arc<dyn ImprovementStore>,
    /// Datasets.
    pub datasets: Arc<dyn DatasetStore>,
    /// Runs, results and evidence.
    pub evaluations: Arc<dyn EvaluationStore>,
    /// Answers of models, kept.
    pub completions: Arc<dyn CompletionStore>,
    /// The audit log.
    pub audit: Arc<dyn AuditStore>,
    /// What other processes change.
    pub changes: Arc<dyn ChangeFeed>,
}

impl<B: Backend> From<B> for Stores {
    fn from(backend: B) -> Self {
        let backend = Arc::new(backend);
        Self {
            prompts: backend.clone(),
            environments: backend.clone(),
            metrics: backend.clone(),
            traces: backend.clone(),
            experiments: backend.clone(),
            deployments: backend.clone(),
            improvement: backend.clone(),
            datasets: backend.clone(),
            evaluations: backend.clone(),
            completions: backend.clone(),
            audit: backend.clone(),
            changes: backend,
        }
    }
}

impl fmt::Debug for Stores {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stores").finish_non_exhaustive()
    }
}
