//! What comes back from a request is the blueprint that went in, or the normal form that the adapter's documentation
//! states; what cannot come back is refused.

use promptops_core::llm::{Blueprint, BlueprintAdapter, BlueprintMessage, LlmErrorKind, Part};
use promptops_core::prompt::MessageRole;
use promptops_llm::{AnthropicMessages, AnthropicVersion, AzureChat, OpenAiChat, OpenAiResponses};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use serde_json::Value;

use crate::blueprints::{AZURE, CHAT, EVERYTHING, MESSAGES, RESPONSES, blueprint};
use crate::wire::Wire;

type Normal = fn(Blueprint) -> Blueprint;

fn same(blueprint: Blueprint) -> Blueprint {
    blueprint
}

fn normal_responses(mut blueprint: Blueprint) -> Blueprint {
    let mut messages: Vec<BlueprintMessage> = Vec::new();
    for mut message in blueprint.messages {
        for part in &mut message.parts {
            if let Part::Image { detail, .. } = part
                && detail.as_deref() == Some("auto")
            {
                *detail = None;
            }
        }
        if message.role != MessageRole::Assistant {
            messages.push(message);
            continue;
        }
        let calls = std::mem::take(&mut message.tool_calls);
        for part in message.parts {
            messages.push(BlueprintMessage {
                role: MessageRole::Assistant,
                parts: vec![part],
                tool_calls: Vec::new(),
                tool_call_id: None,
                name: None,
            });
        }
        if calls.is_empty() {
            continue;
        }
        match messages.last_mut() {
            Some(last) if last.role == MessageRole::Assistant => last.tool_calls.extend(calls),
            _ => messages.push(BlueprintMessage {
                role: MessageRole::Assistant,
                parts: Vec::new(),
                tool_calls: calls,
                tool_call_id: None,
                name: None,
            }),
        }
    }
    blueprint.messages = messages;
    blueprint
}

fn normal_messages(mut blueprint: Blueprint) -> Blueprint {
    let mut messages = Vec::new();
    let mut beginning = true;
    for mut message in blueprint.messages {
        if message.role == MessageRole::Developer {
            message.role = MessageRole::System;
        }
        beginning &= message.role == MessageRole::System;
        for call in &mut message.tool_calls {
            call.arguments = Value::Object(call.parse().unwrap()).to_string();
        }
        if beginning {
            messages.extend(message.parts.into_iter().map(|part| BlueprintMessage {
                role: MessageRole::System,
                parts: vec![part],
                tool_calls: Vec::new(),
                tool_call_id: None,
                name: None,
            }));
        } else {
            messages.push(message);
        }
    }
    blueprint.messages = messages;
    let default = AnthropicMessages::DEFAULT_MAX_TOKENS;
    blueprint.settings.max_tokens.get_or_insert(default);
    if let Some(output) = &mut blueprint.output_schema {
        output.strict = true;
    }
    blueprint
}

fn check(
    adapter: &dyn BlueprintAdapter,
    wire: Wire,
    normal: Normal,
    blueprint: Blueprint,
) -> Result<bool, TestCaseError> {
    let body = match adapter.request(&blueprint) {
        Ok(body) => body,
        Err(error) => {
            let kinds = [LlmErrorKind::Unsupported, LlmErrorKind::InvalidRequest];
            prop_assert!(kinds.contains(&error.kind()), "{error}");
            prop_assert!(!error.is_retryable(), "{error}");
            return Ok(false);
        }
    };
    // What is passed on untouched may be unknown to the provider.
    let odd = ["odd", "n", "temperature", "tools"];
    let odd = odd.iter().any(|key| blueprint.settings.extra.contains_key(*key));
    let mut described = body.clone();
    // The description is OpenAI's, where the address does not say the model.
    if adapter.provider() == "azure_openai" && described.get("model").is_none() {
        described["model"] = "by-address".into();
    }
    if !odd && let Some(fault) = wire.fault(&described) {
        return Err(TestCaseError::fail(format!("{fault}\n{body:#}")));
    }
    let back = adapter
        .read_request(&body)
        .map_err(|e| TestCaseError::fail(format!("{e}\n{body:#}")))?;
    let expected = normal(blueprint);
    // Debug shows no texts, so the JSON is compared for the message.
    if back != expected {
        let show = |b: &Blueprint| serde_json::to_string_pretty(b).unwrap();
        prop_assert_eq!(show(&back), show(&expected));
        prop_assert!(false, "the blueprints differ");
    }
    // The normal form is one.
    let again = adapter
        .request(&back)
        .map_err(|e| TestCaseError::fail(e.to_string()))?;
    prop_assert!(adapter.read_request(&again).is_ok_and(|b| b == back));
    Ok(true)
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(1),
        ..ProptestConfig::with_cases(256)
    })]

    #[test]
    fn chat_completions_bring_back_what_they_were_told(b in blueprint(CHAT)) {
        prop_assert!(check(&OpenAiChat::new(), Wire::ChatRequest, same, b)?);
    }

    #[test]
    fn azure_brings_back_what_it_was_told(b in blueprint(AZURE)) {
        prop_assert!(check(&AzureChat::new(), Wire::ChatRequest, same, b)?);
    }

    #[test]
    fn responses_bring_back_what_they_were_told(b in blueprint(RESPONSES)) {
        prop_assert!(check(&OpenAiResponses::new(), Wire::ResponsesRequest, normal_responses, b)?);
    }

    #[test]
    fn messages_bring_back_what_they_were_told(b in blueprint(MESSAGES)) {
        prop_assert!(check(&AnthropicMessages::new(), Wire::MessagesRequest, normal_messages, b)?);
    }

    #[test]
    fn what_cannot_come_back_is_refused(b in blueprint(EVERYTHING)) {
        check(&OpenAiChat::new(), Wire::ChatRequest, same, b.clone())?;
        check(&OpenAiChat::new().max_tokens_by_its_old_name(), Wire::ChatRequest, same, b.clone())?;
        check(&AzureChat::new(), Wire::ChatRequest, same, b.clone())?;
        check(&OpenAiResponses::new(), Wire::ResponsesRequest, normal_responses, b.clone())?;
        let newest = AnthropicMessages::new().version(AnthropicVersion::V2026_10_21);
        check(&newest, Wire::MessagesRequest, normal_messages, b.clone())?;
        check(&AnthropicMessages::new(), Wire::MessagesRequest, normal_messages, b)?;
    }
}
