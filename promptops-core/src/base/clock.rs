//! Time, injected: wall time for records, a coarse monotonic time for ages.

use std::sync::Mutex;
use std::time::Duration;

use chrono::{DateTime, SubsecRound, Utc};

/// Wall time in UTC, in whole microseconds (what every backend can store exactly).
pub type Timestamp = DateTime<Utc>;

/// Where time comes from.
pub trait Clock: Send + Sync + 'static {
    /// Wall time, truncated to microseconds. May jump back.
    fn now(&self) -> Timestamp;

    /// Time since an arbitrary origin of this clock; never goes back. It is read on every request, so it may be
    /// as coarse as a few milliseconds.
    fn elapsed(&self) -> Duration;
}

/// The machine's clocks.
#[derive(Debug, Clone, Copy)]
pub struct SystemClock {
    origin: coarsetime::Instant,
}

impl SystemClock {
    /// The machine's clocks, with the origin of [`elapsed`](Clock::elapsed) now.
    #[must_use]
    pub fn new() -> Self {
        Self {
            origin: coarsetime::Instant::now_without_cache_update(),
        }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Utc::now().trunc_subsecs(6)
    }

    fn elapsed(&self) -> Duration {
        // The coarse clock costs 6 ns where `Instant::now` costs 23.
        coarsetime::Instant::now_without_cache_update()
            .duration_since(self.origin)
            .into()
    }
}

/// A clock that stands still until told otherwise: for tests and demonstrations.
#[derive(Debug)]
pub struct ManualClock(Mutex<(Timestamp, Duration)>);

impl ManualClock {
    /// A clock that shows this time.
    #[must_use]
    pub fn at(now: Timestamp) -> Self {
        Self(Mutex::new((now.trunc_subsecs(6), Duration::ZERO)))
    }

    /// Moves both times forward, as far as they can go.
    pub fn advance(&self, by: Duration) {
        let mut state = self.state();
        state.0 = state
            .0
            .checked_add_signed(chrono::TimeDelta::from_std(by).unwrap_or_default())
            .unwrap_or(state.0);
        state.1 = state.1.saturating_add(by);
    }

    /// Sets the wall time only, back or forward, as an administrator would.
    pub fn set_wall(&self, now: Timestamp) {
        self.state().0 = now.trunc_subsecs(6);
    }

    fn state(&self) -> std::sync::MutexGuard<'_, (Timestamp, Duration)> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Default for ManualClock {
    /// Shows 2026-01-01T00:00:00Z.
    fn default() -> Self {
        Self::at(DateTime::from_timestamp_micros(1_767_225_600_000_000).unwrap_or_default())
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        self.state().0
    }

    fn elapsed(&self) -> Duration {
        self.state().1
    }
}
