//! Rows of traces, and what they are in core.

use promptops_core::Result;
use promptops_core::base::stored::{corrupt, from_json, to_json};
use promptops_core::base::{TenantId, Timestamp, TraceId};
use promptops_core::observation::{Dimensions, Metrics, TraceEntry, TraceRecord};

/// A trace as it is written, and what it adds to the counts.
pub(super) struct TraceRow {
    pub(super) tenant: TenantId,
    pub(super) id: TraceId,
    pub(super) at: Timestamp,
    pub(super) dimensions: Dimensions,
    pub(super) contribution: Metrics,
    pub(super) is_error: bool,
    pub(super) success: Option<bool>,
    pub(super) rating: Option<u32>,
    pub(super) model: Option<String>,
    pub(super) session: Option<String>,
    /// `None` for one that is only counted.
    pub(super) body: Option<String>,
}

impl TraceRow {
    pub(super) fn new(entry: &TraceEntry) -> Result<Self> {
        let trace = &entry.trace;
        Ok(Self {
            tenant: entry.tenant.clone(),
            id: trace.id,
            at: trace.at,
            dimensions: trace.dimensions(),
            contribution: trace.contribution(),
            is_error: trace.error.is_some(),
            success: trace.is_success(),
            rating: trace.rating_millionths,
            model: trace.model.clone(),
            session: trace.session.clone(),
            body: entry.is_kept.then(|| encode(trace)).transpose()?,
        })
    }
}

pub(super) fn encode(trace: &TraceRecord) -> Result<String> {
    to_json("trace", trace)
}

pub(super) fn decode(id: TraceId, body: &str) -> Result<TraceRecord> {
    let trace: TraceRecord = from_json("trace", body).map_err(|error| error.with("trace", id))?;
    if trace.id == id {
        Ok(trace)
    } else {
        Err(corrupt("trace").with("trace", id))
    }
}
