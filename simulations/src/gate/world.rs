//! Items with a truth that answers hide.

use promptops_core::improvement::replay::{Answer, Call, ReplayItem, Stratum};
use promptops_core::statistics::Random;

use crate::trial::unit;

/// What is live passes this often on the rest of the traffic.
pub const PASSES: f64 = 0.7;

/// What is replayed, and what the candidate is in truth. An item is solved by a version or is not; an answer says the opposite
/// with the probability `flips`, anew at each call.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct World {
    /// Failures of the cluster, none of which is solved by what is live.
    pub target: u32,
    /// Others.
    pub guard: u32,
    /// How often an answer hides the truth.
    pub flips: f64,
    /// Calls of each arm for each item.
    pub repeats: u32,
    /// Items of one session, whose truth is one, and which change together.
    pub session: u32,
    /// Share of the cluster that the candidate solves.
    pub fixes: f64,
    /// Share of the others that are solved, and are no longer by the candidate.
    pub breaks: f64,
}

impl World {
    /// 30 and 200 items, each for itself, asked once.
    #[must_use]
    pub fn new(flips: f64, fixes: f64, breaks: f64) -> Self {
        Self {
            target: 30,
            guard: 200,
            flips,
            repeats: 1,
            session: 1,
            fixes,
            breaks,
        }
    }

    /// The share of solved items that makes `PASSES` of their answers pass.
    #[must_use]
    pub fn solved(flips: f64) -> f64 {
        (PASSES - flips) / (1.0 - 2.0 * flips)
    }

    /// By how much more answers pass on the target.
    #[must_use]
    pub fn lift(&self) -> f64 {
        self.fixes * (1.0 - 2.0 * self.flips)
    }

    /// By how much fewer pass on the guard.
    #[must_use]
    pub fn harm(&self) -> f64 {
        self.breaks * Self::solved(self.flips) * (1.0 - 2.0 * self.flips)
    }

    /// With that harm on the guard.
    #[must_use]
    pub fn harming(self, harm: f64) -> Self {
        Self {
            breaks: harm / (Self::solved(self.flips) * (1.0 - 2.0 * self.flips)),
            ..self
        }
    }

    /// What is live, and so many candidates, on the same items: the items of each, with the same baseline.
    #[must_use]
    pub fn replay(&self, candidates: usize, seed: u64) -> Vec<Vec<ReplayItem>> {
        let mut random = Random::seeded(seed);
        let mut all: Vec<Vec<ReplayItem>> = vec![Vec::new(); candidates];
        for (stratum, count) in [(Stratum::Target, self.target), (Stratum::Guard, self.guard)] {
            let mut solved = false;
            let mut changes = vec![false; candidates];
            for at in 0..count {
                if at % self.session == 0 {
                    let rate = match stratum {
                        Stratum::Target => 0.0,
                        Stratum::Guard => Self::solved(self.flips),
                    };
                    solved = unit(&mut random) < rate;
                    let changed = if solved { self.breaks } else { self.fixes };
                    let is_fixed = solved || stratum == Stratum::Target;
                    for change in &mut changes {
                        *change = is_fixed && unit(&mut random) < changed;
                    }
                }
                let baseline = self.calls(solved, &mut random);
                for (items, change) in all.iter_mut().zip(&changes) {
                    items.push(ReplayItem {
                        id: format!("{stratum:?}{at}"),
                        stratum,
                        session: (self.session > 1).then(|| format!("{stratum:?}{}", at / self.session)),
                        baseline: baseline.clone(),
                        candidate: self.calls(solved != *change, &mut random),
                    });
                }
            }
        }
        all
    }

    fn calls(&self, solved: bool, random: &mut Random) -> Vec<Call> {
        let answer = |passed: bool| Answer {
            scores: vec![f64::from(u8::from(passed))],
            format: Some(true),
        };
        (0..self.repeats)
            .map(|_| Call::Answered(answer(solved != (unit(random) < self.flips))))
            .collect()
    }
}
