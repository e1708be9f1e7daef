//! One failed call, as it is told to whoever looks for the cause.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::base::error::{Error, Result, invalid};
use crate::base::id::quoted;
use crate::base::{EnvironmentName, PromptName, ScoreName, Timestamp, TraceId};
use crate::observation::TraceRecord;

/// What went wrong with an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum OutcomeClass {
    /// A score is below its threshold.
    FailedScore,
    /// The answer is not of the form that the host reads.
    InvalidFormat,
    /// The answer is of that form, and does not meet its schema.
    InvalidSchema,
    /// The prompt, or the prompt and its answer, is longer than the model can take.
    ContextLength,
    /// The provider's filter refused the prompt or its answer.
    ContentFiltered,
    /// Somebody wrote what the answer should have been.
    Corrected,
    /// Somebody said that the answer did not serve its purpose.
    Rejected,
    /// Somebody rated the answer low.
    LowRating,
}

impl OutcomeClass {
    /// All classes.
    pub const ALL: [Self; 8] = [
        Self::FailedScore,
        Self::InvalidFormat,
        Self::InvalidSchema,
        Self::ContextLength,
        Self::ContentFiltered,
        Self::Corrected,
        Self::Rejected,
        Self::LowRating,
    ];

    /// The stable text form, as stored.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::FailedScore => "failed_score",
            Self::InvalidFormat => "invalid_format",
            Self::InvalidSchema => "invalid_schema",
            Self::ContextLength => "context_length",
            Self::ContentFiltered => "content_filtered",
            Self::Corrected => "corrected",
            Self::Rejected => "rejected",
            Self::LowRating => "low_rating",
        }
    }

    /// For people.
    #[must_use]
    pub fn in_words(self) -> &'static str {
        match self {
            Self::FailedScore => "a low score",
            Self::InvalidFormat => "an answer of the wrong form",
            Self::InvalidSchema => "an answer that does not meet its schema",
            Self::ContextLength => "too long for the model",
            Self::ContentFiltered => "refused by the provider's filter",
            Self::Corrected => "corrected by somebody",
            Self::Rejected => "did not serve its purpose",
            Self::LowRating => "rated low",
        }
    }

    /// The dimension of what is not told by a score.
    pub(super) fn dimension(self) -> Dimension {
        Dimension(Cow::Borrowed(match self {
            Self::InvalidFormat | Self::InvalidSchema => "format",
            Self::ContextLength => "length",
            Self::ContentFiltered => "safety",
            Self::FailedScore | Self::Corrected | Self::Rejected | Self::LowRating => "feedback",
        }))
    }
}

impl fmt::Display for OutcomeClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for OutcomeClass {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self> {
        Self::ALL
            .into_iter()
            .find(|class| class.as_str() == text)
            .ok_or_else(|| invalid(format!("unknown class of outcomes {}", quoted(text))))
    }
}

/// In what respect an answer failed: a score's name, or `format`, `length`, `safety` or `feedback` for what no score
/// tells.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Dimension(Cow<'static, str>);

impl Dimension {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<ScoreName> for Dimension {
    fn from(score: ScoreName) -> Self {
        Self(Cow::Owned(score.into()))
    }
}

impl TryFrom<String> for Dimension {
    type Error = Error;
    fn try_from(text: String) -> Result<Self> {
        ScoreName::new(text).map(Self::from)
    }
}

impl From<Dimension> for String {
    fn from(dimension: Dimension) -> Self {
        dimension.0.into_owned()
    }
}

impl fmt::Display for Dimension {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One failed call. Made by [`triage`](super::triage), or by a host that knows better.
#[derive(Clone, PartialEq, Eq)]
pub struct Failure {
    /// The call.
    pub trace: TraceId,
    /// When it began.
    pub at: Timestamp,
    /// The prompt.
    pub prompt: PromptName,
    /// The environment that was asked for.
    pub environment: Option<EnvironmentName>,
    /// In what respect it failed.
    pub dimension: Dimension,
    /// What went wrong.
    pub class: OutcomeClass,
    /// What was said of it: an error's message, a score's reason, somebody's comment. Empty when nothing was.
    pub message: String,
    /// Where nothing was said: the beginnings of inputs, output and corrected output.
    pub content: String,
}

impl Failure {
    /// Most bytes of [`content`](Self::content) that `triage` takes of inputs, and of each output.
    pub const CONTENT_BYTES: usize = 400;

    /// Of this trace, with what was said of it.
    pub(super) fn of(trace: &TraceRecord, dimension: Dimension, class: OutcomeClass, message: &str) -> Self {
        let message = message.trim();
        Self {
            trace: trace.id,
            at: trace.at,
            prompt: trace.stamp.prompt.clone(),
            environment: trace.stamp.environment.clone(),
            dimension,
            class,
            message: message.to_owned(),
            content: if message.is_empty() {
                content(trace)
            } else {
                String::new()
            },
        }
    }
}

/// Without what was said, asked and answered.
impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Failure")
            .field("trace", &self.trace)
            .field("prompt", &self.prompt)
            .field("environment", &self.environment)
            .field("dimension", &self.dimension)
            .field("class", &self.class)
            .finish_non_exhaustive()
    }
}

fn content(trace: &TraceRecord) -> String {
    let mut content = String::new();
    if let Some(inputs) = &trace.inputs {
        let mut left = Failure::CONTENT_BYTES;
        push_texts(inputs, &mut content, &mut left);
    }
    for output in [&trace.output, &trace.corrected_output].into_iter().flatten() {
        let mut left = Failure::CONTENT_BYTES;
        push(output, &mut content, &mut left);
    }
    content
}

/// The texts of a value, without keys, until nothing is left of what may be taken.
fn push_texts(value: &Value, to: &mut String, left: &mut usize) {
    if *left == 0 {
        return;
    }
    // Also what has no text takes a byte, so that a long list of numbers ends soon.
    *left -= 1;
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
        Value::String(text) => push(text, to, left),
        Value::Array(items) => items.iter().for_each(|item| push_texts(item, to, left)),
        Value::Object(entries) => {
            // A host's `serde_json/preserve_order` would change their order.
            let mut entries: Vec<_> = entries.iter().collect();
            entries.sort_unstable_by_key(|(key, _)| *key);
            entries.iter().for_each(|(_, value)| push_texts(value, to, left));
        }
    }
}

fn push(text: &str, to: &mut String, left: &mut usize) {
    let part = &text[..text.floor_char_boundary(*left)];
    *left -= part.len();
    if !to.is_empty() {
        to.push('\n');
    }
    to.push_str(part);
}
