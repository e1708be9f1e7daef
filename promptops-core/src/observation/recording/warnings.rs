//! Telling, for once in a while, what would otherwise be known by the counts alone.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tracing::{Level, enabled, warn};

use super::recorded::Recorded;
use super::stats::RecordingStats;
use crate::base::error::ErrorKind;

/// So long after a warning no other of its kind is given.
const PAUSE: Duration = Duration::from_secs(10);

/// Warnings of one pipeline, to whoever listens to `tracing`, with the target `promptops::recording`: at most one in ten
/// seconds of each kind. They say what is lost and how much, not what it says: neither items nor the words of an error,
/// which may hold what a database was sent.
#[derive(Default)]
pub(super) struct Warnings {
    dropped: Pause,
    failed: Pause,
    invalid: Pause,
}

impl Warnings {
    /// Items are not taken.
    pub fn dropped(&self, what: &'static str, why: Recorded, stats: impl FnOnce() -> RecordingStats) {
        if !is_heard() || !self.dropped.is_over() {
            return;
        }
        let (why, advice) = match why {
            Recorded::Full => (
                "full",
                "the store is too slow, or `capacity` and `max_bytes` too small",
            ),
            Recorded::TooLarge => (
                "too_large",
                "an item is heavier than all that may wait; record less",
            ),
            _ => ("shut_down", "the recorder was shut down; record before that"),
        };
        let stats = stats();
        warn!(
            target: "promptops::recording",
            what, why, advice, dropped = stats.dropped, failed = stats.failed, queued = stats.queued,
            "what was recorded is dropped"
        );
    }

    /// A batch is given up.
    pub fn failed(&self, what: &'static str, kind: ErrorKind, stats: impl FnOnce() -> RecordingStats) {
        if !is_heard() || !self.failed.is_over() {
            return;
        }
        let stats = stats();
        warn!(
            target: "promptops::recording",
            what, error = kind.as_str(), dropped = stats.dropped, failed = stats.failed, queued = stats.queued,
            "what was recorded could not be stored; `last_error` says more"
        );
    }

    /// Items cannot be stored as they are.
    pub fn invalid(&self, what: &'static str, stats: impl FnOnce() -> RecordingStats) {
        if !is_heard() || !self.invalid.is_over() {
            return;
        }
        warn!(
            target: "promptops::recording",
            what, invalid = stats().invalid,
            "what was recorded cannot be stored as it is, and is not kept; recording it durably says why"
        );
    }
}

fn is_heard() -> bool {
    enabled!(target: "promptops::recording", Level::WARN)
}

/// When the last warning was given.
#[derive(Default)]
struct Pause(Mutex<Option<Instant>>);

impl Pause {
    /// Whether another one may be given now, which then counts as given.
    fn is_over(&self) -> bool {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let is_over = last.is_none_or(|last| now.saturating_duration_since(last) >= PAUSE);
        if is_over {
            *last = Some(now);
        }
        is_over
    }
}
