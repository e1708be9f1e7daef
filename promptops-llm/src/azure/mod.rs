//! Azure OpenAI: OpenAI's chat completions at an address of the host's own.
//!
//! Source: the REST reference of Azure OpenAI, "Chat completions" and "Embeddings" below a deployment.

mod builder;
mod client;

use promptops_core::llm::{Blueprint, BlueprintAdapter, Completion, LlmError};
use serde_json::{Map, Value};

pub use builder::AzureOpenAiBuilder;
pub use client::AzureOpenAi;

use crate::openai::OpenAiChat;

const PROVIDER: &str = "azure_openai";

/// The words of Azure OpenAI's chat completions: OpenAI's, with one difference.
///
/// The deployment in the address decides which model answers, so a request need not name one. One that does names the
/// deployment, as in Azure's own clients.
#[derive(Debug, Clone)]
pub struct AzureChat(OpenAiChat);

impl Default for AzureChat {
    fn default() -> Self {
        Self(OpenAiChat::new().provider_name(PROVIDER).model_by_address())
    }
}

impl AzureChat {
    /// As Azure speaks.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// As [`OpenAiChat::max_tokens_by_its_old_name`], for versions of the API before 2024-09-01-preview.
    #[must_use]
    pub fn max_tokens_by_its_old_name(self) -> Self {
        Self(self.0.max_tokens_by_its_old_name())
    }

    pub(crate) fn body(&self, blueprint: &Blueprint) -> Result<Map<String, Value>, LlmError> {
        self.0.body(blueprint, None)
    }
}

impl BlueprintAdapter for AzureChat {
    fn provider(&self) -> &str {
        PROVIDER
    }

    fn request(&self, blueprint: &Blueprint) -> Result<Value, LlmError> {
        self.0.request(blueprint)
    }

    fn read_request(&self, body: &Value) -> Result<Blueprint, LlmError> {
        self.0.read_request(body)
    }

    fn read_response(&self, body: &Value) -> Result<Completion, LlmError> {
        self.0.read_response(body)
    }
}
