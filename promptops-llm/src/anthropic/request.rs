//! A blueprint as the body of a request.

use promptops_core::llm::{Blueprint, BlueprintMessage, ImageSource, LlmError, Part, ToolChoice};
use promptops_core::prompt::MessageRole;
use serde_json::{Map, Value, json};

use super::{AnthropicMessages, ERRORS};
use crate::blueprint::{add_extra, add_shared, check, check_image, number};
use crate::errors::quoted;

/// Keys that a blueprint says itself, or that say how an answer is sent.
const OWN: [&str; 10] = [
    "max_tokens",
    "messages",
    "model",
    "stop_sequences",
    "stream",
    "system",
    "temperature",
    "tool_choice",
    "tools",
    "top_p",
];

/// The keys that say how to sample.
pub(super) const SAMPLING: [&str; 3] = ["temperature", "top_p", "top_k"];

pub(super) fn body(
    adapter: &AnthropicMessages,
    blueprint: &Blueprint,
    model: Option<&str>,
) -> Result<Map<String, Value>, LlmError> {
    check(blueprint, ERRORS)?;
    let settings = &blueprint.settings;
    let mut body = Map::new();
    let model = settings.model.as_deref().or(model).ok_or_else(|| {
        ERRORS.invalid("neither the request nor the client names a model; set `settings.model`")
    })?;
    body.insert("model".into(), model.into());
    let max_tokens = settings.max_tokens.unwrap_or(adapter.max_tokens);
    body.insert("max_tokens".into(), max_tokens.into());
    conversation(&mut body, &blueprint.messages)?;
    sampling(&mut body, adapter, blueprint)?;
    if !settings.stop.is_empty() {
        body.insert("stop_sequences".into(), settings.stop.clone().into());
    }
    if !blueprint.tools.is_empty() {
        let tools = blueprint.tools.iter().map(|tool| {
            let mut object = json!({"name": tool.name, "input_schema": tool.parameters});
            if let Some(description) = &tool.description {
                object["description"] = description.as_str().into();
            }
            object
        });
        body.insert("tools".into(), tools.collect());
    }
    if let Some(choice) = &blueprint.tool_choice {
        let choice = match choice {
            ToolChoice::Auto => json!({"type": "auto"}),
            ToolChoice::None => json!({"type": "none"}),
            ToolChoice::Required => json!({"type": "any"}),
            ToolChoice::Tool(name) => json!({"type": "tool", "name": name}),
        };
        body.insert("tool_choice".into(), choice);
    }
    let format = match &blueprint.output_schema {
        None => None,
        Some(output) if output.name == "output" => {
            Some(json!({"type": "json_schema", "schema": output.schema}))
        }
        Some(output) => {
            return Err(ERRORS.unsupported(format!(
                "the output schema has the name {}, which has no place here; name it \"output\"",
                quoted(&output.name)
            )));
        }
    };
    let mut extra = settings.extra.clone();
    add_shared(&mut body, "output_config", ("format", format), &mut extra, ERRORS)?;
    add_extra(&mut body, &extra, &OWN, &[], ERRORS)?;
    Ok(body)
}

fn sampling(
    body: &mut Map<String, Value>,
    adapter: &AnthropicMessages,
    blueprint: &Blueprint,
) -> Result<(), LlmError> {
    let settings = &blueprint.settings;
    let set = [
        settings.temperature.is_some(),
        settings.top_p.is_some(),
        settings.extra.contains_key("top_k"),
    ];
    if !adapter.version.has_sampling()
        && let Some((key, _)) = SAMPLING.iter().zip(set).find(|(_, set)| *set)
    {
        return Err(ERRORS.unsupported(format!(
            "`{key}` is gone since version {} of the API; remove it or use version 2023-06-01",
            adapter.version
        )));
    }
    if let Some(t) = settings.temperature {
        if t > 1.0 {
            return Err(ERRORS.unsupported(format!("temperature is {t}; expected 0 ..= 1")));
        }
        body.insert("temperature".into(), number(t));
    }
    if let Some(p) = settings.top_p {
        body.insert("top_p".into(), number(p));
    }
    Ok(())
}

fn instructs(message: &BlueprintMessage) -> bool {
    matches!(message.role, MessageRole::System | MessageRole::Developer)
}

