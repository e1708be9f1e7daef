//! What one entry came to.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::record::EvaluatorRecord;
use crate::base::Timestamp;
use crate::base::error::{Error, Result, invalid};
use crate::base::id::quoted;
use crate::llm::{Cost, FinishReason, LlmErrorKind, Usage};

/// What one entry came to, in one repetition: an output with its scores, or an error.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EntryResult {
    /// Its place in the run: the entry's position in the dataset (from 0), times the repeats, plus the repetition.
    pub ordinal: u64,
    /// The entry's id.
    pub entry: String,
    /// Which repetition, from 0.
    pub repeat: u32,
    /// What the model answered; `None` when it did not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<String>,
    /// Why it ended; `None` when it did not answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finish: Option<FinishReason>,
    /// Why there is no output.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<EntryError>,
    /// One for each criterion of the run, in its order; empty when there is no output.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scores: Vec<ScoreResult>,
    /// How long the model took, in whole microseconds; zero for an answer from a cache.
    #[serde(with = "micros")]
    pub latency: Duration,
    /// Tokens of the model's call.
    pub usage: Usage,
    /// What the model's call cost; `None` when its price is unknown, or it failed in a way that may have been billed. Nothing
    /// was paid if it is from a cache.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<Cost>,
    /// Whether the output is from a cache: nothing was paid for it in this run.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cached: bool,
    /// The model that answered, in the provider's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// When it was done.
    pub at: Timestamp,
}

mod micros {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        u64::deserialize(deserializer).map(Duration::from_micros)
    }
}

/// What a result counts as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// Every score reaches its pass mark.
    Passed,
    /// Every scorer gave a score, and one of them is below its pass mark.
    Failed,
    /// There is no output, or a scorer gave no score: nobody knows how good it is.
    Error,
}

impl EntryResult {
    /// What it counts as in a run with these criteria. A result that lacks a score is an error.
    #[must_use]
    pub fn outcome(&self, evaluator: &EvaluatorRecord) -> Outcome {
        if self.output.is_none() || self.error.is_some() || self.scores.len() != evaluator.criteria.len() {
            return Outcome::Error;
        }
        let mut all = true;
        for (score, criterion) in self.scores.iter().zip(&evaluator.criteria) {
            match score.value() {
                Some(value) if score.scorer == criterion.scorer => all &= value >= criterion.pass_mark,
                _ => return Outcome::Error,
            }
        }
        if all { Outcome::Passed } else { Outcome::Failed }
    }

    /// What was paid for it in this run, the scorers included; `None` when a price is unknown.
    #[must_use]
    pub fn paid(&self) -> Option<Cost> {
        let own = if self.cached { Some(Cost::ZERO) } else { self.cost };
        let scorers: Option<Cost> = self.scores.iter().map(|score| score.cost).sum::<Option<Cost>>();
        Some(own? + scorers?)
    }
}

impl EntryResult {
    /// Whether there is an answer or a score whose price is not known, rather than one that failed.
    pub(super) fn is_unpriced(&self) -> bool {
        let answer = self.finish.is_some() && !self.cached && self.cost.is_none();
        answer
            || self
                .scores
                .iter()
                .any(|score| score.cost.is_none() && score.score.is_ok())
    }
}

/// Without what was said.
impl fmt::Debug for EntryResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EntryResult")
            .field("ordinal", &self.ordinal)
            .field("entry", &self.entry)
            .field("repeat", &self.repeat)
            .field("output", &self.output.as_ref().map(String::len))
            .field("error", &self.error.as_ref().map(|error| error.kind))
            .field("scores", &self.scores)
            .field("latency", &self.latency)
            .field("cost", &self.cost)
            .field("cached", &self.cached)
            .finish_non_exhaustive()
    }
}

