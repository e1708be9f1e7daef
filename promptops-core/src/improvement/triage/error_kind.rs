//! What an error's kind means.
//!
//! Decided by the kind alone: a message is anybody's text, and one that quotes a customer's "timeout" is no timeout.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::failure::OutcomeClass;
use super::settings::TriageSettings;
use crate::llm::LlmErrorKind;

/// What failed that is not the prompt's affair.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum InfrastructureKind {
    /// No answer within the time allowed.
    Timeout,
    /// Too many requests in a time.
    RateLimit,
    /// The provider failed inside, is overloaded, or broke its own API.
    Server,
    /// The provider could not be reached.
    Network,
    /// The caller gave the call up.
    Cancelled,
    /// A tool that the answer needed failed.
    ToolOutage,
    /// Keys, permissions, quotas, budgets.
    Account,
    /// The call was put wrongly, or names what the provider does not have.
    Request,
    /// The host, or this library, failed.
    Internal,
    /// A kind that nobody knows; see [`TriageSettings::kind`].
    Unknown,
}

impl InfrastructureKind {
    /// The stable text form, as stored.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Timeout => "timeout",
            Self::RateLimit => "rate_limit",
            Self::Server => "server",
            Self::Network => "network",
            Self::Cancelled => "cancelled",
            Self::ToolOutage => "tool_outage",
            Self::Account => "account",
            Self::Request => "request",
            Self::Internal => "internal",
            Self::Unknown => "unknown",
        }
    }
}

impl fmt::Display for InfrastructureKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What an error's kind means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorMeaning {
    /// The prompt has no part in it.
    Infrastructure(InfrastructureKind),
    /// The prompt may have a part in it.
    Behaviour(OutcomeClass),
}

use ErrorMeaning::{Behaviour, Infrastructure};

/// What this kind means: what the settings say, else a kind of this library's own, else a status of HTTP, else by its
/// words.
pub(super) fn meaning(kind: &str, settings: &TriageSettings) -> ErrorMeaning {
    if let Some(meaning) = settings.kinds.get(kind) {
        return *meaning;
    }
    if let Ok(kind) = kind.parse::<LlmErrorKind>() {
        return of_llm(kind);
    }
    let words = words(kind);
    words
        .split(' ')
        .find_map(of_status)
        .or_else(|| of_tool(&words))
        .or_else(|| of_words(&words))
        .unwrap_or(Infrastructure(InfrastructureKind::Unknown))
}

fn of_llm(kind: LlmErrorKind) -> ErrorMeaning {
    use InfrastructureKind as I;
    Infrastructure(match kind {
        // A shorter prompt would fit, and another wording may pass the filter.
        LlmErrorKind::ContextLength => return Behaviour(OutcomeClass::ContextLength),
        LlmErrorKind::ContentFilter => return Behaviour(OutcomeClass::ContentFiltered),
        LlmErrorKind::Auth | LlmErrorKind::Quota | LlmErrorKind::Budget => I::Account,
        LlmErrorKind::RateLimit => I::RateLimit,
        LlmErrorKind::InvalidRequest | LlmErrorKind::Unsupported => I::Request,
        LlmErrorKind::Overloaded | LlmErrorKind::Malformed | LlmErrorKind::CircuitOpen => I::Server,
        LlmErrorKind::Timeout => I::Timeout,
        LlmErrorKind::Network => I::Network,
        LlmErrorKind::NotRecorded | LlmErrorKind::Internal => I::Internal,
    })
}

/// Statuses of RFC 9110 and 6585, and 499, as nginx calls what the client gave up, and 529, as Anthropic an overload.
fn of_status(word: &str) -> Option<ErrorMeaning> {
    use InfrastructureKind as I;
    if word.len() != 3 {
        return None;
    }
    let kind = match word.parse::<u16>().ok()? {
        408 | 504 => I::Timeout,
        429 => I::RateLimit,
        499 => I::Cancelled,
        401 | 402 | 403 | 407 => I::Account,
        413 => return Some(Behaviour(OutcomeClass::ContextLength)),
        400..=498 => I::Request,
        500..=599 => I::Server,
        _ => return None,
    };
    Some(Infrastructure(kind))
}

