//! The store of evidence.

use async_trait::async_trait;

use super::evidence::{Evidence, EvidenceRecord};
use crate::base::error::Result;
use crate::base::{ClosureHash, DatasetName, PromptName, TenantId};

/// Keeps evidence.
///
/// Errors beside those listed: [`Unavailable`](crate::base::ErrorKind::Unavailable) when the backend cannot be
/// reached, [`Backend`](crate::base::ErrorKind::Backend) for the rest.
#[async_trait]
pub trait EvaluationStore: Send + Sync {
    /// Adds evidence, with its audit record.
    ///
    /// # Behavior
    /// - Earlier evidence stays; nothing is overwritten.
    /// - Evidence of a run of this name on record for the same prompt, closure and dataset is
    ///   [`AlreadyExists`](crate::base::ErrorKind::AlreadyExists).
    async fn record_evidence(&self, record: EvidenceRecord) -> Result<()>;

    /// The evidence recorded last for this prompt, closure and dataset, whatever the dataset's version.
    ///
    /// # Behavior
    /// - Another tenant's, prompt's or closure's evidence is never seen.
    async fn latest_evidence(
        &self,
        tenant: &TenantId,
        prompt: &PromptName,
        closure_hash: &ClosureHash,
        dataset: &DatasetName,
    ) -> Result<Option<Evidence>>;
}
