//! What a caller says of one production call, and what is said of it later.

use std::borrow::Borrow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use serde::Serialize;
use serde_json::Value;

use super::record::{Annotation, Omitted, TraceError, TraceRecord, TraceScore, text_len};
use super::settings::{Content, TraceSettings};
use crate::base::audit::check_text;
use crate::base::error::{Result, invalid};
use crate::base::{ScoreName, Timestamp, TraceId};
use crate::llm::{Completion, Cost, LlmError, Usage};
use crate::observation::Stamp;
use crate::observation::metrics::counts::millionths;
use crate::observation::metrics::latency;

/// Longest texts that people and programs say of an answer, in bytes.
const MAX_REMARK_BYTES: usize = 4_000;
/// Longest labels in bytes.
const MAX_LABEL_BYTES: usize = 200;
/// Deepest nesting of inputs: as JSON they must be read again.
const MAX_DEPTH: usize = 100;
/// Most tags of a trace, and most scores.
pub(super) const MAX_LABELS: usize = 64;

/// One production call, about to be recorded.
///
/// ```
/// use std::time::Duration;
///
/// use promptops_core::llm::Usage;
/// use promptops_core::observation::{Stamp, Trace};
/// use serde_json::json;
///
/// # fn trace(stamp: &Stamp) -> Trace {
/// Trace::of(stamp)
///     .inputs(&json!({"ticket": "Where is my parcel?"}))
///     .output("It arrives tomorrow.")
///     .latency(Duration::from_millis(840))
///     .usage(Usage::new(412, 9))
///     .model("gpt-5-mini")
///     .session("user-42")
///     .score("helpful", 0.8)
/// # }
/// ```
///
/// What is out of its range is found when it is recorded: such a trace is counted as invalid, and not kept.
#[derive(Clone)]
#[must_use = "hand it to `Traces::record`"]
pub struct Trace {
    stamp: Stamp,
    pub(super) id: Option<TraceId>,
    pub(super) at: Option<Timestamp>,
    inputs: Option<Value>,
    output: Option<String>,
    error: Option<TraceError>,
    annotate: Annotate,
    latency: Option<Duration>,
    usage: Option<Usage>,
    cost: Option<Cost>,
    model: Option<String>,
    session: Option<String>,
    tags: BTreeSet<String>,
}

impl Trace {
    /// A call with the prompt of this stamp.
    pub fn of(stamp: impl Borrow<Stamp>) -> Self {
        Self {
            stamp: stamp.borrow().clone(),
            id: None,
            at: None,
            inputs: None,
            output: None,
            error: None,
            annotate: Annotate::default(),
            latency: None,
            usage: None,
            cost: None,
            model: None,
            session: None,
            tags: BTreeSet::new(),
        }
    }

    /// Gives it this id, which says when it began too: one of [`TraceId::new`], or a UUID of version 7. The first 48 bits of
    /// another are no time, and it would be looked for, counted and removed as if it had begun in any year. Default: one that
    /// is made for it.
    pub fn id(mut self, id: TraceId) -> Self {
        self.id = Some(id);
        self
    }

    /// When it began. Default: now, less its latency.
    pub fn at(mut self, at: Timestamp) -> Self {
        self.at = Some(at);
        self
    }

    /// What the prompt was rendered with. What has no JSON form is left out.
    pub fn inputs<P: Serialize + ?Sized>(mut self, parameters: &P) -> Self {
        self.inputs = serde_json::to_value(parameters).ok();
        self
    }

    /// What the model answered.
    pub fn output(mut self, text: impl Into<String>) -> Self {
        self.output = Some(text.into());
        self
    }

    /// What the model answered, with its tokens and its name.
    pub fn completion(self, completion: &Completion) -> Self {
        self.output(completion.text())
            .usage(completion.usage)
            .model(completion.model.clone())
    }

    /// Why there was no answer, or none of use: a kind of failure (at most 200 bytes), and what was said (cut to 4,000).
    pub fn error(mut self, kind: impl Into<String>, message: impl Into<String>) -> Self {
        self.error = Some(TraceError {
            kind: kind.into(),
            message: cut(message.into()),
        });
        self
    }

    /// Why the model did not answer.
    pub fn llm_error(self, error: &LlmError) -> Self {
        self.error(error.kind().as_str(), error.to_string())
    }

    /// Whether the answer served its purpose. Without it, that is unknown, and an error did not.
    pub fn success(mut self, success: bool) -> Self {
        self.annotate = self.annotate.success(success);
        self
    }

