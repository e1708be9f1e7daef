//! How many tokens a request will count for, before anybody has counted.

use promptops_core::llm::{Blueprint, Part};
use serde::Serialize;

/// Bytes of text per token: the rule of thumb of OpenAI's documentation for English ("1 token ~= 4 chars").
const BYTES_PER_TOKEN: u64 = 4;
/// What a message costs beside its text.
const PER_MESSAGE: u64 = 4;
/// What an image costs: about what Anthropic counts for one of 1,000 by 750 pixels (width · height / 750).
const PER_IMAGE: u64 = 1_000;

/// The tokens of the request itself: a quarter of the bytes of its texts, tools and output schema, rounded up, 4 for
/// each message and 1,000 for each image.
#[must_use]
pub fn estimate_input_tokens(request: &Blueprint) -> u64 {
    let mut bytes = 0;
    let mut tokens = 0;
    for message in &request.messages {
        tokens += PER_MESSAGE;
        for part in &message.parts {
            match part {
                Part::Text { text } => bytes += text.len() as u64,
                _ => tokens += PER_IMAGE,
            }
        }
        for call in &message.tool_calls {
            bytes += (call.name.len() + call.arguments.len()) as u64;
        }
    }
    bytes += request.tools.iter().map(json_bytes).sum::<u64>();
    bytes += request.output_schema.as_ref().map_or(0, json_bytes);
    tokens + bytes.div_ceil(BYTES_PER_TOKEN)
}

/// The tokens of texts to embed: a quarter of the bytes of each, rounded up.
pub(super) fn estimate_text_tokens(texts: &[String]) -> u64 {
    let tokens = texts
        .iter()
        .map(|text| (text.len() as u64).div_ceil(BYTES_PER_TOKEN));
    tokens.sum()
}

fn json_bytes(value: &impl Serialize) -> u64 {
    serde_json::to_string(value).map_or(0, |json| json.len() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use promptops_core::llm::{BlueprintMessage, ImageSource};
    use promptops_core::prompt::{MessageRole, Tool};
    use serde_json::json;

    #[test]
    fn everything_that_is_sent_counts() {
        let mut request = Blueprint::new([
            BlueprintMessage::new(MessageRole::System, "12345678"),
            BlueprintMessage::new(MessageRole::User, "1"),
        ]);
        assert_eq!(estimate_input_tokens(&request), 2 * 4 + 3);
        request.messages[1].parts.push(Part::Image {
            source: ImageSource::Url("https://example.com/a.png".into()),
            detail: None,
        });
        assert_eq!(estimate_input_tokens(&request), 2 * 4 + 3 + 1_000);
        let before = estimate_input_tokens(&request);
        request.tools.push(Tool::new("look", json!({"type": "object"})));
        assert!(estimate_input_tokens(&request) > before + 5);
    }
}