/// Why an entry did not pass, by its results: the first error, or the reason of the lowest score.
pub(in crate::evaluation) fn why_not_passed(results: &[EntryResult]) -> String {
    let scores = results.iter().flat_map(|result| &result.scores);
    let broken = results.iter().find_map(|result| result.error.as_ref());
    let unscored = scores.clone().find_map(|score| score.score.as_ref().err());
    if let Some(error) = broken.or(unscored) {
        return error.to_string();
    }
    scores
        .filter_map(|score| Some((score.value()?, &score.reason)))
        .min_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, reason)| reason.clone())
        .unwrap_or_default()
}

/// What one scorer said about one output.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScoreResult {
    /// The scorer.
    pub scorer: String,
    /// The score, 0 ..= 1, or why there is none.
    pub score: Result<f64, EntryError>,
    /// Why it is so.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// Tokens that scoring took.
    #[serde(default, skip_serializing_if = "is_default")]
    pub usage: Usage,
    /// What scoring cost; `None` when a price is unknown.
    pub cost: Option<Cost>,
}

fn is_default(usage: &Usage) -> bool {
    *usage == Usage::default()
}

impl ScoreResult {
    /// The score, if there is one.
    #[must_use]
    pub fn value(&self) -> Option<f64> {
        self.score.as_ref().ok().copied()
    }
}

/// Without the reason, which may quote the output.
impl fmt::Debug for ScoreResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.score {
            Ok(value) => write!(f, "{}: {value}", self.scorer),
            Err(error) => write!(f, "{}: {}", self.scorer, error.kind),
        }
    }
}

/// Why there is no output, or no score.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EntryError {
    /// What went wrong.
    pub kind: EntryErrorKind,
    /// In words, at most a few hundred bytes.
    pub message: String,
}

/// Without the message, which may quote the output.
impl fmt::Debug for EntryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EntryError({})", self.kind)
    }
}

impl fmt::Display for EntryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind, self.message)
    }
}

/// What went wrong with an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "&'static str")]
#[non_exhaustive]
pub enum EntryErrorKind {
    /// The prompt cannot be rendered with the entry's input.
    Render,
    /// The model did not answer.
    Model(LlmErrorKind),
    /// Output and scores were not there in time.
    Timeout,
    /// A scorer said that it cannot tell.
    Scorer,
    /// A scorer panicked.
    Panic,
    /// A scorer gave a score that is no number in 0 ..= 1.
    OutOfRange,
}

impl EntryErrorKind {
    const PLAIN: [Self; 5] = [
        Self::Render,
        Self::Timeout,
        Self::Scorer,
        Self::Panic,
        Self::OutOfRange,
    ];

    /// The stable text form, as stored. That of a model's error is the text form of its kind with `model_` before it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Render => "render",
            Self::Timeout => "timeout",
            Self::Scorer => "scorer",
            Self::Panic => "panic",
            Self::OutOfRange => "out_of_range",
            Self::Model(kind) => match kind {
                LlmErrorKind::Auth => "model_auth",
                LlmErrorKind::RateLimit => "model_rate_limit",
                LlmErrorKind::Quota => "model_quota",
                LlmErrorKind::ContextLength => "model_context_length",
                LlmErrorKind::ContentFilter => "model_content_filter",
                LlmErrorKind::InvalidRequest => "model_invalid_request",
                LlmErrorKind::Unsupported => "model_unsupported",
                LlmErrorKind::Overloaded => "model_overloaded",
                LlmErrorKind::Timeout => "model_timeout",
                LlmErrorKind::Network => "model_network",
                LlmErrorKind::Malformed => "model_malformed",
                LlmErrorKind::CircuitOpen => "model_circuit_open",
                LlmErrorKind::Budget => "model_budget",
                LlmErrorKind::NotRecorded => "model_not_recorded",
                LlmErrorKind::Internal => "model_internal",
            },
        }
    }
}

impl From<EntryErrorKind> for &'static str {
    fn from(kind: EntryErrorKind) -> Self {
        kind.as_str()
    }
}

impl TryFrom<String> for EntryErrorKind {
    type Error = Error;
    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl FromStr for EntryErrorKind {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self> {
        if let Some(kind) = text.strip_prefix("model_") {
            return Ok(Self::Model(kind.parse()?));
        }
        Self::PLAIN
            .into_iter()
            .find(|kind| kind.as_str() == text)
            .ok_or_else(|| invalid(format!("unknown kind of error {}", quoted(text))))
    }
}

impl fmt::Display for EntryErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::evaluation::run::CriterionRecord;

