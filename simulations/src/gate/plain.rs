//! Candidates judged by plain rules on all items.

use std::num::NonZeroUsize;

use promptops_core::statistics::{Random, mcnemar_better};

use super::share::Share;
use super::world::{PASSES, World};
use crate::in_parallel;
use crate::trial::unit;

/// Candidates on items of all traffic.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Plain {
    /// Items.
    pub items: u32,
    /// Candidates, of which one is shipped at most.
    pub candidates: u32,
    /// How often an answer hides the truth.
    pub flips: f64,
    /// By how much fewer answers of each candidate pass in truth.
    pub harm: f64,
}

/// What was shipped by which rule: the best candidate, and only if the rule lets it through.
#[derive(Debug, Clone, PartialEq)]
pub struct Shipped {
    /// Its mean is above that of what is live.
    pub improved: Share,
    /// By five points at least.
    pub by_points: Share,
    /// By five percent of what is live at least.
    pub by_percent: Share,
    /// The best on one half, if better there, is better on the other by the exact test of McNemar, from one side, at 5 %.
    pub confirmed: Share,
    /// What those shipped by five percent were found to be better by, in the mean.
    pub claimed: f64,
}

struct One {
    gain: f64,
    by_percent: bool,
    confirmed: bool,
}

/// Judges many sets of candidates.
#[must_use]
pub fn plain(world: Plain, runs: usize, seed: u64, threads: NonZeroUsize) -> Shipped {
    let all = in_parallel(threads, runs, |index| one(world, seed ^ ((index as u64) << 20)));
    let winners: Vec<&One> = all.iter().filter(|one| one.by_percent).collect();
    Shipped {
        improved: Share::of(&all, |one| one.gain > 0.0),
        // A hair below, for what rounding takes.
        by_points: Share::of(&all, |one| one.gain >= 0.05 - 1e-9),
        by_percent: Share::of(&all, |one| one.by_percent),
        confirmed: Share::of(&all, |one| one.confirmed),
        claimed: winners.iter().map(|one| one.gain).sum::<f64>() / winners.len().max(1) as f64,
    }
}

fn one(world: Plain, seed: u64) -> One {
    let mut random = Random::seeded(seed);
    let items = world.items as usize;
    let half = items / 2;
    let solved: Vec<bool> = (0..items)
        .map(|_| unit(&mut random) < World::solved(world.flips))
        .collect();
    let broken = world.harm / (PASSES - world.flips);
    let mut answers = |breaks: f64| -> Vec<bool> {
        let passes = solved.iter().map(|solved| {
            let solved = *solved && unit(&mut random) >= breaks;
            solved != (unit(&mut random) < world.flips)
        });
        passes.collect()
    };
    let baseline = answers(0.0);
    let count = |passed: &[bool]| passed.iter().filter(|passed| **passed).count() as f64;
    let mut best = f64::NEG_INFINITY;
    let mut finalist: (f64, Vec<bool>) = (f64::NEG_INFINITY, Vec::new());
    for _ in 0..world.candidates {
        let candidate = answers(broken);
        best = best.max(count(&candidate) - count(&baseline));
        let selected = count(&candidate[..half]) - count(&baseline[..half]);
        if selected > finalist.0 {
            finalist = (selected, candidate);
        }
    }
    let (selected, finalist) = finalist;
    let (mut won, mut lost) = (0, 0);
    for (before, after) in baseline[half..].iter().zip(&finalist[half..]) {
        won += u32::from(*after && !before);
        lost += u32::from(*before && !after);
    }
    One {
        gain: best / items as f64,
        by_percent: best >= 0.05 * count(&baseline) - 1e-9,
        confirmed: selected > 0.0 && mcnemar_better(won, lost) <= 0.05,
    }
}
