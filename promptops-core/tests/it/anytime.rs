//! What may be looked at after every outcome, and comparisons of independent groups, against other implementations:
//! `scripts/make_statistics_vectors.py` made one part of the vectors, a design's prototype in Python the other.

use promptops_core::statistics::{
    Confidence, Counts, LabelTest, Moments, ScoreBins, Tuning, mean_difference, rate_difference,
    sample_ratio_ln_e, sequential_difference, sequential_lift,
};
use proptest::prelude::*;
use serde::Deserialize;

#[derive(Deserialize)]
struct Vectors {
    ln_e: Vec<LabelVector>,
    srm_ln_e: Vec<RatioVector>,
    sequential_interval: Vec<SequenceVector>,
}

#[derive(Deserialize)]
#[allow(non_snake_case, reason = "the names of the vectors")]
struct LabelVector {
    sA: u64,
    nA: u64,
    sB: u64,
    nB: u64,
    pi_b: f64,
    p0: Option<f64>,
    ln_e: f64,
}

#[derive(Deserialize)]
struct RatioVector {
    n: Vec<u64>,
    w: Vec<u32>,
    ln_e: f64,
}

#[derive(Deserialize)]
struct SequenceVector {
    #[serde(rename = "in")]
    counts: [u64; 4],
    alpha: f64,
    tuning: u32,
    est: f64,
    lo: f64,
    hi: f64,
    p: f64,
}

#[derive(Deserialize)]
struct MoreVectors {
    rate_difference: Vec<(u64, u64, u64, u64, f64, f64, f64)>,
    mean_difference: Vec<MeanDifferenceVector>,
    label_scores: Vec<ScoresVector>,
    sample_ratio: Vec<(Vec<u64>, Vec<u32>, f64)>,
}

#[derive(Deserialize)]
struct MeanDifferenceVector {
    first: Vec<f64>,
    second: Vec<f64>,
    level: f64,
    low: f64,
    high: f64,
}

#[derive(Deserialize)]
struct ScoresVector {
    share: f64,
    prior: Option<f64>,
    control: Vec<u8>,
    variant: Vec<u8>,
    ln_e: f64,
}

fn vectors() -> Vectors {
    serde_json::from_str(include_str!("../vectors/anytime.json")).unwrap()
}

fn more_vectors() -> MoreVectors {
    serde_json::from_str(include_str!("../vectors/statistics.json")).unwrap()
}

#[track_caller]
fn close(found: f64, expected: f64) {
    let distance = (found - expected).abs();
    assert!(
        distance <= 1e-9 * expected.abs() + 1e-13,
        "found {found}, expected {expected}"
    );
}

fn counts(successes: u64, total: u64) -> Counts {
    Counts::new(successes, total).unwrap()
}

fn level(level: f64) -> Confidence {
    Confidence::new(level).unwrap()
}

#[test]
fn evidence_of_labels_equals_that_of_the_design() {
    for vector in vectors().ln_e {
        let test = LabelTest::new(vector.pi_b, vector.p0).unwrap();
        let (control, variant) = (counts(vector.sA, vector.nA), counts(vector.sB, vector.nB));
        close(test.ln_e(&control, &variant), vector.ln_e);
        close(test.ln_e_scores(&control.into(), &variant.into()), vector.ln_e);
    }
}

#[test]
fn evidence_of_scores_equals_that_of_a_second_implementation() {
    for vector in more_vectors().label_scores {
        let test = LabelTest::new(vector.share, vector.prior).unwrap();
        let binned = |scores: &[u8]| {
            let mut bins = ScoreBins::default();
            scores.iter().for_each(|score| bins.add(*score, 1).unwrap());
            bins
        };
        let found = test.ln_e_scores(&binned(&vector.control), &binned(&vector.variant));
        close(found, vector.ln_e);
    }
}

#[test]
fn evidence_of_ratios_equals_that_of_the_design_and_of_scipy() {
    for vector in vectors().srm_ln_e {
        let found = sample_ratio_ln_e(&vector.n, &vector.w).unwrap();
        assert!((found - vector.ln_e).abs() < 1e-9, "{found} {}", vector.ln_e);
    }
    for (counts, weights, expected) in more_vectors().sample_ratio {
        let found = sample_ratio_ln_e(&counts, &weights).unwrap();
        assert!((found - expected).abs() < 1e-9, "{found} {expected}");
    }
}

#[test]
fn confidence_sequences_equal_those_of_the_design() {
    for vector in vectors().sequential_interval {
        let [a, n, b, m] = vector.counts;
        let (control, variant) = (counts(a, n).moments().unwrap(), counts(b, m).moments().unwrap());
        let tuning = Tuning::new(vector.tuning).unwrap();
        let found = sequential_lift(&control, &variant, level(1.0 - vector.alpha), tuning).unwrap();
        close(found.estimate, vector.est);
        close(found.interval.low, vector.lo);
        close(found.interval.high, vector.hi);
        close(found.p_value, vector.p);
    }
}

