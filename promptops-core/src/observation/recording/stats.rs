//! What became of all that was recorded.

use serde::{Deserialize, Serialize};

use super::recorded::Verdict;

/// What became of all that was recorded, in items since the recorder was made.
///
/// Read at one moment, and exact at every moment: `enqueued` is the sum of `written`, `duplicate`, `contaminated`,
/// `invalid`, `dropped`, `failed` and `queued`. After a shutdown nothing is queued.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RecordingStats {
    /// Handed in, whatever became of it.
    pub enqueued: u64,
    /// Stored.
    pub written: u64,
    /// The store had it already.
    pub duplicate: u64,
    /// In contradiction to what is stored, and not counted there.
    pub contaminated: u64,
    /// Not to be stored as it is.
    pub invalid: u64,
    /// Not taken: there was no room for it, or the recorder was shut down.
    pub dropped: u64,
    /// Taken and not known to be stored: the store failed for too long or for good, or a shutdown's time was over.
    pub failed: u64,
    /// Waiting, or being written now: what is lost if the process is killed.
    pub queued: u64,
    /// The weight in bytes of what is queued, by estimate.
    pub queued_bytes: u64,
    /// Batches handed to the store that came to an end, well or not.
    pub batches: u64,
    /// Tries of a batch after its first.
    pub retries: u64,
}

impl RecordingStats {
    /// Items that were taken and have come to an end.
    #[must_use]
    pub fn settled(&self) -> u64 {
        self.written + self.duplicate + self.contaminated + self.invalid + self.failed
    }

    /// Items that are lost: dropped or failed.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.dropped + self.failed
    }

    pub(super) fn count(&mut self, verdict: Verdict) {
        let count = match verdict {
            Verdict::Written => &mut self.written,
            Verdict::Duplicate => &mut self.duplicate,
            Verdict::Contaminated => &mut self.contaminated,
            Verdict::Invalid => &mut self.invalid,
        };
        *count += 1;
    }
}
