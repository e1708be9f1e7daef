//! The figures of a report.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::llm::{Cost, Usage};
use crate::statistics::{Interval, MeanEstimate};

/// A rate, with what is known of it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct RateEstimate {
    /// How many did.
    pub count: u64,
    /// Of how many.
    pub of: u64,
    /// The rate, 0 ..= 1.
    pub rate: f64,
    /// What it may well be: Wilson's interval; where results depend on each other (repeats, groups), the cluster-robust t
    /// interval cut to 0 ..= 1, or where all entries are alike Wilson's, over groups that each count once.
    pub interval: Option<Interval>,
}

/// What one scorer said.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ScorerReport {
    /// The scorer.
    pub scorer: String,
    /// The dimension that it counts in.
    pub dimension: String,
    /// Results that it has scored.
    pub scored: u64,
    /// Results with an output for which it gave no score.
    pub errors: u64,
    /// Scores at or above its pass mark.
    pub passed: u64,
    /// The mean score over entries, those without a score left out.
    pub mean: Option<f64>,
    /// What is known of the mean: a t interval, over groups where there are any; `None` for fewer than two.
    pub estimate: Option<MeanEstimate>,
    /// Tokens that scoring took.
    pub usage: Usage,
    /// What scoring cost, as far as prices are known.
    pub cost: Cost,
}

/// What the scorers of one dimension said.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DimensionReport {
    /// The dimension.
    pub dimension: String,
    /// Results that all its scorers have scored.
    pub scored: u64,
    /// The mean over results of the mean over its scorers.
    pub mean: Option<f64>,
    /// The sum of what the mean is of.
    #[serde(skip)]
    pub(super) sum: f64,
}

impl DimensionReport {
    /// The mean with everything that was not scored taken for 0.
    pub(super) fn floor_mean(&self, results: u64) -> f64 {
        if results == 0 {
            0.0
        } else {
            (self.sum / results as f64).clamp(0.0, 1.0)
        }
    }
}

/// What repeats say.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RepeatReport {
    /// Repeats of each entry.
    pub repeats: u32,
    /// pass^k: share of entries that passed every time.
    pub all_passed: RateEstimate,
    /// pass@k: share of entries that passed at least once.
    pub any_passed: RateEstimate,
}

/// How long answers took.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LatencyReport {
    /// Half were faster.
    pub median: Duration,
    /// Nine of ten were faster.
    pub p90: Duration,
    /// 99 of a hundred were faster.
    pub p99: Duration,
    /// The mean.
    pub mean: Duration,
}

/// The results of entries whose metadata have this value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Slice {
    /// The metadata key.
    pub key: String,
    /// Its value as text: a text as it is, other JSON in compact form; `None` for entries without the key.
    pub value: Option<String>,
    /// Share of results that passed.
    pub pass_rate: RateEstimate,
    /// Results without an output or a score.
    pub errors: u64,
    /// The mean of all scores.
    pub mean: Option<f64>,
}

/// One of the entries with the lowest scores.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WorstEntry {
    /// The entry's id.
    pub entry: String,
    /// The mean of its scores; `None` when it has none.
    pub mean: Option<f64>,
    /// How often it passed.
    pub passed: u32,
    /// How often it had no output or lacked a score.
    pub errors: u32,
    /// Its first error, or the reason of its lowest score.
    pub reason: String,
}
