//! How far two ratings of the same items agree: a judge's and people's.

use serde::{Deserialize, Serialize};

use super::bootstrap::bootstrap;
use super::distribution::normal_quantile;
use super::interval::{Confidence, Interval};
use super::mean::{all_finite, mean};
use super::quantile::Sample;
use super::resampling::Resampling;

/// A correlation of ranks.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Correlation {
    /// From −1 to 1.
    pub rho: f64,
    /// Its interval; `None` for fewer than four items, and for a rho of −1 or 1, where the approximation has no end.
    pub interval: Option<Interval>,
}

/// Spearman's correlation of ranks; ties get the mean of their ranks (Spearman, "The Proof and Measurement of
/// Association between Two Things", American Journal of Psychology 15(1), 1904). The interval is Fisher's z with the
/// variance (1 + rho²/2) / (n − 3) of Bonett and Wright ("Sample Size Requirements for Estimating Pearson, Kendall and
/// Spearman Correlations", Psychometrika 65(1), 2000).
///
/// `None` for lists of different lengths, fewer than two items, or when all of one list are equal.
#[must_use]
pub fn spearman(first: &[f64], second: &[f64], confidence: Confidence) -> Option<Correlation> {
    if first.len() != second.len() || !all_finite(first) || !all_finite(second) {
        return None;
    }
    let (first, second) = (twice_ranks(first), twice_ranks(second));
    let count = first.len() as i128;
    // All are whole numbers; the mean of ranks, twice, is count + 1.
    let moment = |a: &[i64], b: &[i64]| -> i128 {
        let centered = |rank: &i64| i128::from(*rank) - (count + 1);
        a.iter().zip(b).map(|(a, b)| centered(a) * centered(b)).sum()
    };
    let (both, one, other) = (
        moment(&first, &second),
        moment(&first, &first),
        moment(&second, &second),
    );
    if one == 0 || other == 0 {
        return None;
    }
    let rho = (both as f64 / ((one as f64).sqrt() * (other as f64).sqrt())).clamp(-1.0, 1.0);
    let mirrored = |(a, b): (&i64, &i64)| i128::from(a + b) == 2 * (count + 1);
    let rho = if first == second {
        1.0
    } else if first.iter().zip(&second).all(mirrored) {
        -1.0
    } else {
        rho
    };
    let interval = if rho.abs() == 1.0 || count < 4 {
        None
    } else {
        let half = normal_quantile(confidence.tail()) * ((1.0 + rho * rho / 2.0) / (count - 3) as f64).sqrt();
        let z = rho.atanh();
        Interval::new((z - half).tanh(), (z + half).tanh())
    };
    Some(Correlation { rho, interval })
}

/// The ranks from 1, ties with the mean of theirs; twice, which makes them whole numbers.
fn twice_ranks(values: &[f64]) -> Vec<i64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_unstable_by(|a, b| values[*a].total_cmp(&values[*b]));
    let mut ranks = vec![0; values.len()];
    let mut before = 0_i64;
    // Zero has two signs and is one value.
    for ties in order.chunk_by(|a, b| values[*a] == values[*b]) {
        let count = ties.len() as i64;
        for item in ties {
            ranks[*item] = 2 * before + count + 1;
        }
        before += count;
    }
    ranks
}

/// How much a disagreement counts by its distance on the scale.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KappaWeights {
    /// By the distance.
    Linear,
    /// By the distance squared.
    Quadratic,
}

/// A weighted kappa: 1 is full agreement, 0 that of chance.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Kappa {
    /// At most 1.
    pub kappa: f64,
    /// Its interval by [`bootstrap`]; `None` where that has none: with one item, or when a tenth of the samples
    /// drawn has no kappa.
    pub interval: Option<Interval>,
}

/// Cohen's weighted kappa of two ratings of each item, in steps of a scale (Cohen, "Weighted Kappa", Psychological
/// Bulletin 70(4), 1968).
///
/// `None` when there is no item, or when both ratings are one and the same step for all: chance would agree as well.
#[must_use]
pub fn weighted_kappa(
    ratings: &[(u8, u8)],
    weights: KappaWeights,
    resampling: Resampling,
    confidence: Confidence,
) -> Option<Kappa> {
    let kappa = kappa_of(ratings.iter().copied(), weights)?;
    let interval = bootstrap(ratings.len(), resampling, confidence, |indices| {
        kappa_of(indices.iter().map(|index| ratings[*index]), weights)
    });
    Some(Kappa { kappa, interval })
}

/// In whole numbers up to the last division.
fn kappa_of(ratings: impl Iterator<Item = (u8, u8)>, weights: KappaWeights) -> Option<f64> {
    let (mut first, mut second) = ([0_u64; 256], [0_u64; 256]);
    let mut count = 0_u64;
    let mut observed = 0_u64;
    for (a, b) in ratings {
        let distance = u64::from(a.abs_diff(b));
        observed += match weights {
            KappaWeights::Linear => distance,
            KappaWeights::Quadratic => distance * distance,
        };
        first[usize::from(a)] += 1;
        second[usize::from(b)] += 1;
        count += 1;
    }
    let expected = match weights {
        KappaWeights::Linear => expected_distance(&first, &second, count),
        KappaWeights::Quadratic => expected_square(&first, &second, count),
    };
    if expected == 0 {
        return None;
    }
    Some(1.0 - observed as f64 * count as f64 / expected as f64)
}

/// The distance of each of the first from each of the second, added up: each step of the scale lies between those
/// below and those above.
fn expected_distance(first: &[u64; 256], second: &[u64; 256], count: u64) -> u128 {
    let (mut a, mut b) = (0_u64, 0_u64);
    let mut sum = 0;
    for (x, y) in first.iter().zip(second) {
        a += x;
        b += y;
        sum += u128::from(a) * u128::from(count - b) + u128::from(b) * u128::from(count - a);
    }
    sum
}

/// As [`expected_distance`], squared: n Σa² + n Σb² − 2 Σa Σb.
fn expected_square(first: &[u64; 256], second: &[u64; 256], count: u64) -> u128 {
    let moments = |counts: &[u64; 256]| {
        (0_u128..).zip(counts).fold((0, 0), |(sum, squares), (step, n)| {
            let n = u128::from(*n);
            (sum + step * n, squares + step * step * n)
        })
    };
    let ((sum_a, squares_a), (sum_b, squares_b)) = (moments(first), moments(second));
    u128::from(count) * (squares_a + squares_b) - 2 * sum_a * sum_b
}

/// The mean of |predicted − actual|. `None` for lists of different lengths, or empty ones.
#[must_use]
pub fn mean_absolute_error(predicted: &[f64], actual: &[f64]) -> Option<f64> {
    if predicted.len() != actual.len() {
        return None;
    }
    let errors: Vec<f64> = predicted.iter().zip(actual).map(|(p, a)| (p - a).abs()).collect();
    mean(&errors)
}

/// What one constant, for every item, would achieve.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct BestConstant {
    /// The median.
    pub value: f64,
    /// Its mean absolute error: no constant has a smaller one.
    pub mean_absolute_error: f64,
}

/// The constant with the least mean absolute error: what a rater must beat who looks at the items. `None` when there is
/// no item.
#[must_use]
pub fn best_constant(actual: &[f64]) -> Option<BestConstant> {
    let value = Sample::new(actual.to_vec())?.median();
    let mean_absolute_error = mean_absolute_error(&vec![value; actual.len()], actual)?;
    Some(BestConstant {
        value,
        mean_absolute_error,
    })
}
