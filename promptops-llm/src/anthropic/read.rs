//! The body of a request as a blueprint.

use promptops_core::llm::{
    Blueprint, BlueprintMessage, ImageSource, LlmError, OutputSchema, Part, ToolCall, ToolChoice,
};
use promptops_core::prompt::{MessageRole, ModelSettings, Tool};
use serde_json::Value;

use super::request::SAMPLING;
use super::{AnthropicMessages, ERRORS};
use crate::errors::quoted;
use crate::json::{Fields, texts};

pub(super) fn blueprint(adapter: &AnthropicMessages, body: &Value) -> Result<Blueprint, LlmError> {
    let mut fields = Fields::of(body, "the request", ERRORS)?;
    if !adapter.version.has_sampling()
        && let Some(key) = SAMPLING.into_iter().find(|key| fields.peek(key).is_some())
    {
        return Err(ERRORS.malformed(format!(
            "the request has `{key}`, which is gone since version {} of the API",
            adapter.version
        )));
    }
    let model = Some(fields.need_text("model")?.to_owned());
    let max_tokens = fields.tokens("max_tokens")?;
    if max_tokens.is_none() {
        return Err(fields.missing("max_tokens"));
    }
    let mut messages = Vec::new();
    if let Some(system) = fields.take("system") {
        let said = parts(system, "`system`")?;
        messages.extend(
            said.into_iter()
                .map(|part| message(MessageRole::System, vec![part])),
        );
    }
    for item in fields
        .list("messages")?
        .ok_or_else(|| fields.missing("messages"))?
    {
        read_message(item, &mut messages)?;
    }
    fields.take("stream");
    let tools = fields.list("tools")?.map(Vec::as_slice).unwrap_or_default();
    let tools = tools.iter().map(tool).collect::<Result<_, _>>()?;
    let tool_choice = fields.take("tool_choice").map(tool_choice).transpose()?;
    let stop = match fields.take("stop_sequences") {
        None => Vec::new(),
        Some(several) => {
            texts(several).ok_or_else(|| ERRORS.malformed("`stop_sequences` is no list of texts"))?
        }
    };
    let temperature = fields.number("temperature")?;
    let top_p = fields.number("top_p")?;
    let mut extra = fields.rest();
    let output_schema = match extra.get_mut("output_config").and_then(Value::as_object_mut) {
        Some(config) if config.get("format").is_some_and(|format| !format.is_null()) => {
            let format = config.remove("format").unwrap_or_default();
            if config.is_empty() {
                extra.remove("output_config");
            }
            Some(output_schema(&format)?)
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
            stop,
            extra,
        },
        tools,
        tool_choice,
        output_schema,
    })
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

fn read_message(value: &Value, messages: &mut Vec<BlueprintMessage>) -> Result<(), LlmError> {
    let mut fields = Fields::of(value, "a message", ERRORS)?;
    let role = fields.need_text("role")?;
    let content = fields.take("content").ok_or_else(|| fields.missing("content"))?;
    fields.done()?;
    match role {
        "system" => messages.push(message(
            MessageRole::System,
            parts(content, "a system's message")?,
        )),
        "user" => read_user(content, messages)?,
        "assistant" => messages.push(read_assistant(content)?),
        other => return Err(ERRORS.unsupported(format!("a message is of role {}", quoted(other)))),
    }
    Ok(())
}

/// A user's message says what the user says and what tools answer, in turn.
fn read_user(content: &Value, messages: &mut Vec<BlueprintMessage>) -> Result<(), LlmError> {
    let Some(blocks) = content.as_array() else {
        messages.push(message(MessageRole::User, parts(content, "a user's message")?));
        return Ok(());
    };
    let mut said = Vec::new();
    for block in blocks {
        if kind(block) != Some("tool_result") {
            said.push(part(block)?);
            continue;
        }
        if !said.is_empty() {
            messages.push(message(MessageRole::User, std::mem::take(&mut said)));
        }
        let mut fields = Fields::of(block, "a tool's result", ERRORS)?;
        fields.take("type");
        fields.off("is_error")?;
        let answer = match fields.take("content") {
            None => Vec::new(),
            Some(content) => parts(content, "a tool's result")?,
        };
        let mut result = message(MessageRole::Tool, answer);
        result.tool_call_id = Some(fields.need_text("tool_use_id")?.to_owned());
        fields.done()?;
        messages.push(result);
    }
    if !said.is_empty() {
        messages.push(message(MessageRole::User, said));
    }
    Ok(())
}

