//! The body of a request as a blueprint.

use promptops_core::llm::{
    Blueprint, BlueprintMessage, ImageSource, LlmError, OutputSchema, Part, ToolCall, ToolChoice,
};
use promptops_core::prompt::{MessageRole, ModelSettings, Tool};
use serde_json::Value;

use super::OpenAiResponses;
use super::request::REFUSED;
use crate::errors::{Errors, quoted};
use crate::json::Fields;
use crate::openai::chat::read::named_schema;

pub(super) fn blueprint(adapter: &OpenAiResponses, body: &Value) -> Result<Blueprint, LlmError> {
    let errors = adapter.errors();
    let mut fields = Fields::of(body, "the request", errors)?;
    let model = Some(fields.need_text("model")?.to_owned());
    let messages = match fields.take("input") {
        Some(Value::String(text)) => vec![BlueprintMessage::new(MessageRole::User, text)],
        Some(Value::Array(input)) => read_items(input, errors)?,
        _ => return Err(errors.malformed("`input` of the request is neither a text nor a list")),
    };
    for (key, why) in REFUSED {
        if fields.flag(key)?.unwrap_or(false) {
            return Err(errors.unsupported(format!("the request has `{key}`: {why}")));
        }
    }
    for key in ["stream", "stream_options"] {
        fields.take(key);
    }
    let tools = fields.list("tools")?.map(Vec::as_slice).unwrap_or_default();
    let tools = tools.iter().map(|t| tool(t, errors)).collect::<Result<_, _>>()?;
    let tool_choice = fields
        .take("tool_choice")
        .map(|c| tool_choice(c, errors))
        .transpose()?;
    let temperature = fields.number("temperature")?;
    let top_p = fields.number("top_p")?;
    let max_tokens = fields.tokens("max_output_tokens")?;
    let mut extra = fields.rest();
    let output_schema = match extra.get_mut("text").and_then(Value::as_object_mut) {
        Some(text) if text.get("format").and_then(|f| f.get("type")) == Some(&"json_schema".into()) => {
            let format = text.remove("format").unwrap_or_default();
            if text.is_empty() {
                extra.remove("text");
            }
            Some(output_schema(&format, errors)?)
        }
        _ => None,
    };
    Ok(Blueprint {
        messages,
        settings: ModelSettings {
            model,
            temperature,
            top_p,
            max_tokens,
            stop: Vec::new(),
            extra,
        },
        tools,
        tool_choice,
        output_schema,
    })
}

fn read_items(input: &[Value], errors: Errors<'_>) -> Result<Vec<BlueprintMessage>, LlmError> {
    let mut messages: Vec<BlueprintMessage> = Vec::with_capacity(input.len());
    for item in input {
        let mut fields = Fields::of(item, "an item of `input`", errors)?;
        // A message need not say its type.
        match fields.text("type")?.unwrap_or("message") {
            "message" => {
                if let Some(status) = fields.text("status")?
                    && status != "completed"
                {
                    return Err(errors.unsupported(format!("a message has the status {}", quoted(status))));
                }
                let role = fields.need_text("role")?;
                let role: MessageRole = role
                    .parse()
                    .ok()
                    .filter(|role| *role != MessageRole::Tool)
                    .ok_or_else(|| errors.unsupported(format!("a message is of role {}", quoted(role))))?;
                let parts = content(fields.take("content"), errors)?;
                messages.push(message(role, parts));
            }
            "function_call" => {
                let call = ToolCall {
                    id: fields.need_text("call_id")?.to_owned(),
                    name: fields.need_text("name")?.to_owned(),
                    arguments: fields.need_text("arguments")?.to_owned(),
                };
                match messages.last_mut() {
                    Some(last) if last.role == MessageRole::Assistant => last.tool_calls.push(call),
                    _ => {
                        let mut calling = message(MessageRole::Assistant, Vec::new());
                        calling.tool_calls.push(call);
                        messages.push(calling);
                    }
                }
            }
            "function_call_output" => {
                let mut result = message(MessageRole::Tool, content(fields.take("output"), errors)?);
                result.tool_call_id = Some(fields.need_text("call_id")?.to_owned());
                messages.push(result);
            }
            other => {
                return Err(errors.unsupported(format!("an item of `input` is of type {}", quoted(other))));
            }
        }
        fields.done()?;
    }
    Ok(messages)
}

fn message(role: MessageRole, parts: Vec<Part>) -> BlueprintMessage {
    BlueprintMessage {
        role,
        parts,
        tool_calls: Vec::new(),
        tool_call_id: None,
        name: None,
    }
}

fn content(value: Option<&Value>, errors: Errors<'_>) -> Result<Vec<Part>, LlmError> {
    match value {
        Some(Value::String(text)) => Ok(vec![Part::text(text)]),
        Some(Value::Array(parts)) => parts.iter().map(|p| part(p, errors)).collect(),
        _ => Err(errors.malformed("the content of an item is neither a text nor a list")),
    }
}

fn part(value: &Value, errors: Errors<'_>) -> Result<Part, LlmError> {
    let mut fields = Fields::of(value, "a part of a message", errors)?;
    let part = match fields.need_text("type")? {
        "input_text" => Part::text(fields.need_text("text")?),
        "input_image" => Part::Image {
            source: ImageSource::parse(fields.need_text("image_url")?)
                .map_err(|e| errors.malformed(e.message().to_owned()).caused_by(e))?,
            detail: fields
                .text("detail")?
                .filter(|detail| *detail != "auto")
                .map(str::to_owned),
        },
        other => {
            return Err(errors.unsupported(format!("a part of a message is of type {}", quoted(other))));
        }
    };
    fields.done()?;
    Ok(part)
}

fn tool(value: &Value, errors: Errors<'_>) -> Result<Tool, LlmError> {
    let mut fields = Fields::of(value, "a tool", errors)?;
    fields.expect("type", "function")?;
    fields.off("strict")?;
    let tool = Tool {
        name: fields.need_text("name")?.to_owned(),
        description: fields.text("description")?.map(str::to_owned),
        parameters: fields
            .take("parameters")
            .cloned()
            .ok_or_else(|| fields.missing("parameters"))?,
    };
    fields.done()?;
    Ok(tool)
}

fn tool_choice(value: &Value, errors: Errors<'_>) -> Result<ToolChoice, LlmError> {
    match value.as_str() {
        Some("auto") => return Ok(ToolChoice::Auto),
        Some("none") => return Ok(ToolChoice::None),
        Some("required") => return Ok(ToolChoice::Required),
        Some(other) => return Err(errors.unsupported(format!("the tool choice is {}", quoted(other)))),
        None => {}
    }
    let mut fields = Fields::of(value, "the tool choice", errors)?;
    fields.expect("type", "function")?;
    let name = fields.need_text("name")?.to_owned();
    fields.done()?;
    Ok(ToolChoice::Tool(name))
}

fn output_schema(format: &Value, errors: Errors<'_>) -> Result<OutputSchema, LlmError> {
    let mut fields = Fields::of(format, "`text.format`", errors)?;
    fields.expect("type", "json_schema")?;
    named_schema(fields)
}
