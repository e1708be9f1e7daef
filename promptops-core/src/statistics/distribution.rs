//! The distributions that intervals and tests rest on.
//!
//! Written here, since the crates at hand lose their digits for the degrees of freedom and the counts of large runs.

use std::f64::consts::PI;

/// From this many degrees of freedom on, Student's quantiles are expanded about the normal ones.
const MANY: u64 = 2_000;

/// The value that a standard normal variable exceeds with probability `tail` (0 < `tail` < 1).
///
/// Wichura's rational approximations ("Algorithm AS 241", Applied Statistics 37(3), 1988), about 16 digits.
pub(super) fn normal_quantile(tail: f64) -> f64 {
    const A: [f64; 8] = [
        3.387_132_872_796_366_5,
        133.141_667_891_784_38,
        1_971.590_950_306_551_3,
        13_731.693_765_509_46,
        45_921.953_931_549_87,
        67_265.770_927_008_7,
        33_430.575_583_588_13,
        2_509.080_928_730_122_7,
    ];
    const B: [f64; 8] = [
        1.0,
        42.313_330_701_600_91,
        687.187_007_492_057_9,
        5_394.196_021_424_751,
        21_213.794_301_586_597,
        39_307.895_800_092_71,
        28_729.085_735_721_943,
        5_226.495_278_852_854,
    ];
    const C: [f64; 8] = [
        1.423_437_110_749_683_5,
        4.630_337_846_156_546,
        5.769_497_221_460_691,
        3.647_848_324_763_204_5,
        1.270_458_252_452_368_4,
        0.241_780_725_177_450_6,
        0.022_723_844_989_269_184,
        7.745_450_142_783_414e-4,
    ];
    const D: [f64; 8] = [
        1.0,
        2.053_191_626_637_759,
        1.676_384_830_183_803_8,
        0.689_767_334_985_1,
        0.148_103_976_427_480_08,
        0.015_198_666_563_616_457,
        5.475_938_084_995_345e-4,
        1.050_750_071_644_416_9e-9,
    ];
    const E: [f64; 8] = [
        6.657_904_643_501_103,
        5.463_784_911_164_114,
        1.784_826_539_917_291_3,
        0.296_560_571_828_504_87,
        0.026_532_189_526_576_124,
        0.001_242_660_947_388_078_4,
        2.711_555_568_743_487_6e-5,
        2.010_334_399_292_288_1e-7,
    ];
    const F: [f64; 8] = [
        1.0,
        0.599_832_206_555_888,
        0.136_929_880_922_735_8,
        0.014_875_361_290_850_615,
        7.868_691_311_456_133e-4,
        1.846_318_317_510_054_8e-5,
        1.421_511_758_316_446e-7,
        2.044_263_103_389_94e-15,
    ];
    let from_middle = 0.5 - tail;
    if from_middle.abs() <= 0.425 {
        let r = 0.425_f64.powi(2) - from_middle * from_middle;
        return from_middle * polynomial(&A, r) / polynomial(&B, r);
    }
    let r = (-tail.min(1.0 - tail).ln()).sqrt();
    let value = if r <= 5.0 {
        polynomial(&C, r - 1.6) / polynomial(&D, r - 1.6)
    } else {
        polynomial(&E, r - 5.0) / polynomial(&F, r - 5.0)
    };
    if tail < 0.5 { value } else { -value }
}

/// The value that a variable with Student's distribution exceeds with probability `tail` (0 < `tail` < 1), for at
/// least one degree of freedom.
///
/// Closed forms for 1 and 2 degrees; the distribution function inverted by bisection below 2,000; from there on the
/// expansion of Cornish and Fisher (Abramowitz and Stegun 26.7.5).
pub(super) fn student_quantile(tail: f64, degrees: u64) -> f64 {
    if tail > 0.5 {
        return -student_quantile(1.0 - tail, degrees);
    }
    match degrees {
        0 => f64::INFINITY,
        1 => 1.0 / (PI * tail).tan(),
        2 => (1.0 - 2.0 * tail) / (2.0 * tail * (1.0 - tail)).sqrt(),
        MANY.. => expanded(normal_quantile(tail), degrees as f64),
        _ => {
            let ratio = gamma_ratio(degrees);
            let (mut low, mut high) = (0.0, 1.0);
            while student_tail(high, degrees, ratio) > tail {
                (low, high) = (high, high * 2.0);
            }
            loop {
                let middle = low + (high - low) / 2.0;
                if middle <= low || middle >= high {
                    return middle;
                }
                if student_tail(middle, degrees, ratio) > tail {
                    low = middle;
                } else {
                    high = middle;
                }
            }
        }
    }
}