    /// A rating, 0.0 ..= 1.0.
    pub fn rating(mut self, rating: f64) -> Self {
        self.annotate = self.annotate.rating(rating);
        self
    }

    /// A score, 0.0 ..= 1.0.
    pub fn score(mut self, name: &str, value: f64) -> Self {
        self.annotate = self.annotate.score(name, value);
        self
    }

    /// A score, 0.0 ..= 1.0, and why.
    pub fn score_because(mut self, name: &str, value: f64, reason: impl Into<String>) -> Self {
        self.annotate = self.annotate.score_because(name, value, reason);
        self
    }

    /// How long the answer took; at most a day.
    pub fn latency(mut self, latency: Duration) -> Self {
        self.latency = Some(latency);
        self
    }

    /// Tokens.
    pub fn usage(mut self, usage: Usage) -> Self {
        self.usage = Some(usage);
        self
    }

    /// What it cost.
    pub fn cost(mut self, cost: Cost) -> Self {
        self.cost = Some(cost);
        self
    }

    /// The model that answered; at most 200 bytes.
    pub fn model(mut self, model: impl Into<String>) -> Self {
        self.model = Some(model.into());
        self
    }

    /// The conversation, user or workflow that it is a part of; at most 200 bytes.
    pub fn session(mut self, session: impl Into<String>) -> Self {
        self.session = Some(session.into());
        self
    }

    /// Adds a label; at most 64, of at most 200 bytes each.
    pub fn tag(mut self, tag: impl Into<String>) -> Self {
        self.tags.insert(tag.into());
        self
    }

    /// The record of it.
    pub(super) fn into_record(
        self,
        id: TraceId,
        at: Timestamp,
        settings: &TraceSettings,
    ) -> Result<TraceRecord> {
        for (what, label) in [
            ("model", &self.model),
            ("session", &self.session),
            (
                "kind of error",
                &self.error.as_ref().map(|error| error.kind.clone()),
            ),
        ] {
            if let Some(label) = label {
                check_label(what, label)?;
            }
        }
        if self.tags.len() > MAX_LABELS {
            return Err(invalid(format!(
                "{} tags; at most {MAX_LABELS} are allowed",
                self.tags.len()
            )));
        }
        for tag in &self.tags {
            check_label("tag", tag)?;
        }
        if self.inputs.as_ref().is_some_and(|inputs| !inputs.is_object()) {
            return Err(invalid(
                "the inputs are no map; expected what the prompt was rendered with, by names",
            ));
        }
        if !self.inputs.as_ref().is_none_or(is_readable) {
            return Err(invalid(format!(
                "the inputs are nested deeper than {MAX_DEPTH} levels; record less of them"
            )));
        }
        latency::check(self.latency)?;
        let said = self.annotate.checked()?;
        let bytes = self.inputs.as_ref().map_or(0, text_len) + self.output.as_ref().map_or(0, String::len);
        let omitted = match settings.content {
            Content::Omitted if bytes > 0 => Some(Omitted::BySetting),
            Content::Kept if bytes > settings.max_content_bytes => Some(Omitted::TooLarge),
            _ => None,
        };
        let (inputs, output) = match omitted {
            None => (self.inputs, self.output),
            Some(_) => (None, None),
        };
        // What an error says can hold what was asked.
        let error = self.error.map(|error| match settings.content {
            Content::Kept => error,
            Content::Omitted => TraceError {
                message: String::new(),
                ..error
            },
        });
        let mut record = TraceRecord {
            id,
            stamp: self.stamp,
            at,
            inputs,
            output,
            omitted,
            error,
            success: None,
            rating_millionths: None,
            corrected_output: None,
            comment: None,
            scores: BTreeMap::new(),
            latency: self.latency,
            usage: self.usage,
            cost: self.cost,
            model: self.model,
            session: self.session,
            tags: self.tags,
        };
        said.apply(&mut record);
        Ok(record)
    }

    /// When it began.
    pub(super) fn began(&self, now: Timestamp) -> Timestamp {
        let at = self.at.or(self.id.map(TraceId::at));
        at.unwrap_or_else(|| {
            let latency = self
                .latency
                .and_then(|latency| chrono::TimeDelta::from_std(latency).ok());
            latency
                .and_then(|latency| now.checked_sub_signed(latency))
                .unwrap_or(now)
        })
    }

    /// What decides whether it is kept: its session, or else its id.
    pub(super) fn session_name(&self) -> Option<&str> {
        self.session.as_deref()
    }

    pub(super) fn is_error(&self) -> bool {
        self.error.is_some()
    }
}

