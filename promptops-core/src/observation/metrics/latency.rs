//! How long answers took: counts by size, from which percentiles are read.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Sub-divisions of each power of two: a bin is at most 1/32 of its values wide.
const DIVISIONS: u64 = 32;

/// Latencies, counted in bins of microseconds whose width grows with them, so that a percentile is right to 1.6 %. Whole
/// numbers only: histograms that are merged in any order are equal. At most 1,920 bins.
///
/// The bins are those of HdrHistogram with 32 sub-buckets: below 32 µs one for each microsecond, above 32 for each power of
/// two.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(from = "Vec<(u16, u64)>", into = "Vec<(u16, u64)>")]
pub struct Latencies(BTreeMap<u16, u64>);

fn bin(micros: u64) -> u16 {
    if micros < DIVISIONS {
        return micros as u16;
    }
    let shift = micros.ilog2() - DIVISIONS.ilog2();
    let within = (micros >> shift) - DIVISIONS;
    ((u64::from(shift) + 1) * DIVISIONS + within) as u16
}

/// The middle of a bin, in microseconds.
fn middle(bin: u16) -> u64 {
    let (bin, divisions) = (u64::from(bin), DIVISIONS);
    if bin < divisions {
        return bin;
    }
    let shift = (bin / divisions - 1).min(58);
    let low = (divisions + bin % divisions) << shift;
    low + (1_u64 << shift) / 2
}

impl Latencies {
    /// Adds one.
    pub fn add(&mut self, latency: Duration) {
        let micros = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
        *self.0.entry(bin(micros)).or_default() += 1;
    }

    /// Adds others.
    pub fn merge(&mut self, other: &Self) {
        for (bin, count) in &other.0 {
            let sum = self.0.entry(*bin).or_default();
            *sum = sum.saturating_add(*count);
        }
    }

    /// Takes others out again.
    pub(super) fn subtract(&mut self, other: &Self) {
        for (bin, count) in &other.0 {
            let left = self.0.entry(*bin).or_default();
            *left = left.saturating_sub(*count);
            if *left == 0 {
                self.0.remove(bin);
            }
        }
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.0.values().fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The latency that a share `q` of the answers did not exceed, 0 < q ≤ 1 (nearest rank), right to 1.6 %; `None` without
    /// answers or for another `q`.
    #[must_use]
    pub fn quantile(&self, q: f64) -> Option<Duration> {
        if !(q > 0.0 && q <= 1.0) {
            return None;
        }
        let rank = ((self.count() as f64 * q).ceil() as u64).max(1);
        let mut seen: u64 = 0;
        self.0
            .iter()
            .find(|(_, count)| {
                seen = seen.saturating_add(**count);
                seen >= rank
            })
            .or(self.0.last_key_value())
            .map(|(bin, _)| Duration::from_micros(middle(*bin)))
    }
}

impl From<Vec<(u16, u64)>> for Latencies {
    fn from(bins: Vec<(u16, u64)>) -> Self {
        let mut this = Self::default();
        for (bin, count) in bins.into_iter().filter(|(_, count)| *count > 0) {
            let sum = this.0.entry(bin).or_default();
            *sum = sum.saturating_add(count);
        }
        this
    }
}

impl From<Latencies> for Vec<(u16, u64)> {
    fn from(latencies: Latencies) -> Self {
        latencies.0.into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_latency_is_told_to_1_6_percent() {
        let mut values: Vec<u64> = (0..5_000).collect();
        values.extend((0..63).flat_map(|e| [(1_u64 << e) - 1, 1 << e, (1 << e) + 1, 3 << (e / 2)]));
        for micros in values {
            let mut latencies = Latencies::default();
            latencies.add(Duration::from_micros(micros));
            let told = latencies.quantile(0.5).unwrap().as_micros() as f64;
            let off = (told - micros as f64).abs();
            assert!(off <= micros as f64 / 64.0 + 0.5, "{micros} told as {told}");
        }
        let mut longest = Latencies::default();
        longest.add(Duration::MAX);
        assert!(longest.quantile(1.0).is_some());
    }

    #[test]
    fn quantiles_are_those_of_the_values_and_merging_is_adding() {
        let (mut all, mut halves) = (Latencies::default(), [Latencies::default(), Latencies::default()]);
        for n in 1..=10_000_u64 {
            let latency = Duration::from_micros(n * 100);
            all.add(latency);
            halves[n as usize % 2].add(latency);
        }
        for (q, expected) in [
            (0.5, 500_000.0),
            (0.95, 950_000.0),
            (0.99, 990_000.0),
            (1.0, 1_000_000.0),
        ] {
            let found = all.quantile(q).unwrap().as_micros() as f64;
            assert!((found / expected - 1.0).abs() < 0.017, "{q}: {found}");
        }
        let [mut odd, even] = halves;
        odd.merge(&even);
        assert_eq!(odd, all);
        odd.subtract(&even);
        odd.merge(&even);
        assert_eq!(odd, all);
        assert_eq!(all.count(), 10_000);
        let read: Latencies = serde_json::from_str(&serde_json::to_string(&all).unwrap()).unwrap();
        assert_eq!(read, all);
        assert_eq!(all.quantile(0.0), None);
        assert_eq!(Latencies::default().quantile(0.5), None);
    }
}
