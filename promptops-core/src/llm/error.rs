//! Why a model did not answer.

use std::error::Error as StdError;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::base::error::{Error, ErrorKind, invalid};

/// Why a model did not answer, coarse enough to act on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum LlmErrorKind {
    /// The key is missing, wrong, or may not do this.
    Auth,
    /// Too many requests or tokens in a time; they pass with it.
    RateLimit,
    /// What the account may spend is spent; waiting does not help.
    Quota,
    /// The request, or the request and its answer, is longer than the model can take.
    ContextLength,
    /// The provider's filter refused the request or its answer.
    ContentFilter,
    /// The provider says that the request is wrong, or knows no such model.
    InvalidRequest,
    /// The request says something that this provider cannot be told.
    Unsupported,
    /// The provider is overloaded or failed inside.
    Overloaded,
    /// No answer within the time allowed.
    Timeout,
    /// The provider could not be reached, or the connection broke.
    Network,
    /// The answer is not what the provider's API promises: no JSON, half of it, too large.
    Malformed,
    /// It was not asked, since it failed too often a moment ago.
    CircuitOpen,
    /// It was not asked, since a limit that the caller set is reached.
    Budget,
    /// It was not asked: no recorded exchange fits the request.
    NotRecorded,
    /// A part of this library that stands between caller and model failed.
    Internal,
}

impl LlmErrorKind {
    /// All kinds.
    pub const ALL: [Self; 15] = [
        Self::Auth,
        Self::RateLimit,
        Self::Quota,
        Self::ContextLength,
        Self::ContentFilter,
        Self::InvalidRequest,
        Self::Unsupported,
        Self::Overloaded,
        Self::Timeout,
        Self::Network,
        Self::Malformed,
        Self::CircuitOpen,
        Self::Budget,
        Self::NotRecorded,
        Self::Internal,
    ];

    /// The stable text form, as stored.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Auth => "auth",
            Self::RateLimit => "rate_limit",
            Self::Quota => "quota",
            Self::ContextLength => "context_length",
            Self::ContentFilter => "content_filter",
            Self::InvalidRequest => "invalid_request",
            Self::Unsupported => "unsupported",
            Self::Overloaded => "overloaded",
            Self::Timeout => "timeout",
            Self::Network => "network",
            Self::Malformed => "malformed",
            Self::CircuitOpen => "circuit_open",
            Self::Budget => "budget",
            Self::NotRecorded => "not_recorded",
            Self::Internal => "internal",
        }
    }

    /// Whether the same request may well be answered a little later.
    #[must_use]
    pub fn is_retryable(self) -> bool {
        matches!(
            self,
            Self::RateLimit | Self::Overloaded | Self::Timeout | Self::Network | Self::Malformed
        )
    }

    /// Whether every other request to this provider will fail like this one, so that asking on makes no sense.
    #[must_use]
    pub fn concerns_every_request(self) -> bool {
        matches!(self, Self::Auth | Self::Quota | Self::Budget)
    }
}

impl fmt::Display for LlmErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for LlmErrorKind {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self, Error> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.as_str() == text)
            .ok_or_else(|| {
                invalid(format!(
                    "unknown kind of model error {}",
                    crate::base::id::quoted(text)
                ))
            })
    }
}

/// Why a model did not answer, with what the provider said about it. Never shows a key.
#[derive(Debug, Clone)]
pub struct LlmError(Box<Inner>);

#[derive(Debug, Clone)]
struct Inner {
    kind: LlmErrorKind,
    message: String,
    provider: String,
    status: Option<u16>,
    code: Option<String>,
    request_id: Option<String>,
    retry_after: Option<Duration>,
    should_retry: Option<bool>,
    source: Option<Arc<dyn StdError + Send + Sync>>,
}

