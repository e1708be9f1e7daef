//! A bucket that fills evenly: pure arithmetic, exact to the nanosecond.

use std::time::Duration;

use tokio::time::Instant;

/// What one request or token is here: as much as flows in within a nanosecond is then the number allowed per minute.
const ONE: i128 = 60_000_000_000;

/// Holds what may be used at once. It can be overdrawn, and then fills up before anything else is taken.
#[derive(Debug)]
pub(super) struct Bucket {
    per_minute: i128,
    capacity: i128,
    level: i128,
    at: Instant,
}

impl Bucket {
    /// A full bucket that holds what flows in within `burst`, and at least one. `per_minute` ≥ 1.
    pub(super) fn new(per_minute: u32, burst: Duration, now: Instant) -> Self {
        let per_minute = i128::from(per_minute.max(1));
        let flow = i128::try_from(burst.as_nanos())
            .unwrap_or(i128::MAX)
            .saturating_mul(per_minute);
        let capacity = flow.max(ONE);
        Self {
            per_minute,
            capacity,
            level: capacity,
            at: now,
        }
    }

    /// How long until so much may be taken; nothing when it may be now. What is more than the bucket holds waits until
    /// it is full.
    pub(super) fn wait(&mut self, amount: u64, now: Instant) -> Duration {
        self.fill(now);
        let missing = units(amount).min(self.capacity) - self.level;
        if missing <= 0 {
            return Duration::ZERO;
        }
        let nanos = missing / self.per_minute + i128::from(missing % self.per_minute != 0);
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    /// Takes so much, even when it is not there.
    pub(super) fn take(&mut self, amount: u64) {
        self.level = self.level.saturating_sub(units(amount));
    }

    /// Puts back what was taken and not used. What is above the brim then is gone when it is next looked at.
    pub(super) fn give_back(&mut self, amount: u64) {
        self.level = self.level.saturating_add(units(amount));
    }

    fn fill(&mut self, now: Instant) {
        let nanos = now.saturating_duration_since(self.at).as_nanos();
        let flow = i128::try_from(nanos)
            .unwrap_or(i128::MAX)
            .saturating_mul(self.per_minute);
        self.level = self.level.saturating_add(flow).min(self.capacity);
        self.at = self.at.max(now);
    }
}

fn units(amount: u64) -> i128 {
    i128::from(amount).saturating_mul(ONE)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_bucket_fills_evenly_and_never_above_its_brim() {
        let start = Instant::now();
        let mut bucket = Bucket::new(120, 2 * SECOND, start);
        assert_eq!(bucket.wait(4, start), Duration::ZERO);
        bucket.take(4);
        assert_eq!(bucket.wait(1, start), SECOND / 2);
        assert_eq!(bucket.wait(1, start + SECOND / 4), SECOND / 4);
        assert_eq!(bucket.wait(4, start + 3600 * SECOND), Duration::ZERO);
        bucket.take(4);
        assert_eq!(bucket.wait(1, start + 3600 * SECOND), SECOND / 2);
    }

    #[test]
    fn what_is_more_than_it_holds_is_taken_from_a_full_one_and_paid_back() {
        let start = Instant::now();
        let mut bucket = Bucket::new(60, 2 * SECOND, start);
        assert_eq!(bucket.wait(50, start), Duration::ZERO);
        bucket.take(50);
        assert_eq!(bucket.wait(1, start), 49 * SECOND);
        assert_eq!(bucket.wait(50, start), 50 * SECOND);
        bucket.give_back(40);
        assert_eq!(bucket.wait(1, start), 9 * SECOND);
        bucket.give_back(1_000);
        assert_eq!(bucket.wait(2, start), Duration::ZERO);
        bucket.take(2);
        assert_eq!(bucket.wait(1, start), SECOND);
    }

    #[test]
    fn waiting_as_long_as_said_is_always_enough() {
        let start = Instant::now();
        for per_minute in [1, 7, 61, 1_000_003, u32::MAX] {
            let mut bucket = Bucket::new(per_minute, Duration::ZERO, start);
            bucket.take(3);
            let wait = bucket.wait(1, start);
            assert_eq!(bucket.wait(1, start + wait), Duration::ZERO, "{per_minute}");
        }
        let mut bucket = Bucket::new(u32::MAX, Duration::MAX, start);
        bucket.take(u64::MAX);
        bucket.take(u64::MAX);
        assert_eq!(
            bucket.wait(u64::MAX, start + Duration::from_secs(1 << 40)),
            Duration::ZERO
        );
    }
}