/// Without inputs and outputs.
impl fmt::Debug for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trace")
            .field("stamp", &self.stamp)
            .field("id", &self.id)
            .field("error", &self.error)
            .field("latency", &self.latency)
            .finish_non_exhaustive()
    }
}

/// What is said of a trace after it was recorded: feedback and late scores.
///
/// ```
/// use promptops_core::observation::Annotate;
///
/// let annotate = Annotate::new()
///     .success(false)
///     .corrected_output("It arrives on Monday.")
///     .score_because("grounded", 0.0, "the date is not in the order");
/// ```
#[derive(Clone, Default)]
#[must_use = "hand it to `Traces::annotate`"]
pub struct Annotate {
    success: Option<bool>,
    rating: Option<f64>,
    corrected_output: Option<String>,
    comment: Option<String>,
    scores: Vec<(String, f64, Option<String>)>,
}

impl Annotate {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether the answer served its purpose.
    pub fn success(mut self, success: bool) -> Self {
        self.success = Some(success);
        self
    }

    /// A rating, 0.0 ..= 1.0.
    pub fn rating(mut self, rating: f64) -> Self {
        self.rating = Some(rating);
        self
    }

    /// What the answer should have been. At most 256 KiB.
    pub fn corrected_output(mut self, text: impl Into<String>) -> Self {
        self.corrected_output = Some(text.into());
        self
    }

    /// What somebody says of the answer, cut to 4,000 bytes.
    pub fn comment(mut self, text: impl Into<String>) -> Self {
        self.comment = Some(cut(text.into()));
        self
    }

    /// A score, 0.0 ..= 1.0. One of a name that the trace has replaces it.
    pub fn score(mut self, name: &str, value: f64) -> Self {
        self.scores.push((name.to_owned(), value, None));
        self
    }

    /// A score, 0.0 ..= 1.0, and why, cut to 4,000 bytes.
    pub fn score_because(mut self, name: &str, value: f64, reason: impl Into<String>) -> Self {
        self.scores
            .push((name.to_owned(), value, Some(cut(reason.into()))));
        self
    }

    pub(super) fn checked(self) -> Result<Annotation> {
        const MAX_CORRECTION_BYTES: usize = 256 << 10;
        if self.scores.len() > MAX_LABELS {
            return Err(invalid(format!(
                "{} scores; at most {MAX_LABELS} are allowed",
                self.scores.len()
            )));
        }
        if let Some(text) = &self.corrected_output
            && text.len() > MAX_CORRECTION_BYTES
        {
            return Err(invalid(format!(
                "the corrected output has {} bytes; at most {MAX_CORRECTION_BYTES} are allowed",
                text.len()
            )));
        }
        let mut scores = BTreeMap::new();
        for (name, value, reason) in self.scores {
            let score = TraceScore {
                value_millionths: millionths("score", value)?,
                reason,
            };
            scores.insert(ScoreName::new(name)?, score);
        }
        Ok(Annotation {
            success: self.success,
            rating_millionths: self
                .rating
                .map(|rating| millionths("rating", rating))
                .transpose()?,
            corrected_output: self.corrected_output,
            comment: self.comment,
            scores,
        })
    }
}

/// Without what people said.
impl fmt::Debug for Annotate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Annotate")
            .field("success", &self.success)
            .field("rating", &self.rating)
            .finish_non_exhaustive()
    }
}

fn check_label(what: &str, label: &str) -> Result<()> {
    if label.is_empty() || label.len() > MAX_LABEL_BYTES {
        return Err(invalid(format!(
            "the {what} has {} bytes; expected 1 to {MAX_LABEL_BYTES}",
            label.len()
        )));
    }
    check_text(what, label)
}

/// Whether inputs are nested so little that they can be read again.
pub(super) fn is_readable(inputs: &Value) -> bool {
    depth(inputs) <= MAX_DEPTH
}

/// How deeply a value is nested: 1 for a text.
fn depth(value: &Value) -> usize {
    let deepest = match value {
        Value::Array(items) => items.iter().map(depth).max(),
        Value::Object(entries) => entries.values().map(depth).max(),
        _ => None,
    };
    1 + deepest.unwrap_or(0)
}

/// The text, cut between two characters where it is too long.
fn cut(mut text: String) -> String {
    if text.len() > MAX_REMARK_BYTES {
        let end = (0..=MAX_REMARK_BYTES)
            .rev()
            .find(|end| text.is_char_boundary(*end));
        text.truncate(end.unwrap_or(0));
    }
    text
}
