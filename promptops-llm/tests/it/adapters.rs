//! What adapters write and read, word for word.

use promptops_core::llm::{
    Blueprint, BlueprintAdapter, BlueprintMessage, Completion, FinishReason, LlmErrorKind, OutputSchema,
    Part, ToolChoice,
};
use promptops_core::prompt::{MessageRole, Tool};
use promptops_llm::{AnthropicMessages, AnthropicVersion, AzureChat, OpenAiChat, OpenAiResponses};
use serde_json::{Value, json};

use crate::fixtures::{
    calling, chat_calls, chat_refusal, chat_response, image, message_response, responses_response, result,
    rich, rich_chat, rich_messages, rich_responses,
};
use crate::wire::Wire;

fn hello() -> Blueprint {
    Blueprint::new([BlueprintMessage::new(MessageRole::User, "Hello.")]).model("m")
}

fn pretty(value: &impl serde::Serialize) -> String {
    serde_json::to_string_pretty(value).unwrap()
}

fn refused(adapter: &dyn BlueprintAdapter, blueprint: &Blueprint) -> (LlmErrorKind, String) {
    let error = adapter.request(blueprint).unwrap_err();
    assert!(!error.is_retryable());
    assert_eq!(error.provider(), adapter.provider());
    (error.kind(), error.message().to_owned())
}

#[test]
fn requests_are_as_they_were() {
    let request = |adapter: &dyn BlueprintAdapter, blueprint: &Blueprint, wire: Wire| {
        let body = adapter.request(blueprint).unwrap();
        wire.check(&body);
        pretty(&body)
    };
    let chat = OpenAiChat::new();
    insta::assert_snapshot!("request_chat", request(&chat, &rich_chat(), Wire::ChatRequest));
    let responses = OpenAiResponses::new();
    insta::assert_snapshot!(
        "request_responses",
        request(&responses, &rich_responses(), Wire::ResponsesRequest)
    );
    let messages = AnthropicMessages::new();
    insta::assert_snapshot!(
        "request_messages",
        request(&messages, &rich_messages(), Wire::MessagesRequest)
    );
    assert_eq!(
        AzureChat::new().request(&rich_chat()).unwrap(),
        chat.request(&rich_chat()).unwrap()
    );
}

#[test]
fn what_every_provider_can_say_needs_no_change_between_them() {
    let adapters: [(&dyn BlueprintAdapter, Wire); 4] = [
        (&OpenAiChat::new(), Wire::ChatRequest),
        (&AzureChat::new(), Wire::ChatRequest),
        (&OpenAiResponses::new(), Wire::ResponsesRequest),
        (&AnthropicMessages::new(), Wire::MessagesRequest),
    ];
    for (adapter, wire) in adapters {
        let body = adapter.request(&rich()).unwrap();
        wire.check(&body);
        assert_eq!(
            adapter.read_request(&body).unwrap(),
            rich(),
            "{}",
            adapter.provider()
        );
    }
}

#[test]
fn answers_are_read_whole() {
    Wire::ChatResponse.check(&chat_calls());
    let read = |adapter: &dyn BlueprintAdapter, body: Value| pretty(&adapter.read_response(&body).unwrap());
    insta::assert_snapshot!("answer_chat", read(&OpenAiChat::new(), chat_response()));
    insta::assert_snapshot!("answer_chat_calls", read(&OpenAiChat::new(), chat_calls()));
    insta::assert_snapshot!(
        "answer_responses",
        read(&OpenAiResponses::new(), responses_response())
    );
    insta::assert_snapshot!(
        "answer_messages",
        read(&AnthropicMessages::new(), message_response())
    );
}

#[test]
fn an_answer_can_go_into_the_next_request() {
    let adapters: [(&dyn BlueprintAdapter, Value); 3] = [
        (&OpenAiChat::new(), chat_response()),
        (&OpenAiResponses::new(), responses_response()),
        (&AnthropicMessages::new(), message_response()),
    ];
    for (adapter, response) in adapters {
        let Completion { message, .. } = adapter.read_response(&response).unwrap();
        let mut next = hello();
        next.messages.push(message.clone());
        for call in &message.tool_calls {
            next.messages.push(result(&call.id, "done"));
        }
        adapter.request(&next).unwrap();
    }
}

