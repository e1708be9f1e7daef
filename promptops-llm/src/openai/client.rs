//! A client of OpenAI's, or of whatever speaks its formats.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use promptops_core::Error;
use promptops_core::llm::{Blueprint, BlueprintAdapter as _, Completion, LlmClient, LlmError};
use reqwest::Url;
use serde_json::{Map, Value, json};

use super::chat::ChatStream;
use super::embedder::{EmbedderOptions, EmbedderSetup, OpenAiEmbedder};
use super::responses::ResponsesStream;
use super::{OpenAiBuilder, OpenAiChat, OpenAiResponses};
use crate::http::{Address, Collect, Transport};

/// Asks OpenAI, by chat completions or [responses](OpenAiBuilder::responses), or any server that speaks the same.
///
/// Cheap to clone; clones share their connections.
#[derive(Clone)]
pub struct OpenAi(Arc<Inner>);

struct Inner {
    transport: Arc<Transport>,
    address: Address,
    url: Url,
    api: Api,
    model: Option<String>,
}

/// Which of the two formats is spoken.
pub(super) enum Api {
    Chat(OpenAiChat),
    Responses(OpenAiResponses),
}

impl OpenAi {
    /// The settings of a client.
    #[must_use]
    pub fn builder() -> OpenAiBuilder {
        OpenAiBuilder::default()
    }

    /// A client with the settings of the environment: see [`OpenAiBuilder::from_env`].
    ///
    /// # Errors
    /// Those of [`OpenAiBuilder::from_env`] and [`OpenAiBuilder::build`].
    pub fn from_env() -> Result<Self, Error> {
        OpenAiBuilder::from_env()?.build()
    }

    pub(super) fn new(transport: Arc<Transport>, address: Address, api: Api, model: Option<String>) -> Self {
        let url = match api {
            Api::Chat(_) => address.join(&["chat", "completions"], &[]),
            Api::Responses(_) => address.join(&["responses"], &[]),
        };
        Self(Arc::new(Inner {
            transport,
            address,
            url,
            api,
            model,
        }))
    }

    /// Embeds with this model, over the same connections.
    ///
    /// # Errors
    /// [`Invalid`](promptops_core::ErrorKind::Invalid) for options that cannot be.
    pub fn embedder(
        &self,
        model: impl Into<String>,
        options: EmbedderOptions,
    ) -> Result<OpenAiEmbedder, Error> {
        OpenAiEmbedder::new(
            EmbedderSetup {
                transport: Arc::clone(&self.0.transport),
                url: self.0.address.join(&["embeddings"], &[]),
                model: model.into(),
            },
            options,
        )
    }
}

/// Adds to a chat completion's body that it is to be streamed, and to say its usage.
pub(crate) fn streamed_chat(body: &mut Map<String, Value>) {
    body.insert("stream".into(), true.into());
    body.insert("stream_options".into(), json!({"include_usage": true}));
}

#[async_trait]
impl LlmClient for OpenAi {
    fn provider(&self) -> &str {
        self.0.transport.provider()
    }

    fn model(&self) -> Option<&str> {
        self.0.model.as_deref()
    }

    async fn complete(&self, request: &Blueprint) -> Result<Completion, LlmError> {
        let Inner {
            transport, url, api, ..
        } = &*self.0;
        let streams = transport.streams();
        let mut body = match api {
            Api::Chat(chat) => chat.body(request, self.model())?,
            Api::Responses(responses) => responses.body(request, self.model())?,
        };
        let mut chat_stream = ChatStream::new(transport.provider());
        let mut responses_stream = ResponsesStream::new(transport.provider());
        let collector: Option<&mut dyn Collect> = match api {
            _ if !streams => None,
            Api::Chat(_) => {
                streamed_chat(&mut body);
                Some(&mut chat_stream)
            }
            Api::Responses(_) => {
                body.insert("stream".into(), true.into());
                Some(&mut responses_stream)
            }
        };
        let answer = transport
            .post(url.clone(), &Value::Object(body), collector)
            .await?;
        answer.read(|body| match api {
            Api::Chat(chat) => chat.read_response(body),
            Api::Responses(responses) => responses.read_response(body),
        })
    }
}

/// Who and where, without the key.
impl fmt::Debug for OpenAi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenAi")
            .field("provider", &self.provider())
            .field("url", &self.0.url.as_str())
            .field("model", &self.0.model)
            .finish_non_exhaustive()
    }
}
