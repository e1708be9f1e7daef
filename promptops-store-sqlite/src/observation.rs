//! Metrics.

use std::collections::BTreeMap;

use async_trait::async_trait;
use promptops_core::Result;
use promptops_core::base::{ClosureHash, EnvironmentName, PromptName, TenantId};
use promptops_core::observation::{Feedback, Metrics, MetricsStore};
use rusqlite::Row;

use crate::backend::{Durability, SqliteBackend};
use crate::{error, tenancy};
use promptops_core::base::stored::{integer, unsigned};

macro_rules! sums {
    () => {
        "SELECT coalesce(sum(m.usage_count), 0), coalesce(sum(m.success_count), 0),
            coalesce(sum(m.rated_count), 0), coalesce(sum(m.rating_sum_millionths), 0)
        FROM promptops_tenant t JOIN promptops_metrics m
            ON m.tenant = t.id AND m.prompt = ?2 AND m.closure_hash = ?3 "
    };
}

statements! {
    ADD = "INSERT INTO promptops_metrics
            (tenant, prompt, closure_hash, environment, usage_count, success_count, rated_count, rating_sum_millionths)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
        ON CONFLICT (tenant, prompt, closure_hash, environment) DO UPDATE SET
            usage_count = usage_count + excluded.usage_count,
            success_count = success_count + excluded.success_count,
            rated_count = rated_count + excluded.rated_count,
            rating_sum_millionths = rating_sum_millionths + excluded.rating_sum_millionths";
    SUM = concat!(sums!(), "WHERE t.name = ?1");
    SUM_IN_ENVIRONMENT = concat!(sums!(), "AND m.environment = ?4 WHERE t.name = ?1");
}

fn read(row: &Row<'_>) -> rusqlite::Result<[i64; 4]> {
    Ok([row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?])
}

#[async_trait]
impl MetricsStore for SqliteBackend {
    async fn record_feedback(&self, batch: &[Feedback]) -> Result<()> {
        // A batch is mostly about a few texts: one row is written for each.
        let mut counts: BTreeMap<_, Metrics> = BTreeMap::new();
        for feedback in batch {
            let key = (
                feedback.tenant.clone(),
                feedback.prompt.clone(),
                feedback.closure_hash,
                feedback.environment.clone(),
            );
            counts
                .entry(key)
                .or_default()
                .add(feedback.success, feedback.rating_millionths);
        }
        if counts.is_empty() {
            return Ok(());
        }
        self.write(Durability::Process, move |tx| {
            let mut add = tx.prepare_cached(ADD)?;
            for ((tenant, prompt, closure_hash, environment), metrics) in &counts {
                add.execute((
                    tenancy::ensure_tenant(tx, tenant)?,
                    prompt.as_str(),
                    closure_hash.as_bytes(),
                    environment.as_ref().map_or("", EnvironmentName::as_str),
                    integer(metrics.usage_count)?,
                    integer(metrics.success_count)?,
                    integer(metrics.rated_count)?,
                    integer(metrics.rating_sum_millionths)?,
                ))?;
            }
            Ok(())
        })
        .await
    }

    async fn metrics(
        &self,
        tenant: &TenantId,
        prompt: &PromptName,
        closure_hash: &ClosureHash,
        environment: Option<&EnvironmentName>,
    ) -> Result<Metrics> {
        let (tenant, prompt) = (tenant.clone(), prompt.clone());
        let (closure_hash, environment) = (*closure_hash, environment.cloned());
        self.read(move |connection| {
            let (tenant, prompt, closure_hash) = (tenant.as_str(), prompt.as_str(), closure_hash.as_bytes());
            let sums = match &environment {
                None => connection
                    .prepare_cached(SUM)?
                    .query_row((tenant, prompt, closure_hash), read),
                Some(environment) => connection
                    .prepare_cached(SUM_IN_ENVIRONMENT)?
                    .query_row((tenant, prompt, closure_hash, environment.as_str()), read),
            };
            let count = |count| Ok::<_, error::Failure>(unsigned("count", count)?);
            let [usage, success, rated, rating_sum] = sums?;
            Ok(Metrics {
                usage_count: count(usage)?,
                success_count: count(success)?,
                rated_count: count(rated)?,
                rating_sum_millionths: count(rating_sum)?,
            })
        })
        .await
    }
}
