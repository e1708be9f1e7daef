//! Rows of counts: which change, and how they are read.

use std::collections::BTreeMap;

use promptops_core::base::stored::{
    corrupt, from_json, hash_bytes, stored, timestamp, to_json, version_number,
};
use promptops_core::base::{
    ClosureHash, EnvironmentName, ExperimentId, PromptName, TenantId, Timestamp, VariantName,
};
use promptops_core::observation::{Dimensions, Metrics, Resolution, Rollup, RollupKey, VariantOf};
use sqlx::Row;
use sqlx::postgres::PgRow;

use crate::connection::{Query, Transaction};
use crate::{error, tenancy};

const LOCK: &str =
    "SELECT l.place, l.metrics FROM promptops.locked_rollups($1, $2, $3, $4, $5, $6, $7, $8, $9) l";
const PUT: &str = "INSERT INTO promptops.rollup
        (tenant, prompt, resolution, start, closure_hash, environment, version, experiment, variant, metrics)
    SELECT $1, k.* FROM unnest($2::text[], $3::text[], $4::bigint[], $5::bytea[], $6::text[], $7::bigint[], $8::text[],
        $9::text[], $10::text[]) k
    ON CONFLICT ON CONSTRAINT rollup_pkey DO UPDATE SET metrics = excluded.metrics";

/// A row, by what rows are locked in order of. So is it in `promptops.prune_minutes`.
type Place = (Resolution, Timestamp, Dimensions);

/// One change of a row.
enum Step {
    Add(Metrics),
    /// Counts that an answer does not have any more, and those that it has.
    Replace(Metrics, Metrics),
}

/// What changes of the counts of one tenant.
#[derive(Default)]
pub(crate) struct TenantChanges(BTreeMap<Place, Vec<Step>>);

/// What changes of the counts of several tenants, who are entered in the order of their names: nobody waits in a circle.
#[derive(Default)]
pub(crate) struct Changes<'a>(BTreeMap<&'a TenantId, TenantChanges>);

impl<'a> Changes<'a> {
    pub(crate) fn of(&mut self, tenant: &'a TenantId) -> &mut TenantChanges {
        self.0.entry(tenant).or_default()
    }

    /// Makes them.
    pub(crate) async fn make(&self, tx: &mut Transaction) -> error::Result<()> {
        for (tenant, changes) in &self.0 {
            let tenant = tenancy::enter(tx, tenant).await?;
            changes.make(tx, tenant).await?;
        }
        Ok(())
    }
}

impl TenantChanges {
    /// Counts an answer of this time.
    pub(crate) fn add(&mut self, dimensions: &Dimensions, at: Timestamp, contribution: &Metrics) {
        for key in RollupKey::all(dimensions, at) {
            let steps = self.steps(key);
            match steps.last_mut() {
                Some(Step::Add(sum)) => sum.merge(contribution),
                _ => steps.push(Step::Add(contribution.clone())),
            }
        }
    }

    /// Counts an answer of this time otherwise than before.
    pub(crate) fn replace(
        &mut self,
        dimensions: &Dimensions,
        at: Timestamp,
        before: &Metrics,
        now: &Metrics,
    ) {
        for key in RollupKey::all(dimensions, at) {
            self.steps(key).push(Step::Replace(before.clone(), now.clone()));
        }
    }

    fn steps(&mut self, key: RollupKey) -> &mut Vec<Step> {
        self.0
            .entry((key.resolution, key.start, key.dimensions))
            .or_default()
    }