#[test]
fn a_difference_is_a_lift_in_another_unit() {
    // With a control that does not vary, both are the same but for the control's mean.
    let control = Moments::new(500, 0.4, 0.0).unwrap();
    let variant = Moments::new(700, 0.5, 0.2).unwrap();
    let of = |estimate: fn(&Moments, &Moments, Confidence, Tuning) -> _| {
        let found: Option<promptops_core::statistics::SequentialEstimate> =
            estimate(&control, &variant, Confidence::P95, Tuning::default());
        found.unwrap()
    };
    let (difference, lift) = (of(sequential_difference), of(sequential_lift));
    close(difference.estimate, 0.1);
    close(lift.estimate, 0.25);
    close(difference.interval.low / 0.4, lift.interval.low);
    close(difference.p_value, lift.p_value);
    // The p-value is the α at which the interval just leaves out 0.
    let p = difference.p_value;
    assert!((1e-6..0.05).contains(&p), "{p}");
    let at = |alpha: f64| {
        // ρ goes with the level that the interval is made for; the same at its own level.
        sequential_difference(&control, &variant, level(1.0 - alpha), Tuning::default()).unwrap()
    };
    let own = (0..200).fold(p, |alpha, _| at(alpha).p_value);
    assert!(at(own).interval.low.abs() < 1e-6, "{own} {:?}", at(own).interval);
}

#[test]
fn sequences_need_something_that_varies() {
    let (none, some) = (counts(0, 50), counts(20, 50));
    let (none, some) = (none.moments().unwrap(), some.moments().unwrap());
    let tuning = Tuning::default();
    assert_eq!(sequential_difference(&none, &none, Confidence::P95, tuning), None);
    assert!(sequential_difference(&none, &some, Confidence::P95, tuning).is_some());
    assert_eq!(sequential_lift(&none, &some, Confidence::P95, tuning), None);
    assert_eq!(Tuning::new(0), None);
}

#[test]
fn rate_differences_equal_those_of_statsmodels() {
    for (a, n, b, m, confidence, low, high) in more_vectors().rate_difference {
        let found = rate_difference(&counts(a, n), &counts(b, m), level(confidence)).unwrap();
        close(found.low, low.max(-1.0));
        close(found.high, high.min(1.0));
    }
    // Of Newcombe's paper, table II, case (a): 56/70 − 48/80.
    let published = rate_difference(&counts(48, 80), &counts(56, 70), Confidence::P95).unwrap();
    assert!((published.low - 0.0524).abs() < 5e-5 && (published.high - 0.3339).abs() < 5e-5);
    assert_eq!(
        rate_difference(&counts(0, 0), &counts(1, 2), Confidence::P95),
        None
    );
}

#[test]
fn mean_differences_equal_those_of_scipy() {
    for vector in more_vectors().mean_difference {
        let moments = |values: &[f64]| {
            let mean = promptops_core::statistics::mean(values).unwrap();
            let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
            Moments::new(values.len() as u64, mean, squares / values.len() as f64).unwrap()
        };
        let (first, second) = (moments(&vector.first), moments(&vector.second));
        let found = mean_difference(&first, &second, level(vector.level)).unwrap();
        close(found.low, vector.low);
        close(found.high, vector.high);
    }
    let one = Moments::new(1, 0.5, 0.0).unwrap();
    let two = Moments::new(2, 0.7, 0.0).unwrap();
    assert_eq!(mean_difference(&one, &two, Confidence::P95), None);
    assert_eq!(mean_difference(&two, &two, Confidence::P95).unwrap().width(), 0.0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn evidence_does_not_know_which_is_the_control(
        (total, other) in (1_u64..5_000, 1_u64..5_000),
        (rate, other_rate) in (0.0..=1.0_f64, 0.0..=1.0_f64),
        share in 0.01..0.99_f64,
        prior in prop::option::of(0.01..0.99_f64),
    ) {
        let a = counts((total as f64 * rate) as u64, total);
        let b = counts((other as f64 * other_rate) as u64, other);
        let there = LabelTest::new(share, prior).unwrap();
        let back = LabelTest::new(1.0 - share, prior).unwrap();
        let (found, mirrored) = (there.ln_e(&a, &b), back.ln_e(&b, &a));
        prop_assert!((found - mirrored).abs() <= 1e-9 * found.abs().max(1.0));
        // One implementation serves both forms.
        let scores = there.ln_e_scores(&a.into(), &b.into());
        prop_assert!((found - scores).abs() <= 1e-9 * found.abs().max(1.0));
    }
}