/// A tool that was called with what it does not take is the model's doing; any other failure of one is the tool's.
fn of_tool(words: &str) -> Option<ErrorMeaning> {
    const TOOL: [&str; 4] = ["tool", "tools", "plugin", "mcp"];
    const MISUSE: [&str; 8] = [
        "argument",
        "arguments",
        "schema",
        "invalid",
        "validation",
        "parse",
        "unknown",
        "hallucinated",
    ];
    let has_any = |any: &[&str]| any.iter().any(|word| contains(words, word));
    has_any(&TOOL).then(|| {
        if has_any(&MISUSE) {
            Behaviour(OutcomeClass::InvalidFormat)
        } else {
            Infrastructure(InfrastructureKind::ToolOutage)
        }
    })
}

fn of_words(words: &str) -> Option<ErrorMeaning> {
    BY_WORDS
        .iter()
        .find(|(phrases, _)| phrases.iter().any(|phrase| contains(words, phrase)))
        .map(|(_, meaning)| *meaning)
}

/// The first row with a phrase that the kind contains counts. Names as the clients of OpenAI and Anthropic, gRPC, HTTP
/// libraries, and the runtimes of Python, Java, JavaScript, Go and Rust have them.
const BY_WORDS: [(&[&str], ErrorMeaning); 12] = [
    (
        &[
            "timeout",
            "time out",
            "timed out",
            "deadline exceeded",
            "deadline elapsed",
            "elapsed",
        ],
        Infrastructure(InfrastructureKind::Timeout),
    ),
    (
        &[
            "rate limit",
            "rate limited",
            "ratelimit",
            "too many requests",
            "throttled",
            "throttling",
            "throttle",
            "resource exhausted",
        ],
        Infrastructure(InfrastructureKind::RateLimit),
    ),
    (
        &[
            "cancelled",
            "canceled",
            "cancellation",
            "cancel",
            "aborted",
            "abort",
            "interrupted",
            "disconnected",
        ],
        Infrastructure(InfrastructureKind::Cancelled),
    ),
    (
        &[
            "context length",
            "context window",
            "context size",
            "max tokens",
            "token limit",
            "too long",
        ],
        Behaviour(OutcomeClass::ContextLength),
    ),
    (
        &[
            "content filter",
            "content filtered",
            "content policy",
            "moderation",
            "guardrail",
            "refusal",
        ],
        Behaviour(OutcomeClass::ContentFiltered),
    ),
    (
        &[
            "connection",
            "connect",
            "network",
            "dns",
            "socket",
            "unknown host",
            "tls",
            "ssl",
            "econnreset",
            "econnrefused",
            "enotfound",
            "broken pipe",
            "transport",
        ],
        Infrastructure(InfrastructureKind::Network),
    ),
    (
        &[
            "auth",
            "authentication",
            "authorization",
            "unauthorized",
            "unauthenticated",
            "permission",
            "forbidden",
            "api key",
            "quota",
            "billing",
            "budget",
            "payment",
        ],
        Infrastructure(InfrastructureKind::Account),
    ),
    (
        &[
            "overloaded",
            "unavailable",
            "internal server",
            "server error",
            "bad gateway",
            "5 xx",
            "outage",
            "circuit open",
            "circuit breaker",
            "upstream",
        ],
        Infrastructure(InfrastructureKind::Server),
    ),
    (
        &["invalid request", "bad request", "not found", "unsupported"],
        Infrastructure(InfrastructureKind::Request),
    ),
    (&["schema"], Behaviour(OutcomeClass::InvalidSchema)),
    (
        &[
            "format",
            "json",
            "parse",
            "parser",
            "parsing",
            "decode",
            "malformed output",
            "invalid output",
            "output validation",
            "validation",
            "pydantic",
            "zod",
        ],
        Behaviour(OutcomeClass::InvalidFormat),
    ),
    (
        &[
            "internal",
            "out of memory",
            "panic",
            "assertion",
            "null pointer",
            "database",
        ],
        Infrastructure(InfrastructureKind::Internal),
    ),
];

fn contains(words: &str, phrase: &str) -> bool {
    words
        .match_indices(phrase)
        .any(|(at, _)| words[..at].ends_with(' ') && words[at + phrase.len()..].starts_with(' '))
}

