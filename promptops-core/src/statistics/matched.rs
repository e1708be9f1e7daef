//! Bounds from one side of the difference of two matched proportions.

use super::distribution::normal_quantile;
use super::one_sided::bisect;

/// The greatest difference of two matched proportions (second − first) that the entries rule out from above with error
/// `alpha`: where Tango's score statistic is the normal quantile of `alpha` (Tango, "Equivalence test and confidence interval
/// for the difference in proportions for the paired-sample design", Statistics in Medicine 17(8), 1998). Unlike Wald's it
/// holds its error with few entries that differ, and says something when none does: −z²/(n + z²).
///
/// `won` entries of `total` pass only in the second run, `lost` ones only in the first.
///
/// `None` when `total` is 0 or less than both together, or unless 0 < `alpha` < 0.5.
#[must_use]
pub fn matched_at_least(won: u64, lost: u64, total: u64, alpha: f64) -> Option<f64> {
    let fits = won.checked_add(lost).is_some_and(|sum| sum <= total);
    if total == 0 || !fits || !(alpha > 0.0 && alpha < 0.5) {
        return None;
    }
    let (b, c, n) = (won as f64, lost as f64, total as f64);
    let z = normal_quantile(alpha);
    let found = (b - c) / n;
    if lost == total {
        return Some(-1.0);
    }
    Some(bisect(-1.0, found, |difference| score(b, c, n, difference) > z))
}

/// [`matched_at_least`] from the other side: the true difference is above the answer with error `alpha`.
///
/// `None` as there.
#[must_use]
pub fn matched_at_most(won: u64, lost: u64, total: u64, alpha: f64) -> Option<f64> {
    matched_at_least(lost, won, total, alpha).map(|least| -least)
}

/// How many standard deviations the entries are above a true difference, the variance being the likeliest for it.
fn score(b: f64, c: f64, n: f64, difference: f64) -> f64 {
    // The likeliest rate of those lost is the greater root of a quadratic equation.
    let quadratic = 2.0 * n;
    let linear = -b - c + (2.0 * n - b + c) * difference;
    let constant = -c * difference * (1.0 - difference);
    let lost = ((linear * linear - 4.0 * quadratic * constant).max(0.0).sqrt() - linear) / (2.0 * quadratic);
    let variance = n * (2.0 * lost + difference * (1.0 - difference));
    if variance <= 0.0 {
        return f64::INFINITY;
    }
    (b - c - n * difference) / variance.sqrt()
}
