//! What is counted of answers: by text, environment and variant, in total and over time.

mod comparison;
pub(crate) mod counts;
mod dimensions;
mod figures;
mod grouping;
pub(super) mod latency;
mod period;
mod series;
mod service;
mod store;
mod totals;

pub use comparison::{RateDifference, VersionComparison, VersionFigures};
pub use counts::{Feedback, Metrics, ScoreSum};
pub use dimensions::{Dimensions, Resolution, Rollup, RollupKey, VariantOf};
pub use figures::{Figures, LatencyFigures};
pub use grouping::{Group, Grouping, MetricsFilter};
pub use latency::Latencies;
pub use period::{Period, Step};
pub use series::{Line, Point, Series, SeriesQuery};
pub use service::MetricsService;
pub use store::{MetricsStore, RollupQuery};
pub use totals::Total;
