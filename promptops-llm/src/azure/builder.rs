//! Settings of a client of Azure OpenAI's.

use std::fmt;
use std::sync::Arc;

use http::HeaderName;
use promptops_core::{Error, ErrorKind};
use secrecy::SecretString;

use super::{AzureChat, AzureOpenAi, PROVIDER};
use crate::env::{self, Lookup};
use crate::errors::quoted;
use crate::http::{Address, Auth, HttpOptions, Transport};

/// The last dated version that is generally available.
const API_VERSION: &str = "2024-10-21";

/// Settings of an [`AzureOpenAi`] client.
#[derive(Clone)]
pub struct AzureOpenAiBuilder {
    endpoint: Option<String>,
    auth: Option<Auth>,
    deployment: Option<String>,
    api_version: String,
    adapter: AzureChat,
    http: HttpOptions,
}

impl Default for AzureOpenAiBuilder {
    fn default() -> Self {
        Self {
            endpoint: None,
            auth: None,
            deployment: None,
            api_version: API_VERSION.into(),
            adapter: AzureChat::new(),
            http: HttpOptions::new(),
        }
    }
}

impl AzureOpenAiBuilder {
    /// The settings that Azure's own clients take from the environment: `AZURE_OPENAI_ENDPOINT`, `AZURE_OPENAI_API_KEY`
    /// or `AZURE_OPENAI_AD_TOKEN`, and if there `OPENAI_API_VERSION`, `AZURE_OPENAI_DEPLOYMENT`.
    ///
    /// # Errors
    /// [`Invalid`](ErrorKind::Invalid), naming the variable, when there is no endpoint or no key.
    pub fn from_env() -> Result<Self, Error> {
        Self::from_lookup(&env::process)
    }

    pub(crate) fn from_lookup(lookup: Lookup<'_>) -> Result<Self, Error> {
        let endpoint = env::needed(
            lookup,
            "AZURE_OPENAI_ENDPOINT",
            "the address of your resource, https://….openai.azure.com",
        )?;
        let mut builder = Self::default().endpoint(endpoint);
        builder = match env::optional(lookup, "AZURE_OPENAI_AD_TOKEN") {
            Some(token) if env::optional(lookup, "AZURE_OPENAI_API_KEY").is_none() => builder.bearer(token),
            _ => builder.key(env::needed(
                lookup,
                "AZURE_OPENAI_API_KEY",
                "your key, or AZURE_OPENAI_AD_TOKEN to a token",
            )?),
        };
        if let Some(version) = env::optional(lookup, "OPENAI_API_VERSION") {
            builder = builder.api_version(version);
        }
        builder.deployment = env::optional(lookup, "AZURE_OPENAI_DEPLOYMENT");
        Ok(builder)
    }

    /// Where the resource is: `https://….openai.azure.com`.
    #[must_use]
    pub fn endpoint(mut self, url: impl Into<String>) -> Self {
        self.endpoint = Some(url.into());
        self
    }

    /// The key of the resource, in the header `api-key`. In place of a [token](Self::bearer).
    #[must_use]
    pub fn key(mut self, key: impl Into<SecretString>) -> Self {
        self.auth = Some(Auth::Header(HeaderName::from_static("api-key"), key.into()));
        self
    }

    /// A token of Microsoft Entra ID, in `Authorization: Bearer`. In place of a [key](Self::key). It expires: build
    /// another client with the next one.
    #[must_use]
    pub fn bearer(mut self, token: impl Into<SecretString>) -> Self {
        self.auth = Some(Auth::Bearer(token.into()));
        self
    }

    /// The deployment that answers when a request names no model. A request's model counts before it, as a deployment's
    /// name.
    #[must_use]
    pub fn deployment(mut self, name: impl Into<String>) -> Self {
        self.deployment = Some(name.into());
        self
    }

    /// The version of the API, `2024-10-21` by default.
    #[must_use]
    pub fn api_version(mut self, version: impl Into<String>) -> Self {
        self.api_version = version.into();
        self
    }

    /// As [`AzureChat::max_tokens_by_its_old_name`].
    #[must_use]
    pub fn max_tokens_by_its_old_name(mut self) -> Self {
        self.adapter = self.adapter.max_tokens_by_its_old_name();
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
    /// [`Invalid`](ErrorKind::Invalid) for a setting that is missing or cannot be; [`Backend`](ErrorKind::Backend) when
    /// the machine trusts no certificate.
    pub fn build(self) -> Result<AzureOpenAi, Error> {
        let invalid = |message: String| Error::new(ErrorKind::Invalid, message);
        let endpoint = self.endpoint.ok_or_else(|| {
            invalid(
                "Azure OpenAI has no endpoint; give one with `endpoint`, https://….openai.azure.com".into(),
            )
        })?;
        let address = Address::parse(&endpoint)?;
        let auth = self.auth.ok_or_else(|| {
            invalid("Azure OpenAI is not asked without a key; give one with `key` or `bearer`".into())
        })?;
        if let Some(name) = self.deployment.as_deref().filter(|name| !is_deployment(name)) {
            return Err(invalid(format!(
                "{} is no name of a deployment; expected 1 to 64 ASCII letters, digits and . _ -",
                quoted(name)
            )));
        }
        let transport = Transport::new(PROVIDER.into(), &address, auth, Vec::new(), self.http)?;
        Ok(AzureOpenAi::new(
            Arc::new(transport),
            address,
            self.adapter,
            self.deployment,
            self.api_version,
        ))
    }
}

/// Whether a name can be put into an address.
pub(super) fn is_deployment(name: &str) -> bool {
    let good = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    (1..=64).contains(&name.len()) && name.bytes().all(good) && !name.bytes().all(|b| b == b'.')
}

/// Without the key.
impl fmt::Debug for AzureOpenAiBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AzureOpenAiBuilder")
            .field("key", &self.auth.is_some())
            .field("deployment", &self.deployment)
            .field("api_version", &self.api_version)
            .field("http", &self.http)
            .finish_non_exhaustive()
    }
}
