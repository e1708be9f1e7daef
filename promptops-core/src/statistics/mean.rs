//! Means with what is known of them.

use std::hash::Hash;

use serde::{Deserialize, Serialize};

use super::cluster;
use super::distribution::student_quantile;
use super::interval::{Confidence, Interval};
use super::moments::Moments;

/// A mean, its standard error, and the interval that follows from both.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct MeanEstimate {
    /// The mean.
    pub mean: f64,
    /// Its standard error. 0 when all values (or all groups' sums of deviations) are equal, which says more of the
    /// sample's size than of the truth.
    pub standard_error: f64,
    /// Degrees of freedom of the t distribution: values − 1, or groups − 1.
    pub degrees_of_freedom: u64,
    /// mean ± t · standard error.
    pub interval: Interval,
}

impl MeanEstimate {
    fn new(mean: f64, standard_error: f64, count: usize, confidence: Confidence) -> Option<Self> {
        let degrees_of_freedom = count.checked_sub(1).filter(|degrees| *degrees > 0)? as u64;
        let half = student_quantile(confidence.tail(), degrees_of_freedom) * standard_error;
        Some(Self {
            mean,
            standard_error,
            degrees_of_freedom,
            interval: Interval::new(mean - half, mean + half)?,
        })
    }

    /// The smallest true mean (of paired differences: the smallest true effect) that a two-sided t test at `alpha`
    /// finds with probability `power`, given this standard error:
    /// (t<sub>1−α/2</sub> + t<sub>power</sub>) · standard error, with this estimate's degrees of freedom (Bloom,
    /// "Minimum Detectable Effects", Evaluation Review 19(5), 1995). In the values' unit.
    ///
    /// `None` unless `alpha` and `power` lie between 0 and 1, with `alpha` < `power`.
    #[must_use]
    pub fn minimum_detectable_effect(&self, alpha: f64, power: f64) -> Option<f64> {
        if !(0.0 < alpha && alpha < power && power < 1.0) {
            return None;
        }
        let quantiles = student_quantile(alpha / 2.0, self.degrees_of_freedom)
            + student_quantile(1.0 - power, self.degrees_of_freedom);
        let effect = quantiles * self.standard_error;
        effect.is_finite().then_some(effect)
    }
}

pub(super) fn all_finite(values: &[f64]) -> bool {
    values.iter().all(|value| value.is_finite())
}

/// The arithmetic mean. `None` when there is no value, or one that is infinite or no number.
#[must_use]
pub fn mean(values: &[f64]) -> Option<f64> {
    if values.is_empty() {
        return None;
    }
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    mean.is_finite().then_some(mean)
}

/// The mean of independent values with Student's t interval: standard error s/√n, n − 1 degrees of freedom.
///
/// `None` for fewer than two values. For scores that are all 0 or 1 take [`wilson`](super::wilson).
#[must_use]
pub fn mean_interval(values: &[f64], confidence: Confidence) -> Option<MeanEstimate> {
    let mean = mean(values)?;
    let count = values.len() as f64;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    let standard_error = (squares / (count - 1.0) / count).sqrt();
    MeanEstimate::new(mean, standard_error, values.len(), confidence)
}

/// [`mean_interval`] of values of which only mean and variance are known.
///
/// `None` for fewer than two values.
#[must_use]
pub fn moments_interval(moments: &Moments, confidence: Confidence) -> Option<MeanEstimate> {
    let standard_error = (moments.unbiased_variance()? / moments.count as f64).sqrt();
    let count = usize::try_from(moments.count).ok()?;
    MeanEstimate::new(moments.mean, standard_error, count, confidence)
}

/// The mean of values that are alike within groups (`groups[i]` is the key of `values[i]`): the cluster-robust estimator
/// CR1 of its variance, G/(G−1) · Σ<sub>g</sub>(Σ<sub>i∈g</sub>(xᵢ − x̄))² / n², with G − 1 degrees of freedom
/// (Cameron and Miller, "A Practitioner's Guide to Cluster-Robust Inference", Journal of Human Resources 50(2), 2015).
/// The mean is that over values: a large group counts for more. With one value per group it is [`mean_interval`].
///
/// With fewer than about 20 groups, or groups of very different size, the interval is too narrow. `None` for fewer than
/// two groups, or lists of different lengths.
#[must_use]
pub fn clustered_mean_interval<G: Eq + Hash>(
    values: &[f64],
    groups: &[G],
    confidence: Confidence,
) -> Option<MeanEstimate> {
    if values.len() != groups.len() {
        return None;
    }
    let mean = mean(values)?;
    let sums = cluster::sums(values.iter().map(|value| value - mean), groups);
    let count = sums.len() as f64;
    let squares: f64 = sums.iter().map(|sum| sum * sum).sum();
    let standard_error = (squares * count / (count - 1.0)).sqrt() / values.len() as f64;
    MeanEstimate::new(mean, standard_error, sums.len(), confidence)
}