    fn result(scores: &[(&str, Result<f64, EntryErrorKind>)]) -> EntryResult {
        let score = |(scorer, score): &(&str, Result<f64, EntryErrorKind>)| ScoreResult {
            scorer: (*scorer).to_owned(),
            score: score.map_err(|kind| EntryError {
                kind,
                message: "why".into(),
            }),
            reason: "because".into(),
            usage: Usage::default(),
            cost: Some(Cost::from_nano_usd(3)),
        };
        EntryResult {
            ordinal: 5,
            entry: "e".into(),
            repeat: 1,
            output: Some("out".into()),
            finish: Some(FinishReason::Other("pause".into())),
            error: None,
            scores: scores.iter().map(score).collect(),
            latency: Duration::from_micros(1_500),
            usage: Usage::default(),
            cost: Some(Cost::from_nano_usd(7)),
            cached: false,
            model: Some("m".into()),
            at: Timestamp::default(),
        }
    }

    fn evaluator() -> EvaluatorRecord {
        let criterion = |scorer: &str, pass_mark| CriterionRecord {
            scorer: scorer.into(),
            dimension: "correctness".into(),
            pass_mark,
            configuration: Value::Null,
            calibrated: None,
        };
        EvaluatorRecord {
            provider: "p".into(),
            model: "m".into(),
            repeats: 2,
            criteria: vec![criterion("a", 1.0), criterion("b", 0.5)],
        }
    }

    #[test]
    fn only_all_scores_at_their_marks_pass_and_a_lacking_one_is_an_error() {
        let outcome = |scores: &[_]| result(scores).outcome(&evaluator());
        assert_eq!(outcome(&[("a", Ok(1.0)), ("b", Ok(0.5))]), Outcome::Passed);
        assert_eq!(outcome(&[("a", Ok(1.0)), ("b", Ok(0.499))]), Outcome::Failed);
        assert_eq!(
            outcome(&[("a", Ok(0.0)), ("b", Err(EntryErrorKind::Panic))]),
            Outcome::Error
        );
        assert_eq!(outcome(&[("a", Ok(1.0))]), Outcome::Error);
        assert_eq!(outcome(&[("b", Ok(1.0)), ("a", Ok(1.0))]), Outcome::Error);
        assert_eq!(outcome(&[]), Outcome::Error);
        let mut silent = result(&[("a", Ok(1.0)), ("b", Ok(1.0))]);
        silent.output = None;
        assert_eq!(silent.outcome(&evaluator()), Outcome::Error);
    }

    #[test]
    fn what_was_paid_is_the_model_unless_cached_and_the_scorers() {
        let mut one = result(&[("a", Ok(1.0)), ("b", Ok(1.0))]);
        assert_eq!(one.paid(), Some(Cost::from_nano_usd(13)));
        one.cached = true;
        assert_eq!(one.paid(), Some(Cost::from_nano_usd(6)));
        one.scores[1].cost = None;
        assert_eq!(one.paid(), None);
    }

    #[test]
    fn results_survive_being_stored() {
        let kinds = EntryErrorKind::PLAIN
            .into_iter()
            .chain(LlmErrorKind::ALL.map(EntryErrorKind::Model));
        for kind in kinds {
            assert_eq!(kind.as_str().parse::<EntryErrorKind>().unwrap(), kind);
            let mut one = result(&[("a", Ok(0.1)), ("b", Err(kind))]);
            one.error = Some(EntryError {
                kind,
                message: "no".into(),
            });
            let text = serde_json::to_string(&one).unwrap();
            assert_eq!(serde_json::from_str::<EntryResult>(&text).unwrap(), one);
        }
        assert!(serde_json::from_value::<EntryErrorKind>(json!("model_")).is_err());
        assert!(serde_json::from_value::<EntryErrorKind>(json!("nonsense")).is_err());
    }
}
