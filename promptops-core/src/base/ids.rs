//! New ids, injected.

use std::fmt;
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering};

use chrono::DateTime;
use serde::{Deserialize, Serialize};
use uuid::{NoContext, Uuid};

use super::clock::Timestamp;
use super::error::{Error, Result, invalid};
use super::id::quoted;

/// Where ids of runs, workers and the like come from.
pub trait IdSource: Send + Sync + 'static {
    /// An id that no other process makes: ASCII letters, digits and `-`. Of two ids made at different times the earlier
    /// is the smaller text, so that indexes grow at their end.
    fn id(&self, now: Timestamp) -> String;

    /// The id of a trace that began at this time. No two are equal.
    fn trace_id(&self, at: Timestamp) -> TraceId;
}

/// The id of a trace: 128 bits, of which the upper 48 are the milliseconds from 1970 to its beginning, so that traces
/// lie in a store as they came and old ones are found by it. Shown as a UUID.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TraceId(u128);

impl TraceId {
    /// The id of a trace that began at this time, by any 80 bits that tell it from others of the same millisecond; of more
    /// bits the lower ones. A time before 1970 counts as 1970.
    #[must_use]
    pub fn new(at: Timestamp, bits: u128) -> Self {
        const BITS: u128 = (1 << 80) - 1;
        Self((u128::from(millis(at)) << 80) | (bits & BITS))
    }

    /// The smallest id of a trace that began at this time or later.
    #[must_use]
    pub fn first_at(at: Timestamp) -> Self {
        Self::new(at, 0)
    }

    /// An id from its 16 bytes, big-endian.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(u128::from_be_bytes(bytes))
    }

    /// The 16 bytes, big-endian.
    #[must_use]
    pub fn to_bytes(self) -> [u8; 16] {
        self.0.to_be_bytes()
    }

    /// When it began, to the millisecond.
    #[must_use]
    pub fn at(self) -> Timestamp {
        // 48 bits of milliseconds end in the year 10889, which a timestamp holds.
        let millis = i64::try_from(self.0 >> 80).unwrap_or(i64::MAX);
        DateTime::from_timestamp_millis(millis).unwrap_or(DateTime::UNIX_EPOCH)
    }
}

/// Milliseconds since 1970, in 48 bits.
fn millis(at: Timestamp) -> u64 {
    u64::try_from(at.timestamp_millis())
        .unwrap_or(0)
        .min((1 << 48) - 1)
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&Uuid::from_u128(self.0), f)
    }
}

impl fmt::Debug for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for TraceId {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self> {
        Uuid::try_parse(text)
            .map(|uuid| Self(uuid.as_u128()))
            .map_err(|_| {
                invalid(format!(
                    "{} is no id of a trace; expected a UUID, as recording a trace returns it",
                    quoted(text)
                ))
            })
    }
}

impl TryFrom<String> for TraceId {
    type Error = Error;
    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<TraceId> for String {
    fn from(id: TraceId) -> Self {
        id.to_string()
    }
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

    fn trace_id(&self, at: Timestamp) -> TraceId {
        let time = uuid::Timestamp::from_unix(NoContext, millis(at) / 1_000, 0);
        // What version 7 sets beside the time are its version and variant, and random bits.
        TraceId::new(at, Uuid::new_v7(time).as_u128())
    }
}

/// `id-1`, `id-2`, …: for tests.
#[derive(Default)]
pub struct SequentialIds(AtomicU64);

impl IdSource for SequentialIds {
    fn id(&self, _: Timestamp) -> String {
        format!("id-{}", self.0.fetch_add(1, Ordering::Relaxed) + 1)
    }

    fn trace_id(&self, at: Timestamp) -> TraceId {
        TraceId::new(at, u128::from(self.0.fetch_add(1, Ordering::Relaxed)) + 1)
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
        let at = |seconds| DateTime::from_timestamp(seconds, 0).unwrap();
        let ids: Vec<_> = (0..100)
            .map(|i| TimeOrderedIds.id(at(1_700_000_000 + i)))
            .collect();
        assert!(ids.is_sorted());
        assert_ne!(TimeOrderedIds.id(at(5)), TimeOrderedIds.id(at(5)));
        // Before 1970 there is no such id; it must not panic.
        TimeOrderedIds.id(at(-5));
    }

    #[test]
    fn the_id_of_a_trace_knows_when_it_began() {
        let at = DateTime::from_timestamp_millis(1_700_000_000_123).unwrap();
        let ids: Vec<_> = (0..100).map(|_| TimeOrderedIds.trace_id(at)).collect();
        for id in &ids {
            assert_eq!(id.at(), at);
            assert_eq!(id.to_string().parse::<TraceId>().unwrap(), *id);
            assert_eq!(TraceId::from_bytes(id.to_bytes()), *id);
            assert!(*id > TraceId::first_at(at));
        }
        let different: std::collections::HashSet<_> = ids.iter().collect();
        assert_eq!(different.len(), 100);
        let earlier = DateTime::from_timestamp_millis(-1).unwrap();
        assert_eq!(TraceId::new(earlier, u128::MAX).at(), DateTime::UNIX_EPOCH);
        assert!("id-1".parse::<TraceId>().is_err());
    }
}