fn expanded(z: f64, degrees: f64) -> f64 {
    let s = z * z;
    let terms = [
        z,
        z * polynomial(&[1.0, 1.0], s) / 4.0,
        z * polynomial(&[3.0, 16.0, 5.0], s) / 96.0,
        z * polynomial(&[-15.0, 17.0, 19.0, 3.0], s) / 384.0,
        z * polynomial(&[-945.0, -1_920.0, 1_482.0, 776.0, 79.0], s) / 92_160.0,
    ];
    polynomial(&terms, 1.0 / degrees)
}

/// How likely Student's variable exceeds `t` ≥ 0: half of the regularised incomplete beta function at
/// ν / (ν + t²) with ν/2 and 1/2 (Abramowitz and Stegun 26.7.1), by its continued fraction (26.5.8).
fn student_tail(t: f64, degrees: u64, gamma_ratio: f64) -> f64 {
    let v = degrees as f64;
    let (a, b) = (v / 2.0, 0.5);
    let ratio = t * t / v;
    if !ratio.is_finite() {
        return 0.0;
    }
    // Neither is the other's complement to 1, which would lose digits.
    let (x, rest) = (1.0 / (1.0 + ratio), ratio / (1.0 + ratio));
    let front = (-a * ratio.ln_1p()).exp() * rest.sqrt() * gamma_ratio / PI.sqrt();
    if x < (a + 1.0) / (a + b + 2.0) {
        front * fraction(a, b, x) / a / 2.0
    } else {
        0.5 - front * fraction(b, a, rest) / b / 2.0
    }
}

/// Γ((ν+1)/2) / Γ(ν/2): one of ν and one of ν−1 multiply to (ν−1)/2.
fn gamma_ratio(degrees: u64) -> f64 {
    (2..=degrees).fold(1.0 / PI.sqrt(), |ratio, v| (v - 1) as f64 / 2.0 / ratio)
}

/// The continued fraction of the incomplete beta function, evaluated by the method of Lentz.
fn fraction(a: f64, b: f64, x: f64) -> f64 {
    const TINY: f64 = 1e-300;
    const MOST: u32 = 10_000;
    let away_from_zero = |value: f64| if value.abs() < TINY { TINY } else { value };
    let mut c = 1.0;
    let mut d = 1.0 / away_from_zero(1.0 - (a + b) * x / (a + 1.0));
    let mut result = d;
    for m in 1..=MOST {
        let m = f64::from(m);
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        let mut last = 1.0;
        for step in [even, odd] {
            d = 1.0 / away_from_zero(1.0 + step * d);
            c = away_from_zero(1.0 + step / c);
            last = c * d;
            result *= last;
        }
        if (last - 1.0).abs() < f64::EPSILON {
            break;
        }
    }
    result
}

/// How likely at least `k` of `n` trials succeed that each do with probability `rate`, for 0 < `k` < `n` and
/// 0 < `rate` < 1: the regularised incomplete beta function I<sub>rate</sub>(k, n − k + 1) (Abramowitz and Stegun 26.5.24).
pub(super) fn binomial_at_least(k: u64, n: u64, rate: f64) -> f64 {
    let (a, b) = (k as f64, (n - k) as f64 + 1.0);
    // What stands before the fraction, x^a (1 − x)^b / (a B(a, b)), is a binomial probability times 1 − x.
    if rate < (a + 1.0) / (a + b + 2.0) {
        binomial(k, n, rate) * (1.0 - rate) * fraction(a, b, rate)
    } else {
        // By symmetry 1 − I at 1 − x, where x^a (1 − x)^b / (b B(a, b)) stands before it.
        1.0 - binomial(k, n, rate) * (1.0 - rate) * a / b * fraction(b, a, 1.0 - rate)
    }
}

/// How likely exactly `k` of `n` trials succeed, 0 < `k` < `n`, without the loss of digits of factorials (Loader, "Fast
/// and Accurate Computation of Binomial Probabilities", 2000).
fn binomial(k: u64, n: u64, rate: f64) -> f64 {
    let (all, successes, failures) = (n as f64, k as f64, (n - k) as f64);
    let ln = stirling_error(n)
        - stirling_error(k)
        - stirling_error(n - k)
        - deviance(successes, all * rate)
        - deviance(failures, all * (1.0 - rate));
    ln.exp() * (all / (2.0 * PI * successes * failures)).sqrt()
}

