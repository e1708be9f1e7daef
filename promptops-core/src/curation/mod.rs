//! From production back to evaluation: datasets made of traces.

mod append;
mod candidate;
mod from_traces;
mod report;
mod sample;
mod service;

pub use candidate::Sessions;
pub(crate) use candidate::entry_of;
pub use from_traces::{Curated, FromTraces};
pub use report::CurationReport;
pub use service::Curation;
