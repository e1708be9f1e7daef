//! OpenAI's responses.
//!
//! Source of the format: OpenAI's published OpenAPI description, `CreateResponse` and `Response`.

mod read;
mod request;
mod response;
mod stream;

use std::borrow::Cow;

use promptops_core::llm::{Blueprint, BlueprintAdapter, Completion, LlmError};
use serde_json::{Map, Value};

use crate::errors::Errors;
pub(crate) use stream::ResponsesStream;

/// The words of OpenAI's responses.
///
/// What they have no word for is refused: stop sequences, names of speakers, fewer than 16 tokens.
///
/// Normal form of what comes back from a request: an assistant's text of several parts is one message each, and the
/// calls that follow an assistant's text belong to its message. An image's detail `auto` is what the provider does
/// anyway and is read as none. What a response says beside its messages and calls, which is its reasoning, is read
/// over; it is counted in the usage.
///
/// OpenAI keeps responses for 30 days unless told not to: put `"store": false` into the settings' `extra`.
#[derive(Debug, Clone)]
pub struct OpenAiResponses {
    provider: Cow<'static, str>,
}

impl Default for OpenAiResponses {
    fn default() -> Self {
        Self {
            provider: "openai".into(),
        }
    }
}

impl OpenAiResponses {
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

impl BlueprintAdapter for OpenAiResponses {
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
