//! Metrics in memory.

use std::collections::BTreeMap;

use async_trait::async_trait;

use super::MemoryBackend;
use crate::base::error::Result;
use crate::base::{ClosureHash, EnvironmentName, PromptName, TenantId, Timestamp};
use crate::observation::{
    Dimensions, Feedback, Metrics, MetricsStore, Resolution, Rollup, RollupKey, RollupQuery,
};

/// One tenant's counts, by resolution and time first, as they are asked for.
#[derive(Default)]
pub(super) struct Counts(BTreeMap<(Resolution, Timestamp), BTreeMap<Dimensions, Metrics>>);

impl Counts {
    fn place(&mut self, key: RollupKey) -> &mut Metrics {
        self.0
            .entry((key.resolution, key.start))
            .or_default()
            .entry(key.dimensions)
            .or_default()
    }

    /// Counts an answer of this time.
    pub(super) fn add(&mut self, dimensions: &Dimensions, at: Timestamp, contribution: &Metrics) {
        for key in RollupKey::all(dimensions, at) {
            self.place(key).roll_up(contribution);
        }
    }

    /// Counts an answer of this time otherwise than before, where it is counted still.
    pub(super) fn replace(
        &mut self,
        dimensions: &Dimensions,
        at: Timestamp,
        before: &Metrics,
        now: &Metrics,
    ) {
        for key in RollupKey::all(dimensions, at) {
            let of_time = self.0.get_mut(&(key.resolution, key.start));
            if let Some(counts) = of_time.and_then(|of_time| of_time.get_mut(&key.dimensions)) {
                counts.replace(before, now);
            }
        }
    }
}

#[async_trait]
impl MetricsStore for MemoryBackend {
    async fn record_feedback(&self, batch: &[Feedback]) -> Result<()> {
        let mut state = self.state();
        for feedback in batch {
            let counts = &mut state.tenant_mut(&feedback.tenant).counts;
            counts.add(&feedback.dimensions, feedback.at, &feedback.contribution());
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
        let query = RollupQuery {
            prompt: prompt.clone(),
            resolution: Resolution::Total,
            from: Timestamp::UNIX_EPOCH,
            to: Timestamp::UNIX_EPOCH,
            version: None,
            closure_hash: Some(*closure_hash),
            environment: environment.cloned(),
        };
        let mut sum = Metrics::default();
        for rollup in self.rollups(tenant, &query).await? {
            sum.merge(&rollup.metrics);
        }
        Ok(sum)
    }

    async fn rollups(&self, tenant: &TenantId, query: &RollupQuery) -> Result<Vec<Rollup>> {
        let state = self.state();
        let Some(tenant) = state.tenant(tenant) else {
            return Ok(Vec::new());
        };
        let times = tenant
            .counts
            .0
            .iter()
            .filter(|((resolution, _), _)| *resolution == query.resolution);
        let all = times.flat_map(|((resolution, start), counts)| {
            counts.iter().map(move |(dimensions, metrics)| Rollup {
                key: RollupKey {
                    dimensions: dimensions.clone(),
                    resolution: *resolution,
                    start: *start,
                },
                metrics: metrics.clone(),
            })
        });
        Ok(all.filter(|rollup| query.matches(&rollup.key)).collect())
    }

    async fn prune_minutes(&self, tenant: &TenantId, before: Timestamp, at_most: usize) -> Result<usize> {
        let mut state = self.state();
        let counts = &mut state.tenant_mut(tenant).counts.0;
        let mut removed = 0;
        while removed < at_most {
            let oldest = counts
                .range_mut((Resolution::Minute, Timestamp::MIN_UTC)..(Resolution::Minute, before))
                .next();
            let Some((key, of)) = oldest else {
                break;
            };
            let key = *key;
            if of.pop_first().is_some() {
                removed += 1;
            }
            if of.is_empty() {
                counts.remove(&key);
            }
        }
        Ok(removed)
    }
}
