//! Evidence that may be looked at after every outcome: "whose outcome was this?".
//!
//! Two variants get shares of the traffic by a coin that knows nothing of the outcome. If they do equally well, an outcome
//! tells nothing of the variant that it is from, whatever the rate of success was at that time. So the variants (labels)
//! given the outcomes are tested: their likelihood where the variants differ by φ in log-odds, averaged over a fixed grid
//! of φ and of base rates, over their greatest likelihood where each is drawn with one unknown probability, q. At the true
//! q the quotient is a mixture of products of likelihood ratios, each of mean 1 given all before: a non-negative
//! martingale. The greatest likelihood is at least that at the true q, so E stays below one, and by Ville's inequality
//! P(ever E ≥ 1/α) ≤ α (Ville, "Étude critique de la notion de collectif", 1939; Wasserman, Ramdas and Balakrishnan,
//! "Universal inference", PNAS 117(29), 2020; Robbins, "Statistical methods related to the law of the iterated logarithm",
//! Annals of Mathematical Statistics 41(5), 1970, for the mixture).

use std::sync::OnceLock;

use super::distribution::normal_quantile;
use super::moments::{Counts, ScoreBins};

/// The spread of differences looked for, in log-odds: the grid are quantiles of a normal with this deviation.
const SPREAD: f64 = 0.4;
/// How many differences there are for each sign.
const STEPS: u8 = 8;
/// Base rates around the rate that was seen before, in log-odds.
const AROUND: [f64; 3] = [-0.7, 0.0, 0.7];
/// Base rates when nothing was seen before.
const ANYWHERE: [f64; 7] = [0.02, 0.07, 0.2, 0.5, 0.8, 0.93, 0.98];

/// The test of a variant against a control for one share of the traffic: computed once, asked at every look.
///
/// Logarithms of E are added up over epochs (times with one share each): with the shares of an epoch for the outcomes of
/// units assigned in it, E multiplies.
#[derive(Debug, Clone)]
pub struct LabelTest {
    grid: Vec<Point>,
    /// For each point of the grid, and within for each bin, the logarithm of the control's probability; made when
    /// scores are first looked at.
    control_by_bin: OnceLock<Vec<[f64; ScoreBins::BINS]>>,
}

/// One alternative: logarithms of the label's probability.
#[derive(Debug, Clone)]
struct Point {
    /// The log-odds of the variant's label for a score of 0.
    base: f64,
    /// What a score of 1 adds to it: the difference in log-odds.
    difference: f64,
    control_failed: f64,
    control_succeeded: f64,
    variant_failed: f64,
    variant_succeeded: f64,
}

impl Point {
    fn new(share: f64, eta: f64, difference: f64) -> Self {
        let (control, variant) = (eta - difference / 2.0, eta + difference / 2.0);
        // By Bayes: the odds of the share, times what a failure is likelier for the variant.
        let base = log_odds(share) + softplus(control) - softplus(variant);
        Self {
            base,
            difference,
            control_failed: -softplus(base),
            control_succeeded: -softplus(base + difference),
            variant_failed: -softplus(-base),
            variant_succeeded: -softplus(-base - difference),
        }
    }
}

impl LabelTest {
    /// `share` is the variant's part of what both get: 0.5 when they get as much, in an epoch's allocation the variant's
    /// weight over the sum of both. `prior` is the control's rate (or mean score) before the experiment, which makes the
    /// test quicker when it is right and never wrong when it is not; it must not come from the experiment's own outcomes.
    ///
    /// `None` unless both are more than 0 and less than 1.
    #[must_use]
    pub fn new(share: f64, prior: Option<f64>) -> Option<Self> {
        let inside = |value: f64| value > 0.0 && value < 1.0;
        if !inside(share) || !prior.is_none_or(inside) {
            return None;
        }
        let etas: Vec<f64> = match prior {
            Some(rate) => AROUND.iter().map(|step| log_odds(rate) + step).collect(),
            None => ANYWHERE.into_iter().map(log_odds).collect(),
        };
        let differences: Vec<f64> = (0..STEPS).map(difference).collect();
        let differences = differences.iter().flat_map(|size| [-size, *size]);
        let grid = etas.iter().flat_map(|eta| {
            let points = differences.clone();
            points.map(|difference| Point::new(share, *eta, difference))
        });
        Some(Self {
            grid: grid.collect(),
            control_by_bin: OnceLock::new(),
        })
    }

