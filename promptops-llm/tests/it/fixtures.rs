//! Requests that say everything that can be said, and answers as the providers give them. All of it made up.

use promptops_core::llm::{
    Blueprint, BlueprintAdapter, BlueprintMessage, ImageSource, OutputSchema, Part, ToolCall, ToolChoice,
};
use promptops_core::prompt::{MessageRole, Tool};
use promptops_llm::{AnthropicMessages, OpenAiChat, OpenAiResponses};
use serde_json::{Value, json};

use crate::wire::Wire;

pub fn image() -> Part {
    Part::Image {
        source: ImageSource::Url("https://example.com/cat.png".into()),
        detail: None,
    }
}

pub fn picture() -> Part {
    Part::Image {
        source: ImageSource::Data {
            media_type: "image/png".into(),
            base64: "iVBORw0KGgo=".into(),
        },
        detail: None,
    }
}

pub fn calling(id: &str, arguments: &str) -> BlueprintMessage {
    let mut message = BlueprintMessage::new(MessageRole::Assistant, "Let me look.");
    message.tool_calls.push(ToolCall {
        id: id.into(),
        name: "find_order".into(),
        arguments: arguments.into(),
    });
    message
}

pub fn result(id: &str, text: &str) -> BlueprintMessage {
    let mut message = BlueprintMessage::new(MessageRole::Tool, text);
    message.tool_call_id = Some(id.into());
    message
}

