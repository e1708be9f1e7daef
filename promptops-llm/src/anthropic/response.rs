//! The body of a response as a completion.

use promptops_core::llm::{BlueprintMessage, Completion, FinishReason, LlmError, Part, Usage};
use promptops_core::prompt::MessageRole;
use serde_json::Value;

use super::ERRORS;
use super::read::tool_call;
use crate::errors::quoted;
use crate::http::classify::in_band;
use crate::json::{Fields, count, counts};
use crate::openai::chat::response::refusal;

pub(super) fn completion(body: &Value) -> Result<Completion, LlmError> {
    let text_of = |key: &str| body.get(key).and_then(Value::as_str);
    match text_of("type") {
        Some("message") => {}
        Some("error") => return Err(in_band(ERRORS.0, body)),
        _ => return Err(ERRORS.malformed("the answer is not of type message")),
    }
    let content = body
        .get("content")
        .and_then(Value::as_array)
        .ok_or_else(|| ERRORS.malformed("the answer has no `content`"))?;
    let mut parts = Vec::new();
    let mut tool_calls = Vec::new();
    for block in content {
        match block.get("type").and_then(Value::as_str) {
            Some("text") => match block.get("text").and_then(Value::as_str) {
                Some("") => {}
                Some(text) => parts.push(Part::text(text)),
                None => return Err(ERRORS.malformed("a block of the answer has no text")),
            },
            Some("tool_use") => {
                tool_calls.push(tool_call(&mut Fields::of(block, "a tool call", ERRORS)?)?);
            }
            Some("thinking" | "redacted_thinking") => {}
            other => {
                return Err(ERRORS.unsupported(format!(
                    "the answer has a block of type {}, which a completion cannot say",
                    quoted(other.unwrap_or_default())
                )));
            }
        }
    }
    let finish = match text_of("stop_reason") {
        Some("end_turn" | "stop_sequence") => FinishReason::Stop,
        Some("max_tokens" | "model_context_window_exceeded") => FinishReason::Length,
        Some("tool_use") => FinishReason::ToolCalls,
        Some("refusal") => FinishReason::ContentFilter,
        Some(other) => FinishReason::Other(other.to_owned()),
        None => return Err(ERRORS.malformed("the answer does not say why it ended; it may be cut off")),
    };
    if finish == FinishReason::ContentFilter && parts.is_empty() && tool_calls.is_empty() {
        return Err(refusal(ERRORS, true));
    }
    Ok(Completion {
        message: BlueprintMessage {
            role: MessageRole::Assistant,
            parts,
            tool_calls,
            tool_call_id: None,
            name: None,
        },
        finish,
        usage: usage(body)?,
        model: text_of("model")
            .ok_or_else(|| ERRORS.malformed("the answer does not name its model"))?
            .to_owned(),
        id: text_of("id").map(str::to_owned),
    })
}

/// Anthropic counts what it reads from its cache or writes to it apart from the other input.
fn usage(body: &Value) -> Result<Usage, LlmError> {
    let usage = body
        .get("usage")
        .filter(|usage| counts(usage, "input_tokens", "output_tokens"))
        .ok_or_else(|| {
            ERRORS
                .malformed("the answer does not say its usage, so its cost is unknown")
                .with_should_retry(false)
        })?;
    let read = count(usage, "/cache_read_input_tokens");
    let written = count(usage, "/cache_creation_input_tokens");
    Ok(Usage {
        input_tokens: count(usage, "/input_tokens")
            .saturating_add(read)
            .saturating_add(written),
        output_tokens: count(usage, "/output_tokens"),
        cached_input_tokens: read,
        cache_write_tokens: written,
        reasoning_tokens: count(usage, "/output_tokens_details/thinking_tokens"),
    })
}
