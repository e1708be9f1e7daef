//! Models for PromptOps: clients of OpenAI, Anthropic, Azure OpenAI and whatever speaks OpenAI's formats, and the
//! adapters that put a blueprint into their words and back.
//!
//! ```no_run
//! use promptops_core::llm::{Blueprint, BlueprintMessage, LlmClient};
//! use promptops_core::prompt::MessageRole;
//! use promptops_llm::{HttpOptions, OpenAi};
//!
//! # async fn ask() -> Result<(), Box<dyn std::error::Error>> {
//! // With OPENAI_API_KEY in the environment, `OpenAi::from_env()?` is all that is needed.
//! let client = OpenAi::builder()
//!     .base_url("http://localhost:11434/v1") // a server of one's own needs no key
//!     .model("llama3.3")
//!     .http(HttpOptions::new().streaming())
//!     .build()?;
//! let request = Blueprint::new([BlueprintMessage::new(MessageRole::User, "Where is my parcel?")]).max_tokens(200);
//! let answer = client.complete(&request).await?;
//! println!("{} ({} tokens)", answer.text(), answer.usage.total());
//! # Ok(())
//! # }
//! ```
//!
//! | to | begin at |
//! |---|---|
//! | ask OpenAI, or a server that speaks the same | [`OpenAi`] |
//! | ask Anthropic | [`Anthropic`] |
//! | ask a deployment of Azure OpenAI | [`AzureOpenAi`] |
//! | embed texts | [`OpenAi::embedder`], [`AzureOpenAi::embedder`] |
//! | repeat, limit, cache, count, record and replay | [`layer`] |
//! | set timeouts, limits, streaming, headers | [`HttpOptions`] |
//! | have a provider's JSON without asking it | [`OpenAiChat`], [`OpenAiResponses`], [`AnthropicMessages`], [`AzureChat`] |
//!
//! # What each provider can say
//!
//! What a provider has no word for is an error of kind [`Unsupported`](promptops_core::llm::LlmErrorKind::Unsupported)
//! before anything is sent; nothing is left out in silence. The adapters' documentation says what comes back in another
//! form.
//!
//! | | chat completions, Azure | responses | Anthropic |
//! |---|---|---|---|
//! | system messages | anywhere | anywhere | the first ones as `system`, later ones in place |
//! | developer messages | anywhere | anywhere | as the system's |
//! | names of speakers | yes, but for a tool's | no | no |
//! | images | a user's | a user's and a tool's | a user's and a tool's: JPEG, PNG, GIF, WebP |
//! | detail of an image | `auto`, `low`, `high` | also `original` | no |
//! | empty texts | yes | yes | as a tool's result alone |
//! | arguments of tool calls | any text | any text | a JSON object |
//! | tool choice | auto, none, required, one | the same | the same |
//! | output schema | any name, strict or not | any name, strict or not | the name `output`, always strict |
//! | temperature | 0 ..= 2 | 0 ..= 2 | 0 ..= 1, none since `2026-10-21` |
//! | `top_p` | yes | yes | none since `2026-10-21` |
//! | most tokens | any | 16 at least | any; 4,096 unless said |
//! | stop sequences | at most 4 | none | yes |
//! | model | needed; Azure: the deployment | needed | needed |
//!
//! A provider's own settings go in [`ModelSettings::extra`](promptops_core::prompt::ModelSettings::extra) and are passed
//! on untouched; one that would overwrite what the request says in its own words is an error.
//!
//! # What holds for every client
//!
//! - It asks once and says whether repeating makes sense: [`LlmError`](promptops_core::llm::LlmError). Dropping the future
//!   closes the connection.
//! - Keys are kept as secrets, sent to the address given and nowhere else: a redirect is an error. No error, `Debug` or
//!   log shows one, even where a provider repeats it.
//! - Time and size are bounded: [`HttpOptions`].
//! - HTTP/1.1, TLS by rustls with ring, trusting the certificates that the machine trusts. Nothing is decompressed.
//!   Connections are kept and shared by clones.

mod anthropic;
mod azure;
mod blueprint;
mod env;
mod errors;
mod http;
mod json;
pub mod layer;
mod openai;

pub use anthropic::{Anthropic, AnthropicBuilder, AnthropicMessages, AnthropicVersion};
pub use azure::{AzureChat, AzureOpenAi, AzureOpenAiBuilder};
pub use http::HttpOptions;
pub use openai::{EmbedderOptions, OpenAi, OpenAiBuilder, OpenAiChat, OpenAiEmbedder, OpenAiResponses};
