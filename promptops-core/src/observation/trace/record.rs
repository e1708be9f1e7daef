//! The record of one production call.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::base::{ScoreName, TenantId, Timestamp, TraceId};
use crate::llm::{Cost, Usage};
use crate::observation::Stamp;
use crate::observation::metrics::{Dimensions, Metrics, ScoreSum};

/// Why there was no answer, or none that was of use.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TraceError {
    /// What kind of failure: the text of an [`LlmErrorKind`](crate::llm::LlmErrorKind), or a name of the host's own. At most
    /// 200 bytes.
    pub kind: String,
    /// What was said. At most 4,000 bytes.
    pub message: String,
}

/// Without what was said.
impl fmt::Debug for TraceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TraceError")
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}

/// One score of an answer.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TraceScore {
    /// In millionths, 0 ..= 1,000,000.
    pub value_millionths: u32,
    /// Why; at most 4,000 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl TraceScore {
    /// The score, 0.0 ..= 1.0.
    #[must_use]
    pub fn value(&self) -> f64 {
        f64::from(self.value_millionths) / 1e6
    }
}

/// Without the reason.
impl fmt::Debug for TraceScore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.value(), f)
    }
}

/// Why a trace has neither inputs nor output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Omitted {
    /// The settings say that no content is kept.
    BySetting,
    /// They were larger than the settings allow.
    TooLarge,
}

/// One production call, as it is kept.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct TraceRecord {
    /// Its id.
    pub id: TraceId,
    /// What was served.
    pub stamp: Stamp,
    /// When it began.
    pub at: Timestamp,
    /// What the prompt was rendered with.
    pub inputs: Option<Value>,
    /// What the model answered.
    pub output: Option<String>,
    /// Why inputs and output are not there.
    pub omitted: Option<Omitted>,
    /// Why there was no answer.
    pub error: Option<TraceError>,
    /// Whether the answer served its purpose; `None` while nobody has said so.
    pub success: Option<bool>,
    /// A rating in millionths.
    pub rating_millionths: Option<u32>,
    /// What the answer should have been, as somebody said who knows.
    pub corrected_output: Option<String>,
    /// What somebody said of the answer.
    pub comment: Option<String>,
    /// Scores by their names.
    pub scores: BTreeMap<ScoreName, TraceScore>,
    /// How long the answer took.
    pub latency: Option<Duration>,
    /// Tokens.
    pub usage: Option<Usage>,
    /// What it cost; `None` when that is not known.
    pub cost: Option<Cost>,
    /// The model that answered.
    pub model: Option<String>,
    /// The conversation, user or workflow that it is a part of.
    pub session: Option<String>,
    /// Labels.
    pub tags: BTreeSet<String>,
}

impl TraceRecord {
    /// The rating, 0.0 ..= 1.0.
    #[must_use]
    pub fn rating(&self) -> Option<f64> {
        self.rating_millionths.map(|rating| f64::from(rating) / 1e6)
    }

    /// Whether the answer served its purpose, as far as is known: an error did not, unless somebody said otherwise.
    #[must_use]
    pub fn is_success(&self) -> Option<bool> {
        self.success.or(self.error.is_some().then_some(false))
    }

    /// What it is counted under.
    #[must_use]
    pub fn dimensions(&self) -> Dimensions {
        (&self.stamp).into()
    }

    /// What it adds to the counts.
    #[must_use]
    pub fn contribution(&self) -> Metrics {
        let mut metrics = Metrics::default();
        metrics.add(self.is_success(), self.rating_millionths);
        metrics.error_count = u64::from(self.error.is_some());
        if let Some(latency) = self.latency {
            metrics.latencies.add(latency);
            metrics.latency_sum_micros = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
        }
        if let Some(usage) = self.usage {
            metrics.input_tokens = usage.input_tokens;
            metrics.output_tokens = usage.output_tokens;
        }
        if let Some(cost) = self.cost {
            metrics.priced_count = 1;
            metrics.cost = cost;
        }
        metrics.scores = self
            .scores
            .iter()
            .map(|(name, score)| {
                let sum = ScoreSum {
                    count: 1,
                    sum_millionths: u64::from(score.value_millionths),
                };
                (name.clone(), sum)
            })
            .collect();
        metrics
    }

