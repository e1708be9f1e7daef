//! How a recorder behaves.

use std::time::Duration;

/// How a recorder behaves. Every bound has a default; what is out of its range counts as the nearest that is in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct RecordingSettings {
    /// Most items that wait or are being written; further ones are dropped. Default 65,536, range 1 ..= 2²⁴.
    pub capacity: usize,
    /// Most bytes of them, by estimate. Default 64 MiB, at least 1.
    pub max_bytes: usize,
    /// So many waiting items are written without waiting for more, but for the millisecond or two that timers take. Default 512, range 1 ..= `capacity`.
    pub batch: usize,
    /// So many waiting bytes are written without waiting for more; and a batch holds no more bytes than these, unless a
    /// single item does. Default 8 MiB, range 1 ..= `max_bytes`.
    pub batch_bytes: usize,
    /// Most items in one batch, for working off a backlog. Default 16,384, range `batch` ..= `capacity`.
    pub max_batch: usize,
    /// How long an item waits at most for others to be written with it. Default 100 ms, range 1 ms ..= 1 min.
    pub interval: Duration,
    /// How long after its first try a failing batch is tried again, where trying again can help; all else waits
    /// meanwhile. Zero: one try. Default 30 s, at most 1 h.
    pub retry_for: Duration,
    /// How long one try may take before it is given up, which counts as a failure that another try may help. The store
    /// may have written the batch nevertheless: then another try calls its items duplicates, and counts none twice.
    /// Default 30 s, range 1 ms ..= 1 h.
    pub write_timeout: Duration,
}

impl Default for RecordingSettings {
    fn default() -> Self {
        Self {
            capacity: 65_536,
            max_bytes: 64 << 20,
            batch: 512,
            batch_bytes: 8 << 20,
            max_batch: 16_384,
            interval: Duration::from_millis(100),
            retry_for: Duration::from_secs(30),
            write_timeout: Duration::from_secs(30),
        }
    }
}

const MILLISECOND: Duration = Duration::from_millis(1);
const HOUR: Duration = Duration::from_secs(3_600);

impl RecordingSettings {
    /// Each value in its range.
    pub(super) fn clamped(self) -> Self {
        let capacity = self.capacity.clamp(1, 1 << 24);
        let max_bytes = self.max_bytes.max(1);
        let batch = self.batch.clamp(1, capacity);
        Self {
            capacity,
            max_bytes,
            batch,
            batch_bytes: self.batch_bytes.clamp(1, max_bytes),
            max_batch: self.max_batch.clamp(batch, capacity),
            interval: self.interval.clamp(MILLISECOND, Duration::from_secs(60)),
            retry_for: self.retry_for.min(HOUR),
            write_timeout: self.write_timeout.clamp(MILLISECOND, HOUR),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_in_their_ranges() {
        let settings = RecordingSettings::default();
        assert_eq!(settings.clamped(), settings);
    }

    #[test]
    fn what_is_out_of_range_counts_as_the_nearest_in_it() {
        let nothing = RecordingSettings {
            capacity: 0,
            max_bytes: 0,
            batch: 0,
            batch_bytes: 0,
            max_batch: 0,
            interval: Duration::ZERO,
            retry_for: Duration::ZERO,
            write_timeout: Duration::ZERO,
        };
        let least = RecordingSettings {
            capacity: 1,
            max_bytes: 1,
            batch: 1,
            batch_bytes: 1,
            max_batch: 1,
            interval: MILLISECOND,
            retry_for: Duration::ZERO,
            write_timeout: MILLISECOND,
        };
        assert_eq!(nothing.clamped(), least);
        let everything = RecordingSettings {
            capacity: 100,
            max_bytes: 1_000,
            batch: usize::MAX,
            batch_bytes: usize::MAX,
            max_batch: usize::MAX,
            interval: Duration::MAX,
            retry_for: Duration::MAX,
            write_timeout: Duration::MAX,
        };
        let clamped = everything.clamped();
        assert_eq!(
            (clamped.batch, clamped.max_batch, clamped.batch_bytes),
            (100, 100, 1_000)
        );
        assert_eq!(clamped.interval, Duration::from_secs(60));
        assert_eq!((clamped.retry_for, clamped.write_timeout), (HOUR, HOUR));
    }
}
