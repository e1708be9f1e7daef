//! Bounds from one side, for a sample whose size was fixed before it was looked at.

use super::distribution::binomial_at_least;

/// The greatest rate that `passed` of `total` rule out from above with error `alpha`: were the true rate below the answer,
/// so many would pass with probability `alpha` at most. Exact, for independent trials: the `alpha` quantile of
/// Beta(passed, total − passed + 1) (Clopper and Pearson, "The use of confidence or fiducial limits illustrated in the case
/// of the binomial", Biometrika 26(4), 1934). 0 when none passed.
///
/// `None` when `total` is 0 or less than `passed`, or `alpha` not between 0 and 1.
#[must_use]
pub fn proportion_at_least(passed: u64, total: u64, alpha: f64) -> Option<f64> {
    if total == 0 || passed > total || !is_error(alpha) {
        return None;
    }
    if passed == 0 {
        return Some(0.0);
    }
    if passed == total {
        return Some((alpha.ln() / total as f64).exp());
    }
    // The chance of so many grows with the rate: the answer is where it is `alpha`.
    Some(bisect(0.0, 1.0, |rate| {
        binomial_at_least(passed, total, rate) < alpha
    }))
}

/// [`proportion_at_least`] from the other side: the true rate is above the answer with error `alpha`. 1 when all passed.
///
/// `None` as there.
#[must_use]
pub fn proportion_at_most(passed: u64, total: u64, alpha: f64) -> Option<f64> {
    let failed = total.checked_sub(passed)?;
    if total == 0 || !is_error(alpha) {
        return None;
    }
    if failed == 0 {
        return Some(1.0);
    }
    // Beside 1 − p, p itself loses no digits.
    Some(1.0 - proportion_at_least(failed, total, alpha)?)
}

/// A mean that the true mean of values from 0 to 1 is not below, with error `alpha`: the least p with
/// n · KL(mean ‖ p) ≤ ln(1/alpha), KL(a ‖ b) = a ln(a/b) + (1 − a) ln((1 − a)/(1 − b)) (Hoeffding, "Probability Inequalities
/// for Sums of Bounded Random Variables", JASA 58(301), 1963, theorem 1, inequality 2.1). It holds for every n and every
/// distribution on 0 ..= 1, also when the values' means differ, for the mean of those. The values are to be independent.
///
/// Of the bounds that hold always it is the one that count and sum suffice for: Hoeffding's √(ln(1/alpha)/2n) follows from
/// it and is wider everywhere, most near 0 and 1; an empirical Bernstein bound needs the squares too, and is narrower only
/// for values that vary far less than ones and zeros would. For ones and zeros take [`proportion_at_least`].
///
/// `count` need not be whole: of values that are alike in groups of at most m, n/m count (Janson, "Large deviations for
/// sums of partly dependent random variables", Random Structures & Algorithms 24(3), 2004).
///
/// `None` unless `count` > 0, 0 ≤ `mean` ≤ 1, and 0 < `alpha` < 1.
#[must_use]
pub fn mean_at_least(count: f64, mean: f64, alpha: f64) -> Option<f64> {
    if !(count.is_finite() && count > 0.0 && (0.0..=1.0).contains(&mean) && is_error(alpha)) {
        return None;
    }
    let most = -alpha.ln() / count;
    Some(bisect(0.0, mean, |p| relative_entropy(mean, p) > most))
}

/// KL(a ‖ b) of two coins, in nats: what one toss tells on average of a coin that shows heads at rate `a` against one of
/// rate `b`. Infinite where `b` rules out what `a` does not; both lie in 0 ..= 1.
#[must_use]
pub fn relative_entropy(a: f64, b: f64) -> f64 {
    let part = |a: f64, b: f64| if a == 0.0 { 0.0 } else { a * (a / b).ln() };
    (part(a, b) + part(1.0 - a, 1.0 - b)).max(0.0)
}

fn is_error(alpha: f64) -> bool {
    alpha > 0.0 && alpha < 1.0
}

/// Where a condition that holds below some point and not above ends; rounded towards `low`.
pub(super) fn bisect(mut low: f64, mut high: f64, holds: impl Fn(f64) -> bool) -> f64 {
    loop {
        let middle = low + (high - low) / 2.0;
        if middle <= low || middle >= high {
            return low;
        }
        if holds(middle) {
            low = middle;
        } else {
            high = middle;
        }
    }
}
