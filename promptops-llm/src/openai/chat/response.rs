//! The body of a response as a completion.

use promptops_core::llm::{
    BlueprintMessage, Completion, FinishReason, LlmError, LlmErrorKind, Part, ToolCall, Usage,
};
use promptops_core::prompt::MessageRole;
use serde_json::Value;

use super::OpenAiChat;
use crate::errors::{Errors, quoted};
use crate::json::{count, counts};

pub(super) fn completion(adapter: &OpenAiChat, body: &Value) -> Result<Completion, LlmError> {
    let errors = adapter.errors();
    let [choice] = body
        .get("choices")
        .and_then(Value::as_array)
        .ok_or_else(|| errors.malformed("the answer has no `choices`; it is no chat completion"))?
        .as_slice()
    else {
        return Err(errors.malformed("the answer has not exactly one choice"));
    };
    let message = choice
        .get("message")
        .filter(|message| message.is_object())
        .ok_or_else(|| errors.malformed("the answer's choice has no `message`"))?;
    let calls = match message.get("tool_calls") {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Array(calls)) => calls
            .iter()
            .map(|call| tool_call(call, errors))
            .collect::<Result<_, _>>()?,
        Some(_) => return Err(errors.malformed("`tool_calls` of the answer is no list")),
    };
    let text = match message.get("content") {
        None | Some(Value::Null) => "",
        Some(Value::String(text)) => text,
        Some(_) => return Err(errors.malformed("`content` of the answer is no text")),
    };
    let mut finish = match choice.get("finish_reason").and_then(Value::as_str) {
        Some("stop") => FinishReason::Stop,
        Some("length") => FinishReason::Length,
        Some("tool_calls") => FinishReason::ToolCalls,
        Some("content_filter") => FinishReason::ContentFilter,
        Some(other) if !other.is_empty() => FinishReason::Other(other.to_owned()),
        _ => return Err(errors.malformed("the answer does not say why it ended; it may be cut off")),
    };
    // Asked for one tool by name, OpenAI answers with a call and ends with `stop`.
    if finish == FinishReason::Stop && !calls.is_empty() {
        finish = FinishReason::ToolCalls;
    }
    let refused = message
        .get("refusal")
        .and_then(Value::as_str)
        .is_some_and(|refusal| !refusal.is_empty());
    if refused {
        finish = FinishReason::ContentFilter;
    }
    if finish == FinishReason::ContentFilter && text.is_empty() && calls.is_empty() {
        return Err(refusal(errors, refused));
    }
    Ok(Completion {
        message: BlueprintMessage {
            role: MessageRole::Assistant,
            parts: Some(text)
                .filter(|text| !text.is_empty())
                .map(Part::text)
                .into_iter()
                .collect(),
            tool_calls: calls,
            tool_call_id: None,
            name: None,
        },
        finish,
        usage: usage(adapter, body)?,
        model: body
            .get("model")
            .and_then(Value::as_str)
            .ok_or_else(|| errors.malformed("the answer does not name its model"))?
            .to_owned(),
        id: body.get("id").and_then(Value::as_str).map(str::to_owned),
    })
}

/// A call, in which servers put what they like beside the call itself.
fn tool_call(call: &Value, errors: Errors<'_>) -> Result<ToolCall, LlmError> {
    // Some servers leave the type out.
    if let Some(kind) = call.get("type").and_then(Value::as_str)
        && kind != "function"
    {
        return Err(errors.unsupported(format!(
            "the answer has a call of type {}, which a completion cannot say",
            quoted(kind)
        )));
    }
    let text = |pointer: &str| {
        call.pointer(pointer)
            .and_then(Value::as_str)
            .map(str::to_owned)
            .ok_or_else(|| errors.malformed(format!("a call of the answer has no `{}`", &pointer[1..])))
    };
    Ok(ToolCall {
        id: text("/id")?,
        name: text("/function/name")?,
        arguments: text("/function/arguments")?,
    })
}

/// There is no answer but a refusal.
pub(crate) fn refusal(errors: Errors<'_>, by_model: bool) -> LlmError {
    let who = if by_model {
        "the model refused to answer"
    } else {
        "the provider's filter took the answer out"
    };
    LlmError::new(
        LlmErrorKind::ContentFilter,
        errors.0,
        format!("{who}; change what is asked"),
    )
}

fn usage(adapter: &OpenAiChat, body: &Value) -> Result<Usage, LlmError> {
    let usage = match body.get("usage") {
        Some(usage) if usage.is_object() => usage,
        _ if !adapter.usage_needed => return Ok(Usage::default()),
        _ => {
            return Err(adapter
                .errors()
                .malformed(
                    "the answer does not say its usage, so its cost is unknown; allow it with \
                     `usage_may_be_missing` if this server never does",
                )
                .with_should_retry(false));
        }
    };
    if !counts(usage, "prompt_tokens", "completion_tokens") {
        return Err(adapter
            .errors()
            .malformed("the answer's usage has no `prompt_tokens` or no `completion_tokens`")
            .with_should_retry(false));
    }
    Ok(Usage {
        input_tokens: count(usage, "/prompt_tokens"),
        output_tokens: count(usage, "/completion_tokens"),
        cached_input_tokens: count(usage, "/prompt_tokens_details/cached_tokens"),
        cache_write_tokens: count(usage, "/prompt_tokens_details/cache_write_tokens"),
        reasoning_tokens: count(usage, "/completion_tokens_details/reasoning_tokens"),
    })
}
