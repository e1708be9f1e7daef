//! Answers of models in memory.

use std::collections::BTreeMap;

use async_trait::async_trait;

use super::MemoryBackend;
use crate::base::error::Result;
use crate::base::{TenantId, Timestamp};
use crate::llm::{Completion, CompletionKey, CompletionStore};

/// One tenant's kept answers.
#[derive(Default)]
pub(super) struct Completions(BTreeMap<CompletionKey, (Completion, Timestamp)>);

#[async_trait]
impl CompletionStore for MemoryBackend {
    async fn completion(&self, tenant: &TenantId, key: &CompletionKey) -> Result<Option<Completion>> {
        let state = self.state();
        let kept = state
            .tenant(tenant)
            .and_then(|tenant| tenant.completions.0.get(key));
        Ok(kept.map(|(completion, _)| completion.clone()))
    }

    async fn keep_completion(
        &self,
        tenant: &TenantId,
        key: &CompletionKey,
        completion: &Completion,
        at: Timestamp,
    ) -> Result<()> {
        let mut state = self.state();
        let completions = &mut state.tenant_mut(tenant).completions.0;
        completions
            .entry(*key)
            .or_insert_with(|| (completion.clone(), at));
        Ok(())
    }

    async fn forget_completions(&self, tenant: &TenantId, before: Timestamp) -> Result<u64> {
        let mut state = self.state();
        let completions = &mut state.tenant_mut(tenant).completions.0;
        let found = completions.len();
        completions.retain(|_, (_, at)| *at >= before);
        Ok((found - completions.len()) as u64)
    }
}
