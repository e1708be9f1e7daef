//! Statistics against other tools' figures: `scripts/make_statistics_vectors.py` made the vectors, and names versions.

use promptops_core::statistics::{
    Confidence, Correlation, Interval, KappaWeights, MeanEstimate, PermutationMethod, Resampling, Sample,
    best_constant, bootstrap, bootstrap_clustered, bootstrap_mean, clustered_mean_interval, mcnemar, mean,
    mean_absolute_error, mean_interval, pass_at_k, pass_hat_k, sign_flip, sign_flip_clustered, spearman,
    weighted_kappa, wilson,
};
use proptest::prelude::*;
use serde::Deserialize;

#[derive(Deserialize)]
struct Vectors {
    wilson: Vec<(u64, u64, f64, f64, f64)>,
    mean: Vec<MeanVector>,
    clustered_mean: Vec<MeanVector>,
    mcnemar: Vec<(u32, u32, f64)>,
    sign_flip: SignFlips,
    bootstrap: Vec<BootstrapVector>,
    spearman: Vec<SpearmanVector>,
    kappa: Vec<KappaVector>,
    error: ErrorVector,
    repeats: Vec<(u32, u32, u32, f64, f64)>,
    quantile: QuantileVector,
}

#[derive(Deserialize)]
struct MeanVector {
    values: Vec<f64>,
    #[serde(default)]
    groups: Vec<u32>,
    level: f64,
    mean: f64,
    error: f64,
    low: f64,
    high: f64,
    detectable: Option<f64>,
}

#[derive(Deserialize)]
struct SignFlips {
    exact: Vec<(Vec<f64>, f64)>,
    drawn: Vec<(Vec<f64>, u32, u64, f64)>,
}

#[derive(Deserialize)]
struct BootstrapVector {
    values: Vec<f64>,
    draws: u32,
    seed: u64,
    level: f64,
    low: f64,
    high: f64,
}

#[derive(Deserialize)]
struct SpearmanVector {
    first: Vec<f64>,
    second: Vec<f64>,
    rho: f64,
    low: f64,
    high: f64,
}

#[derive(Deserialize)]
struct KappaVector {
    ratings: Vec<(u8, u8)>,
    linear: f64,
    quadratic: f64,
}

#[derive(Deserialize)]
struct ErrorVector {
    predicted: Vec<f64>,
    actual: Vec<f64>,
    error: f64,
    constant: f64,
    constant_error: f64,
}

#[derive(Deserialize)]
struct QuantileVector {
    values: Vec<f64>,
    at: Vec<(f64, f64)>,
}

fn vectors() -> Vectors {
    serde_json::from_str(include_str!("../vectors/statistics.json")).unwrap()
}

#[track_caller]
fn close(found: f64, expected: f64) {
    let distance = (found - expected).abs();
    assert!(
        distance <= 1e-11 * expected.abs().max(1e-3),
        "found {found}, expected {expected}"
    );
}

#[track_caller]
fn ends(found: Interval, low: f64, high: f64) {
    close(found.low, low);
    close(found.high, high);
}

fn level(level: f64) -> Confidence {
    Confidence::new(level).unwrap()
}

fn seeded() -> Resampling {
    Resampling::new(200, 1).unwrap()
}

#[test]
fn wilson_intervals_equal_those_of_statsmodels() {
    for (passed, total, confidence, low, high) in vectors().wilson {
        ends(wilson(passed, total, level(confidence)).unwrap(), low, high);
    }
    assert_eq!(wilson(0, 5, Confidence::P95).unwrap().low, 0.0);
    assert_eq!(wilson(5, 5, Confidence::P95).unwrap().high, 1.0);
}

#[track_caller]
fn equal(found: MeanEstimate, expected: &MeanVector) {
    close(found.mean, expected.mean);
    close(found.standard_error, expected.error);
    ends(found.interval, expected.low, expected.high);
}

#[test]
fn mean_intervals_equal_those_of_scipy() {
    for vector in vectors().mean {
        let found = mean_interval(&vector.values, level(vector.level)).unwrap();
        equal(found, &vector);
        close(
            found.minimum_detectable_effect(0.05, 0.8).unwrap(),
            vector.detectable.unwrap(),
        );
    }
}

#[test]
fn clustered_intervals_equal_those_of_statsmodels() {
    for vector in vectors().clustered_mean {
        let found = clustered_mean_interval(&vector.values, &vector.groups, level(vector.level)).unwrap();
        equal(found, &vector);
    }
}