/// The kind in lower-case words between spaces: ` read timeout error ` for `ReadTimeoutError`.
fn words(kind: &str) -> String {
    let chars: Vec<char> = kind.chars().take(200).collect();
    let mut words = String::from(" ");
    for (at, c) in chars.iter().enumerate() {
        if !c.is_alphanumeric() {
            push_space(&mut words);
            continue;
        }
        if let Some(before) = at.checked_sub(1).and_then(|at| chars.get(at)) {
            let ends_acronym =
                before.is_uppercase() && chars.get(at + 1).is_some_and(|next| next.is_lowercase());
            let begins_word = c.is_uppercase() && (before.is_lowercase() || ends_acronym);
            if begins_word || before.is_numeric() != c.is_numeric() {
                push_space(&mut words);
            }
        }
        words.extend(c.to_lowercase());
    }
    push_space(&mut words);
    words
}

fn push_space(words: &mut String) {
    if !words.ends_with(' ') {
        words.push(' ');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(kind: &str) -> &'static str {
        match meaning(kind, &TriageSettings::default()) {
            Infrastructure(kind) => kind.as_str(),
            Behaviour(class) => class.as_str(),
        }
    }

    #[test]
    fn kinds_of_this_library_and_of_hosts_mean_what_they_say() {
        for (kind, expected) in [
            ("timeout", "timeout"),
            ("httpx.ReadTimeout", "timeout"),
            ("java.net.SocketTimeoutException", "timeout"),
            ("DEADLINE_EXCEEDED", "timeout"),
            ("504", "timeout"),
            ("rate_limit", "rate_limit"),
            ("openai.RateLimitError", "rate_limit"),
            ("ThrottlingException", "rate_limit"),
            ("http 429", "rate_limit"),
            ("overloaded", "server"),
            ("HTTP503", "server"),
            ("anthropic.InternalServerError", "server"),
            ("5xx", "server"),
            ("529", "server"),
            ("malformed", "server"),
            ("asyncio.CancelledError", "cancelled"),
            ("AbortError", "cancelled"),
            ("tool_outage", "tool_outage"),
            ("ToolTimeoutError", "tool_outage"),
            ("mcp_server_error", "tool_outage"),
            ("ToolArgumentsInvalid", "invalid_format"),
            ("java.net.UnknownHostException", "network"),
            ("ConnectionRefusedError", "network"),
            ("SSLError", "network"),
            ("auth", "account"),
            ("AuthenticationError", "account"),
            ("403", "account"),
            ("invalid_request", "request"),
            ("404", "request"),
            ("not_recorded", "internal"),
            ("context_length", "context_length"),
            ("context_length_exceeded", "context_length"),
            ("content_filter", "content_filtered"),
            ("content_policy_violation", "content_filtered"),
            ("JSONDecodeError", "invalid_format"),
            ("OutputParserException", "invalid_format"),
            ("invalid_format", "invalid_format"),
            ("schema_violation", "invalid_schema"),
            ("JsonSchemaError", "invalid_schema"),
        ] {
            assert_eq!(shown(kind), expected, "{kind}");
        }
    }

    #[test]
    fn what_nobody_knows_is_unknown() {
        for kind in [
            "",
            " ",
            "_OTHER",
            "oops",
            "authored",
            "Elapsedly",
            "1503",
            "\u{202e}",
            "no answer",
        ] {
            assert_eq!(shown(kind), "unknown", "{kind:?}");
        }
        assert_eq!(shown(&"timeout".repeat(1_000)), "unknown");
    }

    #[test]
    fn every_kind_of_model_error_is_known() {
        for kind in LlmErrorKind::ALL {
            assert_ne!(shown(kind.as_str()), "unknown", "{kind}");
        }
    }

    #[test]
    fn the_settings_count_first() {
        let settings = TriageSettings::default().kind("timeout", Behaviour(OutcomeClass::Rejected));
        assert_eq!(meaning("timeout", &settings), Behaviour(OutcomeClass::Rejected));
        assert_eq!(
            meaning("Timeout", &settings),
            Infrastructure(InfrastructureKind::Timeout)
        );
    }
}
