//! One-sided bounds and evidence on bounded means against SciPy and mpmath: `scripts/make_bound_vectors.py` made the vectors.

use promptops_core::statistics::{
    BelowMean, FromTheStart, Random, SinceSomeTime, above_mean_ln_e, mean_at_least, mean_at_least_anytime,
    proportion_at_least, proportion_at_most, relative_entropy,
};
use proptest::prelude::*;
use serde::Deserialize;

#[derive(Deserialize)]
struct Vectors {
    proportion: Vec<(u64, u64, f64, f64)>,
    mean: Vec<(f64, f64, f64, f64)>,
    evidence: Vec<EvidenceVector>,
    above: Vec<(f64, f64, f64, f64, f64, f64)>,
}

#[derive(Deserialize)]
struct EvidenceVector {
    null: f64,
    scores: Vec<f64>,
    horizon: u64,
    from_the_start: f64,
    since_some_time: f64,
}

fn vectors() -> Vectors {
    serde_json::from_str(include_str!("../vectors/bounds.json")).unwrap()
}

#[track_caller]
fn close(found: f64, expected: f64, relative: f64) {
    let distance = (found - expected).abs();
    assert!(
        distance <= relative * expected.abs() + 1e-15,
        "found {found}, expected {expected}"
    );
}

#[test]
fn bounds_of_proportions_equal_those_of_scipy() {
    for (passed, total, alpha, low) in vectors().proportion {
        close(proportion_at_least(passed, total, alpha).unwrap(), low, 2e-12);
        let high = proportion_at_most(total - passed, total, alpha).unwrap();
        close(1.0 - high, low, 1e-10);
    }
    // Zero failures: 59 are the fewest that show 95 %.
    assert!(proportion_at_least(59, 59, 0.05).unwrap() >= 0.95);
    assert!(proportion_at_least(58, 58, 0.05).unwrap() < 0.95);
}

#[test]
fn bounds_of_means_equal_those_of_the_definition() {
    for (count, mean, alpha, low) in vectors().mean {
        close(mean_at_least(count, mean, alpha).unwrap(), low, 1e-9);
        // Hoeffding's plain bound follows from it.
        assert!(low >= mean - (-alpha.ln() / (2.0 * count)).sqrt());
    }
}

#[test]
fn what_cannot_be_bounded_has_no_bound() {
    for alpha in [0.0, 1.0, -1.0, f64::NAN] {
        assert_eq!(proportion_at_least(1, 2, alpha), None);
        assert_eq!(proportion_at_most(1, 2, alpha), None);
        assert_eq!(mean_at_least(2.0, 0.5, alpha), None);
        assert_eq!(mean_at_least_anytime(2.0, 0.5, alpha), None);
    }
    assert_eq!(proportion_at_least(0, 0, 0.1), None);
    assert_eq!(proportion_at_least(3, 2, 0.1), None);
    assert_eq!(proportion_at_most(3, 2, 0.1), None);
    for (count, mean) in [
        (0.0, 0.5),
        (f64::NAN, 0.5),
        (f64::INFINITY, 0.5),
        (5.0, 1.1),
        (5.0, f64::NAN),
    ] {
        assert_eq!(mean_at_least(count, mean, 0.1), None);
    }
    for null in [0.0, 1.0, f64::NAN] {
        assert_eq!(BelowMean::new(null), None);
        assert_eq!(above_mean_ln_e(5.0, 0.5, null), None);
    }
    let test = BelowMean::new(0.6).unwrap();
    for score in [-1e-9, 1.0 + 1e-9, f64::NAN, f64::INFINITY] {
        assert_eq!(test.wins(score), None);
    }
}

#[test]
fn evidence_equals_that_of_the_sums() {
    for vector in vectors().evidence {
        let test = BelowMean::new(vector.null).unwrap();
        let (mut start, mut late) = (FromTheStart::default(), SinceSomeTime::default());
        for (before, score) in (1..).zip(&vector.scores) {
            let wins = test.wins(*score).unwrap();
            start.add(&wins);
            late.add(&wins, before < vector.horizon);
        }
        close(start.ln_e(), vector.from_the_start, 1e-11);
        close(late.ln_e(vector.horizon), vector.since_some_time, 1e-11);
    }
}

#[test]
fn evidence_for_a_mean_above_equals_that_of_the_definition() {
    for (count, mean, null, alpha, ln_e, low) in vectors().above {
        close(above_mean_ln_e(count, mean, null).unwrap(), ln_e, 1e-8);
        close(mean_at_least_anytime(count, mean, alpha).unwrap(), low, 1e-9);
    }
}

#[test]
fn any_scores_leave_the_evidence_finite() {
    for null in [f64::MIN_POSITIVE, 0.5, 1.0 - f64::EPSILON / 2.0] {
        let test = BelowMean::new(null).unwrap();
        for scores in [[0.0, 0.0], [1.0, 1.0], [0.0, 1.0]] {
            let (mut start, mut late) = (FromTheStart::default(), SinceSomeTime::default());
            for n in 0..20_000 {
                let wins = test.wins(scores[n % 2]).unwrap();
                start.add(&wins);
                late.add(&wins, n < 10_000);
            }
            assert!(start.is_finite() && start.ln_e().is_finite());
            assert!(late.is_finite() && late.ln_e(10_000).is_finite());
        }
    }
}

#[test]
fn every_bet_is_worth_its_stake_at_the_null() {
    for null in [0.05, 0.5, 0.93] {
        let test = BelowMean::new(null).unwrap();
        let (lost, won) = (test.wins(1.0).unwrap(), test.wins(0.0).unwrap());
        for (lost, won) in lost.iter().zip(won) {
            close(null * lost.exp() + (1.0 - null) * won.exp(), 1.0, 1e-14);
        }
    }
}

#[test]
fn a_bound_at_every_look_rarely_fails() {
    let mut failed = 0;
    for seed in 0..300 {
        let mut random = Random::seeded(seed);
        let mut sum = 0.0;
        failed += u32::from((1..=400_u32).any(|n| {
            sum += f64::from(u8::from(random.bits() < u64::MAX / 10 * 7));
            let n = f64::from(n);
            above_mean_ln_e(n, sum / n, 0.7).unwrap() >= 20_f64.ln()
        }));
    }
    // More than 28 of 300 would be seen once in a thousand times at 5 %.
    assert!(failed <= 28, "{failed}");
}

proptest! {
    #[test]
    fn bounds_lie_below_what_was_seen(passed in 0_u64..2_000, more in 1_u64..2_000, alpha in 1e-6..0.5_f64) {
        let total = passed + more;
        let low = proportion_at_least(passed, total, alpha).unwrap();
        let rate = passed as f64 / total as f64;
        prop_assert!((0.0..=rate).contains(&low));
        // What holds for every distribution is not narrower than what holds for ones and zeros.
        let any = mean_at_least(total as f64, rate, alpha).unwrap();
        prop_assert!(any <= low + 1e-12);
        let look = mean_at_least_anytime(total as f64, rate, alpha).unwrap();
        prop_assert!(look <= any + 1e-12);
        prop_assert!(relative_entropy(rate, low.max(1e-300)) >= 0.0);
    }
}
