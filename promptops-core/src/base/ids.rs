//! New ids, injected.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use uuid::{NoContext, Uuid};

use super::clock::Timestamp;

/// Where ids of runs, workers and the like come from.
pub trait IdSource: Send + Sync + 'static {
    /// An id that no other process makes: ASCII letters, digits and `-`. Of two ids made at different times the earlier
    /// is the smaller text, so that indexes grow at their end.
    fn id(&self, now: Timestamp) -> String;
}

/// UUIDs of version 7 (RFC 9562): the time in milliseconds, then random bits.
#[derive(Debug, Clone, Copy, Default)]
pub struct TimeOrderedIds;

impl IdSource for TimeOrderedIds {
    fn id(&self, now: Timestamp) -> String {
        let micros = u64::try_from(now.timestamp_micros()).unwrap_or(0);
        let nanos = u32::try_from(micros % 1_000_000).unwrap_or(0) * 1_000;
        let time = uuid::Timestamp::from_unix(NoContext, micros / 1_000_000, nanos);
        Uuid::new_v7(time).to_string()
    }
}

/// `id-1`, `id-2`, …: for tests.
#[derive(Default)]
pub struct SequentialIds(AtomicU64);

impl IdSource for SequentialIds {
    fn id(&self, _: Timestamp) -> String {
        format!("id-{}", self.0.fetch_add(1, Ordering::Relaxed) + 1)
    }
}

impl fmt::Debug for SequentialIds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SequentialIds({})", self.0.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_later_times_are_larger_and_all_differ() {
        let at = |seconds| chrono::DateTime::from_timestamp(seconds, 0).unwrap();
        let ids: Vec<_> = (0..100)
            .map(|i| TimeOrderedIds.id(at(1_700_000_000 + i)))
            .collect();
        assert!(ids.is_sorted());
        assert_ne!(TimeOrderedIds.id(at(5)), TimeOrderedIds.id(at(5)));
        // Before 1970 there is no such id; it must not panic.
        TimeOrderedIds.id(at(-5));
    }
}
