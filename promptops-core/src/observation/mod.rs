//! What production says about a prompt: the stamp that ties an answer to a version, and metrics per closure.

mod assignment;
mod metrics;
mod service;
mod stamp;
mod store;

pub use assignment::{Assignment, AssignmentReason, UnitKey};
pub use metrics::{Feedback, Metrics};
pub use service::MetricsService;
pub use stamp::Stamp;
pub use store::MetricsStore;
