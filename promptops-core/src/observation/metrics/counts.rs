//! What is counted of answers, and the rates that gates read.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::dimensions::Dimensions;
use super::latency::Latencies;
use crate::base::error::{Result, invalid};
use crate::base::{ScoreName, TenantId, Timestamp};
use crate::llm::Cost;
use crate::observation::Stamp;

/// A share as millionths, 0 ..= 1,000,000.
///
/// # Errors
/// [`Invalid`](crate::base::ErrorKind::Invalid) for a number outside of 0.0 ..= 1.0, or none.
pub(crate) fn millionths(what: &str, value: f64) -> Result<u32> {
    if (0.0..=1.0).contains(&value) {
        Ok((value * 1e6).round() as u32)
    } else {
        Err(invalid(format!(
            "the {what} is {value}; expected a number in 0.0 ..= 1.0"
        )))
    }
}

/// How one answer went that no trace was recorded of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Feedback {
    /// The tenant.
    pub tenant: TenantId,
    /// What was served, and where.
    pub dimensions: Dimensions,
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
        Ok(Self {
            tenant,
            dimensions: stamp.into(),
            success,
            rating_millionths: rating.map(|rating| millionths("rating", rating)).transpose()?,
            at,
        })
    }

    /// What it adds to the counts.
    #[must_use]
    pub fn contribution(&self) -> Metrics {
        let mut metrics = Metrics::default();
        metrics.add(Some(self.success), self.rating_millionths);
        metrics
    }
}

/// Scores of one name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ScoreSum {
    /// How many.
    pub count: u64,
    /// Their sum in millionths.
    pub sum_millionths: u64,
}

impl ScoreSum {
    /// The mean, 0.0 ..= 1.0; `None` without scores.
    #[must_use]
    pub fn mean(&self) -> Option<f64> {
        mean(self.sum_millionths, self.count)
    }
}

/// One division of whole numbers: its result is the number nearest to the mean, as a literal is to what it says.
fn mean(sum_millionths: u64, count: u64) -> Option<f64> {
    (count > 0).then(|| sum_millionths as f64 / (count as f64 * 1e6))
}

/// Counts over answers: traces, and feedback on answers without a trace. Whole numbers, so that they are the same in
/// whatever order answers come.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Metrics {
    /// Answers.
    pub usage_count: u64,
    /// Those of which it is known whether they served their purpose.
    pub judged_count: u64,
    /// Those that did.
    pub success_count: u64,
    /// Those with a rating.
    pub rated_count: u64,
    /// Sum of the ratings, in millionths.
    pub rating_sum_millionths: u64,
    /// Answers that were an error.
    pub error_count: u64,
    /// How long answers took.
    pub latencies: Latencies,
    /// Sum of those times, in microseconds.
    pub latency_sum_micros: u64,
    /// Tokens of requests.
    pub input_tokens: u64,
    /// Tokens of answers.
    pub output_tokens: u64,
    /// Answers of which it is known what they cost.
    pub priced_count: u64,
    /// What those cost.
    pub cost: Cost,
    /// Scores by their names. What a store keeps has at most [`MAX_SCORE_NAMES`](Self::MAX_SCORE_NAMES) of them.
    pub scores: BTreeMap<ScoreName, ScoreSum>,
}

impl Metrics {
    /// Most names of scores in one roll-up: every answer reads and writes all of its roll-ups, so that names without end,
    /// such as those with an id in them, would make each slower than the one before. Scores of further names are kept with
    /// their traces, and counted nowhere.
    pub const MAX_SCORE_NAMES: usize = 256;

    /// Share of the judged answers that served their purpose, 0.0 ..= 1.0; `None` without any.
    #[must_use]
    pub fn success_rate(&self) -> Option<f64> {
        (self.judged_count > 0).then(|| self.success_count as f64 / self.judged_count as f64)
    }

    /// Mean rating, 0.0 ..= 1.0; `None` without ratings.
    #[must_use]
    pub fn average_rating(&self) -> Option<f64> {
        mean(self.rating_sum_millionths, self.rated_count)
    }

    /// Share of answers that were an error, 0.0 ..= 1.0; `None` without answers.
    #[must_use]
    pub fn error_rate(&self) -> Option<f64> {
        (self.usage_count > 0).then(|| self.error_count as f64 / self.usage_count as f64)
    }

