//! What is counted of outcomes: whole numbers per epoch and variant, whose sums do not depend on their order.

use std::collections::BTreeMap;

use super::guardrail::MAX_GUARDRAILS;
use super::outcome::{OutcomeEntry, OutcomeVerdict};

/// Steps of a hundredth, to which scores are rounded for the decision: 0, 0.01 … 1.
pub const SCORE_BINS: usize = 101;

/// What a stored count is of: a number that stores keep and do not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Counter(u16);

impl Counter {
    /// Units with an outcome that counts.
    pub const OUTCOMES: Self = Self(0);
    /// Those that say whether it was a success.
    pub const JUDGED: Self = Self(1);
    /// Those that were one.
    pub const SUCCESSES: Self = Self(2);
    /// Those with a score.
    pub const SCORED: Self = Self(3);
    /// Sum of the scores in millionths.
    pub const SCORE_SUM: Self = Self(4);
    /// Units that were seen in another variant later, of which the first outcome counts.
    pub const CONTAMINATED: Self = Self(5);
    /// Outcomes of units that had one.
    pub const DUPLICATES: Self = Self(6);
    /// Outcomes that a recorder had no room for.
    pub const LOST: Self = Self(7);
    const MEASURED: u16 = 100;
    const HARMED: u16 = 200;
    const SCORE_BIN: u16 = 1_000;

    /// Outcomes that say something of the nth guardrail.
    #[must_use]
    pub fn measured(guardrail: usize) -> Self {
        Self(Self::MEASURED + guardrail as u16)
    }

    /// Those that show its harm.
    #[must_use]
    pub fn harmed(guardrail: usize) -> Self {
        Self(Self::HARMED + guardrail as u16)
    }

    /// Scores of so many hundredths, rounded.
    #[must_use]
    pub fn score_bin(hundredths: usize) -> Self {
        Self(Self::SCORE_BIN + hundredths as u16)
    }

    /// The number under which it is stored.
    #[must_use]
    pub fn code(self) -> u16 {
        self.0
    }

    /// The counter of a stored number. One that this release does not know is kept and not read.
    #[must_use]
    pub fn from_code(code: u16) -> Self {
        Self(code)
    }
}

/// Where something is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TallyKey {
    /// The allocation.
    pub epoch: u32,
    /// The variant, by its place in the experiment's list.
    pub variant: u8,
    /// What is counted.
    pub counter: Counter,
}

/// One stored count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TallyRow {
    /// Where.
    pub key: TallyKey,
    /// How many.
    pub count: u64,
}

/// What a batch of outcomes changes: for backends, which add it to what they have in the batch's own commit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TallyDelta(BTreeMap<TallyKey, i64>);

impl TallyDelta {
    /// Nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Says what becomes of an outcome whose unit has had `first`, counts it, and returns the verdict. `first` is the
    /// unit's stored outcome and whether it is contaminated already. On [`Written`](OutcomeVerdict::Written) the entry is
    /// to be stored, on [`Contaminated`](OutcomeVerdict::Contaminated) the stored one is to be marked so.
    pub fn count(&mut self, entry: &OutcomeEntry, first: Option<(&OutcomeEntry, bool)>) -> OutcomeVerdict {
        count(entry, first, |key, by| *self.0.entry(key).or_default() += by)
    }

    /// The counts that change, in order; never 0.
    pub fn iter(&self) -> impl Iterator<Item = (TallyKey, i64)> + '_ {
        self.0
            .iter()
            .filter(|(_, by)| **by != 0)
            .map(|(key, by)| (*key, *by))
    }
}

/// Says what becomes of an outcome, and what that changes.
fn count(
    entry: &OutcomeEntry,
    first: Option<(&OutcomeEntry, bool)>,
    mut add: impl FnMut(TallyKey, i64),
) -> OutcomeVerdict {
    match first {
        None => {
            count_entry(entry, add);
            OutcomeVerdict::Written
        }
        Some((_, true)) => OutcomeVerdict::Contaminated,
        Some((first, false)) if first.variant == entry.variant => {
            add(key(entry, Counter::DUPLICATES), 1);
            OutcomeVerdict::Duplicate
        }
        // The first one stands. Were it taken out, outcomes that bring units back would be taken out more often than others,
        // of the variants that lost buckets alone: a difference where there is none.
        Some((first, false)) => {
            add(key(first, Counter::CONTAMINATED), 1);
            OutcomeVerdict::Contaminated
        }
    }
}

fn key(entry: &OutcomeEntry, counter: Counter) -> TallyKey {
    TallyKey {
        epoch: entry.epoch,
        variant: entry.variant,
        counter,
    }
}

fn count_entry(entry: &OutcomeEntry, mut add: impl FnMut(TallyKey, i64)) {
    let mut add = |counter, by| add(key(entry, counter), by);
    add(Counter::OUTCOMES, 1);
    if let Some(success) = entry.success {
        add(Counter::JUDGED, 1);
        add(Counter::SUCCESSES, i64::from(success));
    }
    if let Some(score) = entry.score_millionths {
        add(Counter::SCORED, 1);
        add(Counter::SCORE_SUM, i64::from(score));
        let hundredths = ((score + 5_000) / 10_000).min(100) as usize;
        add(Counter::score_bin(hundredths), 1);
    }
    for guardrail in 0..MAX_GUARDRAILS {
        let bit = 1 << guardrail;
        if entry.measured & bit != 0 {
            add(Counter::measured(guardrail), 1);
            if entry.harmed & bit != 0 {
                add(Counter::harmed(guardrail), 1);
            }
        }
    }
}

