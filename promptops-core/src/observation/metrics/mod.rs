//! What is counted of answers: by text, environment and variant, in total and over time.

pub(crate) mod counts;
mod dimensions;
mod latency;
mod service;
mod store;

pub use counts::{Feedback, Metrics, ScoreSum};
pub use dimensions::{Dimensions, Resolution, Rollup, RollupKey, VariantOf};
pub use latency::Latencies;
pub use service::MetricsService;
pub use store::{MetricsStore, RollupQuery};
