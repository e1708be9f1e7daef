//! Models for PromptOps.

mod anthropic;
mod azure;
mod blueprint;
mod env;
mod errors;
mod http;
mod json;
mod openai;

pub use anthropic::{Anthropic, AnthropicBuilder, AnthropicMessages, AnthropicVersion};
pub use azure::{AzureChat, AzureOpenAi, AzureOpenAiBuilder};
pub use http::HttpOptions;
pub use openai::{EmbedderOptions, OpenAi, OpenAiBuilder, OpenAiChat, OpenAiEmbedder, OpenAiResponses};
