//! A blueprint as the body of a request.

use promptops_core::llm::{Blueprint, BlueprintMessage, LlmError, Part, ToolChoice};
use promptops_core::prompt::MessageRole;
use serde_json::{Map, Value, json};

use super::OpenAiResponses;
use crate::blueprint::{add_extra, add_shared, check, check_image, number};
use crate::errors::Errors;
use crate::openai::image::check_detail;

/// Keys that a blueprint says itself, or that say how an answer is sent.
const OWN: [&str; 9] = [
    "input",
    "max_output_tokens",
    "model",
    "stream",
    "stream_options",
    "temperature",
    "tool_choice",
    "tools",
    "top_p",
];

/// Keys that a client which asks once and waits cannot carry.
pub(super) const REFUSED: [(&str, &str); 1] = [("background", "the answer would not be there yet")];

pub(super) fn body(
    adapter: &OpenAiResponses,
    blueprint: &Blueprint,
    model: Option<&str>,
) -> Result<Map<String, Value>, LlmError> {
    let errors = adapter.errors();
    check(blueprint, errors)?;
    let settings = &blueprint.settings;
    let mut body = Map::new();
    let model = settings.model.as_deref().or(model).ok_or_else(|| {
        errors.invalid("neither the request nor the client names a model; set `settings.model`")
    })?;
    body.insert("model".into(), model.into());
    let mut input = Vec::with_capacity(blueprint.messages.len());
    for (at, message) in blueprint.messages.iter().enumerate() {
        items(at, message, &mut input, errors)?;
    }
    body.insert("input".into(), input.into());
    if let Some(t) = settings.temperature {
        if t > 2.0 {
            return Err(errors.unsupported(format!("temperature is {t}; expected 0 ..= 2")));
        }
        body.insert("temperature".into(), number(t));
    }
    if let Some(p) = settings.top_p {
        body.insert("top_p".into(), number(p));
    }
    match settings.max_tokens {
        None => {}
        Some(tokens @ 16..) => drop(body.insert("max_output_tokens".into(), tokens.into())),
        Some(tokens) => {
            return Err(errors.unsupported(format!("max_tokens is {tokens}; responses take 16 at least")));
        }
    }
    if !settings.stop.is_empty() {
        return Err(
            errors.unsupported("responses know no stop sequences; use chat completions or remove them")
        );
    }
    if !blueprint.tools.is_empty() {
        let tools = blueprint.tools.iter().map(|tool| {
            let mut object = json!({
                "type": "function",
                "name": tool.name,
                "parameters": tool.parameters,
                "strict": false,
            });
            if let Some(description) = &tool.description {
                object["description"] = description.as_str().into();
            }
            object
        });
        body.insert("tools".into(), tools.collect());
    }
    if let Some(choice) = &blueprint.tool_choice {
        let choice = match choice {
            ToolChoice::Auto => "auto".into(),
            ToolChoice::None => "none".into(),
            ToolChoice::Required => "required".into(),
            ToolChoice::Tool(name) => json!({"type": "function", "name": name}),
        };
        body.insert("tool_choice".into(), choice);
    }
    let format = blueprint.output_schema.as_ref().map(|output| {
        json!({
            "type": "json_schema",
            "name": output.name,
            "schema": output.schema,
            "strict": output.strict,
        })
    });
    let mut extra = settings.extra.clone();
    add_shared(&mut body, "text", ("format", format), &mut extra, errors)?;
    add_extra(&mut body, &extra, &OWN, &REFUSED, errors)?;
    Ok(body)
}

/// A message is one item, but for an assistant's, which is one for each part and one for each call.
fn items(
    at: usize,
    message: &BlueprintMessage,
    input: &mut Vec<Value>,
    errors: Errors<'_>,
) -> Result<(), LlmError> {
    let role = message.role;
    if message.name.is_some() {
        return Err(errors.cannot_say(at, role, "a name"));
    }
    match role {
        MessageRole::Assistant => {
            for part in &message.parts {
                let Part::Text { text } = part else {
                    return Err(errors.cannot_say(at, role, "a part other than text"));
                };
                input.push(json!({"type": "message", "role": "assistant", "content": text}));
            }
            for call in &message.tool_calls {
                input.push(json!({
                    "type": "function_call",
                    "call_id": call.id,
                    "name": call.name,
                    "arguments": call.arguments,
                }));
            }
        }
        MessageRole::Tool => {
            let id = message.tool_call_id.as_deref().unwrap_or_default();
            if !(1..=64).contains(&id.chars().count()) {
                return Err(errors.cannot_say(
                    at,
                    role,
                    "a `tool_call_id` that is not 1 to 64 characters long",
                ));
            }
            let output = content(at, message, errors)?;
            input.push(json!({"type": "function_call_output", "call_id": id, "output": output}));
        }
        MessageRole::System | MessageRole::Developer | MessageRole::User => {
            let mut item =
                json!({"type": "message", "role": role.as_str(), "content": content(at, message, errors)?});
            // A list fits two kinds of item in the published description; only one of them has a status.
            if item["content"].is_array() {
                item["status"] = "completed".into();
            }
            input.push(item);
        }
    }
    Ok(())
}

fn content(at: usize, message: &BlueprintMessage, errors: Errors<'_>) -> Result<Value, LlmError> {
    if let [Part::Text { text }] = message.parts.as_slice() {
        return Ok(text.as_str().into());
    }
    let pictures = matches!(message.role, MessageRole::User | MessageRole::Tool);
    let parts = message.parts.iter().map(|part| match part {
        Part::Text { text } => Ok(json!({"type": "input_text", "text": text})),
        Part::Image { source, detail } if pictures => {
            check_image(at, source, errors)?;
            check_detail(
                at,
                detail.as_deref(),
                &["auto", "low", "high", "original"],
                errors,
            )?;
            let detail = detail.as_deref().unwrap_or("auto");
            Ok(json!({"type": "input_image", "image_url": source.to_url(), "detail": detail}))
        }
        Part::Image { .. } => Err(errors.cannot_say(at, message.role, "an image")),
        _ => Err(errors.cannot_say(at, message.role, "a part of this kind")),
    });
    parts.collect::<Result<Vec<_>, _>>().map(Value::Array)
}
