//! Metrics.

pub(crate) mod counts;

use async_trait::async_trait;
use promptops_core::Result;
use promptops_core::base::stored::{from_json, stored, timestamp, version_number};
use promptops_core::base::{
    ClosureHash, EnvironmentName, ExperimentId, PromptName, TenantId, Timestamp, VariantName,
};
use promptops_core::observation::{
    Dimensions, Feedback, Metrics, MetricsStore, Resolution, Rollup, RollupKey, RollupQuery, VariantOf,
};
use rusqlite::{Connection, Row};

pub(crate) use self::counts::Counts;
use crate::backend::{Durability, SqliteBackend};
use crate::error;
use crate::tenancy::{self, Tenants};

statements! {
    TOTALS = "SELECT r.metrics FROM promptops_tenant t JOIN promptops_rollup r
            ON r.tenant = t.id AND r.prompt = ?2 AND r.resolution = 'total' AND r.start = 0 AND r.closure_hash = ?3
            AND (?4 IS NULL OR r.environment = ?4)
        WHERE t.name = ?1";
    SERIES = "SELECT r.start, r.closure_hash, r.environment, r.version, r.experiment, r.variant, r.metrics
        FROM promptops_tenant t JOIN promptops_rollup r
            ON r.tenant = t.id AND r.prompt = ?2 AND r.resolution = ?3 AND r.start >= ?4 AND r.start < ?5
            AND (?6 IS NULL OR r.version = ?6) AND (?7 IS NULL OR r.closure_hash = ?7)
            AND (?8 IS NULL OR r.environment = ?8)
        WHERE t.name = ?1 ORDER BY r.start";
    PRUNE_MINUTES = "DELETE FROM promptops_rollup WHERE id IN (
        SELECT id FROM promptops_rollup WHERE tenant = ?1 AND resolution = 'minute' AND start < ?2
        ORDER BY start LIMIT ?3)";
}

/// The first microsecond at a time or after it: as whole microseconds lie before a time, so they lie before this.
fn first_micros(at: Timestamp) -> i64 {
    let rest = at.timestamp_subsec_nanos() % 1_000;
    at.timestamp_micros().saturating_add(i64::from(rest > 0))
}

fn read_metrics(row: &Row<'_>, column: usize) -> error::Result<Metrics> {
    let text = row.get_ref(column)?.as_str().map_err(rusqlite::Error::from)?;
    Ok(from_json("metrics", text)?)
}

fn read_rollup(row: &Row<'_>, query: &RollupQuery) -> error::Result<Rollup> {
    let environment: String = row.get(2)?;
    let version: u32 = row.get(3)?;
    let experiment: String = row.get(4)?;
    let variant = match experiment.as_str() {
        "" => None,
        _ => Some(VariantOf {
            experiment: stored("experiment", ExperimentId::new(experiment))?,
            variant: stored("variant", VariantName::new(row.get::<_, String>(5)?))?,
        }),
    };
    let dimensions = Dimensions {
        prompt: query.prompt.clone(),
        version: (version > 0).then(|| version_number(version)).transpose()?,
        closure_hash: ClosureHash::from_bytes(row.get(1)?),
        environment: (!environment.is_empty())
            .then(|| stored("environment", EnvironmentName::new(environment)))
            .transpose()?,
        variant,
    };
    let key = RollupKey {
        dimensions,
        resolution: query.resolution,
        start: timestamp(row.get(0)?)?,
    };
    let metrics = read_metrics(row, 6)?;
    Ok(Rollup { key, metrics })
}

fn series(connection: &Connection, tenant: &TenantId, query: &RollupQuery) -> error::Result<Vec<Rollup>> {
    let (from, to) = match query.resolution {
        Resolution::Total => (i64::MIN, i64::MAX),
        Resolution::Day | Resolution::Hour | Resolution::Minute => {
            (first_micros(query.from), first_micros(query.to))
        }
    };
    let mut statement = connection.prepare_cached(SERIES)?;
    let mut rows = statement.query((
        tenant.as_str(),
        query.prompt.as_str(),
        query.resolution.as_str(),
        from,
        to,
        query.version.map(|version| version.get()),
        query.closure_hash.as_ref().map(ClosureHash::as_bytes),
        query.environment.as_ref().map(EnvironmentName::as_str),
    ))?;
    let mut rollups = Vec::new();
    while let Some(row) = rows.next()? {
        rollups.push(read_rollup(row, query)?);
    }
    Ok(rollups)
}

#[async_trait]
impl MetricsStore for SqliteBackend {
    async fn record_feedback(&self, batch: &[Feedback]) -> Result<()> {
        if batch.is_empty() {
            return Ok(());
        }
        let batch = batch.to_vec();
        self.write(Durability::Process, move |tx| {
            let (mut tenants, mut counts) = (Tenants::new(tx), Counts::new(tx));
            for feedback in &batch {
                let tenant = tenants.ensure(&feedback.tenant)?;
                counts.add(
                    tenant,
                    &feedback.dimensions,
                    feedback.at,
                    &feedback.contribution(),
                )?;
            }
            counts.write()
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
            let mut statement = connection.prepare_cached(TOTALS)?;
            let mut rows = statement.query((
                tenant.as_str(),
                prompt.as_str(),
                closure_hash.as_bytes(),
                environment.as_ref().map(EnvironmentName::as_str),
            ))?;
            let mut sum = Metrics::default();
            while let Some(row) = rows.next()? {
                sum.merge(&read_metrics(row, 0)?);
            }
            Ok(sum)
        })
        .await
    }

    async fn rollups(&self, tenant: &TenantId, query: &RollupQuery) -> Result<Vec<Rollup>> {
        let (tenant, query) = (tenant.clone(), query.clone());
        self.read(move |connection| series(connection, &tenant, &query))
            .await
    }

    async fn prune_minutes(&self, tenant: &TenantId, before: Timestamp, at_most: usize) -> Result<usize> {
        let tenant = tenant.clone();
        self.write(Durability::Process, move |tx| {
            let Some(tenant) = tenancy::tenant(tx, &tenant)? else {
                return Ok(0);
            };
            let at_most = i64::try_from(at_most).unwrap_or(i64::MAX);
            let removed =
                tx.prepare_cached(PRUNE_MINUTES)?
                    .execute((tenant, first_micros(before), at_most))?;
            Ok(removed)
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_microseconds_lie_on_the_same_side_of_a_time_as_of_its_first_microsecond() {
        for nanos in [-1_500, -1_000, -1, 0, 1, 999, 1_000, 1_001, 1_999, 2_000] {
            let at = Timestamp::from_timestamp_nanos(nanos);
            for micros in -3..=3 {
                let time = timestamp(micros).unwrap();
                assert_eq!(time < at, micros < first_micros(at), "{micros} µs and {nanos} ns");
            }
        }
    }
}
