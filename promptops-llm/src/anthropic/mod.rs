//! Anthropic's messages.
//!
//! Source of the format: Anthropic's published JSON Schemas of a message's request and response.

mod builder;
mod client;
mod read;
mod request;
mod response;
mod stream;
mod version;

use promptops_core::llm::{Blueprint, BlueprintAdapter, Completion, LlmError};
use serde_json::{Map, Value};

pub use builder::AnthropicBuilder;
pub use client::Anthropic;
pub use version::AnthropicVersion;

use crate::errors::Errors;

/// The words of Anthropic's messages.
///
/// What they have no word for is refused: names of speakers, images in what a system or an assistant says, an image's
/// detail, empty texts, arguments of calls that are no JSON object or have whole numbers beyond 64 bits, an
/// output schema of another name than `output`,
/// temperatures above 1, and any temperature or `top_p` since version [`2026-10-21`](AnthropicVersion::V2026_10_21).
///
/// Normal form of what comes back from a request:
/// - `developer` is said, and comes back, as `system`. Both are instructions; there is one word for them.
/// - The messages of a system at the beginning are the request's `system`, one block of text each; a message of several
///   parts comes back as one message each. A later one stays where it is; an older model may refuse it there.
/// - The most tokens are mandatory: a blueprint without a limit gets that of the adapter
///   ([`DEFAULT_MAX_TOKENS`](Self::DEFAULT_MAX_TOKENS) unless set), and it comes back.
/// - The arguments of a call are a JSON object: they come back as the same value without spaces, keys in order.
/// - An output schema is always guaranteed: it comes back as `strict`.
///
/// Thinking in a response is read over; it is counted in the usage. Anthropic wants it back with the results of tools, so
/// a request whose `extra` turns thinking on is for answers without tools.
#[derive(Debug, Clone)]
pub struct AnthropicMessages {
    version: AnthropicVersion,
    max_tokens: u32,
}

impl Default for AnthropicMessages {
    fn default() -> Self {
        Self {
            version: AnthropicVersion::default(),
            max_tokens: Self::DEFAULT_MAX_TOKENS,
        }
    }
}

impl AnthropicMessages {
    /// The most tokens of an answer to a request that sets no limit: 4,096, which every model allows.
    pub const DEFAULT_MAX_TOKENS: u32 = 4_096;

    /// Of version [`2023-06-01`](AnthropicVersion::V2023_06_01), with [`DEFAULT_MAX_TOKENS`](Self::DEFAULT_MAX_TOKENS).
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Of another version.
    #[must_use]
    pub fn version(mut self, version: AnthropicVersion) -> Self {
        self.version = version;
        self
    }

    /// Another limit for requests that set none; at least 1.
    #[must_use]
    pub fn max_tokens(mut self, tokens: u32) -> Self {
        self.max_tokens = tokens.max(1);
        self
    }

    /// The body of a request that asks `model` when the blueprint names none.
    pub(crate) fn body(
        &self,
        blueprint: &Blueprint,
        model: Option<&str>,
    ) -> Result<Map<String, Value>, LlmError> {
        request::body(self, blueprint, model)
    }
}

const PROVIDER: &str = "anthropic";
const ERRORS: Errors<'static> = Errors(PROVIDER);

impl BlueprintAdapter for AnthropicMessages {
    fn provider(&self) -> &str {
        PROVIDER
    }

    fn request(&self, blueprint: &Blueprint) -> Result<Value, LlmError> {
        self.body(blueprint, None).map(Value::Object)
    }

    fn read_request(&self, body: &Value) -> Result<Blueprint, LlmError> {
        read::blueprint(self, body)
    }

    fn read_response(&self, body: &Value) -> Result<Completion, LlmError> {
        response::completion(body)
    }
}
