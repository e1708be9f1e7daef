//! Whether units are assigned evenly, and by two experiments independently.

use promptops_core::Result;
use promptops_core::experiment::{Assigner, Rules};
use promptops_core::statistics::Random;

use crate::record;

/// How units are called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Units {
    /// 0, 1, 2 …
    Sequential,
    /// 128 bits in hexadecimal digits.
    Uuids,
    /// A long text that they share, and a number.
    CommonPrefix,
}

impl Units {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Sequential, Self::Uuids, Self::CommonPrefix];

    /// What it is called in the table.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Sequential => "sequential",
            Self::Uuids => "uuids",
            Self::CommonPrefix => "common prefix",
        }
    }

    fn unit(self, n: u64, random: &mut Random) -> String {
        match self {
            Self::Sequential => n.to_string(),
            Self::Uuids => {
                let (a, b) = (random.bits(), random.bits());
                format!(
                    "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
                    a >> 32,
                    a >> 16 & 0xffff,
                    a & 0xfff,
                    b >> 48,
                    b & 0xffff_ffff_ffff
                )
            }
            Self::CommonPrefix => {
                format!("tenants/acme/workflows/support-triage/production/runs/2026/user-{n}")
            }
        }
    }
}

/// Chi-square statistics, as deviations from what they are by chance: normal with variance 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Deviations {
    /// Of the buckets in hundredths from being equally full.
    pub even: f64,
    /// Of the variants in two experiments from being independent.
    pub independent: f64,
}

/// Assigns units in two experiments with four variants each.
///
/// # Errors
/// Never.
pub fn deviations(units: Units, count: u64, seed: u64) -> Result<Deviations> {
    let shares: &[u16] = &[4_000, 3_000, 2_000, 1_000];
    let one = Assigner::new(&record("checkout-1", &[shares], Rules::default())?);
    let other = Assigner::new(&record("checkout-2", &[shares], Rules::default())?);
    let mut random = Random::seeded(seed);
    let mut buckets = [0.0_f64; 100];
    let mut both = [[0.0_f64; 4]; 4];
    for n in 0..count {
        let unit = units.unit(n, &mut random);
        let (one, other) = (one.assign(Some(&unit)), other.assign(Some(&unit)));
        if let Some(unit) = one.unit {
            buckets[usize::from(unit.bucket() / 100)] += 1.0;
        }
        both[usize::from(one.variant)][usize::from(other.variant)] += 1.0;
    }
    let all = count as f64;
    let squares = |found: f64, expected: f64| (found - expected).powi(2) / expected;
    let even = buckets.iter().map(|found| squares(*found, all / 100.0)).sum();
    let rows = both.map(|row| row.iter().sum::<f64>());
    let independent = (0..4)
        .flat_map(|row| (0..4).map(move |column| (row, column)))
        .map(|(row, column)| {
            let in_column: f64 = both.iter().map(|row| row[column]).sum();
            squares(both[row][column], rows[row] * in_column / all)
        });
    Ok(Deviations {
        even: deviation(even, 99.0),
        independent: deviation(independent.sum(), 9.0),
    })
}

/// A chi-square statistic as a standard normal one (Wilson and Hilferty, "The distribution of chi-square", PNAS 17, 1931).
fn deviation(chi_square: f64, degrees: f64) -> f64 {
    let spread = 2.0 / (9.0 * degrees);
    ((chi_square / degrees).cbrt() - (1.0 - spread)) / spread.sqrt()
}
