//! Recording what production says, without ever making it wait: a bounded queue, and a writer of its own that hands
//! batches to a sink.
//!
//! What is recorded is counted from the moment it is handed in, and every item ends as exactly one of the counts of
//! [`RecordingStats`]. A process that is killed loses at most what is `queued` then.

mod pipeline;
mod queue;
mod recorded;
mod settings;
mod shared;
mod sink;
mod stats;
#[cfg(test)]
mod tests;
mod warnings;
mod writer;

pub(crate) use pipeline::Pipeline;
pub use recorded::{Recorded, Verdict};
pub use settings::RecordingSettings;
pub(crate) use sink::Sink;
pub use stats::RecordingStats;
