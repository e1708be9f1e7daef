//! Tests of two runs on the same entries.

use std::hash::Hash;

use serde::{Deserialize, Serialize};

use super::cluster;
use super::distribution::{fair_coins_at_most, normal_quantile};
use super::interval::{Confidence, Interval};
use super::mean::{all_finite, mean};
use super::resampling::Resampling;

/// Up to so many differences (or groups) that are not 0, every way to set their signs is looked at.
const MOST_EXACT: usize = 20;

/// The exact test of McNemar for entries that passed in one run and failed in the other: how likely a fair coin is at
/// least as far from the middle, both sides counted ("Note on the Sampling Error of the Difference Between Correlated
/// Proportions or Percentages", Psychometrika 12(2), 1947; exact by the binomial distribution).
///
/// `won` entries pass only in the second run, `lost` ones only in the first. 1 when there are none.
#[must_use]
pub fn mcnemar(won: u32, lost: u32) -> f64 {
    if won == lost {
        return 1.0;
    }
    let (won, lost) = (u64::from(won), u64::from(lost));
    (2.0 * fair_coins_at_most(won.min(lost), won + lost)).min(1.0)
}

/// As [`mcnemar`], from one side: how likely a fair coin, tossed once for each entry that differs, shows heads for at least
/// those that `won`. 1 when none did.
#[must_use]
pub fn mcnemar_better(won: u32, lost: u32) -> f64 {
    let (won, lost) = (u64::from(won), u64::from(lost));
    let total = won + lost;
    if won >= lost {
        return fair_coins_at_most(lost, total).min(1.0);
    }
    won.checked_sub(1)
        .map_or(1.0, |fewer| 1.0 - fair_coins_at_most(fewer, total))
}

/// The interval of the difference of two matched proportions (second − first): Wald's with half an observation added to
/// each of the four cells (Agresti and Min, "Simple improved confidence intervals for comparing matched proportions",
/// Statistics in Medicine 24(5), 2005). Unlike Wald's own it has a width when nothing differs.
///
/// `won` entries of `total` pass only in the second run, `lost` ones only in the first. `None` when `total` is 0 or less
/// than both together.
#[must_use]
pub fn matched_difference(won: u64, lost: u64, total: u64, confidence: Confidence) -> Option<Interval> {
    if total == 0 || won.checked_add(lost).is_none_or(|sum| sum > total) {
        return None;
    }
    let (won, lost, total) = (won as f64 + 0.5, lost as f64 + 0.5, total as f64 + 2.0);
    let difference = (won - lost) / total;
    let half = normal_quantile(confidence.tail()) * ((won + lost) / total - difference * difference).sqrt()
        / total.sqrt();
    Interval::new((difference - half).max(-1.0), (difference + half).min(1.0))
}

/// What a test by flipping signs found.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct PermutationTest {
    /// The mean of the differences.
    pub mean: f64,
    /// How likely a mean at least as far from 0 is, were each difference as likely of the other sign.
    pub p_value: f64,
    /// How it was found out.
    pub method: PermutationMethod,
}

/// How a [`PermutationTest`] was computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PermutationMethod {
    /// All ways to set the signs were looked at.
    Exact,
    /// So many were drawn; the value is (b + 1) / (draws + 1) with b as far from 0 (Phipson and Smyth, "Permutation
    /// P-values Should Never Be Zero", Statistical Applications in Genetics and Molecular Biology 9(1), 2010).
    MonteCarlo {
        /// How many.
        draws: u32,
    },
}

/// The two-sided sign-flip permutation test of paired differences (second run − first run): exact for at most 20 that
/// are not 0, otherwise by drawing (Fisher, "The Design of Experiments", 1935, section 21).
///
/// `None` when there is no difference, or one that is infinite or no number.
#[must_use]
pub fn sign_flip(differences: &[f64], resampling: Resampling) -> Option<PermutationTest> {
    let mean = mean(differences)?;
    let (p_value, method) = test(differences.iter().copied(), resampling, f64::abs)?;
    Some(PermutationTest {
        mean,
        p_value,
        method,
    })
}

/// As [`sign_flip`], for differences that are alike within groups (`groups[i]` is the key of `differences[i]`): all of a
/// group are flipped together. The mean is that over differences.
///
/// `None` also for lists of different lengths.
#[must_use]
pub fn sign_flip_clustered<G: Eq + Hash>(
    differences: &[f64],
    groups: &[G],
    resampling: Resampling,
) -> Option<PermutationTest> {
    clustered(differences, groups, resampling, f64::abs)
}

/// As [`sign_flip_clustered`], from one side: how likely a mean at least as great is, were each group's sum as likely of the
/// other sign. Where no two share a group, and every difference is −1, 0 or 1, it is [`mcnemar_better`].
///
/// `None` as there.
#[must_use]
pub fn sign_flip_better<G: Eq + Hash>(
    differences: &[f64],
    groups: &[G],
    resampling: Resampling,
) -> Option<PermutationTest> {
    clustered(differences, groups, resampling, |sum| sum)
}

