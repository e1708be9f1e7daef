//! What counts come down to, for people and charts.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Serialize, Serializer};

use super::counts::Metrics;
use crate::base::ScoreName;
use crate::llm::Cost;

/// What counts come down to: rates, means and percentiles. What is not known is `None`, and never 0.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Figures {
    /// Answers.
    pub answers: u64,
    /// Those of which it is known whether they served their purpose.
    pub judged: u64,
    /// The share of those that did, 0.0 ..= 1.0.
    pub success_rate: Option<f64>,
    /// Those with a rating.
    pub rated: u64,
    /// The mean rating, 0.0 ..= 1.0.
    pub average_rating: Option<f64>,
    /// Those that were an error.
    pub errors: u64,
    /// Their share of the answers, 0.0 ..= 1.0.
    pub error_rate: Option<f64>,
    /// How long answers took.
    pub latency: Option<LatencyFigures>,
    /// Tokens of requests.
    pub input_tokens: u64,
    /// Tokens of answers.
    pub output_tokens: u64,
    /// Answers of which it is known what they cost.
    pub priced: u64,
    /// What those cost, in billionths of a US dollar.
    #[serde(rename = "cost_nano_usd", serialize_with = "nano_usd")]
    pub cost: Cost,
    /// Mean scores by their names, 0.0 ..= 1.0.
    pub scores: BTreeMap<ScoreName, f64>,
}

/// How long answers took, each right to 1.6 % but for the mean, which is exact. In JSON: milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct LatencyFigures {
    /// The mean.
    #[serde(rename = "mean_ms", serialize_with = "millis")]
    pub mean: Duration,
    /// What half of the answers did not exceed.
    #[serde(rename = "p50_ms", serialize_with = "millis")]
    pub p50: Duration,
    /// What 90 % did not exceed.
    #[serde(rename = "p90_ms", serialize_with = "millis")]
    pub p90: Duration,
    /// What 95 % did not exceed.
    #[serde(rename = "p95_ms", serialize_with = "millis")]
    pub p95: Duration,
    /// What 99 % did not exceed.
    #[serde(rename = "p99_ms", serialize_with = "millis")]
    pub p99: Duration,
}

impl Figures {
    /// Mean tokens of a request. Answers whose tokens are not known count as having none.
    #[must_use]
    pub fn input_tokens_per_answer(&self) -> Option<f64> {
        per(self.input_tokens, self.answers)
    }

    /// Mean tokens of an answer. Answers whose tokens are not known count as having none.
    #[must_use]
    pub fn output_tokens_per_answer(&self) -> Option<f64> {
        per(self.output_tokens, self.answers)
    }

    /// Mean cost of the answers of which it is known, in US dollars.
    #[must_use]
    pub fn usd_per_answer(&self) -> Option<f64> {
        per(self.cost.nano_usd(), self.priced).map(|nano| nano / 1e9)
    }
}

fn per(sum: u64, count: u64) -> Option<f64> {
    (count > 0).then(|| sum as f64 / count as f64)
}

impl Metrics {
    /// What the counts come down to.
    #[must_use]
    pub fn figures(&self) -> Figures {
        let latency = || {
            Some(LatencyFigures {
                mean: self.mean_latency()?,
                p50: self.latency(0.5)?,
                p90: self.latency(0.9)?,
                p95: self.latency(0.95)?,
                p99: self.latency(0.99)?,
            })
        };
        let scores = self.scores.iter();
        Figures {
            answers: self.usage_count,
            judged: self.judged_count,
            success_rate: self.success_rate(),
            rated: self.rated_count,
            average_rating: self.average_rating(),
            errors: self.error_count,
            error_rate: self.error_rate(),
            latency: latency(),
            input_tokens: self.input_tokens,
            output_tokens: self.output_tokens,
            priced: self.priced_count,
            cost: self.cost,
            scores: scores
                .filter_map(|(name, sum)| Some((name.clone(), sum.mean()?)))
                .collect(),
        }
    }
}

fn millis<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(duration.as_secs_f64() * 1e3)
}

fn nano_usd<S: Serializer>(cost: &Cost, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(cost.nano_usd())
}
