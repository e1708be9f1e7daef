//! Rates: how often something passes.

use super::distribution::normal_quantile;
use super::interval::{Confidence, Interval};

/// The interval of a rate of which `passed` of `total` were seen: Wilson's score interval, without correction for
/// continuity ("Probable Inference, the Law of Succession, and Statistical Inference", JASA 22(158), 1927). It stays
/// within 0 and 1, and is sensible for none and all.
///
/// `None` when `total` is 0 or less than `passed`.
#[must_use]
pub fn wilson(passed: u64, total: u64, confidence: Confidence) -> Option<Interval> {
    if total == 0 || passed > total {
        return None;
    }
    let n = total as f64;
    let rate = passed as f64 / n;
    let z = normal_quantile(confidence.tail());
    let per = z * z / n;
    let center = (rate + per / 2.0) / (1.0 + per);
    let half = (rate * (1.0 - rate) * per + per * per / 4.0).sqrt() / (1.0 + per);
    // The ends at none and all are 0 and 1 but for rounding, and rounding must not put the rate outside.
    let low = if passed == 0 {
        0.0
    } else {
        (center - half).clamp(0.0, rate)
    };
    let high = if passed == total {
        1.0
    } else {
        (center + half).clamp(rate, 1.0)
    };
    Interval::new(low, high)
}

/// How likely `k` repeats of an entry all pass, given that `passed` of `total` repeats did: C(passed, k) / C(total, k),
/// unbiased (Yao and others, "τ-bench", arXiv:2406.12045, 2024).
///
/// `None` when `k` is 0 or more than `total`, or `passed` more than `total`.
#[must_use]
pub fn pass_hat_k(passed: u32, total: u32, k: u32) -> Option<f64> {
    if k == 0 || k > total || passed > total {
        return None;
    }
    Some(chosen_from(passed, total, k))
}

/// How likely at least one of `k` repeats of an entry passes, given that `passed` of `total` repeats did:
/// 1 − C(total − passed, k) / C(total, k), unbiased (Chen and others, "Evaluating Large Language Models Trained on
/// Code", arXiv:2107.03374, 2021).
///
/// `None` when `k` is 0 or more than `total`, or `passed` more than `total`.
#[must_use]
pub fn pass_at_k(passed: u32, total: u32, k: u32) -> Option<f64> {
    if k == 0 || k > total || passed > total {
        return None;
    }
    Some(1.0 - chosen_from(total - passed, total, k))
}

/// How likely `k` drawn from `total` are all of the `marked` ones.
fn chosen_from(marked: u32, total: u32, k: u32) -> f64 {
    if k > marked {
        return 0.0;
    }
    let mut chance = 1.0;
    for i in 0..k {
        chance *= f64::from(marked - i) / f64::from(total - i);
        if chance == 0.0 || marked == total {
            break;
        }
    }
    chance
}
