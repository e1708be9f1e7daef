//! Traces: what was asked and answered in production.

mod filter;
mod record;
mod store;

pub use filter::TraceFilter;
pub use record::{Annotation, AnnotationEntry, Omitted, TraceEntry, TraceError, TraceRecord, TraceScore};
pub use store::{TraceStore, TraceVerdict};
