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
        declared: ended.iter().filter(|(declared, _)| *declared).count() as f64 / count,
        difference: ended.iter().map(|(_, difference)| difference).sum::<f64>() / count,
    })
}

/// Whether a winner was declared at one of the looks, and the difference of the means at the end.
fn run(evidence: &Evidence<'_>, horizon: u64, seed: u64) -> (bool, f64) {
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
    let mean = |variant| {
        let tally = tallies.of(variant);
        tally.successes as f64 / tally.judged.max(1) as f64
    };
    (declared, mean(1) - mean(0))
}
