//! Equal variants, and units that come back: the more often the better they fared, as content users do. When traffic is
//! split otherwise, some of them meet another variant than before.

use std::collections::HashMap;
use std::num::{NonZeroU64, NonZeroUsize};

use promptops_core::Result;
use promptops_core::experiment::{Evidence, OutcomeEntry, OutcomeVerdict, Rules, Tallies};
use promptops_core::observation::UnitKey;
use promptops_core::statistics::Random;

use crate::scenario::Size;
use crate::trial::{outcome, unit};
use crate::{in_parallel, record};

const RATE: f64 = 0.5;
/// How many of the outcomes are of units that were there before, and how likely one whose outcome was no success comes
/// back when its turn is.
const RETURNING: f64 = 0.5;
const AFTER_FAILURE: f64 = 0.25;

/// What is seen among equals whose units come back.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Returned {
    /// The share of experiments in which a winner was declared.
    pub declared: f64,
    /// The mean over experiments of the second variant's mean less the control's, at the horizon: 0 but for a bias.
    pub difference: f64,
    /// The same where units that met two variants are taken out again, which does make one.
    pub without_contaminated: f64,
}

/// Splits of traffic to simulate: each is in force for the same part of the horizon.
pub const SPLITS: [(&str, &[&[u16]]); 2] = [
    ("5, 20, 50 %", &[&[9_500, 500], &[8_000, 2_000], &[5_000, 5_000]]),
    ("50, 80 %", &[&[5_000, 5_000], &[2_000, 8_000]]),
];

/// Simulates equal variants whose units come back.
///
/// # Errors
/// [`Invalid`](promptops_core::ErrorKind::Invalid) for shares that are none.
pub fn returned(splits: &[&[u16]], size: Size, seed: u64, threads: NonZeroUsize) -> Result<Returned> {
    let rules = Rules {
        min_sample: 1,
        ..Rules::default()
    };
    let record = record("returning", splits, rules)?;
    let evidence = Evidence::new(&record);
    let ended = in_parallel(threads, size.experiments, |index| {
        run(&evidence, size.horizon, seed ^ ((index as u64) << 20))
    });
    let count = size.experiments as f64;
    Ok(Returned {
        declared: ended.iter().filter(|of| of.declared).count() as f64 / count,
        difference: ended.iter().map(|of| of.difference).sum::<f64>() / count,
        without_contaminated: ended.iter().map(|of| of.without_contaminated).sum::<f64>() / count,
    })
}

/// How one experiment ended.
struct Ended {
    /// Whether a winner was declared at one of the looks.
    declared: bool,
    difference: f64,
    without_contaminated: f64,
}

fn run(evidence: &Evidence<'_>, horizon: u64, seed: u64) -> Ended {
    let mut random = Random::seeded(seed);
    let mut tallies = Tallies::default();
    let mut first: HashMap<UnitKey, (OutcomeEntry, bool)> = HashMap::new();
    let mut units: Vec<(UnitKey, bool)> = Vec::new();
    let epochs = &evidence.experiment().epochs;
    let mut declared = false;
    for at in 0..horizon {
        let epoch = &epochs[(at * epochs.len() as u64 / horizon) as usize];
        let back = NonZeroU64::new(units.len() as u64)
            .filter(|_| unit(&mut random) < RETURNING)
            .map(|count| units[random.below(count) as usize])
            .filter(|(_, success)| *success || unit(&mut random) < AFTER_FAILURE);
        let key = back.map_or_else(|| UnitKey::new(random.bits()), |(key, _)| key);
        let success = unit(&mut random) < RATE;
        let variant = epoch.allocation.variant(key.bucket());
        let entry = OutcomeEntry {
            unit: key,
            ..outcome(epoch.number, variant, success)
        };
        let seen = first
            .get(&key)
            .map(|(entry, contaminated)| (entry, *contaminated));
        match tallies.count(&entry, seen) {
            OutcomeVerdict::Written => {
                first.insert(key, (entry, false));
                units.push((key, success));
            }
            OutcomeVerdict::Contaminated => {
                first
                    .entry(key)
                    .and_modify(|(_, contaminated)| *contaminated = true);
            }
            OutcomeVerdict::Duplicate | OutcomeVerdict::Closed => {}
        }
        declared = declared || evidence.winner(&tallies).is_some();
    }
    let mut clean = Tallies::default();
    for (entry, _) in first.values().filter(|(_, contaminated)| !contaminated) {
        clean.count(entry, None);
    }
    Ended {
        declared,
        difference: difference(&tallies),
        without_contaminated: difference(&clean),
    }
}

/// The second variant's mean less the control's.
fn difference(tallies: &Tallies) -> f64 {
    let mean = |variant| {
        let tally = tallies.of(variant);
        tally.successes as f64 / tally.judged.max(1) as f64
    };
    mean(1) - mean(0)
}
