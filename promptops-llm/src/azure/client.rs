//! A client of Azure OpenAI's.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use promptops_core::Error;
use promptops_core::llm::{Blueprint, BlueprintAdapter as _, Completion, LlmClient, LlmError};
use reqwest::Url;
use serde_json::Value;

use super::builder::is_deployment;
use super::{AzureChat, AzureOpenAiBuilder, PROVIDER};
use crate::errors::{Errors, quoted};
use crate::http::{Address, Collect, Transport};
use crate::openai::chat::ChatStream;
use crate::openai::client::streamed_chat;
use crate::openai::{EmbedderOptions, EmbedderSetup, OpenAiEmbedder};

/// Asks a deployment of Azure OpenAI by chat completions. Cheap to clone; clones share their connections.
///
/// The API without deployments in its addresses, `…/openai/v1`, is OpenAI's own: ask it by [`OpenAi`](crate::OpenAi) with
/// that [base URL](crate::OpenAiBuilder::base_url).
///
/// A filter that takes offence at a request or leaves no answer is
/// [`ContentFilter`](promptops_core::llm::LlmErrorKind::ContentFilter).
#[derive(Clone)]
pub struct AzureOpenAi(Arc<Inner>);

struct Inner {
    transport: Arc<Transport>,
    address: Address,
    adapter: AzureChat,
    deployment: Option<String>,
    api_version: String,
}

impl AzureOpenAi {
    /// The settings of a client.
    #[must_use]
    pub fn builder() -> AzureOpenAiBuilder {
        AzureOpenAiBuilder::default()
    }

    /// A client with the settings of the environment: see [`AzureOpenAiBuilder::from_env`].
    ///
    /// # Errors
    /// Those of [`AzureOpenAiBuilder::from_env`] and [`AzureOpenAiBuilder::build`].
    pub fn from_env() -> Result<Self, Error> {
        AzureOpenAiBuilder::from_env()?.build()
    }

    pub(super) fn new(
        transport: Arc<Transport>,
        address: Address,
        adapter: AzureChat,
        deployment: Option<String>,
        api_version: String,
    ) -> Self {
        Self(Arc::new(Inner {
            transport,
            address,
            adapter,
            deployment,
            api_version,
        }))
    }

    /// Embeds with this deployment, over the same connections.
    ///
    /// # Errors
    /// [`Invalid`](promptops_core::ErrorKind::Invalid) for options that cannot be.
    pub fn embedder(
        &self,
        deployment: impl Into<String>,
        options: EmbedderOptions,
    ) -> Result<OpenAiEmbedder, Error> {
        let model = deployment.into();
        OpenAiEmbedder::new(
            EmbedderSetup {
                transport: Arc::clone(&self.0.transport),
                url: self.url(&model, &["embeddings"])?,
                model,
            },
            options,
        )
    }

    fn url(&self, deployment: &str, resource: &[&str]) -> Result<Url, LlmError> {
        if !is_deployment(deployment) {
            return Err(Errors(PROVIDER).invalid(format!(
                "{} is no name of a deployment; expected 1 to 64 ASCII letters, digits and . _ -",
                quoted(deployment)
            )));
        }
        let path = [&["openai", "deployments", deployment], resource].concat();
        Ok(self
            .0
            .address
            .join(&path, &[("api-version", &self.0.api_version)]))
    }
}

#[async_trait]
impl LlmClient for AzureOpenAi {
    fn provider(&self) -> &str {
        PROVIDER
    }

    fn model(&self) -> Option<&str> {
        self.0.deployment.as_deref()
    }

    async fn complete(&self, request: &Blueprint) -> Result<Completion, LlmError> {
        let Inner {
            transport, adapter, ..
        } = &*self.0;
        let mut body = adapter.body(request)?;
        let deployment = request
            .settings
            .model
            .as_deref()
            .or(self.model())
            .ok_or_else(|| {
                Errors(PROVIDER)
                    .invalid("neither the request nor the client names a deployment; set `settings.model`")
            })?;
        let url = self.url(deployment, &["chat", "completions"])?;
        let mut stream = ChatStream::new(PROVIDER);
        let mut collector: Option<&mut dyn Collect> = None;
        if transport.streams() {
            streamed_chat(&mut body);
            collector = Some(&mut stream);
        }
        let answer = transport.post(url, &Value::Object(body), collector).await?;
        answer.read(|body| adapter.read_response(body))
    }
}

/// Who and where, without the key.
impl fmt::Debug for AzureOpenAi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AzureOpenAi")
            .field("endpoint", &self.0.address.as_str())
            .field("deployment", &self.0.deployment)
            .field("api_version", &self.0.api_version)
            .finish_non_exhaustive()
    }
}
