//! A blueprint as the body of a request.

use promptops_core::llm::{Blueprint, BlueprintMessage, LlmError, Part, ToolChoice};
use promptops_core::prompt::MessageRole;
use serde_json::{Map, Value, json};

use super::OpenAiChat;
use crate::blueprint::{add_extra, check, check_image, number};
use crate::errors::Errors;
use crate::openai::image::check_detail;

/// Keys that a blueprint says itself, or that say how an answer is sent.
const OWN: [&str; 12] = [
    "max_completion_tokens",
    "max_tokens",
    "messages",
    "model",
    "response_format",
    "stop",
    "stream",
    "stream_options",
    "temperature",
    "tool_choice",
    "tools",
    "top_p",
];

/// Keys that a completion of one message has no place for.
pub(super) const REFUSED: [(&str, &str); 4] = [
    ("n", "an answer has one choice here; ask several times instead"),
    ("functions", "it is deprecated; use the request's tools"),
    ("function_call", "it is deprecated; use the request's tool choice"),
    ("audio", "an answer has no place for audio here"),
];

pub(super) fn body(
    adapter: &OpenAiChat,
    blueprint: &Blueprint,
    model: Option<&str>,
) -> Result<Map<String, Value>, LlmError> {
    let errors = adapter.errors();
    check(blueprint, errors)?;
    let settings = &blueprint.settings;
    let mut body = Map::new();
    match settings.model.as_deref().or(model) {
        Some(model) => drop(body.insert("model".into(), model.into())),
        None if adapter.model_needed => {
            return Err(
                errors.invalid("neither the request nor the client names a model; set `settings.model`")
            );
        }
        None => {}
    }
    let messages = blueprint
        .messages
        .iter()
        .enumerate()
        .map(|(at, m)| message(at, m, errors));
    body.insert(
        "messages".into(),
        Value::Array(messages.collect::<Result<_, _>>()?),
    );
    if let Some(t) = settings.temperature {
        if t > 2.0 {
            return Err(errors.unsupported(format!("temperature is {t}; expected 0 ..= 2")));
        }
        body.insert("temperature".into(), number(t));
    }
    if let Some(p) = settings.top_p {
        body.insert("top_p".into(), number(p));
    }
    if let Some(tokens) = settings.max_tokens {
        body.insert(adapter.max_tokens_key.into(), tokens.into());
    }
    match settings.stop.len() {
        0 => {}
        1..=4 => drop(body.insert("stop".into(), settings.stop.clone().into())),
        n => return Err(errors.unsupported(format!("there are {n} stop sequences; expected at most 4"))),
    }
    if !blueprint.tools.is_empty() {
        let tools = blueprint.tools.iter().map(|tool| {
            let mut function = json!({"name": tool.name, "parameters": tool.parameters});
            if let Some(description) = &tool.description {
                function["description"] = description.as_str().into();
            }
            json!({"type": "function", "function": function})
        });
        body.insert("tools".into(), tools.collect());
    }
    if let Some(choice) = &blueprint.tool_choice {
        let choice = match choice {
            ToolChoice::Auto => "auto".into(),
            ToolChoice::None => "none".into(),
            ToolChoice::Required => "required".into(),
            ToolChoice::Tool(name) => json!({"type": "function", "function": {"name": name}}),
        };
        body.insert("tool_choice".into(), choice);
    }
    let mut extra = settings.extra.clone();
    match (&blueprint.output_schema, extra.remove("response_format")) {
        (Some(output), None) => {
            let schema = json!({"name": output.name, "schema": output.schema, "strict": output.strict});
            body.insert(
                "response_format".into(),
                json!({"type": "json_schema", "json_schema": schema}),
            );
        }
        (None, Some(format)) if format.get("type").and_then(Value::as_str) != Some("json_schema") => {
            body.insert("response_format".into(), format);
        }
        (_, None) => {}
        (_, Some(_)) => {
            return Err(errors.invalid(
                "`extra` has `response_format`, which the request says as its output schema; set it there",
            ));
        }
    }
    add_extra(&mut body, &extra, &OWN, &REFUSED, errors)?;
    Ok(body)
}

fn message(at: usize, message: &BlueprintMessage, errors: Errors<'_>) -> Result<Value, LlmError> {
    let role = message.role;
    let mut object = Map::new();
    object.insert("role".into(), role.as_str().into());
    match message.parts.as_slice() {
        [] if role == MessageRole::Tool => {
            return Err(errors.cannot_say(at, role, "nothing at all (an empty text will do)"));
        }
        [] => {}
        [Part::Text { text }] => drop(object.insert("content".into(), text.as_str().into())),
        parts => {
            let parts = parts.iter().map(|p| part(at, role, p, errors));
            object.insert("content".into(), Value::Array(parts.collect::<Result<_, _>>()?));
        }
    }
    if let Some(name) = &message.name {
        if role == MessageRole::Tool {
            return Err(errors.cannot_say(at, role, "a name"));
        }
        object.insert("name".into(), name.as_str().into());
    }
    if !message.tool_calls.is_empty() {
        let calls = message.tool_calls.iter().map(|call| {
            json!({
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": call.arguments},
            })
        });
        object.insert("tool_calls".into(), calls.collect());
    }
    if let Some(id) = &message.tool_call_id {
        object.insert("tool_call_id".into(), id.as_str().into());
    }
    Ok(Value::Object(object))
}

fn part(at: usize, role: MessageRole, part: &Part, errors: Errors<'_>) -> Result<Value, LlmError> {
    match part {
        Part::Text { text } => Ok(json!({"type": "text", "text": text})),
        Part::Image { source, detail } if role == MessageRole::User => {
            check_image(at, source, errors)?;
            check_detail(at, detail.as_deref(), &["auto", "low", "high"], errors)?;
            let mut image = json!({"url": source.to_url()});
            if let Some(detail) = detail {
                image["detail"] = detail.as_str().into();
            }
            Ok(json!({"type": "image_url", "image_url": image}))
        }
        Part::Image { .. } => Err(errors.cannot_say(at, role, "an image")),
        _ => Err(errors.cannot_say(at, role, "a part of this kind")),
    }
}