fn conversation(body: &mut Map<String, Value>, all: &[BlueprintMessage]) -> Result<(), LlmError> {
    let first = all.iter().position(|m| !instructs(m)).unwrap_or(all.len());
    let mut system = Vec::new();
    for (at, message) in all.iter().enumerate() {
        if message.name.is_some() {
            return Err(ERRORS.cannot_say(at, message.role, "a name"));
        }
        if at < first {
            system.append(&mut blocks(at, message)?);
        }
    }
    match system.as_mut_slice() {
        [] => {}
        [one] => drop(body.insert("system".into(), one["text"].take())),
        _ => drop(body.insert("system".into(), system.into())),
    }
    let mut messages: Vec<Value> = Vec::with_capacity(all.len() - first);
    let mut at = first;
    while let Some(message) = all.get(at) {
        let said = match message.role {
            MessageRole::Tool => {
                // The results of one turn's calls belong into one message.
                let run = all[at..]
                    .iter()
                    .take_while(|m| m.role == MessageRole::Tool)
                    .count();
                let results = (at..at + run).map(|at| tool_result(at, &all[at]));
                let results = results.collect::<Result<Vec<_>, _>>()?;
                at += run;
                messages.push(json!({"role": "user", "content": results}));
                continue;
            }
            MessageRole::Assistant => {
                let mut content = blocks(at, message)?;
                for call in &message.tool_calls {
                    // Without its cause, which repeats what the model wrote.
                    let input = call
                        .parse()
                        .map_err(|e| ERRORS.unsupported(format!("message {}: {}", at + 1, e.message())))?;
                    if !has_exact_integers(&call.arguments) {
                        return Err(ERRORS.cannot_say(at, message.role, "a whole number beyond 64 bits"));
                    }
                    content
                        .push(json!({"type": "tool_use", "id": call.id, "name": call.name, "input": input}));
                }
                json!({"role": "assistant", "content": plain(content)})
            }
            MessageRole::User => json!({"role": "user", "content": plain(blocks(at, message)?)}),
            MessageRole::System | MessageRole::Developer => {
                json!({"role": "system", "content": plain(blocks(at, message)?)})
            }
        };
        messages.push(said);
        at += 1;
    }
    if messages.is_empty() {
        return Err(ERRORS.invalid("the request has no message but the system's; add a user's"));
    }
    body.insert("messages".into(), messages.into());
    Ok(())
}

/// Whether every whole number of a JSON text has 64 bits at most: others would not come back as they are.
fn has_exact_integers(json: &str) -> bool {
    let mut in_text = false;
    let mut escaped = false;
    let outside = |c: char| {
        let was = in_text;
        match c {
            _ if escaped => escaped = false,
            '\\' if in_text => escaped = true,
            '"' => in_text = !in_text,
            _ => {}
        }
        if was || in_text { ' ' } else { c }
    };
    let numbers: String = json.chars().map(outside).collect();
    numbers
        .split(|c: char| !matches!(c, '0'..='9' | '-' | '+' | '.' | 'e' | 'E'))
        .filter(|word| {
            word.bytes().all(|b| b.is_ascii_digit() || b == b'-') && word.bytes().any(|b| b != b'-')
        })
        .all(|word| word.parse::<u64>().is_ok() || word.parse::<i64>().is_ok())
}

/// One text is said as itself, everything else as a list of blocks.
fn plain(mut blocks: Vec<Value>) -> Value {
    match blocks.as_mut_slice() {
        [one] if one["type"] == "text" => one["text"].take(),
        _ => blocks.into(),
    }
}

fn tool_result(at: usize, message: &BlueprintMessage) -> Result<Value, LlmError> {
    let mut result = json!({"type": "tool_result", "tool_use_id": message.tool_call_id});
    match message.parts.as_slice() {
        [] => {}
        // An empty text is no block, but it is a result.
        [Part::Text { text }] => result["content"] = text.as_str().into(),
        _ => result["content"] = blocks(at, message)?.into(),
    }
    Ok(result)
}

fn blocks(at: usize, message: &BlueprintMessage) -> Result<Vec<Value>, LlmError> {
    let role = message.role;
    let pictures = matches!(role, MessageRole::User | MessageRole::Tool);
    let block = |part: &Part| match part {
        Part::Text { text } if text.is_empty() => Err(ERRORS.cannot_say(at, role, "an empty text")),
        Part::Text { text } => Ok(json!({"type": "text", "text": text})),
        Part::Image { detail: Some(_), .. } => Err(ERRORS.cannot_say(at, role, "the detail of an image")),
        Part::Image { source, .. } if pictures => {
            check_image(at, source, ERRORS)?;
            let source = match source {
                ImageSource::Url(url) => json!({"type": "url", "url": url}),
                ImageSource::Data { media_type, base64 } => {
                    let known = ["image/jpeg", "image/png", "image/gif", "image/webp"];
                    if !known.contains(&media_type.as_str()) {
                        return Err(ERRORS.unsupported(format!(
                            "message {}: an image has the media type {}; expected {}",
                            at + 1,
                            quoted(media_type),
                            known.join(", ")
                        )));
                    }
                    json!({"type": "base64", "media_type": media_type, "data": base64})
                }
            };
            Ok(json!({"type": "image", "source": source}))
        }
        Part::Image { .. } => Err(ERRORS.cannot_say(at, role, "an image")),
        _ => Err(ERRORS.cannot_say(at, role, "a part of this kind")),
    };
    message.parts.iter().map(block).collect()
}

#[cfg(test)]
mod tests {
    use super::has_exact_integers;

    #[test]
    fn whole_numbers_beyond_64_bits_are_found() {
        for good in [
            "{}",
            r#"{"a": [18446744073709551615, -9223372036854775808, 1e30, 0.5, -1.5E+3, true, false]}"#,
            r#"{"99999999999999999999": "99999999999999999999 \" 99999999999999999999"}"#,
        ] {
            assert!(has_exact_integers(good), "{good}");
        }
        for bad in [
            r#"{"a":18446744073709551616}"#,
            r#"{"a":"\\","b":[1,-9223372036854775809]}"#,
        ] {
            assert!(!has_exact_integers(bad), "{bad}");
        }
    }
}
