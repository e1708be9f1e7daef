//! What kind of error a provider's answer is. One table for all dialects, since their words do not clash.
//!
//! Sources: the lists of errors in the documentation of OpenAI, Anthropic and Azure OpenAI.

use promptops_core::llm::{LlmError, LlmErrorKind};
use serde_json::Value;

use super::scrub::Scrub;
use crate::errors::Errors;

/// What an error's body says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Said {
    pub(crate) code: Option<String>,
    pub(crate) kind: Option<String>,
    pub(crate) message: Option<String>,
    /// Azure says within its error that a filter took offence.
    pub(crate) inner_code: Option<String>,
}

impl Said {
    /// Reads `{"error": {"message", "type", "code"}}` and the forms near it: an error as text, one without the frame,
    /// and `{"message"}` and `{"detail"}` of gateways.
    pub(crate) fn read(body: &Value) -> Self {
        let error = [body.pointer("/response/error"), body.get("error"), Some(body)]
            .into_iter()
            .flatten()
            .find(|error| !error.is_null())
            .unwrap_or(body);
        let text = |value: Option<&Value>| match value {
            Some(Value::String(text)) if !text.is_empty() => Some(text.clone()),
            Some(Value::Number(n)) => Some(n.to_string()),
            _ => None,
        };
        Self {
            code: text(error.get("code")),
            kind: text(error.get("type")),
            message: text(error.get("message"))
                .or_else(|| text(Some(error)))
                .or_else(|| text(body.get("message")))
                .or_else(|| text(body.get("detail"))),
            inner_code: text(error.pointer("/innererror/code")),
        }
    }

    /// Its own word: the code, else the type.
    pub(crate) fn word(&self) -> Option<&str> {
        let kind = self.kind.as_deref().filter(|kind| *kind != "error");
        self.code.as_deref().or(kind)
    }

    fn words(&self) -> impl Iterator<Item = &str> {
        [&self.code, &self.inner_code, &self.kind]
            .into_iter()
            .filter_map(|word| word.as_deref())
    }
}

/// The kind of an error by its words, else by its status. An error inside an answer has no status of its own.
pub(crate) fn kind(status: Option<u16>, said: &Said) -> LlmErrorKind {
    if let Some(kind) = said.words().find_map(by_word) {
        return kind;
    }
    let message = said.message.as_deref().unwrap_or_default().to_ascii_lowercase();
    if matches!(status, None | Some(400 | 413 | 422)) {
        if TOO_LONG.iter().any(|words| message.contains(words)) {
            return LlmErrorKind::ContextLength;
        }
        if message.contains("credit balance is too low") {
            return LlmErrorKind::Quota;
        }
    }
    // Gateways say the status of who is behind them as a code.
    let code = said.code.as_deref().and_then(|code| code.parse().ok());
    match status.or(code) {
        Some(status) => by_status(status),
        None => said
            .words()
            .find_map(by_vague_word)
            .unwrap_or(LlmErrorKind::Overloaded),
    }
}

/// How the providers say that a request is too long where they have no code for it.
const TOO_LONG: [&str; 5] = [
    "maximum context length",
    "prompt is too long",
    "context window",
    "exceed context limit",
    "input is too long",
];

/// Words that say more than a status does.
fn by_word(word: &str) -> Option<LlmErrorKind> {
    use LlmErrorKind as Kind;
    Some(match word {
        "context_length_exceeded" | "string_above_max_length" | "request_too_large" => Kind::ContextLength,
        "content_filter"
        | "content_policy_violation"
        | "moderation_blocked"
        | "ResponsibleAIPolicyViolation" => Kind::ContentFilter,
        "insufficient_quota"
        | "billing_error"
        | "billing_hard_limit_reached"
        | "billing_not_active"
        | "account_deactivated" => Kind::Quota,
        "invalid_api_key" | "authentication_error" | "permission_error" => Kind::Auth,
        "rate_limit_exceeded" | "rate_limit_error" => Kind::RateLimit,
        "overloaded_error" | "model_overloaded" | "engine_overloaded" => Kind::Overloaded,
        "model_not_found" | "DeploymentNotFound" => Kind::InvalidRequest,
        _ => return None,
    })
}