    /// The latency that a share `q` of answers did not exceed, 0 < q ≤ 1, right to 1.6 %; `None` when none is known.
    #[must_use]
    pub fn latency(&self, q: f64) -> Option<Duration> {
        self.latencies.quantile(q)
    }

    /// Mean latency; `None` when none is known.
    #[must_use]
    pub fn mean_latency(&self) -> Option<Duration> {
        let mean = self.latency_sum_micros.checked_div(self.latencies.count())?;
        Some(Duration::from_micros(mean))
    }

    /// Adds one answer.
    pub fn add(&mut self, success: Option<bool>, rating_millionths: Option<u32>) {
        self.usage_count += 1;
        if let Some(success) = success {
            self.judged_count += 1;
            self.success_count += u64::from(success);
        }
        if let Some(rating) = rating_millionths {
            self.rated_count += 1;
            self.rating_sum_millionths += u64::from(rating);
        }
    }

    /// Adds other counts.
    pub fn merge(&mut self, other: &Self) {
        self.merge_within(other, usize::MAX);
    }

    /// Adds other counts to a roll-up, as a store does: scores of names that it has no room for are not counted.
    pub fn roll_up(&mut self, other: &Self) {
        self.merge_within(other, Self::MAX_SCORE_NAMES);
    }

    fn merge_within(&mut self, other: &Self, most_names: usize) {
        self.combine(other, u64::saturating_add);
        self.latencies.merge(&other.latencies);
        self.cost += other.cost;
        for (name, scores) in &other.scores {
            let is_full = self.scores.len() >= most_names;
            let sum = match self.scores.get_mut(name) {
                Some(sum) => sum,
                None if is_full => continue,
                None => self.scores.entry(name.clone()).or_default(),
            };
            sum.count = sum.count.saturating_add(scores.count);
            sum.sum_millionths = sum.sum_millionths.saturating_add(scores.sum_millionths);
        }
    }

    /// Counts an answer otherwise than before: adds by how much each count of it grew, and takes out by how much it fell, down
    /// to 0. What did not change of the answer changes nothing. Scores of which none is left are gone. For a roll-up, as
    /// [`roll_up`](Self::roll_up).
    pub fn replace(&mut self, before: &Self, now: &Self) {
        let (mut grown, mut fallen) = (now.clone(), before.clone());
        grown.subtract(before);
        fallen.subtract(now);
        self.subtract(&fallen);
        self.roll_up(&grown);
        self.scores.retain(|_, sum| sum.count > 0);
        self.keep_parts_within();
    }

    /// Counts by the minute that were removed, and begun anew by an answer that was recorded late, lack what is replaced: a
    /// part must not grow beyond its whole for that.
    fn keep_parts_within(&mut self) {
        const ONE: u64 = 1_000_000;
        self.judged_count = self.judged_count.min(self.usage_count);
        self.success_count = self.success_count.min(self.judged_count);
        self.rated_count = self.rated_count.min(self.usage_count);
        self.rating_sum_millionths = self
            .rating_sum_millionths
            .min(self.rated_count.saturating_mul(ONE));
        for sum in self.scores.values_mut() {
            sum.sum_millionths = sum.sum_millionths.min(sum.count.saturating_mul(ONE));
        }
    }

    /// Takes other counts out, down to 0.
    fn subtract(&mut self, other: &Self) {
        self.combine(other, u64::saturating_sub);
        self.latencies.subtract(&other.latencies);
        self.cost = Cost::from_nano_usd(self.cost.nano_usd().saturating_sub(other.cost.nano_usd()));
        for (name, scores) in &other.scores {
            if let Some(sum) = self.scores.get_mut(name) {
                sum.count = sum.count.saturating_sub(scores.count);
                sum.sum_millionths = sum.sum_millionths.saturating_sub(scores.sum_millionths);
            }
        }
    }