/// ln n! less Stirling's ½ ln(2πn) + n ln n − n, for n > 0: its series, and from 15 down the factorial itself.
fn stirling_error(n: u64) -> f64 {
    let x = n as f64;
    if n <= 15 {
        let factorial: f64 = (1..=n).map(|i| i as f64).product();
        return factorial.ln() - (0.5 * (2.0 * PI * x).ln() + x * x.ln() - x);
    }
    let series = [
        1.0 / 12.0,
        -1.0 / 360.0,
        1.0 / 1_260.0,
        -1.0 / 1_680.0,
        1.0 / 1_188.0,
        -691.0 / 360_360.0,
        1.0 / 156.0,
    ];
    polynomial(&series, 1.0 / (x * x)) / x
}

/// x ln(x/m) + m − x for x, m > 0, also where both are close.
fn deviance(x: f64, m: f64) -> f64 {
    let difference = x - m;
    if difference.abs() >= 0.1 * (x + m) {
        return x * (x / m).ln() - difference;
    }
    // With v = (x − m)/(x + m): (x − m) v + 2x Σ v^(2j+1)/(2j+1).
    let v = difference / (x + m);
    let mut sum = difference * v;
    let mut power = 2.0 * x * v;
    for odd in (3_u8..).step_by(2) {
        power *= v * v;
        let next = sum + power / f64::from(odd);
        if next == sum {
            break;
        }
        sum = next;
    }
    sum
}

/// How likely at most `k` of `n` fair coins show heads, for `k` ≤ `n` / 2.
///
/// The middle's probability, and from there each by the one before; about 40 √n steps at most.
pub(super) fn fair_coins_at_most(k: u64, n: u64) -> f64 {
    let middle = n / 2;
    let mut term = central(middle);
    if n % 2 == 1 {
        term *= n as f64 / (2.0 * (middle + 1) as f64);
    }
    let mut at = middle;
    let below = |term: f64, at: u64| term * at as f64 / (n - at + 1) as f64;
    while at > k {
        term = below(term, at);
        at -= 1;
        // What is smaller loses its digits, and never becomes 0.
        if term < f64::MIN_POSITIVE {
            return 0.0;
        }
    }
    let mut sum = term;
    while at > 0 && term > sum * 1e-18 {
        term = below(term, at);
        at -= 1;
        sum += term;
    }
    sum
}

/// How likely `m` of `2m` fair coins show heads: a product, or its expansion for large `m` (OEIS A123854 names the
/// denominators).
fn central(m: u64) -> f64 {
    if m < 200 {
        return (1..=m).fold(1.0, |product, i| {
            let i = i as f64;
            product * (2.0 * i - 1.0) / (2.0 * i)
        });
    }
    let series = [
        1.0,
        -1.0 / 8.0,
        1.0 / 128.0,
        5.0 / 1_024.0,
        -21.0 / 32_768.0,
        -399.0 / 262_144.0,
    ];
    polynomial(&series, 1.0 / m as f64) / (PI * m as f64).sqrt()
}

/// Coefficients from the lowest power on.
fn polynomial(coefficients: &[f64], x: f64) -> f64 {
    coefficients.iter().rev().fold(0.0, |sum, c| sum * x + c)
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    struct Vectors {
        distribution: Distributions,
    }

    #[derive(Deserialize)]
    struct Distributions {
        normal: Vec<(f64, f64)>,
        student: Vec<(f64, u64, f64)>,
    }

    #[track_caller]
    fn close(found: f64, expected: f64, what: &str) {
        assert!(
            (found - expected).abs() <= 1e-11 * expected.abs() + 1e-15,
            "{what}: found {found}, expected {expected}"
        );
    }

    #[test]
    fn quantiles_equal_those_of_scipy() {
        let vectors = include_str!("../../tests/vectors/statistics.json");
        let vectors: Vectors = serde_json::from_str(vectors).unwrap();
        for (tail, expected) in vectors.distribution.normal {
            close(normal_quantile(tail), expected, &format!("normal {tail}"));
        }
        for (tail, degrees, expected) in vectors.distribution.student {
            let found = student_quantile(tail, degrees);
            close(found, expected, &format!("student {tail} {degrees}"));
        }
    }

    #[test]
    fn fair_coins_add_up() {
        for n in [0_u64, 1, 2, 3, 10, 61] {
            let ways: f64 = 2_f64.powi(n as i32);
            let mut sum = 0.0;
            let mut choose = 1.0;
            for k in 0..=n / 2 {
                sum += choose;
                choose *= (n - k) as f64 / (k + 1) as f64;
                close(fair_coins_at_most(k, n), sum / ways, &format!("{k} of {n}"));
            }
        }
        // Where the product ends and the expansion begins.
        let ratio = central(200) / central(199);
        close(ratio, 399.0 / 400.0, "central");
    }
}
