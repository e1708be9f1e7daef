//! Rows of traces, and what they are in core.

use promptops_core::base::stored::{corrupt, from_json, to_json};
use promptops_core::base::{TenantId, Timestamp, TraceId};
use promptops_core::observation::{Dimensions, Metrics, TraceEntry, TraceRecord};
use promptops_core::{Error, ErrorKind, Result};
use rusqlite::Row;
use serde_json::Value;

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
    pub(super) has_inputs: bool,
    pub(super) body: String,
}

/// Deepest nesting of inputs. A parser of JSON takes 127 levels, and a trace has some of its own: one that is deeper could
/// be kept, and neither read nor listed past.
const MAX_DEPTH: usize = 120;

impl TraceRow {
    pub(super) fn new(entry: &TraceEntry) -> Result<Self> {
        let trace = &entry.trace;
        if trace
            .inputs
            .as_ref()
            .is_some_and(|inputs| !is_within(inputs, MAX_DEPTH))
        {
            return Err(Error::new(
                ErrorKind::Invalid,
                format!("the inputs of a trace are nested deeper than {MAX_DEPTH} levels; keep a flatter form of them"),
            )
            .with("trace", trace.id));
        }
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
            has_inputs: trace.inputs.is_some(),
            body: encode(trace)?,
        })
    }
}

/// Whether a value is nested in at most so many levels.
fn is_within(value: &Value, levels: usize) -> bool {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => true,
        Value::Array(items) => levels > 0 && items.iter().all(|item| is_within(item, levels - 1)),
        Value::Object(entries) => levels > 0 && entries.values().all(|value| is_within(value, levels - 1)),
    }
}

pub(super) fn encode(trace: &TraceRecord) -> Result<String> {
    to_json("trace", trace)
}

/// A trace as it was read.
pub(super) struct StoredTrace {
    has_inputs: bool,
    body: String,
}

impl StoredTrace {
    pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            has_inputs: row.get(0)?,
            body: row.get(1)?,
        })
    }

    pub(super) fn decode(&self, id: TraceId) -> Result<TraceRecord> {
        decode(id, self.has_inputs, &self.body)
    }
}

pub(super) fn decode(id: TraceId, has_inputs: bool, body: &str) -> Result<TraceRecord> {
    let mut trace: TraceRecord = from_json("trace", body).map_err(|error| error.with("trace", id))?;
    if has_inputs {
        trace.inputs.get_or_insert(Value::Null);
    }
    if trace.id == id {
        Ok(trace)
    } else {
        Err(corrupt("trace").with("trace", id))
    }
}
