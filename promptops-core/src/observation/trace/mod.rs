//! Traces: what was asked and answered in production.

mod draft;
mod filter;
mod limits;
pub mod otel;
mod record;
mod recorder;
mod redact;
mod service;
mod settings;
mod store;

pub use draft::{Annotate, Trace};
pub use filter::TraceFilter;
pub use record::{Annotation, AnnotationEntry, Omitted, TraceEntry, TraceError, TraceRecord, TraceScore};
pub use recorder::TraceRecorder;
pub use redact::{Redact, RedactTexts};
pub use service::Traces;
pub use settings::{Content, TraceSettings};
pub use store::{TraceStore, TraceVerdict};
