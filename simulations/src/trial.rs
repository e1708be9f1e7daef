//! One simulated experiment, looked at after every outcome.

use std::num::NonZeroU64;

use chrono::DateTime;
use promptops_core::experiment::{BUCKETS, Evidence, Experiment, OutcomeEntry, Tallies};
use promptops_core::observation::UnitKey;
use promptops_core::statistics::Random;

use crate::naive::Naive;

/// How one experiment ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended {
    /// The winner, and how many outcomes had been recorded when it was declared; `None` when none was.
    pub winner: Option<(u8, u64)>,
    /// Whether a test for one look, at 5 %, was significant at one of the looks.
    pub naive: bool,
}

/// What happens in an experiment.
#[derive(Debug)]
pub struct Trial<'a> {
    /// What decides: the library's.
    pub evidence: &'a Evidence<'a>,
    /// Units that come, at most.
    pub horizon: u64,
    /// The rate of success of a variant, when so much of the horizon is over (0 ..= 1).
    pub rate: fn(&Rates, u8, f64) -> f64,
    /// What the rate is made of.
    pub rates: &'a Rates,
    /// When each epoch but the first begins, as a part of the horizon.
    pub changes: &'a [f64],
    /// The part of outcomes that gets lost.
    pub loss: f64,
    /// Whether to look at the test for one look, too.
    pub with_naive: bool,
}

/// The rates of success, by variant.
pub type Rates = Vec<f64>;

const ONE: f64 = (1_u64 << 53) as f64;
const ALL_BUCKETS: NonZeroU64 = NonZeroU64::new(BUCKETS as u64).unwrap();

/// A number in 0.0 .. 1.0.
pub(crate) fn unit(random: &mut Random) -> f64 {
    (random.bits() >> 11) as f64 / ONE
}

impl Trial<'_> {
    /// Runs it. The seed decides everything.
    #[must_use]
    pub fn run(&self, seed: u64) -> Ended {
        let mut random = Random::seeded(seed);
        let experiment: &Experiment = self.evidence.experiment();
        let mut tallies = Tallies::default();
        let mut naive = Naive::new(experiment.variants.len());
        let mut ended = Ended {
            winner: None,
            naive: !self.with_naive,
        };
        let mut recorded = 0;
        for at in 0..self.horizon {
            let part = at as f64 / self.horizon as f64;
            let epoch = self.changes.iter().filter(|change| part >= **change).count();
            let epoch = &experiment.epochs[epoch];
            let bucket = random.below(ALL_BUCKETS) as u16;
            let variant = epoch.allocation.variant(bucket);
            let success = unit(&mut random) < (self.rate)(self.rates, variant, part);
            if self.loss > 0.0 && unit(&mut random) < self.loss {
                continue;
            }
            recorded += 1;
            if !ended.naive {
                ended.naive = naive.declares(variant, success);
            }
            if ended.winner.is_none() {
                tallies.count(&outcome(epoch.number, variant, success), None);
                ended.winner = self.evidence.winner(&tallies).map(|winner| (winner, recorded));
            }
            if ended.naive && ended.winner.is_some() {
                break;
            }
        }
        ended
    }
}

/// Of a unit that comes once; none tells it from others.
pub(crate) fn outcome(epoch: u32, variant: u8, success: bool) -> OutcomeEntry {
    OutcomeEntry {
        unit: UnitKey::new(0),
        variant,
        epoch,
        success: Some(success),
        score_millionths: None,
        measured: 0,
        harmed: 0,
        at: DateTime::UNIX_EPOCH,
    }
}
