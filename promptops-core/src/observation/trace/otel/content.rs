//! What went in and what came out, from whichever of the many ways to say it.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::attributes::{Attributes, object, parsed};
use super::names::{gen_ai, langfuse, open_inference, open_llmetry};
use super::wire::{Event, Fault, Object};

/// What the events of a span tell.
#[derive(Default)]
pub(super) struct Told {
    /// Messages that were sent.
    pub messages: Vec<Value>,
    /// The first choice that came back.
    pub choice: Option<Value>,
    /// The kind of an exception, and what it says.
    pub exception: (Option<String>, Option<String>),
    /// Attributes that may be on the span as well.
    pub attributes: Attributes,
}

/// Reads the events that mean something here; of others nothing is looked at.
pub(super) fn told(events: Option<Vec<Object<Event>>>) -> Result<Told, Fault> {
    let mut told = Told::default();
    for Object(event) in events.into_iter().flatten() {
        let name = event.name.as_deref().unwrap_or_default();
        let role = gen_ai::MESSAGE_EVENTS.iter().find(|(event, _)| *event == name);
        if let Some((_, role)) = role {
            told.messages
                .push(message(Attributes::new(event.attributes), role)?);
            continue;
        }
        match name {
            gen_ai::CHOICE_EVENT => {
                let choice = message(Attributes::new(event.attributes), "assistant")?;
                told.choice.get_or_insert(choice);
            }
            gen_ai::EXCEPTION_EVENT => {
                let mut attributes = Attributes::new(event.attributes);
                let kind = attributes.text(&[gen_ai::EXCEPTION_TYPE])?;
                // The last one is what the span ended with.
                told.exception = (kind, attributes.text(&[gen_ai::EXCEPTION_MESSAGE])?);
            }
            gen_ai::DETAILS_EVENT | gen_ai::CONTENT_PROMPT_EVENT | gen_ai::CONTENT_COMPLETION_EVENT => {
                told.attributes.fill(Attributes::new(event.attributes));
            }
            _ => {}
        }
    }
    Ok(told)
}

/// A message from the attributes of its event. What an event of the log has as its body is an attribute of an event of a
/// span: `content`, `role`, or all of it as `message`.
fn message(mut attributes: Attributes, role: &str) -> Result<Value, Fault> {
    if let Some(whole) = attributes.take("message")? {
        return Ok(match parsed(whole) {
            Value::Object(map) => Value::Object(map),
            other => json!({"role": role, "content": other}),
        });
    }
    let role = attributes.text(&["role"])?.unwrap_or_else(|| role.to_owned());
    let mut message = Map::new();
    message.insert("role".to_owned(), role.into());
    for name in ["content", "tool_calls", "id", "name"] {
        if let Some(value) = attributes.take(name)? {
            let value = if name == "tool_calls" {
                parsed(value)
            } else {
                value
            };
            message.insert(name.to_owned(), value);
        }
    }
    Ok(Value::Object(message))
}

/// What the prompt was rendered with, or else what was sent: see [the module above](super) for the order.
pub(super) fn inputs(
    attributes: &mut Attributes,
    messages: Vec<Value>,
) -> Result<Option<Map<String, Value>>, Fault> {
    if let Some(variables) = attributes.take(open_inference::TEMPLATE_VARIABLES)? {
        return object(open_inference::TEMPLATE_VARIABLES, variables).map(Some);
    }
    let variables = attributes.under(gen_ai::PROMPT_VARIABLE_PREFIX);
    if !variables.is_empty() {
        return Ok(Some(variables.into_iter().collect()));
    }
    if let Some(input) = attributes.take(langfuse::INPUT)? {
        return Ok(Some(match parsed(input) {
            Value::Object(map) => map,
            other => sent(other),
        }));
    }
    if let Some(messages) = attributes.take(gen_ai::INPUT_MESSAGES)? {
        let mut inputs = sent(parsed(messages));
        if let Some(instructions) = attributes.take(gen_ai::SYSTEM_INSTRUCTIONS)? {
            inputs.insert("system_instructions".to_owned(), parsed(instructions));
        }
        return Ok(Some(inputs));
    }
    if !messages.is_empty() {
        return Ok(Some(sent(Value::Array(messages))));
    }
    for (prefix, within) in [
        (
            open_inference::INPUT_MESSAGES_PREFIX,
            open_inference::MESSAGE_PREFIX,
        ),
        (open_llmetry::PROMPT_PREFIX, ""),
    ] {
        let messages = numbered(attributes, prefix, within);
        if !messages.is_empty() {
            return Ok(Some(sent(Value::Array(messages))));
        }
    }
    if let Some(prompt) = attributes.take(gen_ai::PROMPT)? {
        return Ok(Some(sent(parsed(prompt))));
    }
    let Some(input) = attributes.take(open_inference::INPUT_VALUE)? else {
        return Ok(None);
    };
    Ok(Some(match parsed(input) {
        // The request as it went to the provider.
        Value::Object(mut request) if request.get("messages").is_some_and(Value::is_array) => {
            sent(request.remove("messages").unwrap_or_default())
        }
        other => sent(other),
    }))
}

