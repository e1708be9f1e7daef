//! From a blueprint to a provider's JSON, and back.

use serde_json::Value;

use super::blueprint::Blueprint;
use super::completion::Completion;
use super::error::LlmError;

/// The words of one provider's API.
///
/// Pure: no I/O, and the same answer every time. What comes back from
/// [`request`](Self::request) through [`read_request`](Self::read_request) is the blueprint that went in, as far as the
/// provider can say it; what it cannot say is [`Unsupported`](super::LlmErrorKind::Unsupported).
pub trait BlueprintAdapter: Send + Sync {
    /// The provider, as in [`LlmClient::provider`](super::LlmClient::provider).
    fn provider(&self) -> &str;

    /// The body of a request.
    ///
    /// # Errors
    /// [`Unsupported`](super::LlmErrorKind::Unsupported) for what the provider cannot be told,
    /// [`InvalidRequest`](super::LlmErrorKind::InvalidRequest) for what no provider accepts, such as no message.
    fn request(&self, blueprint: &Blueprint) -> Result<Value, LlmError>;

    /// The blueprint that a request's body says.
    ///
    /// # Errors
    /// [`Unsupported`](super::LlmErrorKind::Unsupported) for what a blueprint cannot say,
    /// [`Malformed`](super::LlmErrorKind::Malformed) for what is no request of this provider.
    fn read_request(&self, body: &Value) -> Result<Blueprint, LlmError>;

    /// The completion that a response's body says.
    ///
    /// # Errors
    /// [`Malformed`](super::LlmErrorKind::Malformed) for what is no response of this provider,
    /// [`ContentFilter`](super::LlmErrorKind::ContentFilter) when there is no answer but a refusal of the provider's.
    fn read_response(&self, body: &Value) -> Result<Completion, LlmError>;
}
