//! What is kept of traces, for how long, and what is taken out before.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::redact::Redact;
use crate::base::Timestamp;
use crate::observation::recording::RecordingSettings;

/// Whether inputs and outputs are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Content {
    /// They are.
    #[default]
    Kept,
    /// They are not: traces say how an answer went, not what was asked and answered. What is said of an answer on purpose
    /// (a correction, a comment, the reason of a score) is kept all the same.
    Omitted,
}

/// What is kept of traces, for how long, and what is taken out before.
#[derive(Clone)]
#[non_exhaustive]
pub struct TraceSettings {
    /// The queue between callers and the store.
    pub recording: RecordingSettings,
    /// Whether inputs and outputs are kept. Default: they are.
    pub content: Content,
    /// Most bytes of the texts and keys of inputs and output together; of a larger trace neither is kept. Default 256 KiB.
    pub max_content_bytes: usize,
    /// Share of traces that keep their content, 0.0 ..= 1.0. Whole sessions do or do not, where traces name one. What is no
    /// number counts as 1. Default 1.
    ///
    /// Of the others is kept what they are found and counted by: stamp, times, the kind of error, success, rating, scores,
    /// tokens, cost, model, session and tags, in some 500 bytes of JSON each. Inputs, output, the error's message and the
    /// reasons of scores are left out, and [`Omitted::Sampled`](super::Omitted::Sampled) says so. What is said of them later
    /// is kept whole, and counted.
    pub sample: f64,
    /// Whether errors keep their content whatever the share. Default: yes.
    pub keep_errors: bool,
    /// Takes out what must not be kept. Default: nothing.
    pub redact: Option<Arc<dyn Redact>>,
    /// How long traces and counts by the minute are kept, at least an hour; counts by the hour and day stay. A trace whose id
    /// is older when it is recorded is invalid. Default 90 days.
    pub retention: Duration,
    /// How often what is older is removed, by the writer, for the tenants whose traces it writes; zero: never by itself.
    /// Default 1 h.
    pub prune_every: Duration,
}

impl Default for TraceSettings {
    fn default() -> Self {
        Self {
            recording: RecordingSettings::default(),
            content: Content::default(),
            max_content_bytes: 256 << 10,
            sample: 1.0,
            keep_errors: true,
            redact: None,
            retention: Duration::from_secs(90 * 86_400),
            prune_every: Duration::from_secs(3_600),
        }
    }
}

impl TraceSettings {
    /// How long traces are kept.
    pub(super) fn kept_for(&self) -> Duration {
        self.retention.max(Duration::from_secs(3_600))
    }

    /// What began before this is removed; `None` where there is no such time.
    pub(super) fn oldest(&self, now: Timestamp) -> Option<Timestamp> {
        let kept = chrono::TimeDelta::from_std(self.kept_for()).ok()?;
        now.checked_sub_signed(kept)
    }
}

impl fmt::Debug for TraceSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TraceSettings")
            .field("recording", &self.recording)
            .field("content", &self.content)
            .field("max_content_bytes", &self.max_content_bytes)
            .field("sample", &self.sample)
            .field("keep_errors", &self.keep_errors)
            .field("redact", &self.redact.is_some())
            .field("retention", &self.retention)
            .field("prune_every", &self.prune_every)
            .finish()
    }
}