#[test]
fn mcnemar_equals_that_of_statsmodels() {
    for (won, lost, p_value) in vectors().mcnemar {
        let found = mcnemar(won, lost);
        assert!(
            (found / p_value - 1.0).abs() < 1e-9,
            "{won}, {lost}: found {found}, expected {p_value}"
        );
    }
    // All counts have an answer, in time.
    assert_eq!(mcnemar(0, u32::MAX), 0.0);
    assert!(mcnemar(u32::MAX - 1, u32::MAX) > 0.99);
}

#[test]
fn sign_flips_equal_those_of_scipy() {
    for (differences, p_value) in vectors().sign_flip.exact {
        let found = sign_flip(&differences, seeded()).unwrap();
        assert_eq!(found.method, PermutationMethod::Exact);
        close(found.p_value, p_value);
        close(found.mean, mean(&differences).unwrap());
    }
    for (differences, draws, seed, p_value) in vectors().sign_flip.drawn {
        let found = sign_flip(&differences, Resampling::new(draws, seed).unwrap()).unwrap();
        assert_eq!(found.method, PermutationMethod::MonteCarlo { draws });
        assert_eq!(found.p_value, p_value);
    }
}

#[test]
fn bootstraps_equal_those_of_a_second_implementation() {
    for vector in vectors().bootstrap {
        let resampling = Resampling::new(vector.draws, vector.seed).unwrap();
        let values = &vector.values;
        let found = bootstrap_mean(values, resampling, level(vector.level)).unwrap();
        ends(found, vector.low, vector.high);
        let count = values.len();
        let of = |indices: &[usize]| mean(&indices.iter().map(|i| values[*i]).collect::<Vec<_>>());
        let same = bootstrap(count, resampling, level(vector.level), of).unwrap();
        ends(same, vector.low, vector.high);
        // Each value a group of its own.
        let groups: Vec<usize> = (0..count).collect();
        let same = bootstrap_clustered(&groups, resampling, level(vector.level), of).unwrap();
        ends(same, vector.low, vector.high);
    }
}

#[test]
fn spearman_equals_that_of_scipy() {
    for vector in vectors().spearman {
        let found = spearman(&vector.first, &vector.second, Confidence::P95).unwrap();
        close(found.rho, vector.rho);
        ends(found.interval.unwrap(), vector.low, vector.high);
    }
}

#[test]
fn perfect_correlations_have_no_interval() {
    let rising = [1.0, 2.0, 2.0, 3.0, 9.0];
    let falling = rising.map(|value| -value);
    for (other, rho) in [(rising, 1.0), (falling, -1.0)] {
        let found = spearman(&rising, &other, Confidence::P95).unwrap();
        assert_eq!((found.rho, found.interval), (rho, None));
    }
    assert_eq!(spearman(&rising, &[1.0; 5], Confidence::P95), None);
    // Both zeros are one value.
    let zeros = spearman(&[0.0, -0.0, 1.0], &[1.0, 1.0, 2.0], Confidence::P95).unwrap();
    assert_eq!(zeros.rho, 1.0);
}

#[test]
fn kappa_equals_that_of_scikit_learn() {
    for vector in vectors().kappa {
        for (weights, expected) in [
            (KappaWeights::Linear, vector.linear),
            (KappaWeights::Quadratic, vector.quadratic),
        ] {
            let found = weighted_kappa(&vector.ratings, weights, seeded(), Confidence::P95).unwrap();
            close(found.kappa, expected);
            if vector.ratings.len() >= 40 {
                let interval = found.interval.unwrap();
                assert!(interval.contains(found.kappa) && interval.width() > 0.0);
            }
        }
    }
    let constant = [(3, 3); 9];
    assert_eq!(
        weighted_kappa(&constant, KappaWeights::Linear, seeded(), Confidence::P95),
        None
    );
    let far = weighted_kappa(
        &[(0, 255), (255, 0)],
        KappaWeights::Quadratic,
        seeded(),
        Confidence::P95,
    );
    assert_eq!(far.unwrap().kappa, -1.0);
}

#[test]
fn errors_equal_those_of_scikit_learn() {
    let vector = vectors().error;
    close(
        mean_absolute_error(&vector.predicted, &vector.actual).unwrap(),
        vector.error,
    );
    let best = best_constant(&vector.actual).unwrap();
    close(best.value, vector.constant);
    close(best.mean_absolute_error, vector.constant_error);
}

#[test]
fn repeats_pass_as_often_as_draws_without_putting_back() {
    for (passed, total, k, all, any) in vectors().repeats {
        close(pass_hat_k(passed, total, k).unwrap(), all);
        close(pass_at_k(passed, total, k).unwrap(), any);
    }
    for (passed, total, k) in [(0, 0, 0), (1, 2, 0), (1, 2, 3), (3, 2, 1), (0, 0, 1)] {
        assert_eq!(pass_hat_k(passed, total, k), None);
        assert_eq!(pass_at_k(passed, total, k), None);
    }
}

