//! What a model is to this crate: a request, an answer, what it cost, and traits for whoever can answer.
//!
//! No client is here, since core opens no socket: the crate `promptops-llm` has them, and a host can bring its own.

mod adapter;
mod blueprint;
mod cache;
mod client;
mod completion;
mod error;
pub(crate) mod objects;
mod price;
mod scripted;

pub use adapter::BlueprintAdapter;
pub use blueprint::{Blueprint, BlueprintMessage, ImageSource, OutputSchema, Part, ToolCall, ToolChoice};
pub use cache::{CompletionKey, CompletionStore};
pub use client::{Embedder, Embeddings, LlmClient};
pub use completion::{Completion, FinishReason, Usage};
pub use error::{LlmError, LlmErrorKind};
pub use price::{Cost, Price, PriceTable};
pub use scripted::{ScriptedCounts, ScriptedLlm};