    fn combine(&mut self, other: &Self, with: fn(u64, u64) -> u64) {
        for (sum, more) in [
            (&mut self.usage_count, other.usage_count),
            (&mut self.judged_count, other.judged_count),
            (&mut self.success_count, other.success_count),
            (&mut self.rated_count, other.rated_count),
            (&mut self.rating_sum_millionths, other.rating_sum_millionths),
            (&mut self.error_count, other.error_count),
            (&mut self.latency_sum_micros, other.latency_sum_micros),
            (&mut self.input_tokens, other.input_tokens),
            (&mut self.output_tokens, other.output_tokens),
            (&mut self.priced_count, other.priced_count),
        ] {
            *sum = with(*sum, more);
        }
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
                metrics.add(Some(true), Some((needed * 1e6).round() as u32));
                let found = metrics.average_rating().unwrap();
                assert_eq!(found.to_bits(), needed.to_bits(), "{count} times {needed}");
            }
        }
    }

    #[test]
    fn an_average_of_different_ratings_is_exact() {
        let mut metrics = Metrics::default();
        for rating in [700_000, 900_000, 800_000] {
            metrics.add(Some(true), Some(rating));
        }
        assert!(metrics.average_rating().unwrap() >= 0.8);
        metrics.add(Some(true), Some(799_999));
        assert!(metrics.average_rating().unwrap() < 0.8);
    }

    #[test]
    fn a_success_rate_is_exact_and_of_those_that_were_judged() {
        for hundredths in 0..=100 {
            for times in 1..=500 {
                let metrics = Metrics {
                    usage_count: 1_000 * times,
                    judged_count: 100 * times,
                    success_count: u64::from(hundredths) * times,
                    ..Metrics::default()
                };
                let found = metrics.success_rate().unwrap();
                assert_eq!(found.to_bits(), literal(hundredths).to_bits(), "{metrics:?}");
            }
        }
    }

    fn scored(success: Option<bool>, scores: &[(&str, u64)]) -> Metrics {
        let mut metrics = Metrics::default();
        metrics.add(success, Some(5));
        metrics.error_count = 3;
        metrics.latencies.add(Duration::from_millis(7));
        metrics.cost = Cost::from_nano_usd(9);
        for (name, sum_millionths) in scores {
            let sum = ScoreSum {
                count: 1,
                sum_millionths: *sum_millionths,
            };
            metrics.scores.insert(ScoreName::new(name).unwrap(), sum);
        }
        metrics
    }

    #[test]
    fn an_answer_that_is_counted_otherwise_counts_as_if_it_had_been_so_from_the_beginning() {
        let other = scored(Some(true), &[("exact", 7), ("tone", 1)]);
        let ways = [
            scored(None, &[]),
            scored(Some(true), &[("exact", 9)]),
            scored(Some(false), &[("exact", 3), ("new", 5)]),
            Metrics::default(),
        ];
        for before in &ways {
            for now in &ways {
                let (mut counts, mut expected) = (other.clone(), other.clone());
                counts.merge(before);
                counts.replace(before, now);
                expected.merge(now);
                assert_eq!(counts, expected);
                let read: Metrics = serde_json::from_str(&serde_json::to_string(&counts).unwrap()).unwrap();
                assert_eq!(read, counts);
                // Counts that lack what is taken out fall to 0, and what did not change stays.
                let mut empty = Metrics::default();
                empty.replace(before, before);
                assert_eq!(empty, Metrics::default());
            }
        }
    }

    #[test]
    fn rates_stay_in_their_range_where_what_is_replaced_was_counted_in_counts_that_are_gone() {
        let ways = [
            scored(None, &[]),
            scored(Some(true), &[("exact", 1_000_000)]),
            scored(Some(false), &[("exact", 0)]),
        ];
        for begun_anew in &ways {
            for before in &ways {
                for now in &ways {
                    let mut counts = begun_anew.clone();
                    let now = Metrics {
                        rated_count: 1,
                        rating_sum_millionths: 1_000_000,
                        ..now.clone()
                    };
                    counts.replace(before, &now);
                    let scores = counts.scores.values().map(ScoreSum::mean);
                    for rate in [counts.success_rate(), counts.average_rating()]
                        .into_iter()
                        .chain(scores)
                    {
                        assert!(rate.is_none_or(|rate| (0.0..=1.0).contains(&rate)), "{counts:?}");
                    }
                    assert!(counts.judged_count <= counts.usage_count, "{counts:?}");
                }
            }
        }
    }
}