    /// The greatest difference that it looks for, in log-odds.
    #[must_use]
    pub fn farthest() -> f64 {
        difference(STEPS - 1)
    }

    /// What [`LabelTest::ln_e`] is at most for these counts, by every test: n times the mutual information of label and
    /// outcome that the counts show, since no likelihood is above the greatest. Far quicker, and mostly far below what
    /// would be a finding.
    #[must_use]
    pub fn at_most(control: &Counts, variant: &Counts) -> f64 {
        let total = control.total() as f64 + variant.total() as f64;
        let of = |a: u64, b: u64| {
            let (a, b) = (a as f64, b as f64);
            let part = |count: f64, label: u64| match count {
                0.0 => 0.0,
                // The label's part of these outcomes, over its part of all.
                _ => count * (count / (a + b) * (total / label as f64)).ln(),
            };
            part(a, control.total()) + part(b, variant.total())
        };
        of(control.successes(), variant.successes()) + of(control.failures(), variant.failures())
    }

    /// ln E for outcomes that are a success or a failure: above 0 they speak for a difference, in either direction.
    /// Declare one at ln(1/α). 0 without outcomes; finite always.
    #[must_use]
    pub fn ln_e(&self, control: &Counts, variant: &Counts) -> f64 {
        let [
            control_failed,
            control_succeeded,
            variant_failed,
            variant_succeeded,
        ] = [
            control.failures(),
            control.successes(),
            variant.failures(),
            variant.successes(),
        ]
        .map(|count| count as f64);
        let of = |point: &Point| {
            control_failed * point.control_failed
                + control_succeeded * point.control_succeeded
                + variant_failed * point.variant_failed
                + variant_succeeded * point.variant_succeeded
        };
        mixed(self.grid.iter().map(of), control.total(), variant.total())
    }

    /// ln E for scores from 0 to 1. The label's log-odds are a straight line in the score, which at 0 and 1 has the values
    /// for a failure and a success: [`LabelTest::ln_e`] of the same outcomes when there are only zeros and ones.
    ///
    /// Differences that are large against the scores' spread take more outcomes than they need: the line's slope ends at
    /// [`LabelTest::farthest`].
    #[must_use]
    pub fn ln_e_scores(&self, control: &ScoreBins, variant: &ScoreBins) -> f64 {
        let tables = self.control_by_bin.get_or_init(|| {
            let of = |point: &Point| {
                std::array::from_fn(|bin| -softplus(point.base + point.difference * (bin as f64 / 100.0)))
            };
            self.grid.iter().map(of).collect()
        });
        // ln t = log-odds + ln(1 − t): the variant's outcomes add a straight line to what all outcomes have.
        let both: [f64; ScoreBins::BINS] =
            std::array::from_fn(|bin| control.counts()[bin] as f64 + variant.counts()[bin] as f64);
        let (count, sum) = (variant.total() as f64, variant.hundredths() as f64 / 100.0);
        let of = |(point, table): (&Point, &[f64; ScoreBins::BINS])| {
            let all: f64 = both.iter().zip(table).map(|(count, ln)| count * ln).sum();
            all + count * point.base + sum * point.difference
        };
        mixed(
            self.grid.iter().zip(tables).map(of),
            control.total(),
            variant.total(),
        )
    }
}

/// What E bounds: how likely so much evidence was ever to be seen were there no difference, min(1, 1/E).
#[must_use]
pub fn anytime_p(ln_e: f64) -> f64 {
    (-ln_e).exp().min(1.0)
}

