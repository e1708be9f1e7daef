//! How many pairs it takes to show a mean difference.

use super::distribution::normal_quantile;

/// About how many pairs a test from one side with error `alpha` needs to find with probability `power` that the mean
/// difference is not `gap` lower than it is: (z<sub>α</sub> + z<sub>β</sub>)² · variance / gap², rounded up.
///
/// To show that it is above 0, the gap is the difference itself; to show that it is no worse than −δ when nothing changes, δ.
/// Of passes, the variance is the share of pairs that differ, less the squared difference (Connor, "Sample size for testing
/// differences in proportions for the paired-sample design", Biometrics 43(1), 1987): 248 pairs (247.3) for a gap of 0.05
/// where one in ten differs, with `alpha` 0.05 and `power` 0.8.
///
/// `None` unless `variance` ≥ 0, `gap` > 0, 0 < `alpha` < 1 and 0 < `power` < 1, or when it is more than can be counted.
#[must_use]
pub fn pairs_needed(variance: f64, gap: f64, alpha: f64, power: f64) -> Option<u64> {
    let is_share = |share: f64| share > 0.0 && share < 1.0;
    if !(variance >= 0.0 && gap > 0.0 && is_share(alpha) && is_share(power)) {
        return None;
    }
    let quantiles = (normal_quantile(alpha) + normal_quantile(1.0 - power)).max(0.0);
    let needed = (quantiles / gap).powi(2) * variance;
    (needed < u64::MAX as f64).then(|| needed.ceil() as u64)
}