impl LlmError {
    /// An error of this provider.
    pub fn new(kind: LlmErrorKind, provider: impl Into<String>, message: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            kind,
            message: message.into(),
            provider: provider.into(),
            status: None,
            code: None,
            request_id: None,
            retry_after: None,
            should_retry: None,
            source: None,
        }))
    }

    /// The status of the HTTP response.
    #[must_use]
    pub fn with_status(mut self, status: u16) -> Self {
        self.0.status = Some(status);
        self
    }

    /// The provider's own word for the error.
    #[must_use]
    pub fn with_code(mut self, code: impl Into<String>) -> Self {
        self.0.code = Some(code.into());
        self
    }

    /// The provider's name of the request, for its support.
    #[must_use]
    pub fn with_request_id(mut self, id: impl Into<String>) -> Self {
        self.0.request_id = Some(id.into());
        self
    }

    /// How long the provider asks to wait.
    #[must_use]
    pub fn with_retry_after(mut self, wait: Duration) -> Self {
        self.0.retry_after = Some(wait);
        self
    }

    /// Whether the provider says that repeating makes sense, which counts before what its kind says.
    #[must_use]
    pub fn with_should_retry(mut self, retry: bool) -> Self {
        self.0.should_retry = Some(retry);
        self
    }

    /// What it was caused by.
    #[must_use]
    pub fn caused_by(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.0.source = Some(Arc::from(source.into()));
        self
    }

    /// What kind it is.
    #[must_use]
    pub fn kind(&self) -> LlmErrorKind {
        self.0.kind
    }

    /// What happened.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// Who did not answer.
    #[must_use]
    pub fn provider(&self) -> &str {
        &self.0.provider
    }

    /// The status of the HTTP response, if there was one.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        self.0.status
    }

    /// The provider's own word for it.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        self.0.code.as_deref()
    }

    /// The provider's name of the request.
    #[must_use]
    pub fn request_id(&self) -> Option<&str> {
        self.0.request_id.as_deref()
    }

    /// How long the provider asks to wait.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// Whether the same request may well be answered a little later: what the provider says, else what the kind says.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        self.0.should_retry.unwrap_or_else(|| self.0.kind.is_retryable())
    }
}

impl fmt::Display for LlmError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.0.provider, self.0.message)?;
        let mut known = vec![self.0.kind.to_string()];
        known.extend(self.0.status.map(|status| format!("status {status}")));
        known.extend(self.0.code.as_ref().map(|code| format!("code {code}")));
        known.extend(self.0.request_id.as_ref().map(|id| format!("request {id}")));
        write!(f, " ({})", known.join(", "))
    }
}

impl StdError for LlmError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}

impl From<LlmError> for Error {
    fn from(error: LlmError) -> Self {
        let kind = match error.0.kind {
            LlmErrorKind::RateLimit | LlmErrorKind::Quota | LlmErrorKind::Budget => ErrorKind::RateLimited,
            LlmErrorKind::Overloaded
            | LlmErrorKind::Timeout
            | LlmErrorKind::Network
            | LlmErrorKind::CircuitOpen => ErrorKind::Unavailable,
            LlmErrorKind::Auth => ErrorKind::Forbidden,
            LlmErrorKind::Unsupported => ErrorKind::Unsupported,
            LlmErrorKind::ContextLength
            | LlmErrorKind::ContentFilter
            | LlmErrorKind::InvalidRequest
            | LlmErrorKind::NotRecorded => ErrorKind::Invalid,
            LlmErrorKind::Malformed | LlmErrorKind::Internal => ErrorKind::Backend,
        };
        Self::new(kind, error.to_string()).caused_by(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_survive_their_text_form() {
        for kind in LlmErrorKind::ALL {
            assert_eq!(kind.as_str().parse::<LlmErrorKind>().unwrap(), kind);
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
        }
        assert_eq!(
            "Auth".parse::<LlmErrorKind>().unwrap_err().kind(),
            ErrorKind::Invalid
        );
    }

    #[test]
    fn what_the_provider_says_of_repeating_counts_before_the_kind() {
        let error = |kind| LlmError::new(kind, "openai", "no");
        assert!(error(LlmErrorKind::Overloaded).is_retryable());
        assert!(
            !error(LlmErrorKind::Overloaded)
                .with_should_retry(false)
                .is_retryable()
        );
        assert!(
            error(LlmErrorKind::InvalidRequest)
                .with_should_retry(true)
                .is_retryable()
        );
    }

    #[test]
    fn the_text_says_who_what_and_how_to_ask_about_it() {
        let error = LlmError::new(LlmErrorKind::RateLimit, "openai", "slow down")
            .with_status(429)
            .with_code("rate_limit_exceeded")
            .with_request_id("req_1");
        let text = "openai: slow down (rate_limit, status 429, code rate_limit_exceeded, request req_1)";
        assert_eq!(error.to_string(), text);
        let general = Error::from(error);
        assert_eq!(
            (general.kind(), general.is_retryable()),
            (ErrorKind::RateLimited, true)
        );
        assert!(general.to_string().contains("slow down"));
    }
}