fn read_assistant(content: &Value) -> Result<BlueprintMessage, LlmError> {
    let mut said = message(MessageRole::Assistant, Vec::new());
    let Some(blocks) = content.as_array() else {
        said.parts = parts(content, "an assistant's message")?;
        return Ok(said);
    };
    for block in blocks {
        if kind(block) == Some("tool_use") {
            let mut fields = Fields::of(block, "a tool call", ERRORS)?;
            fields.take("type");
            let call = tool_call(&mut fields)?;
            fields.done()?;
            said.tool_calls.push(call);
        } else if said.tool_calls.is_empty() {
            said.parts.push(part(block)?);
        } else {
            return Err(ERRORS
                .unsupported("an assistant speaks after it called a tool; a blueprint has its calls last"));
        }
    }
    Ok(said)
}

/// Reads a call, in a request or an answer.
pub(super) fn tool_call(fields: &mut Fields<'_>) -> Result<ToolCall, LlmError> {
    let input = fields.take("input").ok_or_else(|| fields.missing("input"))?;
    if !input.is_object() {
        return Err(ERRORS.malformed("`input` of a tool call is no object"));
    }
    Ok(ToolCall {
        id: fields.need_text("id")?.to_owned(),
        name: fields.need_text("name")?.to_owned(),
        arguments: input.to_string(),
    })
}

fn kind(block: &Value) -> Option<&str> {
    block.get("type").and_then(Value::as_str)
}

fn parts(content: &Value, what: &'static str) -> Result<Vec<Part>, LlmError> {
    match content {
        Value::String(text) => Ok(vec![Part::text(text)]),
        Value::Array(blocks) => blocks.iter().map(part).collect(),
        _ => Err(ERRORS.malformed(format!("{what} is neither a text nor a list of blocks"))),
    }
}

fn part(block: &Value) -> Result<Part, LlmError> {
    let mut fields = Fields::of(block, "a block", ERRORS)?;
    let part = match fields.need_text("type")? {
        "text" => Part::text(fields.need_text("text")?),
        "image" => {
            let source = fields.take("source").ok_or_else(|| fields.missing("source"))?;
            let mut source = Fields::of(source, "`source` of an image", ERRORS)?;
            let read = match source.need_text("type")? {
                "url" => ImageSource::Url(source.need_text("url")?.to_owned()),
                "base64" => ImageSource::Data {
                    media_type: source.need_text("media_type")?.to_owned(),
                    base64: source.need_text("data")?.to_owned(),
                },
                other => {
                    return Err(ERRORS.unsupported(format!("the source of an image is {}", quoted(other))));
                }
            };
            source.done()?;
            Part::Image {
                source: read,
                detail: None,
            }
        }
        other => {
            return Err(ERRORS.unsupported(format!(
                "a message has a block of type {}, which a blueprint cannot say",
                quoted(other)
            )));
        }
    };
    fields.done()?;
    Ok(part)
}

fn tool(value: &Value) -> Result<Tool, LlmError> {
    let mut fields = Fields::of(value, "a tool", ERRORS)?;
    if fields.peek("type").is_some() {
        fields.expect("type", "custom")?;
    }
    fields.off("strict")?;
    let tool = Tool {
        name: fields.need_text("name")?.to_owned(),
        description: fields.text("description")?.map(str::to_owned),
        parameters: fields
            .take("input_schema")
            .cloned()
            .ok_or_else(|| fields.missing("input_schema"))?,
    };
    fields.done()?;
    Ok(tool)
}

fn tool_choice(value: &Value) -> Result<ToolChoice, LlmError> {
    let mut fields = Fields::of(value, "the tool choice", ERRORS)?;
    fields.off("disable_parallel_tool_use")?;
    let choice = match fields.need_text("type")? {
        "auto" => ToolChoice::Auto,
        "none" => ToolChoice::None,
        "any" => ToolChoice::Required,
        "tool" => ToolChoice::Tool(fields.need_text("name")?.to_owned()),
        other => return Err(ERRORS.unsupported(format!("the tool choice is {}", quoted(other)))),
    };
    fields.done()?;
    Ok(choice)
}

fn output_schema(format: &Value) -> Result<OutputSchema, LlmError> {
    let mut fields = Fields::of(format, "`output_config.format`", ERRORS)?;
    fields.expect("type", "json_schema")?;
    let schema = fields
        .take("schema")
        .cloned()
        .ok_or_else(|| fields.missing("schema"))?;
    fields.done()?;
    Ok(OutputSchema::new(schema).strict())
}
