//! The body of a response as a completion.

use promptops_core::llm::{BlueprintMessage, Completion, FinishReason, LlmError, Part, ToolCall, Usage};
use promptops_core::prompt::MessageRole;
use serde_json::Value;

use super::OpenAiResponses;
use crate::errors::{Errors, quoted};
use crate::http::classify::in_band;
use crate::json::{count, counts};
use crate::openai::chat::response::refusal;

pub(super) fn completion(adapter: &OpenAiResponses, body: &Value) -> Result<Completion, LlmError> {
    let errors = adapter.errors();
    let text_of = |pointer: &str| body.pointer(pointer).and_then(Value::as_str);
    let mut finish = match (text_of("/status"), text_of("/incomplete_details/reason")) {
        (Some("completed"), _) => FinishReason::Stop,
        (Some("incomplete"), Some("max_output_tokens")) => FinishReason::Length,
        (Some("incomplete"), Some("content_filter")) => FinishReason::ContentFilter,
        (Some("incomplete"), Some(other)) => FinishReason::Other(other.to_owned()),
        (Some("failed"), _) => return Err(in_band(errors.0, body)),
        (Some(other), _) => {
            return Err(errors.malformed(format!(
                "the answer's status is {}, which is no end",
                quoted(other)
            )));
        }
        (None, _) => return Err(errors.malformed("the answer has no `status`; it is no response")),
    };
    let mut parts = Vec::new();
    let mut tool_calls = Vec::new();
    let mut refused = false;
    let output = body
        .get("output")
        .and_then(Value::as_array)
        .ok_or_else(|| errors.malformed("the answer has no `output`"))?;
    for item in output {
        match item.get("type").and_then(Value::as_str) {
            Some("message") => refused |= message(item, &mut parts, errors)?,
            Some("function_call") => tool_calls.push(call(item, errors)?),
            Some("reasoning") => {}
            other => {
                return Err(errors.unsupported(format!(
                    "the answer has an item of type {}, which a completion cannot say",
                    quoted(other.unwrap_or_default())
                )));
            }
        }
    }
    if refused {
        finish = FinishReason::ContentFilter;
    }
    if finish == FinishReason::ContentFilter && parts.is_empty() && tool_calls.is_empty() {
        return Err(refusal(errors, refused));
    }
    if finish == FinishReason::Stop && !tool_calls.is_empty() {
        finish = FinishReason::ToolCalls;
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
        usage: usage(body, errors)?,
        model: text_of("/model")
            .ok_or_else(|| errors.malformed("the answer does not name its model"))?
            .to_owned(),
        id: text_of("/id").map(str::to_owned),
    })
}

/// Reads the texts of a message, and whether it refuses.
fn message(item: &Value, parts: &mut Vec<Part>, errors: Errors<'_>) -> Result<bool, LlmError> {
    let content = item
        .get("content")
        .and_then(Value::as_array)
        .ok_or_else(|| errors.malformed("a message of the answer has no `content`"))?;
    let mut refused = false;
    for part in content {
        let text = part.get("text").and_then(Value::as_str);
        match (part.get("type").and_then(Value::as_str), text) {
            (Some("output_text"), Some("")) => {}
            (Some("output_text"), Some(text)) => parts.push(Part::text(text)),
            (Some("refusal"), _) => refused = true,
            (kind, _) => {
                return Err(errors.malformed(format!(
                    "a part of the answer is of type {} or has no text",
                    quoted(kind.unwrap_or_default())
                )));
            }
        }
    }
    Ok(refused)
}

fn call(item: &Value, errors: Errors<'_>) -> Result<ToolCall, LlmError> {
    let text = |key: &str| {
        item.get(key)
            .and_then(Value::as_str)
            .map(str::to_owned)
            .ok_or_else(|| errors.malformed(format!("a call of the answer has no `{key}`")))
    };
    Ok(ToolCall {
        id: text("call_id")?,
        name: text("name")?,
        arguments: text("arguments")?,
    })
}

fn usage(body: &Value, errors: Errors<'_>) -> Result<Usage, LlmError> {
    let usage = body
        .get("usage")
        .filter(|usage| counts(usage, "input_tokens", "output_tokens"))
        .ok_or_else(|| {
            errors
                .malformed("the answer does not say its usage, so its cost is unknown")
                .with_should_retry(false)
        })?;
    Ok(Usage {
        input_tokens: count(usage, "/input_tokens"),
        output_tokens: count(usage, "/output_tokens"),
        cached_input_tokens: count(usage, "/input_tokens_details/cached_tokens"),
        cache_write_tokens: count(usage, "/input_tokens_details/cache_write_tokens"),
        reasoning_tokens: count(usage, "/output_tokens_details/reasoning_tokens"),
    })
}
