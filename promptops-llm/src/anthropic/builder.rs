//! Settings of a client of Anthropic's.

use std::fmt;

use http::HeaderName;
use promptops_core::{Error, ErrorKind};
use secrecy::SecretString;

use super::{Anthropic, AnthropicMessages, AnthropicVersion, PROVIDER};
use crate::env::{self, Lookup};
use crate::http::{Address, Auth, HttpOptions, Transport};

const BASE_URL: &str = "https://api.anthropic.com";

/// Settings of an [`Anthropic`] client.
#[derive(Clone)]
pub struct AnthropicBuilder {
    key: Option<SecretString>,
    base_url: String,
    model: Option<String>,
    version: AnthropicVersion,
    adapter: AnthropicMessages,
    http: HttpOptions,
}

impl Default for AnthropicBuilder {
    fn default() -> Self {
        Self {
            key: None,
            base_url: BASE_URL.into(),
            model: None,
            version: AnthropicVersion::default(),
            adapter: AnthropicMessages::new(),
            http: HttpOptions::new(),
        }
    }
}

impl AnthropicBuilder {
    /// The settings that Anthropic's own clients take from the environment: `ANTHROPIC_API_KEY`, and if there
    /// `ANTHROPIC_BASE_URL`.
    ///
    /// # Errors
    /// [`Invalid`](ErrorKind::Invalid), naming the variable, when there is no key.
    pub fn from_env() -> Result<Self, Error> {
        Self::from_lookup(&env::process)
    }

    pub(crate) fn from_lookup(lookup: Lookup<'_>) -> Result<Self, Error> {
        let mut builder = Self::default().key(env::needed(lookup, "ANTHROPIC_API_KEY", "your key")?);
        if let Some(url) = env::optional(lookup, "ANTHROPIC_BASE_URL") {
            builder = builder.base_url(url);
        }
        Ok(builder)
    }

    /// The key.
    #[must_use]
    pub fn key(mut self, key: impl Into<SecretString>) -> Self {
        self.key = Some(key.into());
        self
    }

    /// Where the API is, `https://api.anthropic.com` by default; `/v1/messages` is added.
    #[must_use]
    pub fn base_url(mut self, url: impl Into<String>) -> Self {
        self.base_url = url.into();
        self
    }

    /// The model that answers when a request names none.
    #[must_use]
    pub fn model(mut self, model: impl Into<String>) -> Self {
        self.model = Some(model.into());
        self
    }

    /// The version of the API, [`2023-06-01`](AnthropicVersion::V2023_06_01) by default.
    #[must_use]
    pub fn version(mut self, version: AnthropicVersion) -> Self {
        self.version = version;
        self
    }

    /// The most tokens of an answer to a request that sets no limit, at least 1; by default
    /// [`AnthropicMessages::DEFAULT_MAX_TOKENS`].
    #[must_use]
    pub fn max_tokens(mut self, tokens: u32) -> Self {
        self.adapter = self.adapter.max_tokens(tokens);
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
    /// [`Invalid`](ErrorKind::Invalid) for a setting that cannot be, and for Anthropic itself without a key;
    /// [`Backend`](ErrorKind::Backend) when the machine trusts no certificate.
    pub fn build(self) -> Result<Anthropic, Error> {
        let address = Address::parse(&self.base_url)?;
        let auth = match (self.key, self.version) {
            (Some(key), AnthropicVersion::V2023_06_01) => {
                Auth::Header(HeaderName::from_static("x-api-key"), key)
            }
            (Some(key), AnthropicVersion::V2026_10_21) => Auth::Bearer(key),
            (None, _) if address.host() == "api.anthropic.com" => {
                return Err(Error::new(
                    ErrorKind::Invalid,
                    "Anthropic is not asked without a key; give one with `key`, or set ANTHROPIC_API_KEY and use \
                     `from_env`",
                ));
            }
            (None, _) => Auth::None,
        };
        let fixed = vec![(
            HeaderName::from_static("anthropic-version"),
            self.version.as_str().to_owned(),
        )];
        let transport = Transport::new(PROVIDER.into(), &address, auth, fixed, self.http)?;
        Ok(Anthropic::new(
            transport,
            &address,
            self.adapter.version(self.version),
            self.model,
        ))
    }
}

/// Without the key.
impl fmt::Debug for AnthropicBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AnthropicBuilder")
            .field("key", &self.key.is_some())
            .field("model", &self.model)
            .field("version", &self.version)
            .field("http", &self.http)
            .finish_non_exhaustive()
    }
}