    /// About how many bytes it keeps.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let texts = [
            &self.output,
            &self.corrected_output,
            &self.comment,
            &self.model,
            &self.session,
        ];
        let scores = self.scores.values().filter_map(|score| score.reason.as_ref());
        size_of::<Self>()
            + self.inputs.as_ref().map_or(0, value_bytes)
            + texts
                .into_iter()
                .flatten()
                .chain(scores)
                .map(String::len)
                .sum::<usize>()
            + self
                .error
                .as_ref()
                .map_or(0, |error| error.kind.len() + error.message.len())
            + self.scores.len() * 100
            + self.tags.iter().map(|tag| tag.len() + 32).sum::<usize>()
    }
}

/// About how many bytes a value keeps, what the allocator rounds up and what grown lists have to spare included.
pub(super) fn value_bytes(value: &Value) -> usize {
    /// A key, its hash and its place in the index; three quarters of the room of a list are used on average.
    const ENTRY: usize = (size_of::<(String, Value)>() + 24) * 4 / 3;
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
        Value::String(text) => text_bytes(text),
        Value::Array(items) => items
            .iter()
            .map(|item| size_of::<Value>() * 4 / 3 + value_bytes(item))
            .sum(),
        Value::Object(entries) => entries
            .iter()
            .map(|(key, value)| ENTRY + text_bytes(key) + value_bytes(value))
            .sum(),
    }
}

/// How long a value is, in bytes: its texts and keys, and 8 for anything else.
pub(super) fn text_len(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => size_of::<u64>(),
        Value::String(text) => text.len(),
        Value::Array(items) => items.iter().map(text_len).sum(),
        Value::Object(entries) => entries
            .iter()
            .map(|(key, value)| key.len() + text_len(value))
            .sum(),
    }
}

/// What a text takes outside of itself: allocators give 16 bytes at a time and keep 8 of their own.
fn text_bytes(text: &str) -> usize {
    if text.is_empty() {
        0
    } else {
        text.len().max(16) + 16
    }
}

/// Without inputs, outputs, and what people said.
impl fmt::Debug for TraceRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TraceRecord")
            .field("id", &self.id)
            .field("stamp", &self.stamp)
            .field("at", &self.at)
            .field("error", &self.error)
            .field("success", &self.success)
            .field("rating_millionths", &self.rating_millionths)
            .field("scores", &self.scores)
            .field("latency", &self.latency)
            .finish_non_exhaustive()
    }
}

/// A trace to be recorded.
#[derive(Debug, Clone, PartialEq)]
pub struct TraceEntry {
    /// The tenant.
    pub tenant: TenantId,
    /// The trace.
    pub trace: TraceRecord,
    /// Whether it is kept; otherwise it is only counted.
    pub is_kept: bool,
}

/// What is said of a trace after it was recorded. What is `None` or empty leaves what is there.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Annotation {
    /// Whether the answer served its purpose.
    pub success: Option<bool>,
    /// A rating in millionths, 0 ..= 1,000,000.
    pub rating_millionths: Option<u32>,
    /// What the answer should have been.
    pub corrected_output: Option<String>,
    /// What somebody says of the answer.
    pub comment: Option<String>,
    /// Scores: one of a name that is there replaces it.
    pub scores: BTreeMap<ScoreName, TraceScore>,
}

impl Annotation {
    /// Puts it to a trace.
    pub fn apply(&self, trace: &mut TraceRecord) {
        fn put<T: Clone>(place: &mut Option<T>, value: &Option<T>) {
            if value.is_some() {
                place.clone_from(value);
            }
        }
        put(&mut trace.success, &self.success);
        put(&mut trace.rating_millionths, &self.rating_millionths);
        put(&mut trace.corrected_output, &self.corrected_output);
        put(&mut trace.comment, &self.comment);
        for (name, score) in &self.scores {
            trace.scores.insert(name.clone(), score.clone());
        }
    }

    /// About how many bytes it keeps.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let texts = [&self.corrected_output, &self.comment];
        let reasons = self.scores.values().filter_map(|score| score.reason.as_ref());
        size_of::<Self>()
            + self.scores.len() * 100
            + texts
                .into_iter()
                .flatten()
                .chain(reasons)
                .map(String::len)
                .sum::<usize>()
    }
}

/// Without what people said.
impl fmt::Debug for Annotation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Annotation")
            .field("success", &self.success)
            .field("rating_millionths", &self.rating_millionths)
            .field("scores", &self.scores)
            .finish_non_exhaustive()
    }
}

/// What is said of which trace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnnotationEntry {
    /// The tenant.
    pub tenant: TenantId,
    /// The trace.
    pub trace: TraceId,
    /// What is said.
    pub annotation: Annotation,
}
