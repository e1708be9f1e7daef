//! The states of a circuit breaker: pure decisions on times that are given.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use super::{BreakerPolicy, Trip};

/// What came of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The provider answered, if only to refuse this request.
    Up,
    /// The provider did not answer as it should.
    Down,
    /// It says nothing of the provider.
    Neither,
}

/// The right to make a call; its outcome counts only in the state that it was given in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pass(u64);

#[derive(Debug)]
pub(super) struct Circuit {
    policy: BreakerPolicy,
    position: Position,
    /// Counts changes of state and probes, so that late outcomes can be told.
    epoch: u64,
}

#[derive(Debug)]
pub(super) enum Position {
    /// Calls pass; the last outcomes, `true` for a failure, as far as the policy looks back.
    Closed { failures: VecDeque<bool> },
    /// No call passes before this time.
    Open { until: Instant },
    /// One call passed at this time to see whether the provider is back.
    Probing { since: Instant },
}

impl Circuit {
    pub(super) fn new(policy: BreakerPolicy) -> Self {
        Self {
            policy,
            position: closed(),
            epoch: 0,
        }
    }

    pub(super) fn position(&self) -> &Position {
        &self.position
    }

    /// Lets a call through, or says how long until one may try.
    pub(super) fn enter(&mut self, now: Instant) -> Result<Pass, Duration> {
        let free_at = match self.position {
            Position::Closed { .. } => return Ok(Pass(self.epoch)),
            Position::Open { until } => until,
            // A probe that never comes back must not be the last.
            Position::Probing { since } => after(since, self.policy.open_for),
        };
        if now < free_at {
            return Err(free_at - now);
        }
        self.turn(Position::Probing { since: now });
        Ok(Pass(self.epoch))
    }

    /// Takes note of what came of a call.
    pub(super) fn leave(&mut self, pass: Pass, outcome: Outcome, now: Instant) {
        if pass.0 != self.epoch {
            return;
        }
        match (&mut self.position, outcome) {
            (Position::Closed { failures }, Outcome::Up | Outcome::Down) => {
                if self.policy.trip.trips(failures, outcome == Outcome::Down) {
                    self.open(now);
                }
            }
            (Position::Probing { .. }, Outcome::Up) => self.turn(closed()),
            (Position::Probing { .. }, Outcome::Down) => self.open(now),
            // The probe told nothing: the next call may be one.
            (Position::Probing { .. }, Outcome::Neither) => self.turn(Position::Open { until: now }),
            (Position::Closed { .. }, Outcome::Neither) | (Position::Open { .. }, _) => {}
        }
    }

    fn open(&mut self, now: Instant) {
        let until = after(now, self.policy.open_for);
        self.turn(Position::Open { until });
    }

    fn turn(&mut self, to: Position) {
        self.position = to;
        self.epoch += 1;
    }
}

fn closed() -> Position {
    Position::Closed {
        failures: VecDeque::new(),
    }
}

fn after(time: Instant, wait: Duration) -> Instant {
    /// As long as it takes, which an [`Instant`] may not be able to say.
    const FOR_EVER: Duration = Duration::from_secs(30 * 365 * 24 * 3600);
    time.checked_add(wait).unwrap_or(time + FOR_EVER)
}