/// What was counted of one variant in one epoch, or over all of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tally {
    /// Units with an outcome that counts.
    pub outcomes: u64,
    /// Those that say whether it was a success.
    pub judged: u64,
    /// Those that were one.
    pub successes: u64,
    /// Those with a score.
    pub scored: u64,
    /// Sum of the scores in millionths.
    pub score_sum_millionths: u64,
    /// How many scores there are of each hundredth, 0 ..= 100.
    pub score_bins: [u64; SCORE_BINS],
    /// For each guardrail, how many outcomes say something of it, and how many of those show harm.
    pub guardrails: [(u64, u64); MAX_GUARDRAILS],
    /// Units that were seen in another variant later, of which the first outcome counts.
    pub contaminated: u64,
    /// Outcomes of units that had one.
    pub duplicates: u64,
    /// Outcomes that a recorder had no room for.
    pub lost: u64,
}

impl Default for Tally {
    fn default() -> Self {
        Self {
            outcomes: 0,
            judged: 0,
            successes: 0,
            scored: 0,
            score_sum_millionths: 0,
            score_bins: [0; SCORE_BINS],
            guardrails: [(0, 0); MAX_GUARDRAILS],
            contaminated: 0,
            duplicates: 0,
            lost: 0,
        }
    }
}

impl Tally {
    fn place(&mut self, counter: Counter) -> Option<&mut u64> {
        Some(match counter {
            Counter::OUTCOMES => &mut self.outcomes,
            Counter::JUDGED => &mut self.judged,
            Counter::SUCCESSES => &mut self.successes,
            Counter::SCORED => &mut self.scored,
            Counter::SCORE_SUM => &mut self.score_sum_millionths,
            Counter::CONTAMINATED => &mut self.contaminated,
            Counter::DUPLICATES => &mut self.duplicates,
            Counter::LOST => &mut self.lost,
            Counter(code) => {
                let at = |from: u16| code.checked_sub(from).map(usize::from);
                let bin = at(Counter::SCORE_BIN).and_then(|bin| self.score_bins.get_mut(bin));
                let guardrails = &mut self.guardrails;
                match (bin, at(Counter::HARMED), at(Counter::MEASURED)) {
                    (Some(bin), _, _) => bin,
                    (None, Some(n), _) => guardrails.get_mut(n).map(|(_, harmed)| harmed)?,
                    (None, None, Some(n)) => guardrails.get_mut(n).map(|(measured, _)| measured)?,
                    (None, None, None) => return None,
                }
            }
        })
    }

    fn add(&mut self, counter: Counter, count: u64) {
        if let Some(place) = self.place(counter) {
            *place = place.saturating_add(count);
        }
    }
}

/// All that was counted of an experiment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tallies(BTreeMap<(u32, u8), Tally>);

impl Tallies {
    /// Tallies from what a store has.
    #[must_use]
    pub fn from_rows(rows: impl IntoIterator<Item = TallyRow>) -> Self {
        let mut tallies = Self::default();
        for TallyRow { key, count } in rows {
            tallies
                .0
                .entry((key.epoch, key.variant))
                .or_default()
                .add(key.counter, count);
        }
        tallies
    }

    /// Counts one outcome as [`TallyDelta::count`] does, in place, for whoever looks after every outcome: what
    /// [`from_rows`](Self::from_rows) would say after it. A count never falls below 0.
    pub fn count(&mut self, entry: &OutcomeEntry, first: Option<(&OutcomeEntry, bool)>) -> OutcomeVerdict {
        count(entry, first, |key, by| {
            let tally = self.0.entry((key.epoch, key.variant)).or_default();
            if let Some(place) = tally.place(key.counter) {
                *place = place.saturating_add_signed(by);
            }
        })
    }

    /// One variant's tally in one epoch; `None` when nothing was counted.
    #[must_use]
    pub fn get(&self, epoch: u32, variant: u8) -> Option<&Tally> {
        self.0.get(&(epoch, variant))
    }

    /// One variant's tally over all epochs.
    #[must_use]
    pub fn of(&self, variant: u8) -> Tally {
        let mut sum = Tally::default();
        for tally in self
            .0
            .iter()
            .filter(|((_, of), _)| *of == variant)
            .map(|(_, tally)| tally)
        {
            sum.outcomes += tally.outcomes;
            sum.judged += tally.judged;
            sum.successes += tally.successes;
            sum.scored += tally.scored;
            sum.score_sum_millionths += tally.score_sum_millionths;
            sum.contaminated += tally.contaminated;
            sum.duplicates += tally.duplicates;
            sum.lost += tally.lost;
            for (bin, count) in sum.score_bins.iter_mut().zip(tally.score_bins) {
                *bin += count;
            }
            for (guardrail, (measured, harmed)) in sum.guardrails.iter_mut().zip(tally.guardrails) {
                guardrail.0 += measured;
                guardrail.1 += harmed;
            }
        }
        sum
    }
}

/// For simulations and tests, and whoever keeps tallies in memory: counts one after the other.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RunningTallies(BTreeMap<TallyKey, u64>);

impl RunningTallies {
    /// Adds what a batch changes. A count never falls below 0.
    pub fn apply(&mut self, delta: &TallyDelta) {
        for (key, by) in delta.iter() {
            let count = self.0.entry(key).or_default();
            *count = count.saturating_add_signed(by);
        }
    }

    /// Adds to one count.
    pub fn add(&mut self, key: TallyKey, by: u64) {
        let count = self.0.entry(key).or_default();
        *count = count.saturating_add(by);
    }

    /// What was counted, in order; never 0.
    pub fn rows(&self) -> impl Iterator<Item = TallyRow> + '_ {
        self.0
            .iter()
            .filter(|(_, count)| **count != 0)
            .map(|(key, count)| TallyRow {
                key: *key,
                count: *count,
            })
    }
}
