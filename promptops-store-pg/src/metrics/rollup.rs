//! Rows of counts: which change, and how they are read.

use std::collections::BTreeMap;

use promptops_core::base::stored::{
    corrupt, from_json, hash_bytes, stored, timestamp, to_json, version_number,
};
use promptops_core::base::{ClosureHash, EnvironmentName, ExperimentId, PromptName, Timestamp, VariantName};
use promptops_core::observation::{Dimensions, Metrics, Resolution, Rollup, RollupKey, VariantOf};
use sqlx::Row;
use sqlx::postgres::PgRow;

use crate::connection::{Query, Transaction};
use crate::error;

const LOCK: &str =
    "SELECT l.place, l.metrics FROM promptops.locked_rollups($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) l";
const PUT: &str = "INSERT INTO promptops.rollup
        (tenant, prompt, resolution, start, closure_hash, environment, version, experiment, variant, metrics)
    SELECT $1, k.* FROM unnest($2::text[], $3::text[], $4::bigint[], $5::bytea[], $6::text[], $7::bigint[], $8::text[],
        $9::text[], $10::text[]) k
    ON CONFLICT ON CONSTRAINT rollup_pkey DO UPDATE SET metrics = excluded.metrics";

/// A row, by what rows are locked in order of. So is it in `promptops.prune_minutes`.
type Place = (Resolution, Timestamp, Dimensions);

/// What is to be added to the counts of one tenant.
#[derive(Default)]
pub(crate) struct Additions(BTreeMap<Place, Metrics>);

impl Additions {
    /// Counts an answer of this time.
    pub(crate) fn add(&mut self, dimensions: &Dimensions, at: Timestamp, contribution: &Metrics) {
        for place in places(dimensions, at) {
            self.0.entry(place).or_default().merge(contribution);
        }
    }

    /// Adds it, for a tenant that was entered. Whoever waits for these rows waits until the transaction ends, so this comes
    /// last in it.
    pub(crate) async fn make(&self, tx: &mut Transaction, tenant: i64) -> error::Result<()> {
        change(tx, tenant, &self.0, true, |counts, more| counts.roll_up(more)).await
    }
}

/// What is to be counted otherwise of the answers of one tenant, where it is counted still.
#[derive(Default)]
pub(crate) struct Corrections(BTreeMap<Place, Vec<(Metrics, Metrics)>>);

impl Corrections {
    /// Counts an answer of this time otherwise than before.
    pub(crate) fn replace(
        &mut self,
        dimensions: &Dimensions,
        at: Timestamp,
        before: &Metrics,
        now: &Metrics,
    ) {
        for place in places(dimensions, at) {
            let corrections = self.0.entry(place).or_default();
            corrections.push((before.clone(), now.clone()));
        }
    }

    /// As [`Additions::make`].
    pub(crate) async fn make(&self, tx: &mut Transaction, tenant: i64) -> error::Result<()> {
        let replace = |counts: &mut Metrics, corrections: &Vec<(Metrics, Metrics)>| {
            for (before, now) in corrections {
                counts.replace(before, now);
            }
        };
        change(tx, tenant, &self.0, false, replace).await
    }
}

fn places(dimensions: &Dimensions, at: Timestamp) -> [Place; 4] {
    RollupKey::all(dimensions, at).map(|key| (key.resolution, key.start, key.dimensions))
}

/// Changes rows, which are made or left out where they are not there.
async fn change<T>(
    tx: &mut Transaction,
    tenant: i64,
    changes: &BTreeMap<Place, T>,
    is_made: bool,
    apply: impl Fn(&mut Metrics, &T),
) -> error::Result<()> {
    if changes.is_empty() {
        return Ok(());
    }
    let columns = Columns::new(changes.keys());
    let rows = tx
        .rows(LOCK, |query| columns.bind(query, tenant).bind(is_made))
        .await?;
    let mut found: BTreeMap<i32, Metrics> = BTreeMap::new();
    for row in &rows {
        found.insert(row.try_get(0)?, from_json("counts", row.try_get(1)?)?);
    }
    if is_made && found.len() != changes.len() {
        return Err(corrupt("list of counts").into());
    }
    let (mut there, mut texts) = (Vec::with_capacity(found.len()), Vec::with_capacity(found.len()));
    for (place, (key, change)) in (1..).zip(changes) {
        if let Some(mut counts) = found.remove(&place) {
            apply(&mut counts, change);
            texts.push(to_json("counts", &counts)?);
            there.push(key);
        }
    }
    let columns = Columns::new(there.into_iter());
    tx.rows(PUT, |query| columns.bind(query, tenant).bind(&texts))
        .await?;
    Ok(())
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
    micros.saturating_add(i64::from(!time.timestamp_subsec_nanos().is_multiple_of(1_000)))
}

/// Start, closure hash, environment, version, experiment, variant and counts.
pub(super) fn read(row: &PgRow, prompt: &PromptName, resolution: Resolution) -> error::Result<Rollup> {
    fn named(row: &PgRow, at: usize) -> error::Result<Option<&str>> {
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