/// What every provider can say.
pub fn rich() -> Blueprint {
    let mut user = BlueprintMessage::new(MessageRole::User, "Where is my parcel? 📦");
    user.parts.extend([image(), picture()]);
    let mut calls = calling("call_1", r#"{"order":42}"#);
    calls.tool_calls.push(ToolCall {
        id: "call_2".into(),
        name: "find_order".into(),
        arguments: r#"{"order":43}"#.into(),
    });
    let mut blueprint = Blueprint::new([
        BlueprintMessage::new(MessageRole::System, "You sort tickets."),
        user,
        calls,
        result("call_1", "in Bremen"),
        result("call_2", "unknown"),
        BlueprintMessage::new(MessageRole::User, "And now?"),
    ])
    .model("some-model")
    .max_tokens(256)
    .output_schema(
        OutputSchema::new(json!({
            "type": "object",
            "properties": {"queue": {"type": "string"}},
            "required": ["queue"],
            "additionalProperties": false,
        }))
        .strict(),
    );
    blueprint.tools.push(
        Tool::new(
            "find_order",
            json!({"type": "object", "properties": {"order": {"type": "integer"}}, "required": ["order"]}),
        )
        .description("Where an order is."),
    );
    blueprint.tool_choice = Some(ToolChoice::Tool("find_order".into()));
    blueprint
}

/// With what chat completions can say beside that.
pub fn rich_chat() -> Blueprint {
    let mut blueprint = rich().temperature(0.5);
    blueprint.settings.top_p = Some(0.9);
    blueprint.settings.stop = vec!["END".into(), "STOP".into()];
    let extra = json!({
        "seed": 7,
        "metadata": {"team": "support"},
        "reasoning_effort": "low",
        "logit_bias": {"50256": -100},
        "web_search_options": {"search_context_size": "low"},
    });
    blueprint.settings.extra = extra.as_object().unwrap().clone();
    blueprint.messages[0].name = Some("acme".into());
    if let Part::Image { detail, .. } = &mut blueprint.messages[1].parts[1] {
        *detail = Some("low".into());
    }
    blueprint.messages.insert(
        1,
        BlueprintMessage::new(MessageRole::Developer, "Answer in German."),
    );
    blueprint
}

/// With what responses can say beside that.
pub fn rich_responses() -> Blueprint {
    let mut blueprint = rich().temperature(0.5);
    blueprint.settings.top_p = Some(0.9);
    let extra = json!({
        "store": false,
        "text": {"verbosity": "low"},
        "reasoning": {"effort": "low"},
        "metadata": {"team": "support"},
    });
    blueprint.settings.extra = extra.as_object().unwrap().clone();
    blueprint.messages[3].parts.push(picture());
    blueprint
}

/// With what Anthropic's messages can say beside that.
pub fn rich_messages() -> Blueprint {
    let mut blueprint = rich().temperature(0.5);
    blueprint.settings.top_p = Some(0.9);
    blueprint.settings.stop = vec!["END".into()];
    let extra = json!({
        "metadata": {"user_id": "u"},
        "service_tier": "auto",
        "output_config": {"effort": "low"},
        "thinking": {"type": "disabled"},
    });
    blueprint.settings.extra = extra.as_object().unwrap().clone();
    blueprint
        .messages
        .insert(1, BlueprintMessage::new(MessageRole::System, "Answer in German."));
    blueprint.messages[4].parts.push(picture());
    blueprint.messages.push(BlueprintMessage::new(
        MessageRole::System,
        "Be brief from here on.",
    ));
    blueprint
}

pub fn chat_response() -> Value {
    json!({
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1_790_000_000,
        "model": "some-model-2026-01-01",
        "choices": [{
            "index": 0,
            "message": {"role": "assistant", "content": "In Bremen.", "refusal": null, "annotations": []},
            "finish_reason": "stop",
            "logprobs": null,
        }],
        "usage": {
            "prompt_tokens": 100,
            "completion_tokens": 20,
            "total_tokens": 120,
            "prompt_tokens_details": {"cached_tokens": 64, "cache_write_tokens": 8},
            "completion_tokens_details": {"reasoning_tokens": 12},
        },
        "service_tier": "default",
    })
}

pub fn chat_calls() -> Value {
    let mut response = chat_response();
    response["choices"][0]["message"] = json!({
        "role": "assistant",
        "content": null,
        "refusal": null,
        "tool_calls": [
            {"id": "call_1", "type": "function", "function": {"name": "find_order", "arguments": "{\"order\": 42}"}},
            {"id": "call_2", "type": "function", "function": {"name": "find_order", "arguments": "{"}},
        ],
    });
    response["choices"][0]["finish_reason"] = "tool_calls".into();
    response
}

pub fn chat_refusal() -> Value {
    let mut response = chat_response();
    response["choices"][0]["message"] =
        json!({"role": "assistant", "content": null, "refusal": "I must not."});
    response
}

/// The same answer as [`chat_response`], in pieces.
pub fn chat_chunks() -> Vec<Value> {
    let chunk = |delta: Value, finish: Value| {
        json!({
            "id": "chatcmpl-1",
            "object": "chat.completion.chunk",
            "created": 1_790_000_000,
            "model": "some-model-2026-01-01",
            "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
        })
    };
    let mut last = chunk(json!({}), Value::Null);
    last["choices"] = json!([]);
    last["usage"] = chat_response()["usage"].clone();
    vec![
        chunk(json!({"role": "assistant", "content": ""}), Value::Null),
        chunk(json!({"content": "In "}), Value::Null),
        chunk(json!({"content": "Bremen."}), Value::Null),
        chunk(json!({}), "stop".into()),
        last,
    ]
}

/// The same answer as [`chat_calls`], in pieces.
pub fn chat_call_chunks() -> Vec<Value> {
    let mut chunks = chat_chunks();
    let call = |index: u64, rest: Value| {
        let mut call = json!({"index": index});
        call.as_object_mut()
            .unwrap()
            .extend(rest.as_object().unwrap().clone());
        json!({"tool_calls": [call]})
    };
    let begin = |index, id: &str| {
        let function = json!({"name": "find_order", "arguments": ""});
        call(index, json!({"id": id, "type": "function", "function": function}))
    };
    let more = |index, text: &str| call(index, json!({"function": {"arguments": text}}));
    let pieces = [
        begin(0, "call_1"),
        more(0, "{\"order\""),
        more(0, ": 42}"),
        begin(1, "call_2"),
        more(1, "{"),
    ];
    let mut made: Vec<Value> = Vec::new();
    for piece in pieces {
        let mut chunk = chunks[1].clone();
        chunk["choices"][0]["delta"] = piece;
        made.push(chunk);
    }
    let mut end = chunks[3].clone();
    end["choices"][0]["finish_reason"] = "tool_calls".into();
    made.push(end);
    made.push(chunks.remove(4));
    made
}

pub fn responses_response() -> Value {
    json!({
        "id": "resp_1",
        "object": "response",
        "created_at": 1_790_000_000,
        "status": "completed",
        "error": null,
        "incomplete_details": null,
        "instructions": null,
        "metadata": {},
        "model": "some-model-2026-01-01",
        "output": [
            {"type": "reasoning", "id": "rs_1", "summary": []},
            {
                "type": "message",
                "id": "msg_1",
                "status": "completed",
                "role": "assistant",
                "content": [
                    {"type": "output_text", "text": "In Bremen.", "annotations": [], "logprobs": []},
                    {"type": "output_text", "text": "Since Monday.", "annotations": [], "logprobs": []},
                ],
            },
            {
                "type": "function_call",
                "id": "fc_1",
                "call_id": "call_1",
                "name": "find_order",
                "arguments": "{\"order\": 42}",
                "status": "completed",
            },
        ],
        "parallel_tool_calls": true,
        "temperature": 1.0,
        "tool_choice": "auto",
        "tools": [],
        "top_p": 1.0,
        "usage": {
            "input_tokens": 100,
            "input_tokens_details": {"cached_tokens": 64, "cache_write_tokens": 8},
            "output_tokens": 20,
            "output_tokens_details": {"reasoning_tokens": 12},
            "total_tokens": 120,
        },
    })
}

pub fn message_response() -> Value {
    json!({
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-some-20260101",
        "content": [
            {"type": "thinking", "thinking": "Hm.", "signature": "c2ln"},
            {"type": "text", "text": "Let me look."},
            {"type": "tool_use", "id": "toolu_1", "name": "find_order", "input": {"order": 42}},
        ],
        "stop_reason": "tool_use",
        "stop_sequence": null,
        "usage": {
            "input_tokens": 28,
            "cache_read_input_tokens": 64,
            "cache_creation_input_tokens": 8,
            "output_tokens": 20,
            "output_tokens_details": {"thinking_tokens": 12},
        },
    })
}

/// The same answer as [`message_response`], in events.
pub fn message_events() -> Vec<(&'static str, Value)> {
    let whole = message_response();
    let mut start = whole.clone();
    start["content"] = json!([]);
    start["stop_reason"] = Value::Null;
    start["usage"]["output_tokens"] = 1.into();
    start["usage"]
        .as_object_mut()
        .unwrap()
        .remove("output_tokens_details");
    let delta = |index: u64, delta: Value| {
        (
            "content_block_delta",
            json!({"type": "content_block_delta", "index": index, "delta": delta}),
        )
    };
    let begin = |index: u64, block: Value| {
        (
            "content_block_start",
            json!({"type": "content_block_start", "index": index, "content_block": block}),
        )
    };
    let end = |index: u64| {
        (
            "content_block_stop",
            json!({"type": "content_block_stop", "index": index}),
        )
    };
    vec![
        (
            "message_start",
            json!({"type": "message_start", "message": start}),
        ),
        begin(0, json!({"type": "thinking", "thinking": "", "signature": ""})),
        delta(0, json!({"type": "thinking_delta", "thinking": "Hm."})),
        delta(0, json!({"type": "signature_delta", "signature": "c2ln"})),
        end(0),
        begin(1, json!({"type": "text", "text": ""})),
        ("ping", json!({"type": "ping"})),
        delta(1, json!({"type": "text_delta", "text": "Let me "})),
        delta(1, json!({"type": "text_delta", "text": "look."})),
        end(1),
        begin(
            2,
            json!({"type": "tool_use", "id": "toolu_1", "name": "find_order", "input": {}}),
        ),
        delta(2, json!({"type": "input_json_delta", "partial_json": "{\"ord"})),
        delta(
            2,
            json!({"type": "input_json_delta", "partial_json": "er\": 42}"}),
        ),
        end(2),
        (
            "message_delta",
            json!({
                "type": "message_delta",
                "delta": {"stop_reason": "tool_use", "stop_sequence": null},
                "usage": {"output_tokens": 20, "output_tokens_details": {"thinking_tokens": 12}},
            }),
        ),
        ("message_stop", json!({"type": "message_stop"})),
    ]
}

pub fn openai_error(message: &str, kind: &str, code: Option<&str>) -> Value {
    json!({"error": {"message": message, "type": kind, "param": null, "code": code}})
}

pub fn anthropic_error(kind: &str, message: &str) -> Value {
    json!({"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_a"})
}

/// A body of each kind that is checked against the published schemas.
pub fn bodies() -> Vec<(Wire, Value)> {
    let mut bodies = vec![
        (
            Wire::ChatRequest,
            OpenAiChat::new().request(&rich_chat()).unwrap(),
        ),
        (
            Wire::ResponsesRequest,
            OpenAiResponses::new().request(&rich_responses()).unwrap(),
        ),
        (
            Wire::MessagesRequest,
            AnthropicMessages::new().request(&rich_messages()).unwrap(),
        ),
        (Wire::ChatResponse, chat_response()),
        (Wire::ChatResponse, chat_calls()),
        (Wire::ChatResponse, chat_refusal()),
        (Wire::ResponsesResponse, responses_response()),
        (Wire::MessagesResponse, message_response()),
        (
            Wire::OpenAiError,
            openai_error("no", "requests", Some("rate_limit_exceeded")),
        ),
    ];
    let chunks = chat_chunks().into_iter().chain(chat_call_chunks());
    bodies.extend(chunks.map(|chunk| (Wire::ChatChunk, chunk)));
    bodies
}