/// `{"messages": …}` of a list of objects, `{"input": …}` of anything else.
fn sent(value: Value) -> Map<String, Value> {
    let is_messages = |items: &Vec<Value>| items.iter().all(Value::is_object);
    let name = match value.as_array().is_some_and(is_messages) {
        true => "messages",
        false => "input",
    };
    Map::from_iter([(name.to_owned(), value)])
}

/// The answer's text: see [the module above](super) for the order.
pub(super) fn output(attributes: &mut Attributes, choice: Option<Value>) -> Result<Option<String>, Fault> {
    if let Some(output) = attributes.take(langfuse::OUTPUT)? {
        return Ok(Some(said(output)));
    }
    if let Some(messages) = attributes.take(gen_ai::OUTPUT_MESSAGES)? {
        return Ok(Some(said(messages)));
    }
    if let Some(choice) = choice {
        return Ok(Some(text(choice)));
    }
    for (prefix, within) in [
        (
            open_inference::OUTPUT_MESSAGES_PREFIX,
            open_inference::MESSAGE_PREFIX,
        ),
        (open_llmetry::COMPLETION_PREFIX, ""),
    ] {
        if let Some(first) = numbered(attributes, prefix, within).into_iter().next() {
            return Ok(Some(text(first)));
        }
    }
    let rest = attributes.first(&[gen_ai::COMPLETION, open_inference::OUTPUT_VALUE])?;
    Ok(rest.map(|(_, value)| said(value)))
}

/// What was said: of messages that are the JSON of a text, of the first one; otherwise the text as it is.
fn said(value: Value) -> String {
    let as_it_is = value.as_str().map(str::to_owned);
    match (parsed(value), as_it_is) {
        (Value::String(text), _) => text,
        (Value::Array(items), _) if items.first().is_some_and(is_message) => {
            items.into_iter().next().map_or_else(String::new, text)
        }
        (message, _) if is_message(&message) => text(message),
        (_, Some(text)) => text,
        (value, None) => value.to_string(),
    }
}

fn is_message(value: &Value) -> bool {
    value.get("role").is_some() || value.get("parts").is_some()
}

/// The text of a message: its content, or that of its parts that are text. Of one without, which calls tools, all of it as
/// JSON.
fn text(message: Value) -> String {
    let parts = message.get("parts").or_else(|| message.get("content"));
    match parts {
        Some(Value::String(text)) => return text.clone(),
        Some(Value::Array(parts)) => {
            let texts = parts.iter().filter(|part| {
                let kind = part.get("type").and_then(Value::as_str);
                kind.is_none_or(|kind| matches!(kind, "text" | "output_text"))
            });
            let texts: Vec<&str> = texts
                .filter_map(|part| part.get("content").or_else(|| part.get("text"))?.as_str())
                .collect();
            if !texts.is_empty() {
                return texts.concat();
            }
        }
        _ => {}
    }
    message.to_string()
}

/// Messages from attributes with numbers in their names: `<prefix>0.<within>role`. What a name has after that with further
/// points in it is put into the message flat.
fn numbered(attributes: &mut Attributes, prefix: &str, within: &str) -> Vec<Value> {
    let mut messages: BTreeMap<u32, BTreeMap<String, Value>> = BTreeMap::new();
    for (rest, value) in attributes.under(prefix) {
        let Some((number, name)) = rest.split_once('.') else {
            continue;
        };
        let (Ok(number), Some(name)) = (number.parse(), name.strip_prefix(within)) else {
            continue;
        };
        messages.entry(number).or_default().insert(name.to_owned(), value);
    }
    messages.into_values().map(assembled).collect()
}

/// A message of several contents (`contents.0.message_content.text`) gets them as its `content`.
fn assembled(mut fields: BTreeMap<String, Value>) -> Value {
    const CONTENTS: &str = "contents.";
    let mut contents: BTreeMap<u32, Map<String, Value>> = BTreeMap::new();
    fields.retain(|name, value| {
        let part = name.strip_prefix(CONTENTS).and_then(|rest| rest.split_once('.'));
        let Some((Ok(number), field)) = part.map(|(number, field)| (number.parse(), field)) else {
            return true;
        };
        let field = field.strip_prefix("message_content.").unwrap_or(field);
        contents
            .entry(number)
            .or_default()
            .insert(field.to_owned(), value.take());
        false
    });
    let mut message: Map<String, Value> = fields.into_iter().collect();
    if !contents.is_empty() {
        let contents = contents.into_values().map(Value::Object).collect();
        message.entry("content").or_insert(Value::Array(contents));
    }
    Value::Object(message)
}
