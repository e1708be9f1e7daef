//! The body of a request as a blueprint.

use promptops_core::llm::{
    Blueprint, BlueprintMessage, ImageSource, LlmError, OutputSchema, Part, ToolCall, ToolChoice,
};
use promptops_core::prompt::{MessageRole, ModelSettings, Tool};
use serde_json::Value;

use super::OpenAiChat;
use super::request::REFUSED;
use crate::errors::{Errors, quoted};
use crate::json::{Fields, texts};

pub(super) fn blueprint(adapter: &OpenAiChat, body: &Value) -> Result<Blueprint, LlmError> {
    let errors = adapter.errors();
    let mut fields = Fields::of(body, "the request", errors)?;
    let model = fields.text("model")?.map(str::to_owned);
    if model.is_none() && adapter.model_needed {
        return Err(fields.missing("model"));
    }
    let messages = fields
        .list("messages")?
        .ok_or_else(|| fields.missing("messages"))?;
    let messages = messages
        .iter()
        .map(|m| message(m, errors))
        .collect::<Result<_, _>>()?;
    for (key, why) in REFUSED {
        if fields
            .take(key)
            .is_some_and(|value| (key, value) != ("n", &1.into()))
        {
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
    let format = fields.peek("response_format");
    let is_schema = format.and_then(|f| f.get("type")).and_then(Value::as_str) == Some("json_schema");
    let output_schema = if is_schema {
        fields
            .take("response_format")
            .map(|f| output_schema(f, errors))
            .transpose()?
    } else {
        None
    };
    let old = fields.tokens("max_tokens")?;
    let max_tokens = match (fields.tokens("max_completion_tokens")?, old) {
        (Some(_), Some(_)) => {
            return Err(errors.unsupported(
                "the request has both `max_completion_tokens` and `max_tokens`; a blueprint has one limit",
            ));
        }
        (new, old) => new.or(old),
    };
    let stop = match fields.take("stop") {
        None => Vec::new(),
        Some(Value::String(one)) => vec![one.clone()],
        Some(several) => {
            texts(several).ok_or_else(|| errors.malformed("`stop` is neither a text nor a list of texts"))?
        }
    };
    Ok(Blueprint {
        messages,
        settings: ModelSettings {
            model,
            temperature: fields.number("temperature")?,
            top_p: fields.number("top_p")?,
            max_tokens,
            stop,
            extra: fields.rest(),
        },
        tools,
        tool_choice,
        output_schema,
    })
}

fn message(value: &Value, errors: Errors<'_>) -> Result<BlueprintMessage, LlmError> {
    let mut fields = Fields::of(value, "a message", errors)?;
    let role = fields.need_text("role")?;
    let role: MessageRole = role
        .parse()
        .map_err(|_| errors.unsupported(format!("a message is of role {}", quoted(role))))?;
    let parts = match fields.take("content") {
        None => Vec::new(),
        Some(Value::String(text)) => vec![Part::text(text)],
        Some(Value::Array(parts)) => parts.iter().map(|p| part(p, errors)).collect::<Result<_, _>>()?,
        Some(_) => return Err(errors.malformed("`content` of a message is neither a text nor a list")),
    };
    let calls = fields.list("tool_calls")?.map(Vec::as_slice).unwrap_or_default();
    let message = BlueprintMessage {
        role,
        parts,
        tool_calls: calls
            .iter()
            .map(|c| tool_call(c, errors))
            .collect::<Result<_, _>>()?,
        tool_call_id: fields.text("tool_call_id")?.map(str::to_owned),
        name: fields.text("name")?.map(str::to_owned),
    };
    fields.done()?;
    Ok(message)
}

fn part(value: &Value, errors: Errors<'_>) -> Result<Part, LlmError> {
    let mut fields = Fields::of(value, "a part of a message", errors)?;
    let part = match fields.need_text("type")? {
        "text" => Part::text(fields.need_text("text")?),
        "image_url" => {
            let image = fields
                .take("image_url")
                .ok_or_else(|| fields.missing("image_url"))?;
            let mut image = Fields::of(image, "`image_url`", errors)?;
            let source = ImageSource::parse(image.need_text("url")?)
                .map_err(|e| errors.malformed(e.message().to_owned()).caused_by(e))?;
            let detail = image.text("detail")?.map(str::to_owned);
            image.done()?;
            Part::Image { source, detail }
        }
        other => {
            return Err(errors.unsupported(format!("a part of a message is of type {}", quoted(other))));
        }
    };
    fields.done()?;
    Ok(part)
}

fn tool_call(value: &Value, errors: Errors<'_>) -> Result<ToolCall, LlmError> {
    let mut fields = Fields::of(value, "a tool call", errors)?;
    // Some servers leave the type out; some add the call's place in the list.
    if fields.peek("type").is_some() {
        fields.expect("type", "function")?;
    }
    fields.take("index");
    let id = fields.need_text("id")?.to_owned();
    let function = fields
        .take("function")
        .ok_or_else(|| fields.missing("function"))?;
    fields.done()?;
    let mut function = Fields::of(function, "`function` of a tool call", errors)?;
    let call = ToolCall {
        id,
        name: function.need_text("name")?.to_owned(),
        arguments: function.need_text("arguments")?.to_owned(),
    };
    function.done()?;
    Ok(call)
}

fn tool(value: &Value, errors: Errors<'_>) -> Result<Tool, LlmError> {
    let mut fields = Fields::of(value, "a tool", errors)?;
    fields.expect("type", "function")?;
    let function = fields
        .take("function")
        .ok_or_else(|| fields.missing("function"))?;
    fields.done()?;
    let mut function = Fields::of(function, "`function` of a tool", errors)?;
    function.off("strict")?;
    let tool = Tool {
        name: function.need_text("name")?.to_owned(),
        description: function.text("description")?.map(str::to_owned),
        parameters: function.take("parameters").cloned().ok_or_else(|| {
            errors.unsupported("a tool has no `parameters`; give it the schema of an empty object")
        })?,
    };
    function.done()?;
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
    let function = fields
        .take("function")
        .ok_or_else(|| fields.missing("function"))?;
    fields.done()?;
    let mut function = Fields::of(function, "`function` of the tool choice", errors)?;
    let name = function.need_text("name")?.to_owned();
    function.done()?;
    Ok(ToolChoice::Tool(name))
}

fn output_schema(value: &Value, errors: Errors<'_>) -> Result<OutputSchema, LlmError> {
    let mut fields = Fields::of(value, "`response_format`", errors)?;
    fields.expect("type", "json_schema")?;
    let schema = fields
        .take("json_schema")
        .ok_or_else(|| fields.missing("json_schema"))?;
    fields.done()?;
    named_schema(Fields::of(schema, "`json_schema`", errors)?)
}

/// Reads `name`, `schema` and `strict`.
pub(crate) fn named_schema(mut fields: Fields<'_>) -> Result<OutputSchema, LlmError> {
    let output = OutputSchema {
        name: fields.need_text("name")?.to_owned(),
        schema: fields
            .take("schema")
            .cloned()
            .ok_or_else(|| fields.missing("schema"))?,
        strict: fields.flag("strict")?.unwrap_or(false),
    };
    fields.done()?;
    Ok(output)
}
