//! What an experiment's tallies say: who leads, how sure that is, whether traffic was as it should be, what got worse.

use std::cmp::Ordering;

use super::guardrail::MAX_GUARDRAILS;
use super::record::{Experiment, Goal};
use super::tally::{Tallies, Tally};
use crate::statistics::{Counts, LabelTest, ScoreBins, sample_ratio_ln_e};

/// The sample ratio's evidence at which nothing is decided any more: E ≥ 1,000.
const SAMPLE_RATIO_ALARM: f64 = 1_000.0;

/// Reads tallies of one experiment: made once, asked at every look.
///
/// Evidence is gathered within epochs, where the split of traffic does not change, and multiplied over them. Every answer
/// depends on whole numbers only, so it is the same for outcomes in any order.
#[derive(Debug, Clone)]
pub struct Evidence<'a> {
    experiment: &'a Experiment,
    epochs: Vec<EpochTests>,
}

#[derive(Debug, Clone)]
struct EpochTests {
    number: u32,
    weights: Vec<u32>,
    /// For each pair of variants, as [`pair`] numbers them.
    goal: Vec<LabelTest>,
    /// For each variant but the control, against it; none without guardrails.
    harm: Vec<LabelTest>,
}

/// Where a pair is in a list of all, the lower variant first: (0, 1), (0, 2), (1, 2), (0, 3) …
fn pair(low: u8, high: u8) -> usize {
    let (low, high) = (usize::from(low), usize::from(high));
    high * high.saturating_sub(1) / 2 + low
}

impl<'a> Evidence<'a> {
    /// What reads this experiment's tallies. A prior that is no rate counts as unknown.
    #[must_use]
    pub fn new(experiment: &'a Experiment) -> Self {
        let epochs = experiment.epochs.iter().map(|epoch| {
            let weights: Vec<u32> = epoch.allocation.shares().into_iter().map(u32::from).collect();
            let test = |low: u32, high: u32, prior| {
                let share = f64::from(high) / f64::from(low + high);
                LabelTest::new(share, prior).or_else(|| LabelTest::new(share, None))
            };
            let pairs = (1..weights.len()).flat_map(|high| (0..high).map(move |low| (low, high)));
            let goal =
                pairs.filter_map(|(low, high)| test(weights[low], weights[high], experiment.rules.prior));
            let harm = weights
                .iter()
                .skip(1)
                .filter(|_| !experiment.guardrails.is_empty())
                .filter_map(|weight| test(weights[0], *weight, None));
            EpochTests {
                number: epoch.number,
                goal: goal.collect(),
                harm: harm.collect(),
                weights,
            }
        });
        Self {
            experiment,
            epochs: epochs.collect(),
        }
    }

