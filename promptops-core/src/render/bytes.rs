//! About how many bytes things keep in memory.

use serde_json::Value;

use crate::prompt::{Body, ChatItem, Content};

/// About how many bytes a content keeps: its texts, and a guess for the rest.
pub(super) fn content_bytes(content: &Content) -> usize {
    let texts: usize = match &content.body {
        Body::Text { template } => template.len(),
        Body::Chat { messages } => messages
            .iter()
            .map(|item| match item {
                ChatItem::Message { template, .. } => template.len() + size_of::<ChatItem>(),
                ChatItem::Placeholder { placeholder } => placeholder.len() + size_of::<ChatItem>(),
            })
            .sum(),
    };
    let schemas = [&content.input_schema, &content.output_schema];
    let tools = content.tools.iter().map(|tool| &tool.parameters);
    texts
        + schemas
            .into_iter()
            .flatten()
            .chain(tools)
            .map(json_bytes)
            .sum::<usize>()
}

fn json_bytes(value: &Value) -> usize {
    const NODE: usize = size_of::<Value>();
    match value {
        Value::String(text) => NODE + text.len(),
        Value::Array(items) => NODE + items.iter().map(json_bytes).sum::<usize>(),
        Value::Object(map) => {
            NODE + map
                .iter()
                .map(|(key, value)| NODE + key.len() + json_bytes(value))
                .sum::<usize>()
        }
        _ => NODE,
    }
}