/// Words that count only where there is no status: beside one, they say less than it does.
fn by_vague_word(word: &str) -> Option<LlmErrorKind> {
    use LlmErrorKind as Kind;
    Some(match word {
        "invalid_request_error" | "not_found_error" | "invalid_prompt" | "invalid_image" => {
            Kind::InvalidRequest
        }
        "timeout_error" => Kind::Timeout,
        _ => return None,
    })
}

fn by_status(status: u16) -> LlmErrorKind {
    match status {
        401 | 403 => LlmErrorKind::Auth,
        402 => LlmErrorKind::Quota,
        413 => LlmErrorKind::ContextLength,
        429 => LlmErrorKind::RateLimit,
        408 | 409 | 425 | 500.. => LlmErrorKind::Overloaded,
        _ => LlmErrorKind::InvalidRequest,
    }
}

/// What to do about it.
fn advice(kind: LlmErrorKind, status: Option<u16>) -> &'static str {
    match (kind, status) {
        (LlmErrorKind::Auth, _) => "check the key, what it may do, and that it belongs to this address",
        (LlmErrorKind::RateLimit, _) => "ask less often, or have a higher limit set",
        (LlmErrorKind::Quota, _) => "add credit to the account, or raise what it may spend",
        (LlmErrorKind::ContextLength, _) => "shorten the request or ask a model that takes more",
        (LlmErrorKind::ContentFilter, _) => "change what is asked",
        (LlmErrorKind::InvalidRequest, Some(404)) => {
            "check the model's name and the address; the key may also not be allowed to see the model"
        }
        (LlmErrorKind::Overloaded | LlmErrorKind::Timeout, _) => "ask again later",
        _ => "change the request",
    }
}

/// The error that an answer with this status is.
pub(super) fn error(provider: &str, status: Option<u16>, said: &Said, scrub: &Scrub) -> LlmError {
    let kind = kind(status, said);
    let message = match &said.message {
        Some(message) => format!("{}; {}", scrub.clean(message), advice(kind, status)),
        None => format!("it gives no reason; {}", advice(kind, status)),
    };
    let mut error = LlmError::new(kind, provider, message);
    if let Some(word) = said.word() {
        error = error.with_code(scrub.name(word));
    }
    error
}

