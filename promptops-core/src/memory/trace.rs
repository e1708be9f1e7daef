//! Traces in memory.

use std::collections::BTreeMap;
use std::ops::Bound;

use async_trait::async_trait;

use super::MemoryBackend;
use crate::base::error::Result;
use crate::base::page::foreign_cursor;
use crate::base::{Page, PageRequest, TenantId, Timestamp, TraceId};
use crate::observation::{AnnotationEntry, TraceEntry, TraceFilter, TraceRecord, TraceStore, TraceVerdict};

/// One tenant's traces.
#[derive(Default)]
pub(super) struct Traces(BTreeMap<TraceId, TraceRecord>);

#[async_trait]
impl TraceStore for MemoryBackend {
    async fn record_traces(&self, batch: &[TraceEntry]) -> Result<Vec<TraceVerdict>> {
        let mut state = self.state();
        let mut record = |entry: &TraceEntry| {
            let tenant = state.tenant_mut(&entry.tenant);
            let trace = &entry.trace;
            if tenant.traces.0.contains_key(&trace.id) {
                return TraceVerdict::Duplicate;
            }
            tenant
                .counts
                .add(&trace.dimensions(), trace.at, &trace.contribution());
            tenant.traces.0.insert(trace.id, trace.clone());
            TraceVerdict::Written
        };
        Ok(batch.iter().map(&mut record).collect())
    }

    async fn annotate_traces(&self, batch: &[AnnotationEntry]) -> Result<Vec<TraceVerdict>> {
        let mut state = self.state();
        let mut annotate = |entry: &AnnotationEntry| {
            let tenant = state.tenant_mut(&entry.tenant);
            let Some(trace) = tenant.traces.0.get_mut(&entry.trace) else {
                return TraceVerdict::Unknown;
            };
            if !entry.annotation.fits(trace) {
                return TraceVerdict::Full;
            }
            let before = trace.contribution();
            entry.annotation.apply(trace);
            let now = trace.contribution();
            tenant
                .counts
                .replace(&trace.dimensions(), trace.at, &before, &now);
            TraceVerdict::Written
        };
        Ok(batch.iter().map(&mut annotate).collect())
    }

    async fn trace(&self, tenant: &TenantId, id: TraceId) -> Result<Option<TraceRecord>> {
        let state = self.state();
        Ok(state
            .tenant(tenant)
            .and_then(|tenant| tenant.traces.0.get(&id))
            .cloned())
    }

    async fn traces(
        &self,
        tenant: &TenantId,
        filter: &TraceFilter,
        page: &PageRequest,
    ) -> Result<Page<TraceRecord>> {
        let before = page
            .cursor()
            .map(|cursor| cursor.parse::<TraceId>().map_err(|_| foreign_cursor(cursor)))
            .transpose()?;
        let state = self.state();
        let end = before.map_or(Bound::Unbounded, Bound::Excluded);
        let items = state
            .tenant(tenant)
            .into_iter()
            .flat_map(|tenant| tenant.traces.0.range((Bound::Unbounded, end)).rev())
            .map(|(_, trace)| trace)
            .filter(|trace| filter.matches(trace))
            .take(page.limit() + 1)
            .cloned()
            .collect();
        Ok(Page::from_surplus(items, page.limit(), |last: &TraceRecord| {
            last.id.to_string()
        }))
    }

    async fn prune_traces(&self, tenant: &TenantId, before: Timestamp, at_most: usize) -> Result<usize> {
        let mut state = self.state();
        let traces = &mut state.tenant_mut(tenant).traces.0;
        let end = TraceId::first_at(before);
        let mut removed = 0;
        while removed < at_most
            && let Some(oldest) = traces.first_entry()
            && *oldest.key() < end
        {
            oldest.remove();
            removed += 1;
        }
        Ok(removed)
    }
}
