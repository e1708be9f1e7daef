//! Traces.

mod annotate;
mod list;
mod record;

use async_trait::async_trait;
use promptops_core::Result;
use promptops_core::base::stored::{from_json, timestamp};
use promptops_core::base::{Page, PageRequest, TenantId, Timestamp, TraceId};
use promptops_core::observation::{
    AnnotationEntry, TraceEntry, TraceFilter, TraceRecord, TraceStore, TraceVerdict,
};
use serde_json::Value;
use sqlx::Row;
use sqlx::postgres::PgRow;

use crate::backend::{PgBackend, removed};
use crate::error;

const FIND: &str = "SELECT x.record, x.has_inputs FROM promptops.entered($1) n, LATERAL (
        SELECT t.record, t.has_inputs FROM promptops.trace t WHERE t.tenant = n.id AND t.id = $2::text::uuid OFFSET 0
    ) x";
const NOW: &str = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint";
const PRUNE: &str = "SELECT p.removed FROM promptops.prune_traces($1, $2::text::uuid, $3, $4) p";

/// A trace from its record, and whether it has inputs: JSON does not tell those that are null from none.
fn decode(json: &str, has_inputs: bool) -> Result<TraceRecord> {
    let mut trace: TraceRecord = from_json("trace", json)?;
    if has_inputs && trace.inputs.is_none() {
        trace.inputs = Some(Value::Null);
    }
    Ok(trace)
}

#[async_trait]
impl TraceStore for PgBackend {
    async fn record_traces(&self, batch: &[TraceEntry]) -> Result<Vec<TraceVerdict>> {
        record::record(self, batch).await
    }

    async fn annotate_traces(&self, batch: &[AnnotationEntry]) -> Result<Vec<TraceVerdict>> {
        annotate::annotate(self, batch).await
    }

    async fn trace(&self, tenant: &TenantId, id: TraceId) -> Result<Option<TraceRecord>> {
        let row = self
            .read_one(FIND, |query| query.bind(tenant.to_string()).bind(id.to_string()))
            .await?;
        let read =
            |row: PgRow| -> error::Result<TraceRecord> { Ok(decode(row.try_get(0)?, row.try_get(1)?)?) };
        Ok(row.map(read).transpose()?)
    }

    async fn traces(
        &self,
        tenant: &TenantId,
        filter: &TraceFilter,
        page: &PageRequest,
    ) -> Result<Page<TraceRecord>> {
        list::list(self, tenant, filter, page).await
    }

    async fn now(&self) -> Result<Option<Timestamp>> {
        let row = self.read_one(NOW, |query| query).await?;
        let read = |row: PgRow| -> error::Result<Timestamp> { Ok(timestamp(row.try_get(0)?)?) };
        Ok(row.map(read).transpose()?)
    }

    async fn prune_traces(&self, tenant: &TenantId, before: Timestamp, at_most: usize) -> Result<usize> {
        let rows = self
            .write(PRUNE, |query| {
                query
                    .bind(tenant.to_string())
                    .bind(TraceId::first_at(before).to_string())
                    .bind(i64::try_from(at_most).unwrap_or(i64::MAX))
                    .bind(self.lock_timeout().to_owned())
            })
            .await?;
        removed(&rows)
    }
}
