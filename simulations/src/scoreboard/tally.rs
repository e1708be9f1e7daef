//! What is counted.

use super::decide::Ship;
use super::life::Life;
use crate::gate::Share;

/// A shipped candidate of less than this true lift does harm.
pub const HARM: f64 = -0.01;
/// A candidate of this true lift and more is a good one.
pub const GOOD: f64 = 0.03;

/// What came of one world by one rule.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ended {
    /// What was shipped, with its true lift.
    pub shipped: Option<(Ship, f64)>,
    /// Whether there was a good candidate.
    pub has_good: bool,
    /// What became of it.
    pub life: Life,
}

/// What came of many worlds by one rule or watch.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// What it is called.
    pub name: &'static str,
    /// Each world.
    pub worlds: Vec<Ended>,
}

impl Row {
    /// Worlds of which something holds.
    #[must_use]
    pub fn share(&self, holds: impl Fn(&Ended) -> bool) -> Share {
        Share::of(&self.worlds, holds)
    }

    /// Worlds where something was shipped.
    #[must_use]
    pub fn shipped(&self) -> Share {
        self.share(|ended| ended.shipped.is_some())
    }

    /// Where it was no better in truth.
    #[must_use]
    pub fn false_ships(&self) -> Share {
        self.share(|ended| ended.shipped.is_some_and(|(_, lift)| lift <= 1e-12))
    }

    /// Where it was worse by more than a point.
    #[must_use]
    pub fn harm(&self) -> Share {
        self.share(|ended| ended.shipped.is_some_and(|(_, lift)| lift < HARM))
    }

    /// Of the worlds with a good candidate those where a better one was shipped; `None` without any.
    #[must_use]
    pub fn power(&self) -> Option<Share> {
        let good: Vec<&Ended> = self.worlds.iter().filter(|ended| ended.has_good).collect();
        let found = |ended: &&Ended| ended.shipped.is_some_and(|(_, lift)| lift > 1e-12);
        (!good.is_empty()).then(|| Share::of(&good, found))
    }

    /// What was claimed less what is true, in points, in the mean of what was shipped; `None` when nothing was.
    #[must_use]
    pub fn curse(&self) -> Option<f64> {
        let all: Vec<f64> = self
            .worlds
            .iter()
            .filter_map(|ended| ended.shipped.map(|(ship, lift)| 100.0 * (ship.claimed - lift)))
            .collect();
        (!all.is_empty()).then(|| all.iter().sum::<f64>() / all.len() as f64)
    }

    /// Worlds where a version was rolled back that was no worse than the one before.
    #[must_use]
    pub fn false_rollbacks(&self) -> Share {
        self.share(|ended| ended.life.is_false)
    }

    /// Those of them where everything had become harder.
    #[must_use]
    pub fn in_drift(&self) -> Share {
        self.share(|ended| ended.life.is_false && ended.life.in_drift)
    }

    /// Of the versions that were worse at some time those that were rolled back then; `None` when none was.
    #[must_use]
    pub fn caught(&self) -> Option<Share> {
        let worse: Vec<&Ended> = self
            .worlds
            .iter()
            .filter(|ended| ended.life.worse_from.is_some())
            .collect();
        (!worse.is_empty()).then(|| Share::of(&worse, |ended| ended.life.delay().is_some()))
    }

    /// The median of traces that a regression was live for, of those that were caught.
    #[must_use]
    pub fn delay(&self) -> Option<u64> {
        let mut delays: Vec<u64> = self
            .worlds
            .iter()
            .filter_map(|ended| ended.life.delay())
            .collect();
        delays.sort_unstable();
        delays.get(delays.len() / 2).copied()
    }

    /// Mean true score over the life less that of the first prompt, in points.
    #[must_use]
    pub fn net(&self) -> f64 {
        self.worlds.iter().map(|ended| ended.life.net).sum::<f64>() / self.worlds.len().max(1) as f64
    }
}
