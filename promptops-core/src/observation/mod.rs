//! What production says about a prompt: the stamp that ties an answer to a version, traces of answers, and what is counted
//! of them.

mod assignment;
pub mod metrics;
pub(crate) mod recording;
mod stamp;
pub mod trace;

pub use assignment::{Assignment, AssignmentReason, UnitKey};
pub use metrics::{
    Dimensions, Feedback, Figures, Group, Grouping, Latencies, LatencyFigures, Line, Metrics, MetricsFilter,
    MetricsService, MetricsStore, Period, Point, RateDifference, Resolution, Rollup, RollupKey, RollupQuery,
    ScoreSum, Series, SeriesQuery, Step, Total, VariantOf, VersionComparison, VersionFigures,
};
pub use recording::{Recorded, RecordingSettings, RecordingStats, Verdict};
pub use stamp::Stamp;
pub use trace::otel;
pub use trace::{
    Annotate, Annotation, AnnotationEntry, Content, Omitted, Redact, RedactTexts, Trace, TraceEntry,
    TraceError, TraceFilter, TraceRecord, TraceRecorder, TraceScore, TraceSettings, TraceStore, TraceVerdict,
    Traces,
};