/// The mean of the grid's likelihoods over the greatest of labels drawn with one probability, as a logarithm.
fn mixed(likelihoods: impl ExactSizeIterator<Item = f64>, control: u64, variant: u64) -> f64 {
    if control == 0 && variant == 0 {
        return 0.0;
    }
    let points = likelihoods.len() as f64;
    let mut kept = [f64::NEG_INFINITY; 2 * STEPS as usize * ANYWHERE.len()];
    let mut most = f64::NEG_INFINITY;
    for (kept, likelihood) in kept.iter_mut().zip(likelihoods) {
        *kept = likelihood;
        most = most.max(likelihood);
    }
    let sum: f64 = kept.iter().map(|likelihood| (likelihood - most).exp()).sum();
    let (control, variant) = (control as f64, variant as f64);
    let of = |count: f64| match count {
        0.0 => 0.0,
        _ => count * (count / (control + variant)).ln(),
    };
    most - of(control) - of(variant) + (sum / points).ln()
}

/// The middle of one of the equally likely parts of the half normal distribution.
fn difference(step: u8) -> f64 {
    let part = (f64::from(step) + 0.5) / f64::from(STEPS);
    SPREAD * normal_quantile(0.5 - 0.5 * part)
}

fn log_odds(rate: f64) -> f64 {
    rate.ln() - (-rate).ln_1p()
}

/// ln(1 + eˣ) = −ln(1 − σ(x)), without overflow.
fn softplus(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(successes: u64, total: u64) -> Counts {
        Counts::new(successes, total).unwrap()
    }

    #[test]
    fn nothing_seen_is_no_evidence() {
        for prior in [None, Some(0.9)] {
            let test = LabelTest::new(0.3, prior).unwrap();
            assert_eq!(test.ln_e(&counts(0, 0), &counts(0, 0)), 0.0);
            assert_eq!(
                test.ln_e_scores(&ScoreBins::default(), &ScoreBins::default()),
                0.0
            );
            // A label alone says nothing either, but for the share being what it is said to be.
            assert!(test.ln_e(&counts(0, 1), &counts(0, 0)) < 0.0);
        }
        assert_eq!(anytime_p(0.0), 1.0);
        assert_eq!(anytime_p(-5.0), 1.0);
        assert!((anytime_p(20_f64.ln()) - 0.05).abs() < 1e-15);
    }

    #[test]
    fn shares_and_rates_lie_between_nothing_and_all() {
        for wrong in [0.0, 1.0, -0.1, 50.0, f64::NAN, f64::INFINITY] {
            assert!(LabelTest::new(wrong, None).is_none(), "{wrong}");
            assert!(LabelTest::new(0.5, Some(wrong)).is_none(), "{wrong}");
        }
    }

    #[test]
    fn any_counts_have_a_finite_answer() {
        let many = 1_000_000_000;
        for share in [1e-4, 0.5, 1.0 - 1e-4] {
            for prior in [None, Some(1e-300), Some(0.5), Some(1.0 - f64::EPSILON)] {
                let test = LabelTest::new(share, prior).unwrap();
                for total in [0, 1, many, u64::MAX / 2] {
                    for (a, b) in [
                        (0, 0),
                        (0, total),
                        (total, 0),
                        (total / 2, total / 3),
                        (total, total),
                    ] {
                        let (a, b) = (counts(a, total), counts(b, total));
                        let found = test.ln_e(&a, &b);
                        assert!(found.is_finite(), "{share} {prior:?} {a:?} {b:?}");
                        let found = test.ln_e_scores(&a.into(), &b.into());
                        assert!(found.is_finite(), "{share} {prior:?} {a:?} {b:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn each_step_has_mean_one_under_no_effect() {
        // At the true probability of the label the quotient is a martingale: over the four ways that one more outcome
        // can turn out, the likelihoods of the label add up to one for every point of the grid.
        let test = LabelTest::new(0.3, None).unwrap();
        for point in &test.grid {
            let failed = point.control_failed.exp() + point.variant_failed.exp();
            let succeeded = point.control_succeeded.exp() + point.variant_succeeded.exp();
            assert!((failed - 1.0).abs() < 1e-14 && (succeeded - 1.0).abs() < 1e-14);
        }
    }
}
