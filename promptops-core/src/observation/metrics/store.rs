//! The store of metrics.

use async_trait::async_trait;

use super::counts::{Feedback, Metrics};
use super::dimensions::{Resolution, Rollup};
use crate::base::error::Result;
use crate::base::{ClosureHash, EnvironmentName, PromptName, TenantId, Timestamp, VersionNumber};

/// Which counts of a prompt are wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RollupQuery {
    /// The prompt.
    pub prompt: PromptName,
    /// How long the times are.
    pub resolution: Resolution,
    /// The first beginning of a time that is wanted. Not asked of totals.
    pub from: Timestamp,
    /// The beginning after the last one wanted. Not asked of totals.
    pub to: Timestamp,
    /// Of this version alone.
    pub version: Option<VersionNumber>,
    /// Of this text alone.
    pub closure_hash: Option<ClosureHash>,
    /// Of this environment alone.
    pub environment: Option<EnvironmentName>,
}

impl RollupQuery {
    /// Whether counts of this key are wanted.
    #[must_use]
    pub fn matches(&self, key: &super::dimensions::RollupKey) -> bool {
        let of = &key.dimensions;
        let in_time = self.resolution == Resolution::Total || (self.from <= key.start && key.start < self.to);
        of.prompt == self.prompt
            && key.resolution == self.resolution
            && in_time
            && (self.version.is_none() || self.version == of.version)
            && self.closure_hash.is_none_or(|hash| hash == of.closure_hash)
            && (self.environment.is_none() || self.environment == of.environment)
    }
}

/// Keeps what is counted of answers.
///
/// Errors: [`Unavailable`](crate::base::ErrorKind::Unavailable) when the backend cannot be reached,
/// [`Backend`](crate::base::ErrorKind::Backend) for the rest.
#[async_trait]
pub trait MetricsStore: Send + Sync {
    /// Counts feedback, all of the batch or none, in every resolution, as [`Metrics::roll_up`] does.
    ///
    /// # Behavior
    /// - Concurrent calls lose no count.
    async fn record_feedback(&self, batch: &[Feedback]) -> Result<()>;

    /// The counts of one closure hash of a prompt since the beginning; zeros when there is none.
    ///
    /// # Behavior
    /// - Without an environment, the sum over all environments and none.
    /// - Another tenant's or prompt's answers of the same closure hash are not counted.
    async fn metrics(
        &self,
        tenant: &TenantId,
        prompt: &PromptName,
        closure_hash: &ClosureHash,
        environment: Option<&EnvironmentName>,
    ) -> Result<Metrics>;

    /// What was counted of a prompt, by dimensions and time: in ascending order of the time, those of one time in any order.
    ///
    /// # Behavior
    /// - Answers are counted in the times that they are of, whenever they were recorded.
    /// - Those that [`RollupQuery::matches`] says are wanted, and nothing else.
    async fn rollups(&self, tenant: &TenantId, query: &RollupQuery) -> Result<Vec<Rollup>>;

    /// Removes at most so many counts by the minute that began before a time, the oldest first, and says how many.
    ///
    /// # Behavior
    /// - Counts of one minute go in any order. Other resolutions stay.
    /// - What is recorded late of a time that was removed is counted again, by the minute too.
    /// - Concurrent calls remove each count once; fewer than `at_most` are removed only when no more are there.
    async fn prune_minutes(&self, tenant: &TenantId, before: Timestamp, at_most: usize) -> Result<usize>;
}