fn clustered<G: Eq + Hash>(
    differences: &[f64],
    groups: &[G],
    resampling: Resampling,
    distance: impl Fn(f64) -> f64 + Copy,
) -> Option<PermutationTest> {
    if differences.len() != groups.len() {
        return None;
    }
    let mean = mean(differences)?;
    let sums = cluster::sums(differences.iter().copied(), groups);
    let (p_value, method) = test(sums.into_iter(), resampling, distance)?;
    Some(PermutationTest {
        mean,
        p_value,
        method,
    })
}

/// `distance` says what is far: either side, or one.
fn test(
    units: impl Iterator<Item = f64>,
    resampling: Resampling,
    distance: impl Fn(f64) -> f64 + Copy,
) -> Option<(f64, PermutationMethod)> {
    // What is 0 stays 0, whatever its sign.
    let units: Vec<f64> = units.filter(|unit| *unit != 0.0).collect();
    if !all_finite(&units) {
        return None;
    }
    let size: f64 = units.iter().map(|unit| unit.abs()).sum();
    let sum: f64 = units.iter().sum();
    // Sums that are equal on paper differ by less than this, in whatever order they are added up.
    let rounding = 2.0 * units.len() as f64 * f64::EPSILON * size;
    let far = distance(sum) - rounding;
    if !size.is_finite() {
        return None;
    }
    Some(if units.len() <= MOST_EXACT {
        (exact(&units, far, distance), PermutationMethod::Exact)
    } else {
        let draws = resampling.draws();
        (
            drawn(&units, far, resampling, distance),
            PermutationMethod::MonteCarlo { draws },
        )
    })
}

/// The share of all ways to set the signs whose sum is at least so far.
fn exact(units: &[f64], far: f64, distance: impl Fn(f64) -> f64) -> f64 {
    let (first, second) = units.split_at(units.len() / 2);
    let (first, second) = (signed_sums(first), signed_sums(second));
    let as_far = first
        .iter()
        .map(|a| second.iter().filter(|b| distance(a + **b) >= far).count());
    as_far.sum::<usize>() as f64 / (first.len() * second.len()) as f64
}

/// The sums for all ways to set the signs.
fn signed_sums(units: &[f64]) -> Vec<f64> {
    units.iter().fold(vec![0.0], |sums, unit| {
        sums.iter().flat_map(|sum| [sum + unit, sum - unit]).collect()
    })
}

fn drawn(units: &[f64], far: f64, resampling: Resampling, distance: impl Fn(f64) -> f64) -> f64 {
    let fours: Vec<[f64; 16]> = units.chunks(4).map(signed_four).collect();
    let mut random = resampling.random();
    let mut as_far = 0_u32;
    for _ in 0..resampling.draws() {
        as_far += u32::from(distance(drawn_sum(&fours, || random.bits())) >= far);
    }
    (f64::from(as_far) + 1.0) / (f64::from(resampling.draws()) + 1.0)
}

/// The sums of up to four for each way to set their signs: bit `i` stands for the sign of number `i`. Each is added up
/// once, not in every draw.
fn signed_four(units: &[f64]) -> [f64; 16] {
    std::array::from_fn(|signs| {
        let signed = units.iter().enumerate();
        signed.map(|(i, unit)| flipped(*unit, signs as u64 >> i)).sum()
    })
}

/// The sum for signs that are drawn, 64 at once.
fn drawn_sum(fours: &[[f64; 16]], mut draw: impl FnMut() -> u64) -> f64 {
    // Four sums at once: each alone would wait for the addition before.
    let mut sums = [0.0; 4];
    for block in fours.chunks(16) {
        let mut bits = draw();
        for tables in block.chunks(4) {
            for (lane, (sum, table)) in sums.iter_mut().zip(tables).enumerate() {
                *sum += table[(bits >> (4 * lane)) as usize % 16];
            }
            bits >>= 16;
        }
    }
    sums.iter().sum()
}

/// With the other sign if the lowest bit is set.
fn flipped(value: f64, bit: u64) -> f64 {
    f64::from_bits(value.to_bits() ^ (bit << 63))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statistics::Random;

    #[test]
    fn each_bit_that_is_drawn_sets_the_sign_of_one() {
        // Powers of two, so that a sum says which signs it has; 130 of them need three draws.
        for count in [1, 3, 4, 21, 63, 64, 65, 130] {
            let units: Vec<f64> = (0..count).map(|i| 2.0_f64.powi(i % 50)).collect();
            let fours: Vec<[f64; 16]> = units.chunks(4).map(signed_four).collect();
            let (mut one, mut other) = (Random::seeded(7), Random::seeded(7));
            for _ in 0..100 {
                let mut direct = 0.0;
                for block in units.chunks(64) {
                    let bits = one.bits();
                    let block = block.iter().enumerate();
                    direct += block
                        .map(|(i, unit)| if bits >> i & 1 == 1 { -unit } else { *unit })
                        .sum::<f64>();
                }
                assert_eq!(drawn_sum(&fours, || other.bits()), direct, "{count}");
            }
        }
    }
}
