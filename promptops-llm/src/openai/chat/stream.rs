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
        if let Some(delta) = choice.get("delta") {
            append(&mut self.content, delta.get("content"));
            append(&mut self.refusal, delta.get("refusal"));
            let calls = delta.get("tool_calls").and_then(Value::as_array);
            for (i, call) in calls.into_iter().flatten().enumerate() {
                let index = call.get("index").and_then(Value::as_u64).unwrap_or(i as u64);
                let kept = self.calls.entry(index).or_default();
                let text = |pointer| call.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
                // Some servers repeat the names with every piece.
                for (name, pointer) in [(&mut kept.id, "/id"), (&mut kept.name, "/function/name")] {
                    if name.is_empty() {
                        text(pointer).clone_into(name);
                    }
                }
                kept.arguments.push_str(text("/function/arguments"));
            }
        }
        if let Some(finish) = choice.get("finish_reason").filter(|finish| !finish.is_null()) {
            self.finish = finish.clone();
        }
        Ok(())
    }
}

fn append(text: &mut Option<String>, more: Option<&Value>) {
    if let Some(more) = more.and_then(Value::as_str) {
        text.get_or_insert_default().push_str(more);
    }
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