#[test]
fn why_an_answer_ended_is_told_apart() {
    let chat = |reason: &str| {
        let mut body = chat_response();
        body["choices"][0]["finish_reason"] = reason.into();
        OpenAiChat::new().read_response(&body).unwrap().finish
    };
    assert_eq!(chat("length"), FinishReason::Length);
    assert_eq!(chat("content_filter"), FinishReason::ContentFilter);
    assert_eq!(chat("odd"), FinishReason::Other("odd".into()));
    let messages = |reason: &str| {
        let mut body = message_response();
        body["stop_reason"] = reason.into();
        AnthropicMessages::new().read_response(&body).unwrap().finish
    };
    for (reason, finish) in [
        ("end_turn", FinishReason::Stop),
        ("stop_sequence", FinishReason::Stop),
        ("max_tokens", FinishReason::Length),
        ("model_context_window_exceeded", FinishReason::Length),
        ("refusal", FinishReason::ContentFilter),
        ("pause_turn", FinishReason::Other("pause_turn".into())),
    ] {
        assert_eq!(messages(reason), finish);
    }
    let responses = |status: &str, reason: Option<&str>| {
        let mut body = responses_response();
        body["status"] = status.into();
        if let Some(reason) = reason {
            body["incomplete_details"] = json!({"reason": reason});
        }
        OpenAiResponses::new().read_response(&body).map(|c| c.finish)
    };
    assert_eq!(responses("completed", None).unwrap(), FinishReason::ToolCalls);
    assert_eq!(
        responses("incomplete", Some("max_output_tokens")).unwrap(),
        FinishReason::Length
    );
    assert_eq!(
        responses("incomplete", Some("content_filter")).unwrap(),
        FinishReason::ContentFilter
    );
    for status in ["in_progress", "queued", "cancelled"] {
        assert_eq!(
            responses(status, None).unwrap_err().kind(),
            LlmErrorKind::Malformed
        );
    }
    let mut failed = responses_response();
    failed["status"] = "failed".into();
    failed["error"] = json!({"code": "server_error", "message": "oops"});
    let error = OpenAiResponses::new().read_response(&failed).unwrap_err();
    assert_eq!(
        (error.kind(), error.code()),
        (LlmErrorKind::Overloaded, Some("server_error"))
    );
}

#[test]
fn a_refusal_without_an_answer_is_an_error_that_does_not_repeat_it() {
    let mut filtered = chat_response();
    filtered["choices"][0]["message"]["content"] = "".into();
    filtered["choices"][0]["finish_reason"] = "content_filter".into();
    let mut refusing = responses_response();
    refusing["output"] =
        json!([{"type": "message", "content": [{"type": "refusal", "refusal": "I must not."}]}]);
    let mut silent = message_response();
    silent["content"] = json!([]);
    silent["stop_reason"] = "refusal".into();
    let adapters: [(&dyn BlueprintAdapter, Value); 4] = [
        (&OpenAiChat::new(), chat_refusal()),
        (&AzureChat::new(), filtered),
        (&OpenAiResponses::new(), refusing),
        (&AnthropicMessages::new(), silent),
    ];
    for (adapter, body) in adapters {
        let error = adapter.read_response(&body).unwrap_err();
        assert_eq!(error.kind(), LlmErrorKind::ContentFilter, "{error}");
        assert!(!error.is_retryable());
        assert!(!format!("{error} {error:?}").contains("must not"));
    }
}

#[test]
fn half_an_answer_is_malformed() {
    let adapters: [(&dyn BlueprintAdapter, Value, &[&str]); 3] = [
        (
            &OpenAiChat::new(),
            chat_response(),
            &[
                "/choices",
                "/choices/0",
                "/choices/0/message",
                "/choices/0/finish_reason",
                "/model",
                "/usage",
                "/usage/prompt_tokens",
                "/usage/completion_tokens",
            ],
        ),
        (
            &OpenAiResponses::new(),
            responses_response(),
            &[
                "/status",
                "/output",
                "/output/1/content",
                "/output/2/call_id",
                "/model",
                "/usage",
                "/usage/input_tokens",
                "/usage/output_tokens",
            ],
        ),
        (
            &AnthropicMessages::new(),
            message_response(),
            &[
                "/type",
                "/content",
                "/content/1/text",
                "/content/2/input",
                "/content/2/id",
                "/stop_reason",
                "/model",
                "/usage",
                "/usage/input_tokens",
                "/usage/output_tokens",
            ],
        ),
    ];
    for (adapter, whole, places) in adapters {
        adapter.read_response(&whole).unwrap();
        for place in places {
            let mut body = whole.clone();
            *body.pointer_mut(place).unwrap() = Value::Null;
            let error = adapter.read_response(&body).unwrap_err();
            assert_eq!(error.kind(), LlmErrorKind::Malformed, "{place}");
        }
        for odd in [json!({}), json!([]), json!("text"), Value::Null] {
            assert_eq!(
                adapter.read_response(&odd).unwrap_err().kind(),
                LlmErrorKind::Malformed
            );
        }
    }
    // Whoever lets it be missing gets 0.
    let mut body = chat_response();
    body["usage"] = Value::Null;
    let lenient = OpenAiChat::new().usage_may_be_missing();
    assert_eq!(lenient.read_response(&body).unwrap().usage.total(), 0);
    assert!(!OpenAiChat::new().read_response(&body).unwrap_err().is_retryable());
}

