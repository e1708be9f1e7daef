//! Recording traces, and what is written of one.

use std::collections::{BTreeMap, BTreeSet};

use promptops_core::Result;
use promptops_core::base::stored::{stored, to_json};
use promptops_core::base::{TenantId, TraceId};
use promptops_core::observation::{TraceEntry, TraceRecord, TraceVerdict};
use sqlx::Row;

use crate::backend::PgBackend;
use crate::connection::{Query, Transaction};
use crate::metrics::rollup::Additions;
use crate::{error, tenancy};

/// What [`Columns::bind`] binds, after the tenant.
macro_rules! columns {
    () => {
        "(tenant, id, prompt, closure_hash, environment, version, experiment, variant, model, session, rating, success,
            is_error, has_inputs, has_correction, record)
        SELECT $1, i.id::uuid, i.prompt, i.closure_hash, i.environment, i.version, i.experiment, i.variant, i.model,
            i.session, i.rating, i.success, i.is_error, i.has_inputs, i.has_correction, i.record
        FROM unnest($2::text[], $3::text[], $4::bytea[], $5::text[], $6::bigint[], $7::text[], $8::text[], $9::bytea[],
            $10::bytea[], $11::bigint[], $12::boolean[], $13::boolean[], $14::boolean[], $15::boolean[], $16::text[])
            i (id, prompt, closure_hash, environment, version, experiment, variant, model, session, rating, success,
                is_error, has_inputs, has_correction, record)"
    };
}
pub(super) use columns;

/// Which were added; NULL when all of them were.
const ADD: &str = concat!(
    "WITH added AS (INSERT INTO promptops.trace AS t ",
    columns!(),
    " ON CONFLICT (tenant, id) DO NOTHING RETURNING t.id)
    SELECT CASE WHEN count(*) < cardinality($2) THEN coalesce(array_agg(a.id::text), '{}') END FROM added a"
);

/// Traces in columns.
#[derive(Default)]
pub(super) struct Columns {
    ids: Vec<String>,
    prompts: Vec<String>,
    closure_hashes: Vec<Vec<u8>>,
    environments: Vec<Option<String>>,
    versions: Vec<Option<i64>>,
    experiments: Vec<Option<String>>,
    variants: Vec<Option<String>>,
    models: Vec<Option<Vec<u8>>>,
    sessions: Vec<Option<Vec<u8>>>,
    ratings: Vec<Option<i64>>,
    successes: Vec<Option<bool>>,
    are_errors: Vec<bool>,
    have_inputs: Vec<bool>,
    have_correction: Vec<bool>,
    records: Vec<String>,
}

fn bytes(text: Option<&String>) -> Option<Vec<u8>> {
    text.map(|text| text.clone().into_bytes())
}

impl Columns {
    pub(super) fn push(&mut self, trace: &TraceRecord) -> Result<()> {
        let of = trace.dimensions();
        let (experiment, variant) = of
            .variant
            .map(|of| (of.experiment.to_string(), of.variant.to_string()))
            .unzip();
        self.records.push(to_json("trace", trace)?);
        self.ids.push(trace.id.to_string());
        self.prompts.push(of.prompt.to_string());
        self.closure_hashes.push(of.closure_hash.as_bytes().to_vec());
        self.environments
            .push(of.environment.as_ref().map(ToString::to_string));
        self.versions.push(of.version.map(|version| version.get().into()));
        self.experiments.push(experiment);
        self.variants.push(variant);
        self.models.push(bytes(trace.model.as_ref()));
        self.sessions.push(bytes(trace.session.as_ref()));
        self.ratings.push(trace.rating_millionths.map(i64::from));
        self.successes.push(trace.is_success());
        self.are_errors.push(trace.error.is_some());
        self.have_inputs.push(trace.inputs.is_some());
        self.have_correction.push(trace.corrected_output.is_some());
        Ok(())
    }

