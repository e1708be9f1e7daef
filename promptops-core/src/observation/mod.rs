//! What production says about a prompt: the stamp that ties an answer to a version, traces of answers, and what is counted
//! of them.

mod assignment;
pub mod metrics;
mod stamp;
pub mod trace;

pub use assignment::{Assignment, AssignmentReason, UnitKey};
pub use metrics::{
    Dimensions, Feedback, Latencies, Metrics, MetricsService, MetricsStore, Resolution, Rollup, RollupKey,
    RollupQuery, ScoreSum, VariantOf,
};
pub use stamp::Stamp;
pub use trace::{
    Annotation, AnnotationEntry, Omitted, TraceEntry, TraceError, TraceFilter, TraceRecord, TraceScore,
    TraceStore, TraceVerdict,
};
