//! What a model answers.

use std::fmt;
use std::ops::AddAssign;

use serde::{Deserialize, Serialize};

use super::blueprint::BlueprintMessage;

/// An answer, whole.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Completion {
    /// The assistant's message.
    pub message: BlueprintMessage,
    /// Why it ended.
    pub finish: FinishReason,
    /// What was counted.
    pub usage: Usage,
    /// The model that answered, in the provider's words; it may be more exact than the one asked for.
    pub model: String,
    /// The provider's name of the answer, for its support.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
}

impl Completion {
    /// All its text; empty when the model only calls tools.
    #[must_use]
    pub fn text(&self) -> String {
        self.message.text()
    }
}

/// Without what is said.
impl fmt::Debug for Completion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Completion")
            .field("message", &self.message)
            .field("finish", &self.finish)
            .field("usage", &self.usage)
            .field("model", &self.model)
            .field("id", &self.id)
            .finish()
    }
}

/// Why an answer ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum FinishReason {
    /// It was complete, or a stop sequence was met.
    Stop,
    /// It reached the most tokens allowed: what there is may be cut off.
    Length,
    /// The model waits for the results of its tool calls.
    ToolCalls,
    /// The provider's filter cut it off, or the model refused.
    ContentFilter,
    /// Another reason, in the provider's words.
    Other(String),
}

/// Tokens, as the provider counts them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Usage {
    /// Tokens of the request, all of them: those read from a cache or written to one are among them.
    pub input_tokens: u64,
    /// Tokens of the answer, all of them: those of reasoning are among them.
    pub output_tokens: u64,
    /// Input tokens that the provider read from its cache.
    #[serde(default)]
    pub cached_input_tokens: u64,
    /// Input tokens that the provider wrote to its cache.
    #[serde(default)]
    pub cache_write_tokens: u64,
    /// Output tokens spent on reasoning that is not shown.
    #[serde(default)]
    pub reasoning_tokens: u64,
}

impl Usage {
    /// Input and output together.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.input_tokens.saturating_add(self.output_tokens)
    }
}

impl AddAssign for Usage {
    fn add_assign(&mut self, other: Self) {
        for (sum, more) in [
            (&mut self.input_tokens, other.input_tokens),
            (&mut self.output_tokens, other.output_tokens),
            (&mut self.cached_input_tokens, other.cached_input_tokens),
            (&mut self.cache_write_tokens, other.cache_write_tokens),
            (&mut self.reasoning_tokens, other.reasoning_tokens),
        ] {
            *sum = sum.saturating_add(more);
        }
    }
}
