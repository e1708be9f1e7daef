//! What is counted of answers.

pub(crate) mod rollup;

use std::collections::BTreeMap;

use async_trait::async_trait;
use promptops_core::Result;
use promptops_core::base::stored::from_json;
use promptops_core::base::{ClosureHash, EnvironmentName, PromptName, TenantId, Timestamp};
use promptops_core::observation::{Feedback, Metrics, MetricsStore, Rollup, RollupQuery};
use sqlx::Row;

use self::rollup::Additions;
use crate::backend::{PgBackend, removed};
use crate::connection::Transaction;
use crate::{error, tenancy};

const TOTALS: &str = "SELECT x.metrics FROM promptops.entered($1) n, LATERAL (
        SELECT r.metrics FROM promptops.rollup r
        WHERE r.tenant = n.id AND r.prompt = $2 AND r.resolution = 'total' AND r.start = 0 AND r.closure_hash = $3
            AND ($4 IS NULL OR r.environment = $4)
        OFFSET 0
    ) x";
const ROLLUPS: &str = "SELECT x.* FROM promptops.entered($1) n, LATERAL (
        SELECT r.start, r.closure_hash, r.environment, r.version, r.experiment, r.variant, r.metrics
        FROM promptops.rollup r
        WHERE r.tenant = n.id AND r.prompt = $2 AND r.resolution = $3 AND r.start >= $4 AND r.start < $5
            AND ($6 IS NULL OR r.version = $6) AND ($7 IS NULL OR r.closure_hash = $7)
            AND ($8 IS NULL OR r.environment = $8)
        OFFSET 0
    ) x ORDER BY x.start";
const PRUNE: &str = "SELECT p.removed FROM promptops.prune_minutes($1, $2, $3, $4) p";

/// Tenants come in the order of their names, so that nobody waits in a circle.
async fn count(tx: &mut Transaction, tenants: &BTreeMap<&TenantId, Additions>) -> error::Result<()> {
    for (tenant, counts) in tenants {
        let tenant = tenancy::enter(tx, tenant).await?;
        counts.make(tx, tenant).await?;
    }
    Ok(())
}

#[async_trait]
impl MetricsStore for PgBackend {
    async fn record_feedback(&self, batch: &[Feedback]) -> Result<()> {
        if batch.is_empty() {
            return Ok(());
        }
        let mut tenants: BTreeMap<&TenantId, Additions> = BTreeMap::new();
        for feedback in batch {
            let counts = tenants.entry(&feedback.tenant).or_default();
            counts.add(&feedback.dimensions, feedback.at, &feedback.contribution());
        }
        let mut tx = self.begin().await?;
        let result = count(&mut tx, &tenants).await;
        tx.finish(result).await
    }

    async fn metrics(
        &self,
        tenant: &TenantId,
        prompt: &PromptName,
        closure_hash: &ClosureHash,
        environment: Option<&EnvironmentName>,
    ) -> Result<Metrics> {
        let rows = self
            .read(TOTALS, |query| {
                query
                    .bind(tenant.to_string())
                    .bind(prompt.to_string())
                    .bind(closure_hash.as_bytes().to_vec())
                    .bind(environment.map(ToString::to_string))
            })
            .await?;
        let mut sum = Metrics::default();
        for row in &rows {
            let counts = row.try_get(0).map_err(error::Failure::from)?;
            sum.merge(&from_json::<Metrics>("counts", counts)?);
        }
        Ok(sum)
    }

    async fn rollups(&self, tenant: &TenantId, query: &RollupQuery) -> Result<Vec<Rollup>> {
        let (from, to) = match query.resolution.length() {
            None => (0, 1),
            Some(_) => (query.from.timestamp_micros(), rollup::end_micros(query.to)),
        };
        let rows = self
            .read(ROLLUPS, |statement| {
                statement
                    .bind(tenant.to_string())
                    .bind(query.prompt.to_string())
                    .bind(query.resolution.as_str())
                    .bind(from)
                    .bind(to)
                    .bind(query.version.map(|version| i64::from(version.get())))
                    .bind(query.closure_hash.as_ref().map(|hash| hash.as_bytes().to_vec()))
                    .bind(query.environment.as_ref().map(ToString::to_string))
            })
            .await?;
        let mut found = Vec::with_capacity(rows.len());
        for row in &rows {
            let rollup = rollup::read(row, &query.prompt, query.resolution)?;
            // A time is kept to the microsecond.
            if query.matches(&rollup.key) {
                found.push(rollup);
            }
        }
        Ok(found)
    }

    async fn prune_minutes(&self, tenant: &TenantId, before: Timestamp, at_most: usize) -> Result<usize> {
        let rows = self
            .write(PRUNE, |query| {
                query
                    .bind(tenant.to_string())
                    .bind(rollup::end_micros(before))
                    .bind(i64::try_from(at_most).unwrap_or(i64::MAX))
                    .bind(self.lock_timeout().to_owned())
            })
            .await?;
        removed(&rows)
    }
}