    /// The experiment.
    #[must_use]
    pub fn experiment(&self) -> &'a Experiment {
        self.experiment
    }

    /// The variants, by their places.
    pub fn variants(&self) -> impl Iterator<Item = u8> + use<> {
        (0..=u8::MAX).take(self.experiment.variants.len())
    }

    /// What ln E must reach against each of the others for a winner: ln((K − 1)/α) with K variants.
    #[must_use]
    pub fn needed(&self) -> f64 {
        let others = self.experiment.variants.len().saturating_sub(1) as f64;
        (others / self.experiment.rules.alpha).ln()
    }

    /// What ln E of a guardrail must reach: ln(1/α).
    #[must_use]
    pub fn needed_for_harm(&self) -> f64 {
        -self.experiment.rules.alpha.ln()
    }

    /// Outcomes of a variant that say something of the goal.
    #[must_use]
    pub fn outcomes(&self, tallies: &Tallies, variant: u8) -> u64 {
        self.sum(tallies, variant).1
    }

    /// The variant whose mean is above every other's; `None` when there is none, or one has no outcome.
    #[must_use]
    pub fn leader(&self, tallies: &Tallies) -> Option<u8> {
        let mut leader: Option<(u8, (u128, u64))> = None;
        let mut tied = false;
        for variant in self.variants() {
            let sum = self.sum(tallies, variant);
            if sum.1 == 0 {
                return None;
            }
            match leader.map(|(_, best)| compare(sum, best)) {
                None | Some(Ordering::Greater) => (leader, tied) = (Some((variant, sum)), false),
                Some(Ordering::Equal) => tied = true,
                Some(Ordering::Less) => {}
            }
        }
        leader.filter(|_| !tied).map(|(variant, _)| variant)
    }

    /// Whether one's mean is above the other's: over all outcomes, and within the epochs taken together. Where the goal's
    /// rate drifts while traffic is split otherwise, the means over all may show what no epoch shows (Simpson's paradox);
    /// the epochs' differences are weighted with n₁n₂/(n₁ + n₂) (Mantel and Haenszel, JNCI 22(4), 1959).
    #[must_use]
    pub fn is_above(&self, tallies: &Tallies, variant: u8, other: u8) -> bool {
        let (a, b) = (self.sum(tallies, variant), self.sum(tallies, other));
        if a.1 == 0 || b.1 == 0 || compare(a, b) != Ordering::Greater {
            return false;
        }
        if self.epochs.len() == 1 {
            return true;
        }
        self.within_epochs(tallies, variant, other, |tally| self.goal(tally)) > 0.0
    }

    /// The difference of two means within epochs, each weighted with n₁n₂/(n₁ + n₂). `of` is sum and count.
    fn within_epochs(
        &self,
        tallies: &Tallies,
        variant: u8,
        other: u8,
        of: impl Fn(&Tally) -> (u64, u64),
    ) -> f64 {
        let differences = self.epochs.iter().map(|epoch| {
            let of = |variant| {
                let tally = tallies.get(epoch.number, variant);
                tally.map(&of)
            };
            match (of(variant), of(other)) {
                (Some((sum, n)), Some((other, m))) if n > 0 && m > 0 => {
                    let (ours, theirs) = (product(sum, m), product(other, n));
                    let size = ours.abs_diff(theirs) as f64 / (n as f64 + m as f64);
                    if ours < theirs { -size } else { size }
                }
                _ => 0.0,
            }
        });
        differences.sum()
    }

    /// ln E that two variants differ in the goal, in either direction.
    #[must_use]
    pub fn ln_e(&self, tallies: &Tallies, one: u8, other: u8) -> f64 {
        self.over_epochs(tallies, one, other, |test, low, high| {
            match self.experiment.goal {
                Goal::Success => test.ln_e(&judged(low), &judged(high)),
                Goal::Score => test.ln_e_scores(&scored(low), &scored(high)),
            }
        })
    }

    /// Whether ln E that two variants differ has reached this: what [`ln_e`](Self::ln_e) says, mostly much quicker.
    #[must_use]
    pub fn reaches(&self, tallies: &Tallies, one: u8, other: u8, ln_e: f64) -> bool {
        if self.experiment.goal == Goal::Success {
            let at_most = self.over_epochs(tallies, one, other, |_, low, high| {
                LabelTest::at_most(&judged(low), &judged(high))
            });
            // Far more than both are rounded by.
            if at_most + 1e-3 < ln_e {
                return false;
            }
        }
        self.ln_e(tallies, one, other) >= ln_e
    }

    /// ln E that variants do not get the traffic that they were to get. Counted are units by their first outcome.
    #[must_use]
    pub fn sample_ratio_ln_e(&self, tallies: &Tallies) -> f64 {
        let epochs = self.epochs.iter().map(|epoch| {
            let counts = self.variants().map(|variant| {
                let tally = tallies.get(epoch.number, variant);
                tally.map_or(0, |tally| tally.outcomes)
            });
            // What cannot be said is no good sign.
            sample_ratio_ln_e(&counts.collect::<Vec<_>>(), &epoch.weights).unwrap_or(f64::MAX)
        });
        epochs.sum::<f64>().min(f64::MAX)
    }

    /// Whether the traffic was split so differently from what was asked for that no decision rests on it: E ≥ 1,000,
    /// which by chance happens to one in a thousand experiments at most, whatever the number of looks.
    #[must_use]
    pub fn is_split_wrong(&self, tallies: &Tallies) -> bool {
        self.sample_ratio_ln_e(tallies) >= SAMPLE_RATIO_ALARM.ln()
    }

    /// The harm of the nth guardrail in a variant: harmed of measured, over all epochs.
    #[must_use]
    pub fn harm(&self, tallies: &Tallies, variant: u8, guardrail: usize) -> Counts {
        let of = self
            .epochs
            .iter()
            .filter_map(|epoch| tallies.get(epoch.number, variant));
        let sums = of.fold((0, 0), |(harmed, measured): (u64, u64), tally| {
            let counts = harmed_of(tally, guardrail);
            (
                harmed.saturating_add(counts.successes()),
                measured.saturating_add(counts.total()),
            )
        });
        Counts::new(sums.0, sums.1).unwrap_or_default()
    }

    /// ln E that a variant's rate of harm differs from the control's. 0 for the control.
    #[must_use]
    pub fn harm_ln_e(&self, tallies: &Tallies, variant: u8, guardrail: usize) -> f64 {
        let Some(place) = usize::from(variant).checked_sub(1) else {
            return 0.0;
        };
        let epochs = self.epochs.iter().filter_map(|epoch| {
            let of = |variant| {
                tallies
                    .get(epoch.number, variant)
                    .map(|tally| harmed_of(tally, guardrail))
            };
            let test = epoch.harm.get(place)?;
            Some(test.ln_e(&of(0).unwrap_or_default(), &of(variant).unwrap_or_default()))
        });
        epochs.sum()
    }

    /// Whether a variant does more of the nth guardrail's harm than the control, surely: its rate is above the control's
    /// within the epochs taken together, whatever the rates over all show where harm and the split change with time, and
    /// E ≥ 1/α. For each guardrail that is a false alarm with probability α at most, whatever the number of looks.
    #[must_use]
    pub fn is_breached(&self, tallies: &Tallies, variant: u8, guardrail: usize) -> bool {
        let harm = |tally: &Tally| {
            let counts = harmed_of(tally, guardrail);
            (counts.successes(), counts.total())
        };
        self.within_epochs(tallies, variant, 0, harm) > 0.0
            && self.harm_ln_e(tallies, variant, guardrail) >= self.needed_for_harm()
    }

    /// The guardrails that a variant breaches, by their places.
    pub fn breaches(&self, tallies: &Tallies, variant: u8) -> impl Iterator<Item = usize> {
        let guardrails = 0..self.experiment.guardrails.len().min(MAX_GUARDRAILS);
        guardrails.filter(move |guardrail| self.is_breached(tallies, variant, *guardrail))
    }

    /// The variant that has won, if one has: every variant has the minimum sample, the split is right, the winner breaches
    /// no guardrail, and against each other variant its mean is above and E ≥ (K − 1)/α.
    #[must_use]
    pub fn winner(&self, tallies: &Tallies) -> Option<u8> {
        let leader = self.leader(tallies)?;
        let needed = self.needed();
        let enough = |variant| self.outcomes(tallies, variant) >= self.experiment.rules.min_sample;
        let beaten = |other: u8| {
            other == leader
                || self.is_above(tallies, leader, other) && self.reaches(tallies, leader, other, needed)
        };
        // The quick and mostly failing ones first.
        (self.variants().all(enough)
            && self.variants().all(beaten)
            && !self.is_split_wrong(tallies)
            && self.breaches(tallies, leader).next().is_none())
        .then_some(leader)
    }

    /// What a tally says of the goal: sum and count.
    fn goal(&self, tally: &Tally) -> (u64, u64) {
        match self.experiment.goal {
            Goal::Success => (tally.successes, tally.judged),
            Goal::Score => (tally.score_sum_millionths, tally.scored),
        }
    }

    fn sum(&self, tallies: &Tallies, variant: u8) -> (u128, u64) {
        let of = self
            .epochs
            .iter()
            .filter_map(|epoch| tallies.get(epoch.number, variant));
        of.fold((0, 0), |(sum, count), tally| {
            let (more, of) = self.goal(tally);
            (sum + u128::from(more), count.saturating_add(of))
        })
    }

    /// Adds up over epochs what is said of two variants, the lower one first.
    fn over_epochs(
        &self,
        tallies: &Tallies,
        one: u8,
        other: u8,
        of: impl Fn(&LabelTest, &Tally, &Tally) -> f64,
    ) -> f64 {
        let (low, high) = (one.min(other), one.max(other));
        if low == high {
            return 0.0;
        }
        let mut sum = 0.0;
        for epoch in &self.epochs {
            let (a, b) = (tallies.get(epoch.number, low), tallies.get(epoch.number, high));
            let Some(test) = epoch.goal.get(pair(low, high)) else {
                continue;
            };
            sum += match (a, b) {
                (Some(a), Some(b)) => of(test, a, b),
                (Some(a), None) => of(test, a, &Tally::default()),
                (None, Some(b)) => of(test, &Tally::default(), b),
                (None, None) => 0.0,
            };
        }
        sum
    }
}

fn judged(tally: &Tally) -> Counts {
    Counts::new(tally.successes, tally.judged).unwrap_or_default()
}

fn scored(tally: &Tally) -> ScoreBins {
    ScoreBins::new(tally.score_bins)
}

fn harmed_of(tally: &Tally, guardrail: usize) -> Counts {
    let (measured, harmed) = tally.guardrails.get(guardrail).copied().unwrap_or_default();
    Counts::new(harmed, measured).unwrap_or_default()
}

/// Compares two means by their sums and counts, exactly.
fn compare((sum, count): (u128, u64), (other, of): (u128, u64)) -> Ordering {
    let (a, b) = (
        sum.checked_mul(u128::from(of)),
        other.checked_mul(u128::from(count)),
    );
    match (a, b) {
        (Some(a), Some(b)) => a.cmp(&b),
        // Beyond what can be counted.
        _ => Ordering::Equal,
    }
}

fn product(sum: u64, count: u64) -> u128 {
    u128::from(sum) * u128::from(count)
}
