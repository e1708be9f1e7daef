//! What every provider asks of a blueprint, and the provider's own settings beside it.

use promptops_core::llm::{Blueprint, BlueprintMessage, ImageSource, LlmError, ToolChoice};
use promptops_core::prompt::MessageRole;
use serde_json::{Map, Number, Value};

use crate::errors::{Errors, quoted};

/// Refuses what no provider accepts.
pub(crate) fn check(blueprint: &Blueprint, errors: Errors<'_>) -> Result<(), LlmError> {
    if blueprint.messages.is_empty() {
        return Err(errors.invalid("the request has no message; expected at least one"));
    }
    for (at, message) in blueprint.messages.iter().enumerate() {
        check_message(at, message, errors)?;
    }
    let settings = &blueprint.settings;
    if let Some(t) = settings.temperature
        && !(t.is_finite() && t >= 0.0)
    {
        return Err(errors.invalid(format!("temperature is {t}; expected a number ≥ 0")));
    }
    if let Some(p) = settings.top_p
        && !(0.0..=1.0).contains(&p)
    {
        return Err(errors.invalid(format!("top_p is {p}; expected a number in 0 ..= 1")));
    }
    if settings.max_tokens == Some(0) {
        return Err(errors.invalid("max_tokens is 0; expected at least 1"));
    }
    if settings.stop.iter().any(String::is_empty) {
        return Err(errors.invalid("a stop sequence is empty; remove it"));
    }
    for tool in &blueprint.tools {
        check_name("the tool name", &tool.name, errors)?;
        if !tool.parameters.is_object() {
            return Err(errors.invalid(format!(
                "the parameters of tool {} are no JSON Schema object",
                quoted(&tool.name)
            )));
        }
    }
    match &blueprint.tool_choice {
        None => {}
        Some(_) if blueprint.tools.is_empty() => {
            return Err(errors.invalid("the request has a tool choice but no tools; remove it or add tools"));
        }
        Some(ToolChoice::Tool(name)) if !blueprint.tools.iter().any(|tool| tool.name == *name) => {
            return Err(errors.invalid(format!(
                "the tool choice names {}, which is none of the request's tools",
                quoted(name)
            )));
        }
        Some(_) => {}
    }
    if let Some(output) = &blueprint.output_schema {
        check_name("the name of the output schema", &output.name, errors)?;
        if !output.schema.is_object() {
            return Err(errors.unsupported("the output schema is no object; expected a JSON Schema object"));
        }
    }
    Ok(())
}

fn check_name(what: &str, name: &str, errors: Errors<'_>) -> Result<(), LlmError> {
    let good = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
    if name.is_empty() || name.len() > 64 || !name.bytes().all(good) {
        return Err(errors.invalid(format!(
            "{what} {} is not allowed; expected 1 to 64 ASCII letters, digits, _ and -",
            quoted(name)
        )));
    }
    Ok(())
}

fn check_message(at: usize, message: &BlueprintMessage, errors: Errors<'_>) -> Result<(), LlmError> {
    let role = message.role;
    let wrong = |what: &str| Err(errors.invalid(format!("message {}, of role {role}: {what}", at + 1)));
    if role == MessageRole::Tool {
        if message.tool_call_id.is_none() {
            return wrong("it names no call whose result it is; set `tool_call_id`");
        }
    } else if message.tool_call_id.is_some() {
        return wrong("it names a call whose result it is, as only a message of role tool does");
    }
    if role != MessageRole::Assistant && !message.tool_calls.is_empty() {
        return wrong("it calls tools, as only an assistant does");
    }
    if role != MessageRole::Tool && message.parts.is_empty() && message.tool_calls.is_empty() {
        return wrong("it says nothing; remove it");
    }
    Ok(())
}

/// The address of an image, which must be one that a provider can fetch.
pub(crate) fn check_image(at: usize, source: &ImageSource, errors: Errors<'_>) -> Result<(), LlmError> {
    match source {
        ImageSource::Url(url) if !(url.starts_with("https://") || url.starts_with("http://")) => Err(errors
            .invalid(format!(
                "message {}: the address of an image begins with neither https:// nor http://",
                at + 1
            ))),
        ImageSource::Data { media_type, .. } if !media_type.starts_with("image/") => {
            Err(errors.invalid(format!(
                "message {}: an image has the media type {}; expected image/…",
                at + 1,
                quoted(media_type)
            )))
        }
        _ => Ok(()),
    }
}

/// A number as JSON. [`check`] has seen that it is one.
pub(crate) fn number(n: f64) -> Value {
    Number::from_f64(n).map_or(Value::Null, Value::Number)
}

/// Adds a provider's own settings to a body, which they may add to but never overwrite.
///
/// `own` are the keys that a blueprint says itself, `refused` those that a client cannot carry, with the reason.
pub(crate) fn add_extra(
    body: &mut Map<String, Value>,
    extra: &Map<String, Value>,
    own: &[&str],
    refused: &[(&str, &str)],
    errors: Errors<'_>,
) -> Result<(), LlmError> {
    for (key, value) in extra {
        if let Some((_, why)) = refused.iter().find(|(name, _)| name == key) {
            return Err(errors.unsupported(format!("`extra` has `{key}`: {why}")));
        }
        if own.contains(&key.as_str()) || body.contains_key(key) {
            return Err(errors.invalid(format!(
                "`extra` has {}, which the request says in its own words; set it there and remove it from `extra`",
                quoted(key)
            )));
        }
        body.insert(key.clone(), value.clone());
    }
    Ok(())
}

/// Adds to a body a setting that is an object of which one key is the blueprint's and the others are `extra`'s.
pub(crate) fn add_shared(
    body: &mut Map<String, Value>,
    key: &str,
    own: (&str, Option<Value>),
    extra: &mut Map<String, Value>,
    errors: Errors<'_>,
) -> Result<(), LlmError> {
    let (own_key, own_value) = own;
    let mut object = match extra.remove(key) {
        None => Map::new(),
        Some(Value::Object(object)) => object,
        Some(_) => return Err(errors.invalid(format!("`{key}` of `extra` is no object"))),
    };
    let json_schema = |value: &Value| value.get("type").and_then(Value::as_str) == Some("json_schema");
    if let Some(theirs) = object.get(own_key)
        && (own_value.is_some() || json_schema(theirs))
    {
        return Err(errors.invalid(format!(
            "`extra` has `{key}.{own_key}`, which the request says as its output schema; set it there"
        )));
    }
    if let Some(value) = own_value {
        object.insert(own_key.to_owned(), value);
    }
    if !object.is_empty() {
        body.insert(key.to_owned(), Value::Object(object));
    }
    Ok(())
}
