//! What each rule ships.

use promptops_core::Result;
use promptops_core::base::ScoreName;
use promptops_core::deployment::Verdict;
use promptops_core::improvement::replay::{
    Dimension, Gate, GateSettings, ReplayItem, Replayable, Role, Scale, Strata, Stratum,
};

use super::attempt::{Attempt, CORRECT, POLITE, number};
use super::replay::{Means, item};
use super::rule::Rule;

/// Most members of the cluster and most others that are replayed to choose on, and to confirm with.
const SELECT: (usize, usize) = (60, 140);
const CONFIRM: (usize, usize) = (100, 400);
/// Most items that a plain rule replays: as many as both of these.
const PLAIN: usize = SELECT.0 + SELECT.1 + CONFIRM.0 + CONFIRM.1;

/// What was shipped.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ship {
    /// Which of the finalists.
    pub finalist: usize,
    /// What it was said to be better by, over all traffic.
    pub claimed: f64,
}

/// What a rule ships of an attempt; `None` when it ships nothing.
///
/// # Errors
/// None that the gate's own settings would not have.
pub fn decide(attempt: &Attempt, rule: Rule) -> Result<Option<Ship>> {
    match rule {
        Rule::Library => library(attempt),
        Rule::Tuning => {
            let best = best(attempt, &means(attempt, &attempt.parts.propose));
            Ok(best.filter(|(_, means)| means.lift > 0.0).map(ship))
        }
        Rule::MeanImproved | Rule::FivePercent | Rule::FivePoints => {
            let mut held_out = [&attempt.parts.select[..], &attempt.parts.confirm[..]].concat();
            held_out.sort_unstable_by_key(|trace| trace.id);
            let best = best(attempt, &means(attempt, &held_out));
            // A hair below, for what rounding takes.
            let is_shipped = |means: &Means| {
                let holds = means.format >= 0.95 && means.polite >= -0.02;
                match rule {
                    Rule::FivePercent => holds && means.lift >= 0.05 * means.live - 1e-9,
                    Rule::FivePoints => holds && means.lift >= 0.05 - 1e-9,
                    _ => means.lift > 1e-9,
                }
            };
            Ok(best.filter(|(_, means)| is_shipped(means)).map(ship))
        }
    }
}

fn ship((finalist, means): (usize, Means)) -> Ship {
    Ship {
        finalist,
        claimed: means.lift,
    }
}

/// Every finalist's means on up to so many of these.
fn means(attempt: &Attempt, traces: &[Replayable]) -> Vec<Means> {
    // Evenly over time.
    let step = traces.len().div_ceil(PLAIN).max(1);
    (0..attempt.finalists.len())
        .map(|finalist| {
            let traces = traces.iter().step_by(step);
            Means::of(traces.map(|trace| attempt.arms(finalist, trace.id)))
        })
        .collect()
}

/// The one of the greatest lift, of equal ones the first.
fn best(attempt: &Attempt, means: &[Means]) -> Option<(usize, Means)> {
    let places = 0..attempt.finalists.len();
    let best = places.reduce(|best, place| {
        if means[place].lift > means[best].lift {
            place
        } else {
            best
        }
    })?;
    Some((best, means[best].clone()))
}

/// The lift over all traffic, by a part's members and others: each stratum's mean by its share of the part.
fn lift(attempt: &Attempt, finalist: usize, strata: &Strata) -> f64 {
    let sum = |traces: &[Replayable], of: u64| {
        let arms = traces.iter().map(|trace| attempt.arms(finalist, trace.id));
        Means::of(arms).lift * of as f64
    };
    let all = (strata.members + strata.others).max(1) as f64;
    (sum(&strata.target, strata.members) + sum(&strata.guard, strata.others)) / all
}

fn library(attempt: &Attempt) -> Result<Option<Ship>> {
    let strata = |part: &[Replayable], most| {
        Strata::of(part.iter().cloned(), &attempt.members, most, attempt.world.seed())
    };
    let select = strata(&attempt.parts.select, SELECT);
    let mut chosen: Option<(usize, f64)> = None;
    for place in 0..attempt.finalists.len() {
        let lift = lift(attempt, place, &select);
        if lift > chosen.map_or(0.0, |(_, best)| best) {
            chosen = Some((place, lift));
        }
    }
    let Some((finalist, _)) = chosen else {
        return Ok(None);
    };
    let confirm = strata(&attempt.parts.confirm, CONFIRM);
    let replayed = |traces: &[Replayable], stratum| -> Vec<ReplayItem> {
        let replay = |trace: &Replayable| item(number(trace.id), stratum, attempt.arms(finalist, trace.id));
        traces.iter().map(replay).collect()
    };
    let items = [
        replayed(&confirm.target, Stratum::Target),
        replayed(&confirm.guard, Stratum::Guard),
    ]
    .concat();
    let report = gate()?.judge(&items, 1)?;
    Ok((report.verdict == Verdict::Passed).then(|| Ship {
        finalist,
        claimed: lift(attempt, finalist, &confirm),
    }))
}

fn gate() -> Result<Gate> {
    let dimension = |name, role| -> Result<Dimension> {
        Ok(Dimension {
            name: ScoreName::new(name)?,
            role,
            scale: Scale::Pass,
        })
    };
    let settings = GateSettings {
        draws: 1_000,
        ..GateSettings::default()
    };
    Gate::new(
        settings,
        vec![dimension(CORRECT, Role::Target)?, dimension(POLITE, Role::Guard)?],
    )
}
