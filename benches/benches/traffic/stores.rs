//! Stores that take what is recorded at once, and stores that never answer.

use std::future::pending;
use std::sync::Arc;

use async_trait::async_trait;
use promptops_core::base::{
    EnvironmentName, ExperimentId, Page, PageRequest, PromptName, TenantId, Timestamp, TraceId,
};
use promptops_core::experiment::{
    Experiment, ExperimentChange, ExperimentFilter, ExperimentStore, Loss, NewExperiment, OutcomeEntry,
    OutcomeVerdict, TallyRow,
};
use promptops_core::observation::{
    AnnotationEntry, TraceEntry, TraceFilter, TraceRecord, TraceStore, TraceVerdict,
};
use promptops_core::{MemoryBackend, Result, Stores};

/// What a store does with what is recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Takes it at once, and forgets it.
    Free,
    /// Never answers.
    Stalled,
}

/// In memory, but for outcomes and traces.
pub fn stores(kind: Kind) -> Stores {
    let stores = Stores::from(MemoryBackend::new());
    Stores {
        experiments: Arc::new(Recording {
            kind,
            inner: stores.experiments.clone(),
        }),
        traces: Arc::new(Recording {
            kind,
            inner: stores.traces.clone(),
        }),
        ..stores
    }
}

struct Recording<S: ?Sized> {
    kind: Kind,
    inner: Arc<S>,
}

impl<S: ?Sized> Recording<S> {
    async fn answer<T>(&self, value: T) -> Result<T> {
        match self.kind {
            Kind::Free => Ok(value),
            Kind::Stalled => pending().await,
        }
    }
}

#[async_trait]
impl ExperimentStore for Recording<dyn ExperimentStore> {
    async fn create_experiment(&self, new: NewExperiment) -> Result<Experiment> {
        self.inner.create_experiment(new).await
    }

    async fn experiment(&self, tenant: &TenantId, id: &ExperimentId) -> Result<Option<Experiment>> {
        self.inner.experiment(tenant, id).await
    }

    async fn open_experiment(
        &self,
        tenant: &TenantId,
        prompt: &PromptName,
        environment: &EnvironmentName,
    ) -> Result<Option<Experiment>> {
        self.inner.open_experiment(tenant, prompt, environment).await
    }

    async fn experiments(
        &self,
        tenant: &TenantId,
        filter: &ExperimentFilter,
        page: &PageRequest,
    ) -> Result<Page<Experiment>> {
        self.inner.experiments(tenant, filter, page).await
    }

    async fn change_experiment(&self, change: ExperimentChange) -> Result<Experiment> {
        self.inner.change_experiment(change).await
    }

    async fn record_outcomes(
        &self,
        _: &TenantId,
        _: &ExperimentId,
        outcomes: &[OutcomeEntry],
    ) -> Result<Vec<OutcomeVerdict>> {
        self.answer(vec![OutcomeVerdict::Written; outcomes.len()]).await
    }

    async fn record_losses(&self, _: &TenantId, _: &ExperimentId, _: &[Loss]) -> Result<()> {
        self.answer(()).await
    }

    async fn tallies(&self, tenant: &TenantId, experiment: &ExperimentId) -> Result<Vec<TallyRow>> {
        self.inner.tallies(tenant, experiment).await
    }
}

#[async_trait]
impl TraceStore for Recording<dyn TraceStore> {
    async fn record_traces(&self, batch: &[TraceEntry]) -> Result<Vec<TraceVerdict>> {
        self.answer(vec![TraceVerdict::Written; batch.len()]).await
    }

    async fn annotate_traces(&self, batch: &[AnnotationEntry]) -> Result<Vec<TraceVerdict>> {
        self.answer(vec![TraceVerdict::Written; batch.len()]).await
    }

    async fn trace(&self, tenant: &TenantId, id: TraceId) -> Result<Option<TraceRecord>> {
        self.inner.trace(tenant, id).await
    }

    async fn traces(
        &self,
        tenant: &TenantId,
        filter: &TraceFilter,
        page: &PageRequest,
    ) -> Result<Page<TraceRecord>> {
        self.inner.traces(tenant, filter, page).await
    }

    async fn prune_traces(&self, tenant: &TenantId, before: Timestamp, at_most: usize) -> Result<usize> {
        self.inner.prune_traces(tenant, before, at_most).await
    }
}
