//! How many pairs it takes to show a mean difference.

use super::distribution::normal_quantile;

/// About how many pairs a test from one side with error `alpha` needs to find with probability `power` that the mean
/// difference is not `gap` lower than it is: ((z<sub>α</sub> √`under_null` + z<sub>β</sub> √`variance`) / gap)², rounded up.
/// `variance` is that of a pair's difference, `under_null` what it would be were there nothing to find.
///
/// To show that passes become more, the gap is the difference itself, `under_null` the share of pairs that differ, and
/// `variance` that share less the squared difference (Connor, "Sample size for testing differences in proportions for the
/// paired-sample design", Biometrics 43(1), 1987). To show that they are no fewer by δ when nothing changes, the gap is δ, and
/// both are the share of pairs that differ: 248 pairs (247.3) for δ = 0.05 where one in ten differs, with `alpha` 0.05 and
/// `power` 0.8.
///
/// `None` unless both variances are ≥ 0, `gap` > 0, 0 < `alpha` < 1 and 0 < `power` < 1, or when it is more than can be
/// counted.
#[must_use]
pub fn pairs_needed(under_null: f64, variance: f64, gap: f64, alpha: f64, power: f64) -> Option<u64> {
    let is_share = |share: f64| share > 0.0 && share < 1.0;
    if !(under_null >= 0.0 && variance >= 0.0 && gap > 0.0 && is_share(alpha) && is_share(power)) {
        return None;
    }
    let distance =
        normal_quantile(alpha) * under_null.sqrt() + normal_quantile(1.0 - power) * variance.sqrt();
    let needed = (distance.max(0.0) / gap).powi(2);
    (needed < u64::MAX as f64).then(|| needed.ceil() as u64)
}
