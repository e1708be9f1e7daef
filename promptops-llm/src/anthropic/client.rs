//! A client of Anthropic's.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use promptops_core::Error;
use promptops_core::llm::{Blueprint, BlueprintAdapter as _, Completion, LlmClient, LlmError};
use reqwest::Url;
use serde_json::Value;

use super::stream::MessageStream;
use super::{AnthropicBuilder, AnthropicMessages};
use crate::http::{Address, Collect, Transport};

/// Asks Anthropic. Cheap to clone; clones share their connections.
#[derive(Clone)]
pub struct Anthropic(Arc<Inner>);

struct Inner {
    transport: Transport,
    url: Url,
    adapter: AnthropicMessages,
    model: Option<String>,
}

impl Anthropic {
    /// The settings of a client.
    #[must_use]
    pub fn builder() -> AnthropicBuilder {
        AnthropicBuilder::default()
    }

    /// A client with the settings of the environment: see [`AnthropicBuilder::from_env`].
    ///
    /// # Errors
    /// Those of [`AnthropicBuilder::from_env`] and [`AnthropicBuilder::build`].
    pub fn from_env() -> Result<Self, Error> {
        AnthropicBuilder::from_env()?.build()
    }

    pub(super) fn new(
        transport: Transport,
        address: &Address,
        adapter: AnthropicMessages,
        model: Option<String>,
    ) -> Self {
        Self(Arc::new(Inner {
            transport,
            url: address.join(&["v1", "messages"], &[]),
            adapter,
            model,
        }))
    }
}

#[async_trait]
impl LlmClient for Anthropic {
    fn provider(&self) -> &str {
        self.0.transport.provider()
    }

    fn model(&self) -> Option<&str> {
        self.0.model.as_deref()
    }

    async fn complete(&self, request: &Blueprint) -> Result<Completion, LlmError> {
        let Inner {
            transport,
            url,
            adapter,
            ..
        } = &*self.0;
        let mut body = adapter.body(request, self.model())?;
        let mut stream = MessageStream::default();
        let mut collector: Option<&mut dyn Collect> = None;
        if transport.streams() {
            body.insert("stream".into(), true.into());
            collector = Some(&mut stream);
        }
        let answer = transport
            .post(url.clone(), &Value::Object(body), collector)
            .await?;
        answer.read(|body| adapter.read_response(body))
    }
}

/// Who and where, without the key.
impl fmt::Debug for Anthropic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Anthropic")
            .field("url", &self.0.url.as_str())
            .field("adapter", &self.0.adapter)
            .field("model", &self.0.model)
            .finish_non_exhaustive()
    }
}
