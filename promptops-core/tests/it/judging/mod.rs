//! Judges: what they are told, what is made of what they say, and whether they agree with people.

mod calibrating;
mod comparing;
mod scoring;
mod untrusted;

use std::time::Duration;

use promptops_core::evaluation::judge::{Form, LlmJudge, LlmJudgeBuilder, Scale};
use promptops_core::evaluation::{Score, Scorer, ScorerInput};
use promptops_core::llm::{Blueprint, BlueprintMessage, Completion, Cost, LlmError, ScriptedLlm, Usage};
use promptops_core::prompt::{Draft, MessageRole, Version};
use promptops_core::{Error, MemoryBackend, PromptOps};
use serde_json::{Map, Value, json};

const RUBRIC: &str = "The answer is right and polite.";

/// A version whose names and texts a judge must not see.
async fn version() -> Version {
    let acme = PromptOps::builder(MemoryBackend::new())
        .build()
        .tenant("acme")
        .unwrap();
    let draft = Draft::text("sEcretTemplate {{ q }}")
        .by("mo")
        .message("sEcretMessage");
    acme.prompts().save("secret-name/arm-b", draft).await.unwrap()
}

fn parameters(value: Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

/// Scores an output of the input `{"q": "What is 2 + 2?"}`.
async fn score(judge: &LlmJudge, output: &str, expected: Option<Value>) -> Result<Score, Error> {
    let version = version().await;
    let parameters = parameters(json!({"q": "What is 2 + 2?"}));
    let metadata = self::parameters(json!({"slice": "sEcretMetadata"}));
    let messages = [BlueprintMessage::new(
        MessageRole::User,
        "sEcretTemplate What is 2 + 2?",
    )];
    judge
        .score(&ScorerInput {
            version: &version,
            parameters: &parameters,
            messages: &messages,
            output,
            expected_output: expected.as_ref(),
            metadata: &metadata,
            latency: Duration::from_millis(1),
            usage: Usage::new(1, 1),
            cost: Some(Cost::ZERO),
        })
        .await
}

fn rubric(model: &ScriptedLlm) -> LlmJudgeBuilder {
    LlmJudge::builder(model.clone(), Form::rubric(RUBRIC, Scale::default()))
}

fn verdict(label: &str) -> String {
    json!({"reasoning": format!("because it is {label}"), "verdict": label}).to_string()
}

/// Answers each with 100 tokens in and 10 out, in order.
fn replies<'a>(texts: impl IntoIterator<Item = &'a str>) -> ScriptedLlm {
    let results: Vec<Result<Completion, LlmError>> = texts
        .into_iter()
        .map(|text| Ok(ScriptedLlm::answer(text).with_usage(Usage::new(100, 10))))
        .collect();
    ScriptedLlm::results(results)
}

/// What the model was told as user.
fn told(request: &Blueprint) -> String {
    request.messages[1].text()
}

/// The text that was shown under a name.
fn shown(request: &Blueprint, name: &str) -> Option<String> {
    let text = told(request);
    let begin = text.find(&format!("<<<BEGIN {name} "))?;
    let code = text[begin..]
        .split_whitespace()
        .nth(2)?
        .trim_end_matches(">>>")
        .to_owned();
    let body = &text[begin + format!("<<<BEGIN {name} {code}>>>\n").len()..];
    let end = body.find(&format!("\n<<<END {name} {code}>>>"))?;
    Some(body[..end].to_owned())
}
