//! Answers of models, kept.

use async_trait::async_trait;
use promptops_core::Result;
use promptops_core::base::stored::{from_json, to_json, unsigned};
use promptops_core::base::{TenantId, Timestamp};
use promptops_core::llm::{Completion, CompletionKey, CompletionStore};
use sqlx::Row;

use crate::backend::PgBackend;
use crate::error;

const FIND: &str = "SELECT x.completion FROM promptops.entered($1) n, LATERAL (
        SELECT c.completion FROM promptops.completion c WHERE c.tenant = n.id AND c.key = $2 OFFSET 0
    ) x";
const KEEP: &str = "SELECT FROM promptops.keep_completion($1, $2, $3, $4, $5)";
const FORGET: &str = "SELECT f.forgotten FROM promptops.forget_completions($1, $2, $3) f";

#[async_trait]
impl CompletionStore for PgBackend {
    async fn completion(&self, tenant: &TenantId, key: &CompletionKey) -> Result<Option<Completion>> {
        let row = self
            .read_one(FIND, |query| {
                query.bind(tenant.to_string()).bind(key.as_bytes().to_vec())
            })
            .await?;
        let Some(row) = row else {
            return Ok(None);
        };
        let text: &str = row.try_get(0).map_err(error::Failure::from)?;
        from_json("answer of a model", text).map(Some)
    }

    async fn keep_completion(
        &self,
        tenant: &TenantId,
        key: &CompletionKey,
        completion: &Completion,
        at: Timestamp,
    ) -> Result<()> {
        let text = to_json("answer of a model", completion)?;
        self.write(KEEP, |query| {
            query
                .bind(tenant.to_string())
                .bind(key.as_bytes().to_vec())
                .bind(at.timestamp_micros())
                .bind(text.clone())
                .bind(self.lock_timeout().to_owned())
        })
        .await?;
        Ok(())
    }

    async fn forget_completions(&self, tenant: &TenantId, before: Timestamp) -> Result<u64> {
        let rows = self
            .write(FORGET, |query| {
                query
                    .bind(tenant.to_string())
                    .bind(before.timestamp_micros())
                    .bind(self.lock_timeout().to_owned())
            })
            .await?;
        let forgotten = rows.first().map_or(Ok(0), |row| row.try_get(0));
        unsigned("number of answers", forgotten.map_err(error::Failure::from)?)
    }
}
