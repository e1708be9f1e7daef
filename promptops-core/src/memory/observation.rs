//! Metrics in memory.

use std::collections::BTreeMap;

use async_trait::async_trait;

use super::MemoryBackend;
use crate::base::error::Result;
use crate::base::{ClosureHash, EnvironmentName, PromptName, TenantId};
use crate::observation::{Feedback, Metrics, MetricsStore};

/// One tenant's counts.
#[derive(Default)]
pub(super) struct Counts(BTreeMap<(PromptName, ClosureHash), BTreeMap<Option<EnvironmentName>, Metrics>>);

#[async_trait]
impl MetricsStore for MemoryBackend {
    async fn record_feedback(&self, batch: &[Feedback]) -> Result<()> {
        let mut state = self.state();
        for feedback in batch {
            state
                .tenant_mut(&feedback.tenant)
                .counts
                .0
                .entry((feedback.prompt.clone(), feedback.closure_hash))
                .or_default()
                .entry(feedback.environment.clone())
                .or_default()
                .add(feedback.success, feedback.rating_millionths);
        }
        Ok(())
    }

    async fn metrics(
        &self,
        tenant: &TenantId,
        prompt: &PromptName,
        closure_hash: &ClosureHash,
        environment: Option<&EnvironmentName>,
    ) -> Result<Metrics> {
        let state = self.state();
        let mut sum = Metrics::default();
        let counts = state
            .tenant(tenant)
            .and_then(|tenant| tenant.counts.0.get(&(prompt.clone(), *closure_hash)));
        for (of, metrics) in counts.into_iter().flatten() {
            if environment.is_none() || of.as_ref() == environment {
                sum.merge(metrics);
            }
        }
        Ok(sum)
    }
}