/// The error that an answer says although its status is that of a success.
pub(crate) fn in_band(provider: &str, body: &Value) -> LlmError {
    let said = Said::read(body);
    if said.message.is_none() && said.word().is_none() {
        return Errors(provider).malformed("the answer says that it failed, and not why");
    }
    error(provider, None, &said, &Scrub::default())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_dialect_is_classified() {
        use LlmErrorKind as Kind;
        let openai = |status, code: Option<&str>, kind: &str, message: &str| {
            (
                Some(status),
                json!({"error": {"message": message, "type": kind, "code": code, "param": null}}),
            )
        };
        let anthropic = |status, kind: &str, message: &str| {
            (
                Some(status),
                json!({"type": "error", "error": {"type": kind, "message": message}, "request_id": "r"}),
            )
        };
        let bare = |status| (Some(status), json!({}));
        let table = [
            (
                openai(401, Some("invalid_api_key"), "invalid_request_error", "Incorrect"),
                Kind::Auth,
            ),
            (openai(403, None, "permission_error", "No"), Kind::Auth),
            (
                openai(429, Some("rate_limit_exceeded"), "requests", "Rate limit reached"),
                Kind::RateLimit,
            ),
            (
                openai(
                    429,
                    Some("insufficient_quota"),
                    "insufficient_quota",
                    "You exceeded",
                ),
                Kind::Quota,
            ),
            (
                openai(
                    400,
                    Some("context_length_exceeded"),
                    "invalid_request_error",
                    "Too long",
                ),
                Kind::ContextLength,
            ),
            (
                openai(
                    400,
                    None,
                    "invalid_request_error",
                    "This model's maximum context length is 8192 tokens",
                ),
                Kind::ContextLength,
            ),
            (
                openai(
                    400,
                    Some("content_policy_violation"),
                    "invalid_request_error",
                    "no",
                ),
                Kind::ContentFilter,
            ),
            (
                openai(400, Some("unsupported_parameter"), "invalid_request_error", "no"),
                Kind::InvalidRequest,
            ),
            (
                openai(404, Some("model_not_found"), "invalid_request_error", "no"),
                Kind::InvalidRequest,
            ),
            (openai(500, None, "server_error", "oops"), Kind::Overloaded),
            (
                openai(503, None, "server_error", "prompt is too long"),
                Kind::Overloaded,
            ),
            (
                anthropic(400, "invalid_request_error", "max_tokens: required"),
                Kind::InvalidRequest,
            ),
            (
                anthropic(
                    400,
                    "invalid_request_error",
                    "prompt is too long: 300000 tokens > 200000 maximum",
                ),
                Kind::ContextLength,
            ),
            (
                anthropic(
                    400,
                    "invalid_request_error",
                    "Your credit balance is too low to access",
                ),
                Kind::Quota,
            ),
            (
                anthropic(401, "authentication_error", "invalid x-api-key"),
                Kind::Auth,
            ),
            (anthropic(402, "billing_error", "pay"), Kind::Quota),
            (
                anthropic(404, "not_found_error", "model: x"),
                Kind::InvalidRequest,
            ),
            (anthropic(413, "request_too_large", "big"), Kind::ContextLength),
            (anthropic(429, "rate_limit_error", "slow"), Kind::RateLimit),
            (anthropic(500, "api_error", "oops"), Kind::Overloaded),
            (anthropic(504, "timeout_error", "slow"), Kind::Overloaded),
            (anthropic(529, "overloaded_error", "busy"), Kind::Overloaded),
            (
                (
                    Some(400),
                    json!({"error": {"code": null, "type": null, "message": "filtered",
                        "innererror": {"code": "ResponsibleAIPolicyViolation"}}}),
                ),
                Kind::ContentFilter,
            ),
            (
                (
                    Some(404),
                    json!({"error": {"code": "DeploymentNotFound", "message": "none"}}),
                ),
                Kind::InvalidRequest,
            ),
            (
                (Some(401), json!({"statusCode": 401, "message": "Access denied"})),
                Kind::Auth,
            ),
            (bare(400), Kind::InvalidRequest),
            (bare(408), Kind::Overloaded),
            (bare(409), Kind::Overloaded),
            (bare(418), Kind::InvalidRequest),
            (bare(599), Kind::Overloaded),
            // Inside a stream or an answer with status 200.
            (
                (
                    None,
                    json!({"type": "error", "error": {"type": "overloaded_error", "message": "busy"}}),
                ),
                Kind::Overloaded,
            ),
            (
                (
                    None,
                    json!({"error": {"message": "no", "type": "invalid_request_error"}}),
                ),
                Kind::InvalidRequest,
            ),
            (
                (
                    None,
                    json!({"type": "error", "code": "server_error", "message": "oops"}),
                ),
                Kind::Overloaded,
            ),
            (
                (
                    None,
                    json!({"type": "response.failed", "response": {"error": {"code": "rate_limit_exceeded", "message": "x"}}}),
                ),
                Kind::RateLimit,
            ),
            (
                (None, json!({"error": {"code": 429, "message": "slow"}})),
                Kind::RateLimit,
            ),
            (
                (None, json!({"error": {"code": 401, "message": "no"}})),
                Kind::Auth,
            ),
        ];
        for ((status, body), expected) in table {
            assert_eq!(kind(status, &Said::read(&body)), expected, "{status:?} {body}");
        }
    }

    #[test]
    fn messages_are_found_in_every_form() {
        let message = |body: Value| Said::read(&body).message;
        assert_eq!(message(json!({"error": "boom"})).as_deref(), Some("boom"));
        assert_eq!(
            message(json!({"error": {"message": "boom"}})).as_deref(),
            Some("boom")
        );
        assert_eq!(message(json!({"message": "boom"})).as_deref(), Some("boom"));
        assert_eq!(message(json!({"detail": "boom"})).as_deref(), Some("boom"));
        assert_eq!(message(json!([1])), None);
        assert_eq!(message(json!({})), None);
    }
}
