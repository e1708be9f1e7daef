//! Differences of two independent groups, looked at once: versions over a period, say.

use super::distribution::student_quantile;
use super::interval::{Confidence, Interval};
use super::moments::{Counts, Moments};
use super::rates::wilson;

/// The interval of the difference of two independent rates (second − first): Newcombe's method 10, of both rates' Wilson
/// intervals, without correction for continuity ("Interval estimation for the difference between independent
/// proportions", Statistics in Medicine 17(8), 1998). It stays within −1 and 1.
///
/// `None` when there are no outcomes of one.
#[must_use]
pub fn rate_difference(first: &Counts, second: &Counts, confidence: Confidence) -> Option<Interval> {
    let (a, b) = (first.moments()?.mean, second.moments()?.mean);
    let around_a = wilson(first.successes(), first.total(), confidence)?;
    let around_b = wilson(second.successes(), second.total(), confidence)?;
    let difference = b - a;
    let below = (b - around_b.low).hypot(around_a.high - a);
    let above = (around_b.high - b).hypot(a - around_a.low);
    Interval::new(difference - below, difference + above)?.within(-1.0, 1.0)
}

/// The interval of the difference of two independent means (second − first) that may vary differently: Welch's ("The
/// generalization of 'Student's' problem when several different population variances are involved", Biometrika 34,
/// 1947), with the degrees of freedom of Satterthwaite ("An approximate distribution of estimates of variance
/// components", Biometrics Bulletin 2(6), 1946) rounded down, which makes it a little wider.
///
/// `None` for fewer than two values on a side. For rates take [`rate_difference`].
#[must_use]
pub fn mean_difference(first: &Moments, second: &Moments, confidence: Confidence) -> Option<Interval> {
    let difference = second.mean - first.mean;
    let [a, b] = [first, second].map(|group| {
        let variance = group.unbiased_variance()? / group.count as f64;
        Some((variance, (group.count - 1) as f64))
    });
    let ((a, a_degrees), (b, b_degrees)) = (a?, b?);
    let variance = a + b;
    if variance == 0.0 {
        return Interval::new(difference, difference);
    }
    // As parts of the sum, whose squares neither overflow nor vanish.
    let (a, b) = (a / variance, b / variance);
    let degrees = 1.0 / (a * a / a_degrees + b * b / b_degrees);
    // What is a whole number on paper may be just below it.
    let degrees = (degrees * (1.0 + 1e-12)).floor() as u64;
    let half = student_quantile(confidence.tail(), degrees.max(1)) * variance.sqrt();
    Interval::new(difference - half, difference + half)
}
