//! A streamed answer, put together into the response that it would have been.

use std::collections::BTreeMap;

use promptops_core::llm::LlmError;
use serde_json::{Map, Value};

use super::{ERRORS, PROVIDER};
use crate::http::{Collect, Event};

/// Collects the events of a message.
#[derive(Default)]
pub(super) struct MessageStream {
    message: Map<String, Value>,
    blocks: BTreeMap<u64, Block>,
    complete: bool,
}

#[derive(Default)]
struct Block {
    start: Value,
    text: String,
    input: String,
}

impl MessageStream {
    fn merge_usage(&mut self, usage: Option<&Value>) {
        let Some(Value::Object(more)) = usage else { return };
        let kept = self
            .message
            .entry("usage")
            .or_insert_with(|| Value::Object(Map::new()));
        if let Value::Object(kept) = kept {
            // Later counts are of the whole message so far.
            kept.extend(
                more.iter()
                    .filter(|(_, n)| !n.is_null())
                    .map(|(key, n)| (key.clone(), n.clone())),
            );
        }
    }

    fn delta(&mut self, event: &Value) {
        let block = self.blocks.entry(index(event)).or_default();
        let text = |key: &str| {
            event
                .get("delta")
                .and_then(|delta| delta.get(key))
                .and_then(Value::as_str)
                .unwrap_or_default()
        };
        match text("type") {
            "text_delta" => block.text.push_str(text("text")),
            "input_json_delta" => block.input.push_str(text("partial_json")),
            _ => {}
        }
    }
}

fn index(event: &Value) -> u64 {
    event.get("index").and_then(Value::as_u64).unwrap_or(0)
}

impl Block {
    fn finish(mut self) -> Result<Value, LlmError> {
        if !self.text.is_empty() {
            let begun = self.start.get("text").and_then(Value::as_str).unwrap_or_default();
            self.start["text"] = format!("{begun}{}", self.text).into();
        }
        if !self.input.is_empty() {
            self.start["input"] = serde_json::from_str(&self.input).map_err(|e| {
                ERRORS
                    .malformed("the input of a streamed tool call is no JSON")
                    .caused_by(e)
            })?;
        }
        Ok(self.start)
    }
}

impl Collect for MessageStream {
    fn event(&mut self, event: &Event) -> Result<bool, LlmError> {
        let mut value = event.json(PROVIDER)?;
        match value.get("type").and_then(Value::as_str) {
            Some("message_start") => {
                if let Some(Value::Object(message)) = value.get_mut("message").map(Value::take) {
                    self.message = message;
                }
            }
            Some("content_block_start") => {
                let at = index(&value);
                let start = value
                    .get_mut("content_block")
                    .map(Value::take)
                    .unwrap_or_default();
                if !start.is_object() {
                    return Err(ERRORS.malformed("a streamed block does not say what it is"));
                }
                self.blocks.entry(at).or_default().start = start;
            }
            Some("content_block_delta") => self.delta(&value),
            Some("message_delta") => {
                self.merge_usage(value.get("usage"));
                if let Some(Value::Object(delta)) = value.get_mut("delta").map(Value::take) {
                    self.message.extend(delta);
                }
            }
            Some("message_stop") => {
                self.complete = true;
                return Ok(true);
            }
            _ => {}
        }
        Ok(false)
    }

    fn finish(&mut self) -> Result<Value, LlmError> {
        if !self.complete {
            return Err(ERRORS.malformed("the streamed answer ended before it was complete; ask again"));
        }
        let blocks = std::mem::take(&mut self.blocks).into_values();
        let content = blocks.map(Block::finish).collect::<Result<Vec<_>, _>>()?;
        let mut message = std::mem::take(&mut self.message);
        message.insert("content".into(), content.into());
        Ok(Value::Object(message))
    }
}
