//! Intervals for the difference of two means that may be looked at after every outcome, once there are many.

use serde::Serialize;

use super::interval::{Confidence, Interval};
use super::moments::Moments;

/// A difference with an interval that holds at every look: asymptotically, that is for large counts.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct SequentialEstimate {
    /// The difference.
    pub estimate: f64,
    /// What it may well be.
    pub interval: Interval,
    /// The smallest α whose interval leaves out 0, or 1 when none does.
    pub p_value: f64,
}

/// How many outcomes of both together an interval is made to be narrowest at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tuning(u32);

impl Tuning {
    /// `None` for 0.
    #[must_use]
    pub fn new(outcomes: u32) -> Option<Self> {
        (outcomes > 0).then_some(Self(outcomes))
    }
}

/// 5,000 outcomes.
impl Default for Tuning {
    fn default() -> Self {
        Self(5_000)
    }
}

/// variant − control, in the values' unit: the asymptotic confidence sequence of Waudby-Smith, Arbour, Sinha, Kennedy and
/// Ramdas ("Time-uniform central limit theory and asymptotic confidence sequences", arXiv:2103.06476, 2021) for the
/// difference of two independent means. Half of its width is √s² · √(2(nρ² + 1)/(nρ)² · ln(√(nρ² + 1)/α)), with n
/// outcomes of both, s² n times the difference's variance, and ρ² = (−2 ln α + ln(−2 ln α + 1)) / tuning.
///
/// `None` when nothing varies: the answer would be sure of what it cannot know.
#[must_use]
pub fn sequential_difference(
    control: &Moments,
    variant: &Moments,
    confidence: Confidence,
    tuning: Tuning,
) -> Option<SequentialEstimate> {
    let variance = control.variance / control.count as f64 + variant.variance / variant.count as f64;
    let outcomes = control.count.saturating_add(variant.count);
    sequential_estimate(
        variant.mean - control.mean,
        variance,
        outcomes,
        confidence,
        tuning,
    )
}

/// (variant − control) / control, 0.1 for a tenth more: [`sequential_difference`] with the variance of the quotient by the
/// delta method. `None` also when the control's mean is 0.
#[must_use]
pub fn sequential_lift(
    control: &Moments,
    variant: &Moments,
    confidence: Confidence,
    tuning: Tuning,
) -> Option<SequentialEstimate> {
    let ratio = variant.mean / control.mean;
    let variance = (variant.variance / variant.count as f64
        + control.variance / control.count as f64 * ratio * ratio)
        / (control.mean * control.mean);
    let lift = (variant.mean - control.mean) / control.mean;
    let outcomes = control.count.saturating_add(variant.count);
    sequential_estimate(lift, variance, outcomes, confidence, tuning)
}

/// The same for any difference of which the estimator's variance is known, such as one that is put together from
/// several times. `outcomes` is how many there are of both.
///
/// `None` when one of them is no number or the variance not above 0.
#[must_use]
pub fn sequential_estimate(
    estimate: f64,
    variance: f64,
    outcomes: u64,
    confidence: Confidence,
    tuning: Tuning,
) -> Option<SequentialEstimate> {
    if !(estimate.is_finite() && variance.is_finite() && variance > 0.0) {
        return None;
    }
    let n = outcomes as f64;
    let alpha = 1.0 - confidence.level();
    let odds = -2.0 * alpha.ln();
    let rho_squared = (odds + odds.ln_1p()) / f64::from(tuning.0);
    let grown = n * rho_squared + 1.0;
    let half = (variance * 2.0 * grown / (n * rho_squared) * (grown.sqrt() / alpha).ln()).sqrt();
    // The mixture's likelihood ratio, which the interval holds below 1/α.
    let ln_e = n * rho_squared * (estimate * estimate / variance) / (2.0 * grown) - grown.ln() / 2.0;
    Some(SequentialEstimate {
        estimate,
        interval: Interval::new(estimate - half, estimate + half)?,
        p_value: (-ln_e).exp().min(1.0),
    })
}
