//! What is said of traces later.

use std::collections::{BTreeMap, BTreeSet};

use promptops_core::Result;
use promptops_core::base::{TenantId, TraceId};
use promptops_core::observation::{AnnotationEntry, TraceRecord, TraceVerdict};
use sqlx::Row;

use super::decode;
use super::record::{Columns, columns};
use crate::backend::PgBackend;
use crate::connection::Transaction;
use crate::metrics::rollup::Corrections;
use crate::{error, tenancy};

const LOCK: &str = "SELECT l.record, l.has_inputs FROM promptops.locked_traces($1, $2::text[]::uuid[]) l";
/// All of them are there.
const PUT: &str = concat!(
    "INSERT INTO promptops.trace AS t ",
    columns!(),
    " ON CONFLICT (tenant, id) DO UPDATE SET rating = excluded.rating, success = excluded.success,
        has_correction = excluded.has_correction, record = excluded.record"
);

/// Annotations of one tenant's traces, with their places in the batch.
type Entries<'a> = Vec<(usize, &'a AnnotationEntry)>;

pub(super) async fn annotate(backend: &PgBackend, batch: &[AnnotationEntry]) -> Result<Vec<TraceVerdict>> {
    if batch.is_empty() {
        return Ok(Vec::new());
    }
    let mut tenants: BTreeMap<&TenantId, Entries<'_>> = BTreeMap::new();
    for (at, entry) in batch.iter().enumerate() {
        tenants.entry(&entry.tenant).or_default().push((at, entry));
    }
    let mut tx = backend.begin().await?;
    let result = annotate_all(&mut tx, &tenants, batch.len()).await;
    tx.finish(result).await
}

async fn annotate_all(
    tx: &mut Transaction,
    tenants: &BTreeMap<&TenantId, Entries<'_>>,
    count: usize,
) -> error::Result<Vec<TraceVerdict>> {
    let mut verdicts = vec![TraceVerdict::Unknown; count];
    for (tenant, entries) in tenants {
        let tenant = tenancy::enter(tx, tenant).await?;
        let mut traces = locked(tx, tenant, entries).await?;
        if traces.is_empty() {
            continue;
        }
        let mut counts = Corrections::default();
        for (at, entry) in entries {
            let Some(trace) = traces.get_mut(&entry.trace) else {
                continue;
            };
            let fits = entry.annotation.fits(trace);
            if let Some(verdict) = verdicts.get_mut(*at) {
                *verdict = if fits {
                    TraceVerdict::Written
                } else {
                    TraceVerdict::Full
                };
            }
            if fits {
                let before = trace.contribution();
                entry.annotation.apply(trace);
                counts.replace(&trace.dimensions(), trace.at, &before, &trace.contribution());
            }
        }
        let mut columns = Columns::default();
        for trace in traces.values() {
            columns.push(trace)?;
        }
        tx.rows(PUT, |query| columns.bind(query, tenant)).await?;
        counts.make(tx, tenant).await?;
    }
    Ok(verdicts)
}

/// The traces that are there, locked until the transaction ends.
async fn locked(
    tx: &mut Transaction,
    tenant: i64,
    entries: &Entries<'_>,
) -> error::Result<BTreeMap<TraceId, TraceRecord>> {
    // In order, so that nobody waits in a circle.
    let ids: BTreeSet<TraceId> = entries.iter().map(|(_, entry)| entry.trace).collect();
    let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
    let rows = tx.rows(LOCK, |query| query.bind(tenant).bind(&ids)).await?;
    rows.iter()
        .map(|row| {
            let trace = decode(row.try_get(0)?, row.try_get(1)?)?;
            Ok((trace.id, trace))
        })
        .collect()
}