    pub(super) fn bind(&self, query: Query, tenant: i64) -> Query {
        query
            .bind(tenant)
            .bind(&self.ids)
            .bind(&self.prompts)
            .bind(&self.closure_hashes)
            .bind(&self.environments)
            .bind(&self.versions)
            .bind(&self.experiments)
            .bind(&self.variants)
            .bind(&self.models)
            .bind(&self.sessions)
            .bind(&self.ratings)
            .bind(&self.successes)
            .bind(&self.are_errors)
            .bind(&self.have_inputs)
            .bind(&self.have_correction)
            .bind(&self.records)
    }
}

/// Traces of one tenant, with their places in the batch.
struct Batch<'a> {
    entries: Vec<(usize, &'a TraceEntry)>,
    ids: BTreeSet<TraceId>,
    /// The first of each id.
    columns: Columns,
}

impl<'a> Batch<'a> {
    fn new(entries: Vec<(usize, &'a TraceEntry)>) -> Result<Self> {
        let mut first: BTreeMap<TraceId, &TraceRecord> = BTreeMap::new();
        for (_, entry) in &entries {
            first.entry(entry.trace.id).or_insert(&entry.trace);
        }
        // In order of ids, so that two that record the same do not wait in a circle, and pages fill up one by one.
        let mut columns = Columns::default();
        for trace in first.values() {
            columns.push(trace)?;
        }
        Ok(Self {
            entries,
            ids: first.into_keys().collect(),
            columns,
        })
    }

    async fn record(
        &self,
        tx: &mut Transaction,
        tenant: i64,
        verdicts: &mut [TraceVerdict],
    ) -> error::Result<()> {
        // Those that are added, until the batch comes by them.
        let mut added = self.add(tx, tenant).await?;
        let mut counts = Additions::default();
        for (at, TraceEntry { trace, .. }) in &self.entries {
            let is_new = added.remove(&trace.id);
            if is_new {
                counts.add(&trace.dimensions(), trace.at, &trace.contribution());
            }
            if let Some(verdict) = verdicts.get_mut(*at) {
                *verdict = if is_new {
                    TraceVerdict::Written
                } else {
                    TraceVerdict::Duplicate
                };
            }
        }
        counts.make(tx, tenant).await
    }

    async fn add(&self, tx: &mut Transaction, tenant: i64) -> error::Result<BTreeSet<TraceId>> {
        let row = tx.row(ADD, |query| self.columns.bind(query, tenant)).await?;
        let added: Option<Vec<String>> = row.ok_or(sqlx::Error::RowNotFound)?.try_get(0)?;
        match added {
            None => Ok(self.ids.clone()),
            Some(added) => added.iter().map(|id| trace_id(id)).collect(),
        }
    }
}

pub(super) fn trace_id(text: &str) -> error::Result<TraceId> {
    Ok(stored("id of a trace", text.parse())?)
}

pub(super) async fn record(backend: &PgBackend, batch: &[TraceEntry]) -> Result<Vec<TraceVerdict>> {
    if batch.is_empty() {
        return Ok(Vec::new());
    }
    let mut tenants: BTreeMap<&TenantId, Vec<_>> = BTreeMap::new();
    for (at, entry) in batch.iter().enumerate() {
        tenants.entry(&entry.tenant).or_default().push((at, entry));
    }
    let mut batches = Vec::with_capacity(tenants.len());
    for (tenant, entries) in tenants {
        batches.push((tenant, Batch::new(entries)?));
    }
    let mut tx = backend.begin().await?;
    let result = record_all(&mut tx, &batches, batch.len()).await;
    tx.finish(result).await
}

async fn record_all(
    tx: &mut Transaction,
    batches: &[(&TenantId, Batch<'_>)],
    count: usize,
) -> error::Result<Vec<TraceVerdict>> {
    let mut verdicts = vec![TraceVerdict::Unknown; count];
    for (tenant, batch) in batches {
        let tenant = tenancy::enter(tx, tenant).await?;
        batch.record(tx, tenant, &mut verdicts).await?;
    }
    Ok(verdicts)
}
