//! The same worlds by every rule.

use std::collections::HashMap;
use std::num::NonZeroUsize;

use promptops_core::Result;

use super::attempt::Attempt;
use super::decide::{Ship, decide};
use super::life::{Life, life};
use super::rule::{Rule, Watch};
use super::scenario::Scenario;
use super::tally::{Ended, GOOD, Row};
use crate::in_parallel;
use crate::world::mixed;

/// What every rule makes of the same worlds, in the order of [`Rule::ALL`].
///
/// # Errors
/// [`Invalid`](promptops_core::ErrorKind::Invalid) for noise that no world can have.
pub fn attempts(scenario: &Scenario, worlds: usize, seed: u64, threads: NonZeroUsize) -> Result<Vec<Row>> {
    rows(Rule::ALL.map(Rule::name), worlds, threads, |world| {
        attempted(scenario, mixed(&[seed, world]))
    })
}

/// What every watch makes of the same worlds, where the first candidate is live, in the order of [`Watch::ALL`].
///
/// # Errors
/// As [`attempts`].
pub fn watches(scenario: &Scenario, worlds: usize, seed: u64, threads: NonZeroUsize) -> Result<Vec<Row>> {
    rows(Watch::ALL.map(Watch::name), worlds, threads, |world| {
        watched(scenario, mixed(&[seed, world]))
    })
}

fn rows<const N: usize>(
    names: [&'static str; N],
    worlds: usize,
    threads: NonZeroUsize,
    one: impl Fn(u64) -> Result<[Ended; N]> + Sync,
) -> Result<Vec<Row>> {
    let all = in_parallel(threads, worlds, |world| one(world as u64));
    let all = all.into_iter().collect::<Result<Vec<_>>>()?;
    let row = |(place, name)| Row {
        name,
        worlds: all.iter().map(|ended: &[Ended; N]| ended[place]).collect(),
    };
    Ok(names.into_iter().enumerate().map(row).collect())
}

fn attempted(scenario: &Scenario, seed: u64) -> Result<[Ended; Rule::ALL.len()]> {
    let attempt = Attempt::new(scenario, seed)?;
    let has_good = attempt.finalists.iter().any(|finalist| finalist.lift >= GOOD);
    let mut lives: HashMap<(usize, Watch), Life> = HashMap::new();
    let mut all = [Ended {
        shipped: None,
        has_good,
        life: Life::NOTHING,
    }; Rule::ALL.len()];
    for (ended, rule) in all.iter_mut().zip(Rule::ALL) {
        let Some(ship) = decide(&attempt, rule)? else {
            continue;
        };
        let finalist = &attempt.finalists[ship.finalist];
        ended.shipped = Some((ship, finalist.lift));
        let known = lives.get(&(ship.finalist, rule.watch())).copied();
        ended.life = match known {
            Some(life) => life,
            None => life(&attempt, scenario, finalist, rule.watch())?,
        };
        lives.insert((ship.finalist, rule.watch()), ended.life);
    }
    Ok(all)
}

fn watched(scenario: &Scenario, seed: u64) -> Result<[Ended; Watch::ALL.len()]> {
    let attempt = Attempt::new(scenario, seed)?;
    let mut all = [Ended {
        shipped: None,
        has_good: false,
        life: Life::NOTHING,
    }; Watch::ALL.len()];
    let Some(finalist) = attempt.finalists.first() else {
        return Ok(all);
    };
    for (ended, watch) in all.iter_mut().zip(Watch::ALL) {
        let ship = Ship {
            finalist: 0,
            claimed: finalist.lift,
        };
        ended.shipped = Some((ship, finalist.lift));
        ended.life = life(&attempt, scenario, finalist, watch)?;
    }
    Ok(all)
}