#[test]
fn quantiles_equal_those_of_numpy() {
    let vector = vectors().quantile;
    let sample = Sample::new(vector.values).unwrap();
    for (q, expected) in vector.at {
        close(sample.quantile(q).unwrap(), expected);
    }
}

#[test]
fn what_has_no_figure_has_none() {
    let p95 = Confidence::P95;
    assert_eq!(wilson(0, 0, p95), None);
    assert_eq!(wilson(2, 1, p95), None);
    let odd: [&[f64]; 5] = [
        &[],
        &[f64::NAN, 1.0],
        &[1.0, f64::INFINITY],
        &[f64::MAX, f64::MAX],
        &[f64::NEG_INFINITY, f64::INFINITY],
    ];
    for values in odd {
        let groups = vec!["a"; values.len()];
        assert_eq!(mean(values), None);
        assert_eq!(mean_interval(values, p95), None);
        assert_eq!(clustered_mean_interval(values, &groups, p95), None);
        assert_eq!(sign_flip(values, seeded()), None);
        assert_eq!(sign_flip_clustered(values, &groups, seeded()), None);
        assert_eq!(bootstrap_mean(values, seeded(), p95), None);
        assert_eq!(mean_absolute_error(values, &vec![0.0; values.len()]), None);
    }
    assert_eq!(mean_interval(&[1.0], p95), None);
    assert_eq!(bootstrap_mean(&[1.0], seeded(), p95), None);
    assert_eq!(clustered_mean_interval(&[1.0, 2.0], &["a", "a"], p95), None);
    assert_eq!(clustered_mean_interval(&[1.0, 2.0], &["a"], p95), None);
    assert_eq!(sign_flip_clustered(&[1.0, 2.0], &["a"], seeded()), None);
    assert_eq!(spearman(&[1.0, 2.0], &[1.0], p95), None);
    assert_eq!(spearman(&[1.0, f64::NAN], &[1.0, 2.0], p95), None);
    assert_eq!(spearman(&[], &[], p95), None);
    assert_eq!(weighted_kappa(&[], KappaWeights::Linear, seeded(), p95), None);
    assert_eq!(mean_absolute_error(&[1.0], &[]), None);
    assert_eq!(best_constant(&[]), None);
    let estimate = mean_interval(&[1.0, 2.0], p95).unwrap();
    for (alpha, power) in [
        (0.0, 0.8),
        (0.05, 1.0),
        (0.8, 0.05),
        (f64::NAN, 0.8),
        (0.05, f64::NAN),
    ] {
        assert_eq!(estimate.minimum_detectable_effect(alpha, power), None);
    }
}

#[test]
fn figures_that_are_rarely_there_have_no_interval() {
    let mut calls = 0;
    let mut missing = |every: u32| {
        bootstrap(10, seeded(), Confidence::P95, |_| {
            calls += 1;
            (calls % every != 0).then_some(1.0)
        })
    };
    assert_eq!(missing(5), None);
    assert_eq!(missing(20).unwrap().width(), 0.0);
}

#[test]
fn groups_are_flipped_and_drawn_whole() {
    // Three groups have eight ways to be flipped, however many values they have.
    let groups: Vec<u32> = (0..30).map(|i| i % 3).collect();
    let found = sign_flip_clustered(&[1.0; 30], &groups, seeded()).unwrap();
    assert_eq!((found.p_value, found.method), (0.25, PermutationMethod::Exact));
    // A group's items are drawn as often as each other.
    let interval = bootstrap_clustered(&groups, seeded(), Confidence::P95, |indices| {
        let mut counts = [0; 30];
        indices.iter().for_each(|index| counts[*index] += 1);
        assert!((3..30).all(|i| counts[i] == counts[i - 3]));
        Some(indices.len() as f64)
    });
    assert_eq!(
        interval.unwrap(),
        Interval {
            low: 30.0,
            high: 30.0
        }
    );
}

/// The share of 400 seeded experiments in which a test at 0.05 finds something.
fn found_in(shift: f64, spread: f64) -> f64 {
    let mut random = promptops_core::statistics::Random::seeded(3);
    let mut unit = || (random.bits() >> 11) as f64 / (1_u64 << 53) as f64;
    // The sum of twelve: nearly normal with variance 1.
    let mut normal = || (0..12).map(|_| unit()).sum::<f64>() - 6.0;
    let found = (0..400).filter(|seed| {
        let differences: Vec<f64> = (0..40).map(|_| shift + spread * normal()).collect();
        sign_flip(&differences, Resampling::new(200, *seed).unwrap())
            .unwrap()
            .p_value
            <= 0.05
    });
    found.count() as f64 / 400.0
}

