//! How long answers took: counts by size, from which percentiles are read.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::base::error::{Result, invalid};

/// Longest latency of an answer: what asks for answers by the batch promises them within a day. A few that are no latency, such
/// as a clock's or an overflow's, would be all that is seen of the mean, and the sum of latencies would stay at its most.
pub(in crate::observation) const LONGEST: Duration = Duration::from_secs(86_400);

/// Refuses a latency that is longer than any answer takes.
pub(in crate::observation) fn check(latency: Option<Duration>) -> Result<()> {
    match latency {
        Some(latency) if latency > LONGEST => Err(invalid(format!(
            "the latency is {} s; expected {} at most, which is a day",
            latency.as_secs(),
            LONGEST.as_secs()
        ))),
        _ => Ok(()),
    }
}

/// Sub-divisions of each power of two: a bin is at most 1/32 of its values wide.
const DIVISIONS: u64 = 32;

/// Latencies, counted in bins of microseconds whose width grows with them, so that a percentile is right to 1.6 %. Whole
/// numbers only: histograms that are merged in any order are equal. At most 1,920 bins.
///
/// The bins are those of HdrHistogram with 32 sub-buckets: below 32 µs one for each microsecond, above 32 for each power of
/// two.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(from = "Vec<(u16, u64)>", into = "Vec<(u16, u64)>")]
pub struct Latencies(
    /// Bins in ascending order, none twice, each with a count above 0: a list, since most of what is done is adding up.
    Vec<(u16, u64)>,
);

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
        self.put(bin(micros), 1);
    }

    fn put(&mut self, bin: u16, more: u64) {
        match self.0.binary_search_by_key(&bin, |(bin, _)| *bin) {
            Ok(place) => {
                if let Some((_, count)) = self.0.get_mut(place) {
                    *count = count.saturating_add(more);
                }
            }
            Err(place) => self.0.insert(place, (bin, more)),
        }
    }

    /// Adds others.
    pub fn merge(&mut self, other: &Self) {
        if other.0.len() == 1 {
            // One answer, which is what is added most often.
            other.0.iter().for_each(|(bin, count)| self.put(*bin, *count));
            return;
        }
        let mut sum = Vec::with_capacity(self.0.len() + other.0.len());
        let mut ours = self.0.iter().copied().peekable();
        for (bin, more) in other.0.iter().copied() {
            while let Some(smaller) = ours.next_if(|(ours, _)| *ours < bin) {
                sum.push(smaller);
            }
            let same = ours.next_if(|(ours, _)| *ours == bin);
            sum.push((bin, same.map_or(more, |(_, count)| count.saturating_add(more))));
        }
        sum.extend(ours);
        self.0 = sum;
    }

    /// Takes others out again.
    pub(super) fn subtract(&mut self, other: &Self) {
        for (bin, less) in &other.0 {
            if let Ok(place) = self.0.binary_search_by_key(bin, |(bin, _)| *bin)
                && let Some((_, count)) = self.0.get_mut(place)
            {
                *count = count.saturating_sub(*less);
            }
        }
        self.0.retain(|(_, count)| *count > 0);
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.0
            .iter()
            .fold(0, |sum, (_, count)| sum.saturating_add(*count))
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
                seen = seen.saturating_add(*count);
                seen >= rank
            })
            .or(self.0.last())
            .map(|(bin, _)| Duration::from_micros(middle(*bin)))
    }
}

impl From<Vec<(u16, u64)>> for Latencies {
    fn from(bins: Vec<(u16, u64)>) -> Self {
        let mut this = Self::default();
        let is_ours = bins.iter().all(|(_, count)| *count > 0)
            && bins
                .windows(2)
                .all(|pair| matches!(pair, [(a, _), (b, _)] if a < b));
        if is_ours {
            this.0 = bins;
        } else {
            let counted = bins.into_iter().filter(|(_, count)| *count > 0);
            counted.for_each(|(bin, count)| this.put(bin, count));
        }
        this
    }
}

impl From<Latencies> for Vec<(u16, u64)> {
    fn from(latencies: Latencies) -> Self {
        latencies.0
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

    #[test]
    fn bins_are_read_in_any_order_and_taken_out_to_nothing() {
        let read = Latencies::from(vec![(7, 2), (3, 1), (7, 1), (5, 0)]);
        assert_eq!(Vec::from(read.clone()), [(3, 1), (7, 3)]);
        let mut sum = read.clone();
        sum.merge(&Latencies::from(vec![(1, 4), (3, 4), (9, 4)]));
        assert_eq!(Vec::from(sum.clone()), [(1, 4), (3, 5), (7, 3), (9, 4)]);
        sum.merge(&Latencies::from(vec![(8, 1)]));
        sum.subtract(&Latencies::from(vec![(2, 1), (3, 9), (8, 1)]));
        assert_eq!(Vec::from(sum.clone()), [(1, 4), (7, 3), (9, 4)]);
        let all = sum.clone();
        sum.subtract(&all);
        assert!(sum.is_empty());
    }
}