#[test]
fn what_a_provider_adds_to_its_answers_is_read_over() {
    let chat = chat_calls();
    let mut more = chat.clone();
    for place in [
        "",
        "/choices/0",
        "/choices/0/message",
        "/choices/0/message/tool_calls/0",
        "/choices/0/message/tool_calls/0/function",
        "/usage",
    ] {
        more.pointer_mut(place).unwrap()["new"] = json!({"a": 1});
    }
    let read = |body: &Value| OpenAiChat::new().read_response(body).unwrap();
    assert_eq!(read(&more), read(&chat));
    more["choices"][0]["message"]["tool_calls"][0]["type"] = "custom".into();
    let error = OpenAiChat::new().read_response(&more).unwrap_err();
    assert_eq!(error.kind(), LlmErrorKind::Unsupported);
    let message = message_response();
    let mut more = message.clone();
    for place in ["", "/content/0", "/content/1", "/content/2", "/usage"] {
        more.pointer_mut(place).unwrap()["new"] = json!({"a": 1});
    }
    let read = |body: &Value| AnthropicMessages::new().read_response(body).unwrap();
    assert_eq!(read(&more), read(&message));
    let response = responses_response();
    let mut more = response.clone();
    for place in [
        "",
        "/output/0",
        "/output/1",
        "/output/1/content/0",
        "/output/2",
        "/usage",
    ] {
        more.pointer_mut(place).unwrap()["new"] = json!({"a": 1});
    }
    let read = |body: &Value| OpenAiResponses::new().read_response(body).unwrap();
    assert_eq!(read(&more), read(&response));
}

#[test]
fn an_answer_of_a_kind_that_nobody_asked_for_is_refused() {
    let mut body = message_response();
    body["content"][1] = json!({"type": "server_tool_use", "id": "x", "name": "web_search", "input": {}});
    let error = AnthropicMessages::new().read_response(&body).unwrap_err();
    assert_eq!(error.kind(), LlmErrorKind::Unsupported, "{error}");
    let mut body = responses_response();
    body["output"][0]["type"] = "web_search_call".into();
    let error = OpenAiResponses::new().read_response(&body).unwrap_err();
    assert_eq!(error.kind(), LlmErrorKind::Unsupported, "{error}");
}

#[test]
fn extra_settings_overwrite_nothing() {
    use LlmErrorKind::{InvalidRequest, Unsupported};
    let with = |extra: Value| {
        let mut blueprint = rich();
        blueprint.settings.extra = extra.as_object().unwrap().clone();
        blueprint
    };
    let chat = OpenAiChat::new();
    for key in [
        "model",
        "messages",
        "tools",
        "tool_choice",
        "response_format",
        "temperature",
        "max_tokens",
        "max_completion_tokens",
        "stream",
        "stop",
    ] {
        let (kind, message) = refused(&chat, &with(json!({key: 1})));
        assert_eq!(kind, InvalidRequest, "{message}");
        assert!(message.contains(key), "{message}");
    }
    for key in ["n", "functions", "function_call", "audio"] {
        assert_eq!(refused(&chat, &with(json!({key: 2}))).0, Unsupported);
    }
    let responses = OpenAiResponses::new();
    for key in ["model", "input", "tools", "max_output_tokens", "stream"] {
        assert_eq!(refused(&responses, &with(json!({key: 1}))).0, InvalidRequest);
    }
    assert_eq!(
        refused(&responses, &with(json!({"background": true}))).0,
        Unsupported
    );
    let text = json!({"text": {"format": {"type": "text"}}});
    assert_eq!(refused(&responses, &with(text)).0, InvalidRequest);
    let messages = AnthropicMessages::new();
    for key in [
        "model",
        "messages",
        "system",
        "max_tokens",
        "stop_sequences",
        "stream",
    ] {
        assert_eq!(refused(&messages, &with(json!({key: 1}))).0, InvalidRequest);
    }
    let config = json!({"output_config": {"format": {"type": "json_schema", "schema": {}}}});
    assert_eq!(refused(&messages, &with(config)).0, InvalidRequest);
    // Where the blueprint says nothing of the answer's form, a form that it has no word for is passed on.
    let mut free = hello();
    free.settings.extra = json!({"response_format": {"type": "json_object"}})
        .as_object()
        .unwrap()
        .clone();
    let body = chat.request(&free).unwrap();
    Wire::ChatRequest.check(&body);
    assert_eq!(body["response_format"]["type"], "json_object");
    assert_eq!(chat.read_request(&body).unwrap(), free);
}

