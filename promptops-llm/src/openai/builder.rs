//! Settings of a client of OpenAI's.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use http::HeaderName;
use promptops_core::{Error, ErrorKind};
use secrecy::SecretString;

use super::client::Api;
use super::{OpenAi, OpenAiChat, OpenAiResponses};
use crate::env::{self, Lookup};
use crate::http::{Address, Auth, HttpOptions, Transport};

const BASE_URL: &str = "https://api.openai.com/v1";

/// Settings of an [`OpenAi`] client.
#[derive(Clone)]
pub struct OpenAiBuilder {
    provider: Cow<'static, str>,
    key: Option<SecretString>,
    base_url: String,
    model: Option<String>,
    organization: Option<String>,
    project: Option<String>,
    responses: bool,
    chat: OpenAiChat,
    http: HttpOptions,
}

impl Default for OpenAiBuilder {
    fn default() -> Self {
        Self {
            provider: "openai".into(),
            key: None,
            base_url: BASE_URL.into(),
            model: None,
            organization: None,
            project: None,
            responses: false,
            chat: OpenAiChat::new(),
            http: HttpOptions::new(),
        }
    }
}

impl OpenAiBuilder {
    /// The settings that OpenAI's own clients take from the environment: `OPENAI_API_KEY`, and if there `OPENAI_BASE_URL`,
    /// `OPENAI_ORG_ID`, `OPENAI_PROJECT_ID`.
    ///
    /// # Errors
    /// [`Invalid`](ErrorKind::Invalid), naming the variable, when there is no key.
    pub fn from_env() -> Result<Self, Error> {
        Self::from_lookup(&env::process)
    }

    pub(crate) fn from_lookup(lookup: Lookup<'_>) -> Result<Self, Error> {
        let mut builder = Self::default().key(env::needed(lookup, "OPENAI_API_KEY", "your key")?);
        if let Some(url) = env::optional(lookup, "OPENAI_BASE_URL") {
            builder = builder.base_url(url);
        }
        builder.organization = env::optional(lookup, "OPENAI_ORG_ID");
        builder.project = env::optional(lookup, "OPENAI_PROJECT_ID");
        Ok(builder)
    }

    /// The key. A server other than OpenAI's may need none.
    #[must_use]
    pub fn key(mut self, key: impl Into<SecretString>) -> Self {
        self.key = Some(key.into());
        self
    }

    /// Where the API is, `https://api.openai.com/v1` by default: any server that speaks the same will do, such as
    /// `http://localhost:11434/v1`. Over `http:` everybody on the way can read the key.
    #[must_use]
    pub fn base_url(mut self, url: impl Into<String>) -> Self {
        self.base_url = url.into();
        self
    }

    /// The name of the provider in errors, prices and telemetry, `openai` by default.
    #[must_use]
    pub fn provider_name(mut self, name: impl Into<Cow<'static, str>>) -> Self {
        self.provider = name.into();
        self
    }

    /// The model that answers when a request names none.
    #[must_use]
    pub fn model(mut self, model: impl Into<String>) -> Self {
        self.model = Some(model.into());
        self
    }

    /// The organisation that pays, in the header `OpenAI-Organization`.
    #[must_use]
    pub fn organization(mut self, id: impl Into<String>) -> Self {
        self.organization = Some(id.into());
        self
    }

    /// The project that pays, in the header `OpenAI-Project`.
    #[must_use]
    pub fn project(mut self, id: impl Into<String>) -> Self {
        self.project = Some(id.into());
        self
    }

    /// Asks by responses, and not by chat completions.
    #[must_use]
    pub fn responses(mut self) -> Self {
        self.responses = true;
        self
    }

    /// As [`OpenAiChat::max_tokens_by_its_old_name`].
    #[must_use]
    pub fn max_tokens_by_its_old_name(mut self) -> Self {
        self.chat = self.chat.max_tokens_by_its_old_name();
        self
    }

    /// As [`OpenAiChat::usage_may_be_missing`].
    #[must_use]
    pub fn usage_may_be_missing(mut self) -> Self {
        self.chat = self.chat.usage_may_be_missing();
        self
    }

    /// Timeouts, limits, streaming, headers.
    #[must_use]
    pub fn http(mut self, options: HttpOptions) -> Self {
        self.http = options;
        self
    }

    /// The client.
    ///
    /// # Errors
    /// [`Invalid`](ErrorKind::Invalid) for a setting that cannot be, and for OpenAI itself without a key;
    /// [`Backend`](ErrorKind::Backend) when the machine trusts no certificate.
    pub fn build(self) -> Result<OpenAi, Error> {
        let address = Address::parse(&self.base_url)?;
        let auth = match self.key {
            Some(key) => Auth::Bearer(key),
            None if address.host() == "api.openai.com" => {
                return Err(Error::new(
                    ErrorKind::Invalid,
                    "OpenAI is not asked without a key; give one with `key`, or set OPENAI_API_KEY and use `from_env`",
                ));
            }
            None => Auth::None,
        };
        let fixed = [
            ("openai-organization", self.organization),
            ("openai-project", self.project),
        ];
        let fixed = fixed
            .into_iter()
            .filter_map(|(name, value)| Some((HeaderName::from_static(name), value?)))
            .collect();
        let transport = Transport::new(self.provider.clone(), &address, auth, fixed, self.http)?;
        let api = if self.responses {
            Api::Responses(OpenAiResponses::new().provider_name(self.provider))
        } else {
            Api::Chat(self.chat.provider_name(self.provider))
        };
        Ok(OpenAi::new(Arc::new(transport), address, api, self.model))
    }
}

/// Without the key.
impl fmt::Debug for OpenAiBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenAiBuilder")
            .field("provider", &self.provider)
            .field("key", &self.key.is_some())
            .field("model", &self.model)
            .field("responses", &self.responses)
            .field("http", &self.http)
            .finish_non_exhaustive()
    }
}