impl Trip {
    /// Adds an outcome to those before, and says whether that is enough.
    fn trips(self, failures: &mut VecDeque<bool>, failed: bool) -> bool {
        let (most, needed) = match self {
            Self::Consecutive(needed) => (needed, needed),
            Self::Share { failed, of } => (of, failed),
        };
        if matches!(self, Self::Consecutive(_)) && !failed {
            failures.clear();
            return false;
        }
        if failures.len() >= most.max(1) as usize {
            failures.pop_front();
        }
        failures.push_back(failed);
        failed && failures.iter().filter(|failed| **failed).count() >= needed.max(1) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::Outcome::{Down, Neither, Up};
    use super::*;

    const OPEN_FOR: Duration = Duration::from_secs(30);

    fn circuit(trip: Trip) -> Circuit {
        Circuit::new(BreakerPolicy {
            trip,
            open_for: OPEN_FOR,
        })
    }

    fn is_closed(circuit: &Circuit) -> bool {
        matches!(circuit.position(), Position::Closed { .. })
    }

    /// How many of these outcomes a circuit takes until it opens.
    fn opens_after(trip: Trip, outcomes: &[Outcome]) -> Option<usize> {
        let (now, mut circuit) = (Instant::now(), circuit(trip));
        outcomes.iter().position(|outcome| {
            let pass = circuit.enter(now).unwrap();
            circuit.leave(pass, *outcome, now);
            !is_closed(&circuit)
        })
    }

    #[test]
    fn it_opens_after_failures_in_a_row() {
        let trip = Trip::Consecutive(3);
        assert_eq!(opens_after(trip, &[Down, Down, Down]), Some(2));
        assert_eq!(opens_after(trip, &[Down, Down, Up, Down, Down, Up]), None);
        assert_eq!(opens_after(trip, &[Down, Neither, Down, Neither, Down]), Some(4));
        assert_eq!(opens_after(Trip::Consecutive(0), &[Up, Down]), Some(1));
    }

    #[test]
    fn it_opens_at_a_share_of_the_last_outcomes() {
        let trip = Trip::Share { failed: 2, of: 4 };
        assert_eq!(opens_after(trip, &[Down, Up, Up, Down]), Some(3));
        assert_eq!(opens_after(trip, &[Down, Up, Up, Up, Down, Up, Up, Up]), None);
        assert_eq!(
            opens_after(trip, &[Up, Down, Neither, Neither, Neither, Neither, Down]),
            Some(6)
        );
        assert_eq!(opens_after(Trip::Share { failed: 3, of: 2 }, &[Down; 9]), None);
    }

    #[test]
    fn every_outcome_of_a_probe_leads_on() {
        for (outcome, closed, wait) in [
            (Up, true, Duration::ZERO),
            (Down, false, OPEN_FOR),
            (Neither, false, Duration::ZERO),
        ] {
            let start = Instant::now();
            let mut circuit = circuit(Trip::Consecutive(1));
            let pass = circuit.enter(start).unwrap();
            circuit.leave(pass, Down, start);
            assert_eq!(circuit.enter(start), Err(OPEN_FOR));
            let back = start + OPEN_FOR;
            let probe = circuit.enter(back).unwrap();
            assert_eq!(
                circuit.enter(back + OPEN_FOR / 3),
                Err(OPEN_FOR * 2 / 3),
                "one probe at a time"
            );
            circuit.leave(probe, outcome, back);
            assert_eq!(is_closed(&circuit), closed, "{outcome:?}");
            let next = circuit.enter(back).err().unwrap_or_default();
            assert_eq!(next, wait, "{outcome:?}");
        }
    }

    #[test]
    fn late_outcomes_change_nothing() {
        let start = Instant::now();
        let mut circuit = circuit(Trip::Consecutive(1));
        let (one, late_up, late_down) = (
            circuit.enter(start).unwrap(),
            circuit.enter(start).unwrap(),
            circuit.enter(start).unwrap(),
        );
        circuit.leave(one, Down, start);
        circuit.leave(late_up, Up, start);
        assert!(!is_closed(&circuit));
        let back = start + OPEN_FOR;
        let lost = circuit.enter(back).unwrap();
        let much_later = back + OPEN_FOR;
        let probe = circuit
            .enter(much_later)
            .expect("a lost probe does not close the way for ever");
        circuit.leave(lost, Down, much_later);
        circuit.leave(probe, Up, much_later);
        assert!(is_closed(&circuit));
        circuit.leave(late_down, Down, much_later);
        assert!(is_closed(&circuit));
    }

    #[test]
    fn a_time_without_end_is_no_panic() {
        let now = Instant::now();
        let mut circuit = Circuit::new(BreakerPolicy {
            trip: Trip::Consecutive(1),
            open_for: Duration::MAX,
        });
        let pass = circuit.enter(now).unwrap();
        circuit.leave(pass, Down, now);
        assert!(circuit.enter(now).is_err());
    }
}
