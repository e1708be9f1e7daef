//! Answers of models, kept.

use async_trait::async_trait;
use promptops_core::Result;
use promptops_core::base::{TenantId, Timestamp};
use promptops_core::llm::{Completion, CompletionKey, CompletionStore};
use rusqlite::OptionalExtension;

use crate::backend::{Durability, SqliteBackend};
use crate::tenancy;
use promptops_core::base::stored::{from_json, to_json};

statements! {
    FIND = "SELECT c.completion FROM promptops_tenant n
        JOIN promptops_completion c ON c.tenant = n.id AND c.key = ?2 WHERE n.name = ?1";
    ADD = "INSERT INTO promptops_completion (tenant, key, at, completion) VALUES (?1, ?2, ?3, ?4)
        ON CONFLICT (tenant, key) DO NOTHING";
    FORGET = "DELETE FROM promptops_completion WHERE tenant = ?1 AND at < ?2";
}

#[async_trait]
impl CompletionStore for SqliteBackend {
    async fn completion(&self, tenant: &TenantId, key: &CompletionKey) -> Result<Option<Completion>> {
        let (tenant, key) = (tenant.clone(), *key);
        self.read(move |connection| {
            let text: Option<String> = connection
                .prepare_cached(FIND)?
                .query_row((tenant.as_str(), key.as_bytes()), |row| row.get(0))
                .optional()?;
            Ok(text
                .map(|text| from_json("answer of a model", &text))
                .transpose()?)
        })
        .await
    }

    async fn keep_completion(
        &self,
        tenant: &TenantId,
        key: &CompletionKey,
        completion: &Completion,
        at: Timestamp,
    ) -> Result<()> {
        let (tenant, key) = (tenant.clone(), *key);
        let text = to_json("answer of a model", completion)?;
        // What is lost is paid for again, and no more: not worth an fsync for each answer.
        self.write(Durability::Process, move |tx| {
            let tenant = tenancy::ensure_tenant(tx, &tenant)?;
            tx.prepare_cached(ADD)?
                .execute((tenant, key.as_bytes(), at.timestamp_micros(), text))?;
            Ok(())
        })
        .await
    }

    async fn forget_completions(&self, tenant: &TenantId, before: Timestamp) -> Result<u64> {
        let tenant = tenant.clone();
        self.write(Durability::Machine, move |tx| {
            let Some(tenant) = tenancy::tenant(tx, &tenant)? else {
                return Ok(0);
            };
            let forgotten = tx
                .prepare_cached(FORGET)?
                .execute((tenant, before.timestamp_micros()))?;
            Ok(forgotten as u64)
        })
        .await
    }
}
