//! Counts per closure hash, and the rates that gates read.

use serde::{Deserialize, Serialize};

use super::stamp::Stamp;
use crate::base::error::{Result, invalid};
use crate::base::{ClosureHash, EnvironmentName, PromptName, TenantId, Timestamp};

/// How one answer went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Feedback {
    /// The tenant.
    pub tenant: TenantId,
    /// The prompt.
    pub prompt: PromptName,
    /// What was live.
    pub closure_hash: ClosureHash,
    /// Where it was live.
    pub environment: Option<EnvironmentName>,
    /// Whether the answer served its purpose.
    pub success: bool,
    /// A rating in millionths, 0 ..= 1,000,000: an integer, so that sums do not depend on order.
    pub rating_millionths: Option<u32>,
    /// When.
    pub at: Timestamp,
}

impl Feedback {
    /// Feedback on the answer with this stamp; the rating is in 0.0 ..= 1.0 and kept to six decimals.
    ///
    /// # Errors
    /// [`Invalid`](crate::base::ErrorKind::Invalid) for a rating outside of that range.
    pub fn new(
        tenant: TenantId,
        stamp: &Stamp,
        success: bool,
        rating: Option<f64>,
        at: Timestamp,
    ) -> Result<Self> {
        let rating_millionths = rating
            .map(|rating| {
                if (0.0..=1.0).contains(&rating) {
                    Ok((rating * 1e6).round() as u32)
                } else {
                    Err(invalid(format!(
                        "the rating is {rating}; expected a number in 0.0 ..= 1.0"
                    )))
                }
            })
            .transpose()?;
        Ok(Self {
            tenant,
            prompt: stamp.prompt.clone(),
            closure_hash: stamp.closure_hash,
            environment: stamp.environment.clone(),
            success,
            rating_millionths,
            at,
        })
    }
}

/// Counts over all feedback on one closure hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Metrics {
    /// Answers with feedback.
    pub usage_count: u64,
    /// Those that served their purpose.
    pub success_count: u64,
    /// Those with a rating.
    pub rated_count: u64,
    /// Sum of the ratings, in millionths.
    pub rating_sum_millionths: u64,
}

impl Metrics {
    /// Share of answers that served their purpose, 0.0 ..= 1.0; `None` without feedback.
    #[must_use]
    pub fn success_rate(&self) -> Option<f64> {
        (self.usage_count > 0).then(|| self.success_count as f64 / self.usage_count as f64)
    }

    /// Mean rating, 0.0 ..= 1.0; `None` without ratings.
    #[must_use]
    pub fn average_rating(&self) -> Option<f64> {
        // One division of whole numbers: its result is the number nearest to the mean, as a literal is to what it says.
        (self.rated_count > 0).then(|| self.rating_sum_millionths as f64 / (self.rated_count as f64 * 1e6))
    }

    /// Adds one answer.
    pub fn add(&mut self, success: bool, rating_millionths: Option<u32>) {
        self.usage_count += 1;
        self.success_count += u64::from(success);
        if let Some(rating) = rating_millionths {
            self.rated_count += 1;
            self.rating_sum_millionths += u64::from(rating);
        }
    }

    /// Adds other counts.
    pub fn merge(&mut self, other: &Self) {
        self.usage_count += other.usage_count;
        self.success_count += other.success_count;
        self.rated_count += other.rated_count;
        self.rating_sum_millionths += other.rating_sum_millionths;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a policy says, which is read from text.
    fn literal(hundredths: u32) -> f64 {
        format!("{}.{:02}", hundredths / 100, hundredths % 100)
            .parse()
            .unwrap()
    }

    #[test]
    fn the_average_of_equal_ratings_is_that_rating() {
        for hundredths in 0..=100 {
            let needed = literal(hundredths);
            let mut metrics = Metrics::default();
            for count in 1..=500 {
                metrics.add(true, Some((needed * 1e6).round() as u32));
                let found = metrics.average_rating().unwrap();
                assert_eq!(found.to_bits(), needed.to_bits(), "{count} times {needed}");
            }
        }
    }

    #[test]
    fn an_average_of_different_ratings_is_exact() {
        let mut metrics = Metrics::default();
        for rating in [700_000, 900_000, 800_000] {
            metrics.add(true, Some(rating));
        }
        assert!(metrics.average_rating().unwrap() >= 0.8);
        metrics.add(true, Some(799_999));
        assert!(metrics.average_rating().unwrap() < 0.8);
    }

    #[test]
    fn a_success_rate_is_exact() {
        for hundredths in 0..=100 {
            for times in 1..=500 {
                let metrics = Metrics {
                    usage_count: 100 * times,
                    success_count: u64::from(hundredths) * times,
                    ..Metrics::default()
                };
                let found = metrics.success_rate().unwrap();
                assert_eq!(found.to_bits(), literal(hundredths).to_bits(), "{metrics:?}");
            }
        }
    }
}
