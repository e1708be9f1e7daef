//! OpenAI's chat completions.
//!
//! Source of the format: OpenAI's published OpenAPI description, `CreateChatCompletionRequest` and
//! `CreateChatCompletionResponse`.

pub(crate) mod read;
mod request;
pub(crate) mod response;
mod stream;

use std::borrow::Cow;

use promptops_core::llm::{Blueprint, BlueprintAdapter, Completion, LlmError};
use serde_json::{Map, Value};

use crate::errors::Errors;
pub(crate) use stream::ChatStream;

/// The words of OpenAI's chat completions, which many other servers speak as well.
///
/// Normal form of what comes back from a request: `max_tokens`, which is deprecated, is read as the blueprint's, `stop`
/// may be one text or a list, `stream` and `stream_options` are how an answer is sent and not what is asked, so they
/// are read over.
#[derive(Debug, Clone)]
pub struct OpenAiChat {
    provider: Cow<'static, str>,
    max_tokens_key: &'static str,
    model_needed: bool,
    usage_needed: bool,
}

impl Default for OpenAiChat {
    fn default() -> Self {
        Self {
            provider: "openai".into(),
            max_tokens_key: "max_completion_tokens",
            model_needed: true,
            usage_needed: true,
        }
    }
}

impl OpenAiChat {
    /// As OpenAI itself speaks.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Another provider that speaks the same.
    #[must_use]
    pub fn provider_name(mut self, name: impl Into<Cow<'static, str>>) -> Self {
        self.provider = name.into();
        self
    }

    /// Says `max_tokens`, for servers that do not know `max_completion_tokens` yet.
    #[must_use]
    pub fn max_tokens_by_its_old_name(mut self) -> Self {
        self.max_tokens_key = "max_tokens";
        self
    }

    /// Takes an answer that does not say its usage for one in which no token was counted. Its cost is not known then,
    /// and whoever keeps to a budget asks no more.
    #[must_use]
    pub fn usage_may_be_missing(mut self) -> Self {
        self.usage_needed = false;
        self
    }

    /// Leaves it to the address which model answers.
    pub(crate) fn model_by_address(mut self) -> Self {
        self.model_needed = false;
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

    fn errors(&self) -> Errors<'_> {
        Errors(&self.provider)
    }
}

impl BlueprintAdapter for OpenAiChat {
    fn provider(&self) -> &str {
        &self.provider
    }

    fn request(&self, blueprint: &Blueprint) -> Result<Value, LlmError> {
        self.body(blueprint, None).map(Value::Object)
    }

    fn read_request(&self, body: &Value) -> Result<Blueprint, LlmError> {
        read::blueprint(self, body)
    }

    fn read_response(&self, body: &Value) -> Result<Completion, LlmError> {
        response::completion(self, body)
    }
}
