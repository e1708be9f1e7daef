//! A streamed response: its last event is the response itself.

use promptops_core::llm::LlmError;
use serde_json::Value;

use crate::errors::Errors;
use crate::http::{Collect, Event};

/// Waits for the event that carries the whole response.
pub(crate) struct ResponsesStream {
    provider: String,
    response: Option<Value>,
}

impl ResponsesStream {
    pub(crate) fn new(provider: &str) -> Self {
        Self {
            provider: provider.to_owned(),
            response: None,
        }
    }
}

impl Collect for ResponsesStream {
    fn event(&mut self, event: &Event) -> Result<bool, LlmError> {
        // Only the last event is of interest, and the type stands in front of each: the others need no parsing.
        if ![
            "response.completed",
            "response.incomplete",
            "response.failed",
            "error",
        ]
        .iter()
        .any(|kind| event.name == *kind || (event.name.is_empty() && event.data.contains(kind)))
        {
            return Ok(false);
        }
        let mut value = event.json(&self.provider)?;
        match value.get("type").and_then(Value::as_str) {
            Some("response.completed" | "response.incomplete" | "response.failed") => {
                self.response = value.get_mut("response").map(Value::take);
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    fn finish(&mut self) -> Result<Value, LlmError> {
        self.response.take().ok_or_else(|| {
            Errors(&self.provider).malformed("the streamed answer ended before it was complete; ask again")
        })
    }
}
