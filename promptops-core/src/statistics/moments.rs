//! What a group of outcomes comes down to: counts, binned scores, mean and variance.

use serde::{Deserialize, Serialize};

/// Outcomes that are a success or a failure, counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Counts {
    successes: u64,
    total: u64,
}

impl Counts {
    /// `None` when there are more successes than outcomes.
    #[must_use]
    pub fn new(successes: u64, total: u64) -> Option<Self> {
        (successes <= total).then_some(Self { successes, total })
    }

    /// How many succeeded.
    #[must_use]
    pub fn successes(&self) -> u64 {
        self.successes
    }

    /// How many did not.
    #[must_use]
    pub fn failures(&self) -> u64 {
        self.total - self.successes
    }

    /// How many there are.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.total
    }

    /// The rate of successes as a mean of ones and zeros, with its variance. `None` without outcomes.
    #[must_use]
    pub fn moments(&self) -> Option<Moments> {
        let mean = self.successes as f64 / self.total as f64;
        let variance = mean * (self.failures() as f64 / self.total as f64);
        Moments::new(self.total, mean, variance)
    }
}

/// How many scores from 0 to 1 there are by hundredths: 101 bins, 0 to 100.
///
/// Adding up bins forgets the order in which scores came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScoreBins([u64; Self::BINS]);

impl ScoreBins {
    /// How many bins there are.
    pub const BINS: usize = 101;

    /// Counts for each of the hundredths 0 to 100.
    #[must_use]
    pub fn new(counts: [u64; Self::BINS]) -> Self {
        Self(counts)
    }

    /// Adds scores of so many hundredths. `None`, and nothing added, above 100.
    #[must_use]
    pub fn add(&mut self, hundredths: u8, count: u64) -> Option<()> {
        let bin = self.0.get_mut(usize::from(hundredths))?;
        *bin = bin.saturating_add(count);
        Some(())
    }

    /// The counts, by hundredths.
    #[must_use]
    pub fn counts(&self) -> &[u64; Self::BINS] {
        &self.0
    }

    /// How many scores there are.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.iter().fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// The sum of the scores, in hundredths.
    #[must_use]
    pub fn hundredths(&self) -> u128 {
        self.summed(|hundredths| hundredths)
    }

    /// The scores' mean and variance. `None` without scores.
    #[must_use]
    pub fn moments(&self) -> Option<Moments> {
        let total = self.total();
        let count = total as f64;
        let mean = self.hundredths() as f64 / 100.0 / count;
        let squares = |center: f64| {
            self.0.iter().zip(0_u8..).map(move |(count, bin)| {
                let distance = f64::from(bin) / 100.0 - center;
                *count as f64 * distance * distance
            })
        };
        Moments::new(total, mean, squares(mean).sum::<f64>() / count)
    }

    fn summed(&self, of: impl Fn(u128) -> u128) -> u128 {
        let bins = self.0.iter().zip(0_u128..);
        bins.map(|(count, bin)| u128::from(*count) * of(bin)).sum()
    }
}

impl Default for ScoreBins {
    fn default() -> Self {
        Self([0; Self::BINS])
    }
}

/// A failure has the score 0, a success 1.
impl From<Counts> for ScoreBins {
    fn from(counts: Counts) -> Self {
        let mut bins = [0; Self::BINS];
        bins[0] = counts.failures();
        bins[Self::BINS - 1] = counts.successes();
        Self(bins)
    }
}

/// How many values there are, with their mean and variance.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Moments {
    /// How many; at least one.
    pub count: u64,
    /// Their mean.
    pub mean: f64,
    /// Their variance: the mean square of the distance to the mean, of all values and not of all but one.
    pub variance: f64,
}

impl Moments {
    /// `None` without values, and unless both are finite and the variance is not below 0.
    #[must_use]
    pub fn new(count: u64, mean: f64, variance: f64) -> Option<Self> {
        (count > 0 && mean.is_finite() && variance.is_finite() && variance >= 0.0).then_some(Self {
            count,
            mean,
            variance,
        })
    }

    /// The variance that the values were drawn with: of all but one. `None` for a single value.
    #[must_use]
    pub fn unbiased_variance(&self) -> Option<f64> {
        let count = self.count as f64;
        (self.count > 1).then(|| self.variance * (count / (count - 1.0)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bins_of_zeros_and_ones_are_counts() {
        let counts = Counts::new(3, 4).unwrap();
        let bins = ScoreBins::from(counts);
        assert_eq!(bins.total(), 4);
        assert_eq!(bins.hundredths(), 300);
        assert_eq!(bins.moments(), counts.moments());
        assert_eq!(counts.moments().unwrap().unbiased_variance(), Some(0.25));
    }

    #[test]
    fn what_cannot_be_is_not_taken() {
        assert_eq!(Counts::new(2, 1), None);
        assert_eq!(Counts::default().moments(), None);
        assert_eq!(ScoreBins::default().moments(), None);
        let mut bins = ScoreBins::default();
        assert_eq!(bins.add(101, 1), None);
        assert_eq!(bins.add(100, 2), Some(()));
        assert_eq!(bins.total(), 2);
        assert_eq!(Moments::new(1, 0.5, 0.0).unwrap().unbiased_variance(), None);
        assert_eq!(Moments::new(1, f64::NAN, 0.0), None);
    }
}
