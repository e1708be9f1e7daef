//! Replays that the library's gate judges.

use std::num::NonZeroUsize;

use promptops_core::Result;
use promptops_core::base::ScoreName;
use promptops_core::deployment::Verdict;
use promptops_core::improvement::replay::{Dimension, Gate, GateSettings, ReplayItem, Role, Scale};

use super::share::Share;
use super::world::World;
use crate::in_parallel;

/// How one replay ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Ship {
    /// What the statistical rule said of each candidate.
    pub verdicts: Vec<Verdict>,
    /// What the plain rule said of the first.
    pub plain: Verdict,
    /// Whether the first was found to be no worse on the guard.
    pub no_worse: bool,
    /// By how much the first was found to be better on the target.
    pub lift: f64,
    /// Whether the first one's interval holds the true lift.
    pub covered: bool,
}

/// What was found in many.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// Each of them.
    pub ships: Vec<Ship>,
}

impl Found {
    /// Replays with a candidate that passed.
    #[must_use]
    pub fn shipped(&self) -> Share {
        Share::of(&self.ships, |ship| ship.verdicts.contains(&Verdict::Passed))
    }

    /// Replays of which something holds.
    #[must_use]
    pub fn share(&self, holds: impl Fn(&Ship) -> bool) -> Share {
        Share::of(&self.ships, holds)
    }

    /// Mean lift that was found, less the true one, of all or of those shipped; `None` of none.
    #[must_use]
    pub fn bias(&self, world: &World, only_shipped: bool) -> Option<f64> {
        let lifts = self
            .ships
            .iter()
            .filter(|ship| !only_shipped || ship.verdicts[0] == Verdict::Passed)
            .map(|ship| ship.lift - world.lift());
        let (sum, count) = lifts.fold((0.0, 0.0), |(sum, count), lift| (sum + lift, count + 1.0));
        (count > 0.0).then(|| sum / count)
    }
}

/// Judges this many replays, each of so many finalists.
///
/// # Errors
/// [`Invalid`](promptops_core::ErrorKind::Invalid) for no candidate.
pub fn replayed(
    world: &World,
    candidates: usize,
    runs: usize,
    seed: u64,
    threads: NonZeroUsize,
) -> Result<Found> {
    let accuracy = Dimension {
        name: ScoreName::new("accuracy")?,
        role: Role::Target,
        scale: Scale::Pass,
    };
    let settings = GateSettings {
        draws: 1_000,
        ..GateSettings::default()
    };
    let gate = Gate::new(settings, vec![accuracy])?;
    let ships = in_parallel(threads, runs, |index| {
        let finalists = world.replay(candidates, seed ^ ((index as u64) << 20));
        let items: Vec<&[ReplayItem]> = finalists.iter().map(Vec::as_slice).collect();
        let reports = gate.judge_all(&items, 1)?;
        let metric = &reports[0].metrics[0];
        Ok(Ship {
            verdicts: reports.iter().map(|report| report.statistical.verdict).collect(),
            plain: reports[0].point_estimate.verdict,
            no_worse: metric.no_worse.verdict == Verdict::Passed,
            lift: metric.target.delta,
            covered: metric
                .target
                .interval
                .is_some_and(|interval| interval.contains(world.lift())),
        })
    });
    Ok(Found {
        ships: ships.into_iter().collect::<Result<_>>()?,
    })
}
