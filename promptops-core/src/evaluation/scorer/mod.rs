//! Scorers: how good an output is, from 0 to 1, with a reason.
//!
//! | name | scorer | the score |
//! |---|---|---|
//! | `exact_match` | [`ExactMatch`] | 1 when the same, in a sense that is named ([`MatchMode`]) |
//! | `contains`, `icontains`, `contains_all`, `contains_any`, `starts_with`, and `not_` of each | [`Contains`] | 1 when texts are there |
//! | `regex` | [`RegexMatch`] | 1 when an expression matches |
//! | `json_schema` | [`JsonSchemaMatch`] | 1 when it is JSON that fits a schema |
//! | `constraint` | [`Constraint`] | 1 when it keeps rules of length and wording |
//! | `levenshtein` | [`Levenshtein`] | the share of characters that need no change |
//! | `numeric` | [`Numeric`] | how near a number is, or 1 within a tolerance |
//! | `json_diff` | [`JsonDiff`] | how alike JSON is, part by part |
//! | `cosine_similarity` | [`CosineSimilarity`] | how near the meaning is, by an embedding |
//! | `latency`, `cost` | [`Latency`], [`CostLimit`] | 1 within a bound |
//! | `all`, `any`, `weighted` | [`All`], [`Any`], [`Weighted`] | of several scorers |
//!
//! What a scorer is told wrong is an error before the run. An output that is not of the form asked for (no number, no
//! JSON) scores 0; an entry that cannot be scored (no expected output, one of another form, too long to be compared) is
//! an error, never 0 and never a pass.

mod bounds;
mod compose;
mod constraint;
mod contains;
mod cosine_similarity;
mod cost;
mod criterion;
mod distance;
mod exact_match;
mod json_diff;
mod json_schema;
mod latency;
mod levenshtein;
mod named;
mod numeric;
mod regex;

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Map, Value};

pub use self::compose::{All, Any, Weighted};
pub use self::constraint::{Constraint, Rule, Unit};
pub use self::contains::{Contains, ContainsKind};
pub use self::cosine_similarity::CosineSimilarity;
pub use self::cost::CostLimit;
pub use self::criterion::Criterion;
pub use self::exact_match::{ExactMatch, MatchMode};
pub use self::json_diff::JsonDiff;
pub use self::json_schema::JsonSchemaMatch;
pub use self::latency::Latency;
pub use self::levenshtein::Levenshtein;
pub use self::named::Named;
pub use self::numeric::Numeric;
pub use self::regex::RegexMatch;
use crate::base::error::Result;
use crate::llm::{BlueprintMessage, Cost, Usage};
use crate::prompt::Version;

/// Scores one output. Built-in scorers and a host's own are the same to a run.
///
/// A scorer that cannot tell gives an error, never 0 and never a pass: the entry then counts as an error. Whatever it does
/// (panics, hangs, gives a score outside of 0 ..= 1), the run goes on, and the entry says so.
#[async_trait]
pub trait Scorer: Send + Sync {
    /// Its name: 1 to 200 bytes, the same in every release, since results are kept under it; unique in an evaluation.
    fn name(&self) -> &str;

    /// Everything beside the input that decides a score, as JSON: two scorers with equal names and configurations are
    /// the same, and only runs with the same scorers are compared. No secrets: it is stored.
    fn configuration(&self) -> Value;

    /// The dimension that it belongs to unless a [`Criterion`] says otherwise: `correctness`, `format`, `verbosity`,
    /// `safety`, `consistency`, or one of your own.
    fn dimension(&self) -> &str {
        "correctness"
    }

    /// The score from which on an entry passes unless a [`Criterion`] says otherwise, 0 ..= 1.
    fn pass_mark(&self) -> f64 {
        1.0
    }

    /// The judges that it asks: itself if it is one, or those it is composed of. A run refuses a judge that judges its own
    /// model, unless the judge says that it may.
    fn judges(&self) -> Vec<JudgeStanding> {
        Vec::new()
    }

    /// Scores one output.
    ///
    /// # Errors
    /// Why there is no score: no expected output where one is needed, a model that did not answer, …
    async fn score(&self, input: &ScorerInput<'_>) -> Result<Score>;
}

/// What a scorer may look at.
#[derive(Clone, Copy)]
pub struct ScorerInput<'a> {
    /// The version that was asked. A judge does not look at it: it would know which one it judges.
    pub version: &'a Version,
    /// The template's parameters: the entry's input.
    pub parameters: &'a Map<String, Value>,
    /// The rendered messages that the model was asked with.
    pub messages: &'a [BlueprintMessage],
    /// What the model answered.
    pub output: &'a str,
    /// What it should have answered.
    pub expected_output: Option<&'a Value>,
    /// What else the entry says.
    pub metadata: &'a Map<String, Value>,
    /// How long the model took; zero for an answer that was kept from an earlier run.
    pub latency: Duration,
    /// Tokens of the call.
    pub usage: Usage,
    /// What the call cost; `None` when the model's price is unknown.
    pub cost: Option<Cost>,
}

/// Without what was said.
impl fmt::Debug for ScorerInput<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScorerInput")
            .field("version", &format_args!("{}", self.version))
            .field("output", &self.output.len())
            .field("latency", &self.latency)
            .finish_non_exhaustive()
    }
}

/// What a run must know of a judge before it begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JudgeStanding {
    /// Who judges, as in [`LlmClient::provider`](crate::llm::LlmClient::provider).
    pub provider: String,
    /// The model that judges.
    pub model: String,
    /// Whether it was found to agree with people, by what it is asked now.
    pub calibrated: bool,
    /// Whether it may judge outputs of its own model.
    pub may_judge_itself: bool,
}

/// How good an output is.
#[derive(Clone, PartialEq)]
pub struct Score {
    /// 0 (worst) ..= 1 (best).
    pub value: f64,
    /// Why, for people; may quote the output.
    pub reason: String,
    /// Tokens that scoring took, as a judge's.
    pub usage: Usage,
    /// What scoring cost; `None` when a model's price is unknown.
    pub cost: Option<Cost>,
}

impl Score {
    /// A score that cost nothing. The run refuses a value outside of 0 ..= 1.
    pub fn new(value: f64, reason: impl Into<String>) -> Self {
        Self {
            value,
            reason: reason.into(),
            usage: Usage::default(),
            cost: Some(Cost::ZERO),
        }
    }

    /// 1 or 0, at no cost.
    pub fn pass(pass: bool, reason: impl Into<String>) -> Self {
        Self::new(if pass { 1.0 } else { 0.0 }, reason)
    }

    /// Adds what scoring took.
    #[must_use]
    pub fn paid(mut self, usage: Usage, cost: Option<Cost>) -> Self {
        self.usage = usage;
        self.cost = cost;
        self
    }
}

/// Without the reason, which may quote the output.
impl fmt::Debug for Score {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Score")
            .field("value", &self.value)
            .field("cost", &self.cost)
            .finish_non_exhaustive()
    }
}
