//! How many tasks a worker claims, and when: enough that nobody waits for the store, and no more than it will soon have
//! asked, since others could ask them meanwhile.

use std::time::Duration;

use tokio::time::Instant;

use super::work::Claimed;
use crate::base::Timestamp;

/// Most tasks claimed at once.
const MAX_CLAIM: usize = 512;
/// How long a claim should last.
const CLAIM_LASTS: Duration = Duration::from_millis(250);
/// Most tasks that wait at the pool beside those being asked.
const MAX_WAITING: usize = 128;
/// How long the tasks that wait at the pool should last it.
const WAITING_LASTS: Duration = Duration::from_millis(20);
/// How often a worker without work looks whether there is some.
const IDLE: Duration = Duration::from_millis(200);

pub(super) struct Claims {
    concurrency: usize,
    /// The time from one task that came back to the next, smoothed; `None` before the first.
    pace: Option<Duration>,
    last_return: Instant,
    /// Whether the last claim brought nothing.
    is_empty_handed: bool,
    held_elsewhere: u64,
    next_lease_end: Option<Timestamp>,
}

impl Claims {
    pub(super) fn new(concurrency: usize) -> Self {
        Self {
            concurrency,
            pace: None,
            last_return: Instant::now(),
            is_empty_handed: false,
            held_elsewhere: 0,
            next_lease_end: None,
        }
    }

    /// Notes that so many tasks came back.
    pub(super) fn returned(&mut self, count: usize) {
        let now = Instant::now();
        let each = now.duration_since(self.last_return) / u32::try_from(count.max(1)).unwrap_or(u32::MAX);
        self.last_return = now;
        self.pace = Some(self.pace.map_or(each, |pace| (pace * 3 + each) / 4));
    }

    /// How many tasks come back within a time at the present pace.
    fn returning_within(&self, time: Duration, most: usize) -> usize {
        let Some(pace) = self.pace else { return 0 };
        let count = time.as_nanos() / pace.as_nanos().max(1);
        usize::try_from(count).unwrap_or(usize::MAX).min(most)
    }

    /// How many tasks may wait at the pool beside those being asked.
    pub(super) fn waiting_room(&self) -> usize {
        self.returning_within(WAITING_LASTS, MAX_WAITING)
    }

    /// How many tasks to claim while so many are out.
    pub(super) fn size(&self, out: usize) -> u32 {
        let free = (self.concurrency + self.waiting_room()).saturating_sub(out);
        let size = free
            .max(self.returning_within(CLAIM_LASTS, MAX_CLAIM))
            .clamp(1, MAX_CLAIM);
        u32::try_from(size).unwrap_or(1)
    }

    /// Notes what a claim brought.
    pub(super) fn took(&mut self, claimed: &Claimed) {
        self.is_empty_handed = claimed.tasks.is_empty();
        self.held_elsewhere = claimed.held_elsewhere;
        self.next_lease_end = claimed.next_lease_end;
    }

    /// Whether another claim makes sense: the last one brought something.
    pub(super) fn may_bring_more(&self) -> bool {
        !self.is_empty_handed
    }

    /// Lets the next claim be made although the last one brought nothing.
    pub(super) fn look_again(&mut self) {
        self.is_empty_handed = false;
    }

    /// Whether others held tasks at the last claim.
    pub(super) fn others_work(&self) -> bool {
        self.held_elsewhere > 0
    }

    /// How long to wait for others: until the first of their leases ends, but not long, since they may give tasks back.
    pub(super) fn idle_time(&self, now: Timestamp) -> Duration {
        let end = self.next_lease_end.and_then(|end| (end - now).to_std().ok());
        end.unwrap_or(IDLE).min(IDLE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_slow_model_claims_little_and_a_fast_one_much() {
        let mut claims = Claims::new(10);
        assert_eq!(
            (claims.size(0), claims.waiting_room()),
            (10, 0),
            "nothing is known yet"
        );
        for _ in 0..20 {
            tokio::time::advance(Duration::from_millis(500)).await;
            claims.returned(10);
        }
        // One comes back every 50 ms.
        assert_eq!((claims.size(10), claims.waiting_room()), (5, 0));
        for _ in 0..40 {
            tokio::time::advance(Duration::from_millis(1)).await;
            claims.returned(100);
        }
        assert_eq!((claims.size(10), claims.waiting_room()), (512, 128));
    }
}