#[test]
fn a_test_finds_what_is_there_as_often_as_it_says() {
    let nothing = found_in(0.0, 1.0);
    assert!((0.02..=0.08).contains(&nothing), "{nothing}");
    // The standard error is 1/√40.
    let values: Vec<f64> = (0..40).map(|i| if i % 2 == 0 { 1.0 } else { -1.0 }).collect();
    let estimate = mean_interval(&values, Confidence::P95).unwrap();
    let detectable = estimate.minimum_detectable_effect(0.05, 0.8).unwrap();
    let power = found_in(detectable, 1.0);
    assert!((0.72..=0.88).contains(&power), "{power}");
}

fn values() -> impl Strategy<Value = Vec<f64>> {
    prop::collection::vec(prop_oneof![(-5_i8..5).prop_map(f64::from), -1e6..1e6], 2..60)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn intervals_hold_the_estimate_and_grow_with_confidence(values in values()) {
        let groups: Vec<usize> = (0..values.len()).map(|i| i / 2).collect();
        let narrow = mean_interval(&values, level(0.5)).unwrap();
        let wide = mean_interval(&values, level(0.99)).unwrap();
        prop_assert!(narrow.interval.contains(narrow.mean));
        prop_assert!(wide.interval.low <= narrow.interval.low && narrow.interval.high <= wide.interval.high);
        if let Some(clustered) = clustered_mean_interval(&values, &groups, level(0.9)) {
            prop_assert!(clustered.interval.contains(clustered.mean));
        }
        // Groups of one are no groups.
        let alone: Vec<usize> = (0..values.len()).collect();
        let same = clustered_mean_interval(&values, &alone, level(0.99)).unwrap();
        prop_assert!((same.interval.low - wide.interval.low).abs() <= 1e-9 * wide.interval.low.abs().max(1.0));
    }

    #[test]
    fn wilson_holds_the_rate_and_narrows(total in 1_u64..1_000_000_000_000, share in 0.0..=1.0) {
        let passed = (total as f64 * share) as u64;
        let interval = wilson(passed, total, Confidence::P95).unwrap();
        prop_assert!(interval.contains(passed as f64 / total as f64));
        prop_assert!(interval.low >= 0.0 && interval.high <= 1.0);
        let more = wilson(passed * 4, total * 4, Confidence::P95).unwrap();
        prop_assert!(more.width() < interval.width());
        let mirrored = wilson(total - passed, total, Confidence::P95).unwrap();
        prop_assert!((mirrored.low - (1.0 - interval.high)).abs() < 1e-12);
    }

    #[test]
    fn tests_do_not_know_which_run_is_which(differences in values(), won in 0_u32..500, lost in 0_u32..500) {
        let other: Vec<f64> = differences.iter().map(|d| -d).collect();
        let (there, back) = (sign_flip(&differences, seeded()).unwrap(), sign_flip(&other, seeded()).unwrap());
        prop_assert_eq!(there.p_value, back.p_value);
        prop_assert!(there.p_value > 0.0 && there.p_value <= 1.0);
        prop_assert_eq!(mcnemar(won, lost), mcnemar(lost, won));
        // Further from the middle is less likely.
        prop_assert!(mcnemar(won + lost + 1, 0) <= mcnemar(won + 1, lost) + 1e-15);
    }

    #[test]
    fn agreement_is_symmetric_and_bounded(ratings in prop::collection::vec((0_u8..7, 0_u8..7), 2..50)) {
        let (first, second): (Vec<f64>, Vec<f64>) =
            ratings.iter().map(|(a, b)| (f64::from(*a), f64::from(*b))).unzip();
        let found = spearman(&first, &second, Confidence::P95);
        prop_assert_eq!(found, spearman(&second, &first, Confidence::P95));
        if let Some(Correlation { rho, interval }) = found {
            prop_assert!((-1.0..=1.0).contains(&rho));
            prop_assert!(interval.is_none_or(|interval| interval.contains(rho)));
        }
        let swapped: Vec<(u8, u8)> = ratings.iter().map(|(a, b)| (*b, *a)).collect();
        for weights in [KappaWeights::Linear, KappaWeights::Quadratic] {
            let of = |ratings: &[(u8, u8)]| weighted_kappa(ratings, weights, seeded(), Confidence::P95);
            prop_assert_eq!(of(&ratings).map(|k| k.kappa), of(&swapped).map(|k| k.kappa));
            prop_assert!(of(&ratings).is_none_or(|k| k.kappa <= 1.0));
        }
        let best = best_constant(&first).unwrap();
        for constant in &second {
            let other = mean_absolute_error(&vec![*constant; first.len()], &first).unwrap();
            prop_assert!(best.mean_absolute_error <= other + 1e-12);
        }
    }
}
