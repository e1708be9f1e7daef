//! OpenAI, and whatever speaks its formats.

mod builder;
pub(crate) mod chat;
pub(crate) mod client;
mod embedder;
pub(crate) mod image;
mod responses;

pub use builder::OpenAiBuilder;
pub use chat::OpenAiChat;
pub use client::OpenAi;
pub(crate) use embedder::EmbedderSetup;
pub use embedder::{EmbedderOptions, OpenAiEmbedder};
pub use responses::OpenAiResponses;
