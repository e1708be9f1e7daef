//! A streamed answer, put together into the response that it would have been.

use std::collections::BTreeMap;

use promptops_core::llm::LlmError;
use serde_json::{Value, json};

use crate::errors::Errors;
use crate::http::{Collect, Event};

/// Collects the chunks of a chat completion.
#[derive(Default)]
pub(crate) struct ChatStream {
    provider: String,
    id: Value,
    model: Value,
    content: Option<String>,
    refusal: Option<String>,
    calls: BTreeMap<u64, Call>,
    finish: Value,
    usage: Value,
}

#[derive(Default)]
struct Call {
    id: String,
    name: String,
    arguments: String,
}

impl ChatStream {
    pub(crate) fn new(provider: &str) -> Self {
        Self {
            provider: provider.to_owned(),
            ..Self::default()
        }
    }

    fn choice(&mut self, choice: &Value) -> Result<(), LlmError> {
        let errors = Errors(&self.provider);
        if choice.get("index").and_then(Value::as_u64).unwrap_or(0) != 0 {
            return Err(errors.malformed("the streamed answer has several choices"));
        }
        if choice.get("message").is_some_and(|message| !message.is_null()) {
            return Err(
                errors.malformed("the streamed answer has a whole message where a piece of it belongs")
            );
        }
        if let Some(delta) = choice.get("delta") {
            append(&mut self.content, delta.get("content"), errors)?;
            append(&mut self.refusal, delta.get("refusal"), errors)?;
            let calls = delta.get("tool_calls").and_then(Value::as_array);
            for (i, call) in calls.into_iter().flatten().enumerate() {
                let index = call.get("index").and_then(Value::as_u64).unwrap_or(i as u64);
                let kept = self.calls.entry(index).or_default();
                let text = |pointer| match call.pointer(pointer) {
                    None | Some(Value::Null) => Ok(""),
                    Some(Value::String(text)) => Ok(text.as_str()),
                    Some(_) => Err(errors.malformed("a piece of a streamed tool call is no text")),
                };
                let (id, name) = (text("/id")?, text("/function/name")?);
                if !kept.id.is_empty() && !id.is_empty() && kept.id != id && !name.is_empty() {
                    return Err(errors.malformed("two tool calls of the streamed answer have one place"));
                }
                // Some servers repeat the names with every piece.
                for (kept, said) in [(&mut kept.id, id), (&mut kept.name, name)] {
                    if kept.is_empty() {
                        said.clone_into(kept);
                    }
                }
                kept.arguments.push_str(text("/function/arguments")?);
            }
        }
        if let Some(finish) = choice.get("finish_reason").filter(|finish| !finish.is_null()) {
            self.finish = finish.clone();
        }
        Ok(())
    }
}

fn append(text: &mut Option<String>, more: Option<&Value>, errors: Errors<'_>) -> Result<(), LlmError> {
    match more {
        None | Some(Value::Null) => {}
        Some(Value::String(more)) => text.get_or_insert_default().push_str(more),
        Some(_) => return Err(errors.malformed("a piece of the streamed answer is no text")),
    }
    Ok(())
}

impl Collect for ChatStream {
    fn event(&mut self, event: &Event) -> Result<bool, LlmError> {
        if event.data == "[DONE]" {
            return Ok(true);
        }
        let chunk = event.json(&self.provider)?;
        for choice in chunk
            .get("choices")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            self.choice(choice)?;
        }
        for (kept, key) in [
            (&mut self.id, "id"),
            (&mut self.model, "model"),
            (&mut self.usage, "usage"),
        ] {
            // Azure's first chunk has empty names and no choice.
            if let Some(value) = chunk.get(key).filter(|value| !value.is_null() && **value != "") {
                *kept = value.clone();
            }
        }
        Ok(false)
    }

    fn finish(&mut self) -> Result<Value, LlmError> {
        if self.finish.is_null() {
            return Err(Errors(&self.provider)
                .malformed("the streamed answer ended before it was complete; ask again"));
        }
        if self
            .calls
            .values()
            .any(|call| call.id.is_empty() || call.name.is_empty())
        {
            return Err(Errors(&self.provider).malformed("a streamed tool call has no id or no name"));
        }
        let calls: Vec<Value> = std::mem::take(&mut self.calls)
            .into_values()
            .map(|call| {
                json!({
                    "id": call.id,
                    "type": "function",
                    "function": {"name": call.name, "arguments": call.arguments},
                })
            })
            .collect();
        let mut message = json!({"role": "assistant", "content": self.content, "refusal": self.refusal});
        if !calls.is_empty() {
            message["tool_calls"] = calls.into();
        }
        let choice = json!({"index": 0, "message": message, "finish_reason": self.finish, "logprobs": null});
        Ok(json!({"id": self.id, "model": self.model, "choices": [choice], "usage": self.usage}))
    }
}
