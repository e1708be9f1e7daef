//! The store of metrics.

use async_trait::async_trait;

use super::metrics::{Feedback, Metrics};
use crate::base::error::Result;
use crate::base::{ClosureHash, EnvironmentName, PromptName, TenantId};

/// Keeps counts of feedback.
///
/// Errors: [`Unavailable`](crate::base::ErrorKind::Unavailable) when the backend cannot be reached,
/// [`Backend`](crate::base::ErrorKind::Backend) for the rest.
#[async_trait]
pub trait MetricsStore: Send + Sync {
    /// Counts feedback, all of the batch or none.
    ///
    /// # Behavior
    /// - Concurrent calls lose no count.
    async fn record_feedback(&self, batch: &[Feedback]) -> Result<()>;

    /// The counts of one closure hash of a prompt; zeros when there is none.
    ///
    /// # Behavior
    /// - Without an environment, the sum over all environments and none.
    /// - Another tenant's or prompt's feedback on the same closure hash is not counted.
    async fn metrics(
        &self,
        tenant: &TenantId,
        prompt: &PromptName,
        closure_hash: &ClosureHash,
        environment: Option<&EnvironmentName>,
    ) -> Result<Metrics>;
}
