//! Evidence of one tenant.

use std::fmt;
use std::sync::Arc;

use serde_json::json;

use super::evidence::{Evidence, EvidenceRecord};
use super::store::EvaluationStore;
use crate::base::audit::{AuditAction, AuditEntry};
use crate::base::error::Result;
use crate::base::{Actor, Clock, ClosureHash, DatasetName, Operation, PromptName, TenantId, VersionNumber};

/// The evaluations of one tenant.
#[derive(Clone)]
pub struct Evaluations {
    store: Arc<dyn EvaluationStore>,
    clock: Arc<dyn Clock>,
    tenant: TenantId,
}

impl Evaluations {
    /// The evaluations of this tenant.
    #[must_use]
    pub fn new(store: Arc<dyn EvaluationStore>, clock: Arc<dyn Clock>, tenant: TenantId) -> Self {
        Self { store, clock, tenant }
    }

    /// Records what an evaluation came to, for gates to rest on.
    ///
    /// # Errors
    /// [`Invalid`](crate::base::ErrorKind::Invalid) for counts that cannot be,
    /// [`Forbidden`](crate::base::ErrorKind::Forbidden) for a role that may not,
    /// [`AlreadyExists`](crate::base::ErrorKind::AlreadyExists) when this run is on record; the backend's errors.
    pub async fn record_evidence(&self, evidence: Evidence, actor: &Actor) -> Result<()> {
        actor.authorise(Operation::RecordEvidence)?;
        evidence.check()?;
        let at = self.clock.now();
        let audit = AuditEntry {
            tenant: self.tenant.clone(),
            at,
            actor: actor.clone(),
            action: AuditAction::RecordEvidence,
            subject: format!(
                "{} on {} {}",
                evidence.prompt, evidence.dataset, evidence.dataset_version
            ),
            detail: json!({
                "closure_hash": evidence.closure_hash,
                "run": evidence.run,
                "entries": evidence.entries,
                "passed": evidence.passed,
            })
            .to_string(),
        };
        let record = EvidenceRecord {
            tenant: self.tenant.clone(),
            evidence,
            recorded_by: actor.clone(),
            recorded_at: at,
            audit,
        };
        self.store.record_evidence(record).await
    }

    /// The evidence recorded last for exactly this closure on this dataset: on this version of it, or whatever the
    /// version when none is given.
    ///
    /// # Errors
    /// The backend's errors.
    pub async fn latest_evidence(
        &self,
        prompt: &PromptName,
        closure_hash: &ClosureHash,
        dataset: &DatasetName,
        version: Option<VersionNumber>,
    ) -> Result<Option<Evidence>> {
        self.store
            .latest_evidence(&self.tenant, prompt, closure_hash, dataset, version)
            .await
    }
}

impl fmt::Debug for Evaluations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Evaluations")
            .field("tenant", &self.tenant)
            .finish_non_exhaustive()
    }
}
