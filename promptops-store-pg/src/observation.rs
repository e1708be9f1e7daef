//! Metrics.

use std::collections::BTreeMap;

use async_trait::async_trait;
use promptops_core::Result;
use promptops_core::base::stored::{integer, unsigned};
use promptops_core::base::{ClosureHash, EnvironmentName, PromptName, TenantId};
use promptops_core::observation::{Feedback, Metrics, MetricsStore};
use sqlx::Row;

use crate::backend::PgBackend;
use crate::connection::{Query, Transaction};
use crate::error;

const COUNT: &str = "SELECT FROM promptops.count_feedback($1, $2, $3, $4, $5, $6, $7, $8, $9)";
const SUM: &str = "SELECT x.* FROM promptops.entered($1) n, LATERAL (
        SELECT coalesce(sum(m.usage_count), 0)::bigint, coalesce(sum(m.success_count), 0)::bigint,
            coalesce(sum(m.rated_count), 0)::bigint, coalesce(sum(m.rating_sum_millionths), 0)::bigint
        FROM promptops.metrics m
        WHERE m.tenant = n.id AND m.prompt = $2 AND m.closure_hash = $3 AND ($4 IS NULL OR m.environment = $4)
        OFFSET 0
    ) x";

/// Counts of one tenant, in columns.
#[derive(Default)]
struct Columns {
    prompts: Vec<String>,
    closure_hashes: Vec<Vec<u8>>,
    environments: Vec<String>,
    usage: Vec<i64>,
    success: Vec<i64>,
    rated: Vec<i64>,
    rating_sum: Vec<i64>,
}

/// A batch is mostly about a few texts: one row is written for each, always in the same order, so that no two batches
/// wait for each other in a circle.
fn columns(batch: &[Feedback]) -> Result<BTreeMap<&TenantId, Columns>> {
    let mut counts: BTreeMap<_, Metrics> = BTreeMap::new();
    for feedback in batch {
        counts
            .entry((
                &feedback.tenant,
                &feedback.prompt,
                feedback.closure_hash,
                feedback.environment.as_ref().map_or("", EnvironmentName::as_str),
            ))
            .or_default()
            .add(feedback.success, feedback.rating_millionths);
    }
    let mut tenants: BTreeMap<&TenantId, Columns> = BTreeMap::new();
    for ((tenant, prompt, closure_hash, environment), metrics) in counts {
        let columns = tenants.entry(tenant).or_default();
        columns.prompts.push(prompt.to_string());
        columns.closure_hashes.push(closure_hash.as_bytes().to_vec());
        columns.environments.push(environment.to_owned());
        columns.usage.push(integer(metrics.usage_count)?);
        columns.success.push(integer(metrics.success_count)?);
        columns.rated.push(integer(metrics.rated_count)?);
        columns.rating_sum.push(integer(metrics.rating_sum_millionths)?);
    }
    Ok(tenants)
}

impl Columns {
    fn bind(&self, query: Query, tenant: &TenantId, lock_timeout: &str) -> Query {
        query
            .bind(tenant.to_string())
            .bind(&self.prompts)
            .bind(&self.closure_hashes)
            .bind(&self.environments)
            .bind(&self.usage)
            .bind(&self.success)
            .bind(&self.rated)
            .bind(&self.rating_sum)
            .bind(lock_timeout.to_owned())
    }
}

async fn count_all(
    tx: &mut Transaction,
    tenants: &BTreeMap<&TenantId, Columns>,
    lock_timeout: &str,
) -> error::Result<()> {
    for (tenant, columns) in tenants {
        tx.rows(COUNT, |query| columns.bind(query, tenant, lock_timeout))
            .await?;
    }
    Ok(())
}

#[async_trait]
impl MetricsStore for PgBackend {
    async fn record_feedback(&self, batch: &[Feedback]) -> Result<()> {
        let tenants = columns(batch)?;
        match tenants.first_key_value() {
            None => Ok(()),
            // A statement is a transaction by itself.
            Some((tenant, columns)) if tenants.len() == 1 => {
                let bind = |query| columns.bind(query, tenant, self.lock_timeout());
                self.write(COUNT, bind).await?;
                Ok(())
            }
            Some(_) => {
                let mut tx = self.begin().await?;
                let result = count_all(&mut tx, &tenants, self.lock_timeout()).await;
                tx.finish(result).await
            }
        }
    }

    async fn metrics(
        &self,
        tenant: &TenantId,
        prompt: &PromptName,
        closure_hash: &ClosureHash,
        environment: Option<&EnvironmentName>,
    ) -> Result<Metrics> {
        let row = self
            .read_one(SUM, |query| {
                query
                    .bind(tenant.to_string())
                    .bind(prompt.to_string())
                    .bind(closure_hash.as_bytes().to_vec())
                    .bind(environment.map(ToString::to_string))
            })
            .await?;
        let Some(row) = row else {
            return Ok(Metrics::default());
        };
        let count = |at: usize| -> error::Result<u64> { Ok(unsigned("count", row.try_get(at)?)?) };
        Ok(Metrics {
            usage_count: count(0)?,
            success_count: count(1)?,
            rated_count: count(2)?,
            rating_sum_millionths: count(3)?,
        })
    }
}