#[test]
fn what_a_provider_has_no_word_for_is_refused_with_a_reason() {
    use LlmErrorKind::{InvalidRequest, Unsupported};
    let chat: &dyn BlueprintAdapter = &OpenAiChat::new();
    let responses: &dyn BlueprintAdapter = &OpenAiResponses::new();
    let messages: &dyn BlueprintAdapter = &AnthropicMessages::new();
    let newest: &dyn BlueprintAdapter = &AnthropicMessages::new().version(AnthropicVersion::V2026_10_21);
    let edit = |change: fn(&mut Blueprint)| {
        let mut blueprint = hello();
        change(&mut blueprint);
        blueprint
    };
    let named = edit(|b| b.messages[0].name = Some("ana".into()));
    let stop = edit(|b| b.settings.stop = vec!["END".into()]);
    let seen = edit(|b| {
        b.messages.push(BlueprintMessage {
            role: MessageRole::Assistant,
            parts: vec![image()],
            tool_calls: Vec::new(),
            tool_call_id: None,
            name: None,
        })
    });
    let table: [(&dyn BlueprintAdapter, Blueprint, LlmErrorKind, &str); 23] = [
        (
            messages,
            edit(|b| b.messages.push(calling("c", "{\"n\": 18446744073709551616}"))),
            Unsupported,
            "64 bits",
        ),
        (responses, named.clone(), Unsupported, "a name"),
        (messages, named, Unsupported, "a name"),
        (responses, stop, Unsupported, "stop sequences"),
        (
            responses,
            edit(|b| b.settings.max_tokens = Some(15)),
            Unsupported,
            "16",
        ),
        (
            chat,
            edit(|b| b.settings.stop = vec!["x".into(); 5]),
            Unsupported,
            "at most 4",
        ),
        (chat, hello().temperature(2.5), Unsupported, "0 ..= 2"),
        (messages, hello().temperature(1.5), Unsupported, "0 ..= 1"),
        (
            newest,
            hello().temperature(0.5),
            Unsupported,
            "`temperature` is gone",
        ),
        (
            newest,
            edit(|b| b.settings.top_p = Some(0.5)),
            Unsupported,
            "`top_p` is gone",
        ),
        (
            newest,
            edit(|b| drop(b.settings.extra.insert("top_k".into(), 5.into()))),
            Unsupported,
            "`top_k` is gone",
        ),
        (
            messages,
            hello().output_schema(OutputSchema::new(json!({})).named("triage")),
            Unsupported,
            "name it \"output\"",
        ),
        (
            messages,
            edit(|b| b.messages.push(calling("c", "[1]"))),
            Unsupported,
            "no JSON object",
        ),
        (
            messages,
            edit(|b| b.messages.push(calling("c", "{"))),
            Unsupported,
            "no JSON object",
        ),
        (
            messages,
            edit(|b| b.messages[0].parts = vec![Part::text("")]),
            Unsupported,
            "an empty text",
        ),
        (chat, seen.clone(), Unsupported, "an image"),
        (responses, seen.clone(), Unsupported, "other than text"),
        (messages, seen, Unsupported, "an image"),
        (chat, Blueprint::new([]).model("m"), InvalidRequest, "no message"),
        (
            chat,
            Blueprint::new(hello().messages),
            InvalidRequest,
            "names a model",
        ),
        (
            messages,
            edit(|b| b.messages[0].role = MessageRole::System),
            InvalidRequest,
            "no message but the system's",
        ),
        (
            chat,
            edit(|b| b.tool_choice = Some(ToolChoice::Auto)),
            InvalidRequest,
            "no tools",
        ),
        (
            chat,
            edit(|b| {
                b.tools.push(Tool::new("a", json!({})));
                b.tool_choice = Some(ToolChoice::Tool("b".into()));
            }),
            InvalidRequest,
            "none of the request's tools",
        ),
    ];
    for (adapter, blueprint, kind, words) in table {
        let (found, message) = refused(adapter, &blueprint);
        assert_eq!(found, kind, "{message}");
        assert!(message.contains(words), "{message}");
    }
    // What a model wrote is in no error.
    let odd = edit(|b| b.messages.push(calling("c", "\"c4n4ry\"")));
    let error = messages.request(&odd).unwrap_err();
    assert!(!format!("{error} {error:?}").contains("c4n4ry"), "{error:?}");
}