    /// Makes them, for a tenant that was entered. Whoever waits for these rows waits until the transaction ends, so this
    /// comes last in it.
    pub(crate) async fn make(&self, tx: &mut Transaction, tenant: i64) -> error::Result<()> {
        if self.0.is_empty() {
            return Ok(());
        }
        let columns = Columns::new(self.0.keys());
        let rows = tx.rows(LOCK, |query| columns.bind(query, tenant)).await?;
        let mut found = vec![None; self.0.len()];
        for row in &rows {
            let place: i64 = row.try_get(0)?;
            let counts: Metrics = from_json("counts", row.try_get(1)?)?;
            let at = usize::try_from(place - 1).ok().and_then(|at| found.get_mut(at));
            *at.ok_or_else(|| corrupt("counts"))? = Some(counts);
        }
        let mut texts = Vec::with_capacity(found.len());
        for (counts, steps) in found.into_iter().zip(self.0.values()) {
            let mut counts = counts.ok_or_else(|| corrupt("counts"))?;
            for step in steps {
                match step {
                    Step::Add(more) => counts.merge(more),
                    Step::Replace(before, now) => {
                        counts.subtract(before);
                        counts.merge(now);
                    }
                }
            }
            texts.push(to_json("counts", &counts)?);
        }
        tx.rows(PUT, |query| columns.bind(query, tenant).bind(&texts))
            .await?;
        Ok(())
    }
}

/// Keys of rows in columns.
#[derive(Default)]
struct Columns {
    prompts: Vec<String>,
    resolutions: Vec<&'static str>,
    starts: Vec<i64>,
    closure_hashes: Vec<Vec<u8>>,
    environments: Vec<String>,
    versions: Vec<i64>,
    experiments: Vec<String>,
    variants: Vec<String>,
}

impl Columns {
    fn new<'a>(places: impl Iterator<Item = &'a Place>) -> Self {
        let mut columns = Self::default();
        for (resolution, start, of) in places {
            let environment = of.environment.as_ref().map(ToString::to_string);
            let (experiment, variant) = of.variant.as_ref().map_or_else(Default::default, |of| {
                (of.experiment.to_string(), of.variant.to_string())
            });
            columns.prompts.push(of.prompt.to_string());
            columns.resolutions.push(resolution.as_str());
            columns.starts.push(start.timestamp_micros());
            columns.closure_hashes.push(of.closure_hash.as_bytes().to_vec());
            columns.environments.push(environment.unwrap_or_default());
            let version = of.version.map_or(0, |version| i64::from(version.get()));
            columns.versions.push(version);
            columns.experiments.push(experiment);
            columns.variants.push(variant);
        }
        columns
    }

    fn bind(&self, query: Query, tenant: i64) -> Query {
        query
            .bind(tenant)
            .bind(&self.prompts)
            .bind(&self.resolutions)
            .bind(&self.starts)
            .bind(&self.closure_hashes)
            .bind(&self.environments)
            .bind(&self.versions)
            .bind(&self.experiments)
            .bind(&self.variants)
    }
}

/// The first microsecond that is not before this time.
pub(super) fn end_micros(time: Timestamp) -> i64 {
    let micros = time.timestamp_micros();
    micros.saturating_add(i64::from(time.timestamp_subsec_nanos() % 1_000 > 0))
}

/// Start, closure hash, environment, version, experiment, variant and counts.
pub(super) fn read(row: &PgRow, prompt: &PromptName, resolution: Resolution) -> error::Result<Rollup> {
    fn named<'a>(row: &'a PgRow, at: usize) -> error::Result<Option<&'a str>> {
        let text: &str = row.try_get(at)?;
        Ok(Some(text).filter(|text| !text.is_empty()))
    }
    let environment = named(row, 2)?.map(EnvironmentName::new).transpose();
    let version: i64 = row.try_get(3)?;
    let variant = match named(row, 4)? {
        None => None,
        Some(experiment) => Some(VariantOf {
            experiment: stored("experiment", ExperimentId::new(experiment))?,
            variant: stored("variant", VariantName::new(row.try_get::<&str, _>(5)?))?,
        }),
    };
    let dimensions = Dimensions {
        prompt: prompt.clone(),
        version: (version != 0).then(|| version_number(version)).transpose()?,
        closure_hash: ClosureHash::from_bytes(hash_bytes(row.try_get(1)?)?),
        environment: stored("environment", environment)?,
        variant,
    };
    Ok(Rollup {
        key: RollupKey {
            dimensions,
            resolution,
            start: timestamp(row.try_get(0)?)?,
        },
        metrics: from_json("counts", row.try_get(6)?)?,
    })
}
