//! What production says about a prompt: the stamp that ties an answer to a version, and metrics per closure.

mod metrics;
mod recording;
mod service;
mod stamp;
mod store;

pub use metrics::{Feedback, Metrics};
pub use recording::{Recorded, RecordingSettings, RecordingStats, Verdict};
pub use service::MetricsService;
pub use stamp::Stamp;
pub use store::MetricsStore;