#[test]
fn requests_that_a_blueprint_cannot_say_are_refused() {
    use LlmErrorKind::{Malformed, Unsupported};
    let with = |mut body: Value, place: &str, key: &str, value: Value| {
        body.pointer_mut(place).unwrap()[key] = value;
        body
    };
    let chat = OpenAiChat::new();
    let body = chat.request(&rich_chat()).unwrap();
    let kind = |adapter: &dyn BlueprintAdapter, body: Value| adapter.read_request(&body).unwrap_err().kind();
    for (place, key) in [
        ("/messages/0", "audio"),
        ("/messages/2/content/1", "prompt_cache_breakpoint"),
        ("/messages/2/content/1/image_url", "odd"),
        ("/messages/3/tool_calls/0/function", "odd"),
        ("/tools/0", "odd"),
        ("/tools/0/function", "odd"),
        ("/tool_choice/function", "odd"),
        ("/response_format/json_schema", "description"),
    ] {
        assert_eq!(
            kind(&chat, with(body.clone(), place, key, 1.into())),
            Unsupported,
            "{place}"
        );
    }
    assert_eq!(
        kind(
            &chat,
            with(body.clone(), "/tools/0/function", "strict", true.into())
        ),
        Unsupported
    );
    assert_eq!(kind(&chat, with(body.clone(), "", "n", 2.into())), Unsupported);
    assert_eq!(
        kind(&chat, with(body.clone(), "", "max_tokens", 2.into())),
        Unsupported
    );
    assert_eq!(
        kind(
            &chat,
            with(body.clone(), "/messages/0", "role", "function".into())
        ),
        Unsupported
    );
    assert_eq!(kind(&chat, with(body.clone(), "", "model", 1.into())), Malformed);
    assert_eq!(kind(&chat, json!([])), Malformed);
    // How an answer is sent is not what is asked; what is not known goes along.
    let mut streamed = with(body, "", "stream", true.into());
    streamed["stream_options"] = json!({"include_usage": true});
    streamed["new_setting"] = json!({"a": null});
    let mut expected = rich_chat();
    expected
        .settings
        .extra
        .insert("new_setting".into(), json!({"a": null}));
    assert_eq!(chat.read_request(&streamed).unwrap(), expected);

    let responses = OpenAiResponses::new();
    let body = responses.request(&rich_responses()).unwrap();
    for (place, key) in [
        ("/input/0", "phase"),
        ("/input/1/content/1", "file_id"),
        ("/input/3", "caller"),
        ("/tools/0", "defer_loading"),
        ("/text/format", "description"),
    ] {
        assert_eq!(
            kind(&responses, with(body.clone(), place, key, "x".into())),
            Unsupported,
            "{place}"
        );
    }
    assert_eq!(
        kind(
            &responses,
            with(body, "/input/0", "type", "item_reference".into())
        ),
        Unsupported
    );

    let messages = AnthropicMessages::new();
    let body = messages.request(&rich_messages()).unwrap();
    for (place, key) in [
        ("/messages/0", "odd"),
        ("/messages/0/content/0", "cache_control"),
        ("/messages/0/content/1", "transformations"),
        ("/messages/1/content/1", "caller"),
        ("/messages/2/content/0", "cache_control"),
        ("/tools/0", "input_examples"),
        ("/tool_choice", "disable_parallel_tool_use"),
        ("/output_config/format", "odd"),
    ] {
        let wrong = with(body.clone(), place, key, true.into());
        assert_eq!(kind(&messages, wrong), Unsupported, "{place}");
    }
    let failed = with(body.clone(), "/messages/2/content/0", "is_error", true.into());
    assert_eq!(kind(&messages, failed), Unsupported);
    let newest = AnthropicMessages::new().version(AnthropicVersion::V2026_10_21);
    assert_eq!(kind(&newest, body), Malformed);
}
