//! Evidence in memory.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;

use super::MemoryBackend;
use crate::base::error::Result;
use crate::base::{ClosureHash, DatasetName, PromptName, TenantId};
use crate::evaluation::{EvaluationStore, Evidence, EvidenceRecord, refusal};

/// One tenant's evidence, by what was evaluated on what.
#[derive(Default)]
pub(super) struct Evaluations(BTreeMap<(PromptName, ClosureHash, DatasetName), Line>);

/// Evidence in the order of its recording.
#[derive(Default)]
struct Line {
    evidence: Vec<Evidence>,
    runs: BTreeSet<String>,
}

#[async_trait]
impl EvaluationStore for MemoryBackend {
    async fn record_evidence(&self, record: EvidenceRecord) -> Result<()> {
        let mut state = self.state();
        let tenant = state.tenant_mut(&record.tenant);
        let evidence = record.evidence;
        let key = (
            evidence.prompt.clone(),
            evidence.closure_hash,
            evidence.dataset.clone(),
        );
        let line = tenant.evaluations.0.entry(key).or_default();
        if !line.runs.insert(evidence.run.clone()) {
            return Err(refusal::run_on_record(&evidence));
        }
        line.evidence.push(evidence);
        tenant.log.add(record.audit);
        Ok(())
    }

    async fn latest_evidence(
        &self,
        tenant: &TenantId,
        prompt: &PromptName,
        closure_hash: &ClosureHash,
        dataset: &DatasetName,
    ) -> Result<Option<Evidence>> {
        let state = self.state();
        let line = state.tenant(tenant).and_then(|tenant| {
            let key = (prompt.clone(), *closure_hash, dataset.clone());
            tenant.evaluations.0.get(&key)
        });
        Ok(line.and_then(|line| line.evidence.last()).cloned())
    }
}
