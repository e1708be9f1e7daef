//! The messages that a parameter puts in the place of a placeholder.

use serde_json::{Map, Value};

use crate::base::error::{Error, ErrorKind, Result};
use crate::prompt::{Message, MessageContent};

fn wrong(what: String) -> Error {
    Error::new(ErrorKind::Template, what)
}

/// Adds the messages in a placeholder's parameter; `left` is how many more bytes there may be. A prompt may name the
/// same parameter in many places, and each makes a copy. The value has been held to the bounds on parameters.
pub(in crate::render) fn add_messages(
    name: &str,
    value: Option<&Value>,
    left: &mut usize,
    messages: &mut Vec<Message>,
) -> Result<()> {
    let Some(value) = value else {
        return Err(wrong(format!(
            "the placeholder `{name}` has no parameter; pass a list of messages, or an empty one"
        )));
    };
    let Value::Array(items) = value else {
        return Err(wrong(format!(
            "the parameter `{name}` of a placeholder is not a list; expected messages with role and content"
        )));
    };
    *left = left.checked_sub(bytes_of(value)).ok_or_else(|| {
        wrong(format!(
            "the messages of the placeholder `{name}` are longer than the limit of the output; pass less"
        ))
    })?;
    messages.reserve(items.len());
    for (i, item) in items.iter().enumerate() {
        let message = message(item).map_err(|what| {
            wrong(format!(
                "item {i} of the placeholder `{name}` is not a message: {what}"
            ))
        })?;
        messages.push(message);
    }
    Ok(())
}

/// About the bytes of a value in memory.
fn bytes_of(value: &Value) -> usize {
    const NODE: usize = size_of::<Value>();
    NODE + match value {
        Value::String(text) => text.len(),
        Value::Array(items) => items.iter().map(bytes_of).sum(),
        Value::Object(map) => map
            .iter()
            .map(|(key, value)| key.len() + NODE + bytes_of(value))
            .sum(),
        _ => 0,
    }
}

/// Reads a message; the error says what is wrong with it without repeating what it says.
fn message(value: &Value) -> Result<Message, &'static str> {
    let Some(object) = value.as_object() else {
        return Err("expected an object with role and content");
    };
    let Some(Value::String(role)) = object.get("role") else {
        return Err("`role` is missing or no text");
    };
    let role = role
        .parse()
        .map_err(|_| "`role` is none of system, developer, user, assistant, tool")?;
    let said = object.get("content");
    let content = match said {
        None | Some(Value::Null) => MessageContent::None,
        Some(Value::String(text)) => MessageContent::Text(text.clone()),
        Some(Value::Array(parts)) => MessageContent::Parts(parts.clone()),
        Some(_) => return Err("`content` is neither text nor a list of parts"),
    };
    // Most have nothing else.
    let extra = if object.len() == 1 + usize::from(said.is_some()) {
        Map::new()
    } else {
        let others = object
            .iter()
            .filter(|(key, _)| !matches!(key.as_str(), "role" | "content"));
        others.map(|(key, value)| (key.clone(), value.clone())).collect()
    };
    Ok(Message { role, content, extra })
}
