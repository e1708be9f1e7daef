//! Clients over real HTTP: where they ask, what they say, what they make of the answer.

use std::time::Duration;

use promptops_core::ErrorKind;
use promptops_core::llm::{
    Blueprint, BlueprintAdapter, BlueprintMessage, Completion, FinishReason, LlmClient, LlmErrorKind,
};
use promptops_core::prompt::MessageRole;
use promptops_llm::{
    Anthropic, AnthropicBuilder, AnthropicMessages, AnthropicVersion, AzureOpenAi, HttpOptions, OpenAi,
    OpenAiBuilder, OpenAiChat, OpenAiResponses,
};
use serde_json::{Value, json};

use crate::fixtures::{
    chat_call_chunks, chat_calls, chat_chunks, chat_response, message_events, message_response, openai_error,
    responses_response, rich_chat, rich_messages, rich_responses,
};
use crate::server::{Request, Script, Server, Step, answer, event_stream, json_answer};
use crate::wire::Wire;

pub const KEY: &str = "sk-c4n4ry-0123456789abcdef";

/// Options for the loopback interface: no proxy, and nothing that could hang a test.
pub fn http() -> HttpOptions {
    HttpOptions::new()
        .without_proxy()
        .request_timeout(Duration::from_secs(20))
        .idle_timeout(Duration::from_secs(10))
}

pub fn openai(server: &Server) -> OpenAiBuilder {
    OpenAi::builder()
        .key(KEY)
        .base_url(format!("{}/v1", server.url()))
        .http(http())
}

pub fn anthropic(server: &Server) -> AnthropicBuilder {
    Anthropic::builder().key(KEY).base_url(server.url()).http(http())
}

pub fn azure(server: &Server) -> AzureOpenAi {
    AzureOpenAi::builder()
        .key(KEY)
        .endpoint(server.url())
        .deployment("triage-1")
        .http(http())
        .build()
        .unwrap()
}

pub fn hello() -> Blueprint {
    Blueprint::new([BlueprintMessage::new(MessageRole::User, "Hello.")]).model("m")
}

/// Headers that do not change from run to run.
fn shown(request: &Request) -> String {
    let mut headers: Vec<_> = request
        .head
        .lines()
        .skip(1)
        .filter(|line| !line.is_empty() && !line.starts_with("host:") && !line.starts_with("content-length:"))
        .map(|line| line.replace(env!("CARGO_PKG_VERSION"), "VERSION"))
        .collect();
    headers.sort();
    format!("{}\n{}\n", request.line(), headers.join("\n"))
}

fn events(events: &[(&str, Value)]) -> Script {
    vec![Step::Send(event_stream(events)), Step::Close]
}

fn chat_events(chunks: &[Value]) -> Script {
    let mut all: Vec<_> = chunks.iter().map(|chunk| ("", chunk.clone())).collect();
    all.push(("", "[DONE]".into()));
    events(&all)
}

#[tokio::test]
async fn openai_is_asked_by_chat_completions() {
    let server = Server::always(vec![json_answer(&chat_response())]).await;
    let client = openai(&server)
        .organization("org-1")
        .project("proj-1")
        .http(http().header("x-team", "support-team"))
        .build()
        .unwrap();
    let completion = client.complete(&rich_chat()).await.unwrap();
    assert_eq!(
        completion,
        OpenAiChat::new().read_response(&chat_response()).unwrap()
    );
    let request = server.request();
    assert_eq!(request.json(), OpenAiChat::new().request(&rich_chat()).unwrap());
    insta::assert_snapshot!("head_openai", shown(&request));
}

#[tokio::test]
async fn openai_is_asked_by_responses() {
    let server = Server::always(vec![json_answer(&responses_response())]).await;
    let client = openai(&server).responses().build().unwrap();
    let completion = client.complete(&rich_responses()).await.unwrap();
    let adapter = OpenAiResponses::new();
    assert_eq!(completion, adapter.read_response(&responses_response()).unwrap());
    assert_eq!(server.request().line(), "POST /v1/responses");
    assert_eq!(
        server.request().json(),
        adapter.request(&rich_responses()).unwrap()
    );
}

#[tokio::test]
async fn anthropic_is_asked_in_each_version() {
    let server = Server::always(vec![json_answer(&message_response())]).await;
    let client = anthropic(&server).build().unwrap();
    let completion = client.complete(&rich_messages()).await.unwrap();
    let adapter = AnthropicMessages::new();
    assert_eq!(completion, adapter.read_response(&message_response()).unwrap());
    assert_eq!(
        server.request().json(),
        adapter.request(&rich_messages()).unwrap()
    );
    insta::assert_snapshot!("head_anthropic_2023", shown(&server.request()));

    let newest = anthropic(&server)
        .version(AnthropicVersion::V2026_10_21)
        .max_tokens(99)
        .build()
        .unwrap();
    let error = newest.complete(&rich_messages()).await.unwrap_err();
    assert_eq!(error.kind(), LlmErrorKind::Unsupported);
    newest.complete(&hello()).await.unwrap();
    let requests = server.requests();
    assert_eq!(requests.len(), 2);
    assert_eq!(requests[1].json()["max_tokens"], 99);
    insta::assert_snapshot!("head_anthropic_2026", shown(&requests[1]));
}

#[tokio::test]
async fn azure_is_asked_by_deployment() {
    let server = Server::always(vec![json_answer(&chat_response())]).await;
    let client = azure(&server);
    assert_eq!(
        (client.provider(), client.model()),
        ("azure_openai", Some("triage-1"))
    );
    let mut without_model = hello();
    without_model.settings.model = None;
    client.complete(&without_model).await.unwrap();
    let request = server.request();
    assert_eq!(request.json().get("model"), None);
    insta::assert_snapshot!("head_azure", shown(&request));

    client.complete(&hello()).await.unwrap();
    assert!(
        server.requests()[1]
            .line()
            .contains("/deployments/m/chat/completions?")
    );
    for odd in ["..", "a/b", "a?b=c", "", "ä"] {
        let error = client.complete(&hello().model(odd)).await.unwrap_err();
        assert_eq!(error.kind(), LlmErrorKind::InvalidRequest, "{odd}");
    }
    let bearer = AzureOpenAi::builder()
        .bearer(KEY)
        .endpoint(server.url())
        .api_version("2025-04-01-preview")
        .http(http())
        .build()
        .unwrap();
    bearer.complete(&hello()).await.unwrap();
    let last = server.requests().pop().unwrap();
    assert_eq!(last.header("authorization"), Some(&*format!("Bearer {KEY}")));
    assert_eq!(last.header("api-key"), None);
    assert!(
        last.line().ends_with("?api-version=2025-04-01-preview"),
        "{}",
        last.line()
    );
    let nobody = bearer.complete(&without_model).await.unwrap_err();
    assert_eq!(nobody.kind(), LlmErrorKind::InvalidRequest);
}

#[tokio::test]
async fn the_model_of_a_request_counts_before_the_clients() {
    let server = Server::always(vec![json_answer(&chat_response())]).await;
    let client = openai(&server).model("fallback").build().unwrap();
    let mut request = hello();
    client.complete(&request).await.unwrap();
    request.settings.model = None;
    client.complete(&request).await.unwrap();
    let models: Vec<_> = server
        .requests()
        .iter()
        .map(|r| r.json()["model"].clone())
        .collect();
    assert_eq!(models, ["m", "fallback"]);
}

#[tokio::test]
async fn a_server_that_speaks_the_same_needs_no_key() {
    let server = Server::always(vec![json_answer(&chat_response())]).await;
    let client = OpenAi::builder()
        .base_url(format!("{}/v1/", server.url()))
        .provider_name("ollama")
        .max_tokens_by_its_old_name()
        .http(http())
        .build()
        .unwrap();
    client.complete(&hello().max_tokens(5)).await.unwrap();
    let request = server.request();
    assert_eq!(client.provider(), "ollama");
    assert_eq!(request.line(), "POST /v1/chat/completions");
    assert_eq!(request.header("authorization"), None);
    assert_eq!(request.json()["max_tokens"], 5);
}

#[tokio::test]
async fn a_streamed_answer_is_the_same_answer() {
    let stream = http().streaming();
    let read = |body: &Value| OpenAiChat::new().read_response(body).unwrap();
    for (chunks, whole) in [
        (chat_chunks(), read(&chat_response())),
        (chat_call_chunks(), read(&chat_calls())),
    ] {
        let server = Server::always(chat_events(&chunks)).await;
        let client = openai(&server).http(stream.clone()).build().unwrap();
        assert_eq!(client.complete(&hello()).await.unwrap(), whole);
        let body = server.request().json();
        Wire::ChatRequest.check(&body);
        assert_eq!(body["stream"], true);
        assert_eq!(body["stream_options"], json!({"include_usage": true}));
        assert_eq!(server.request().header("accept"), Some("text/event-stream"));
        let azure = AzureOpenAi::builder()
            .key(KEY)
            .endpoint(server.url())
            .deployment("d")
            .http(stream.clone())
            .build()
            .unwrap();
        assert_eq!(azure.complete(&hello()).await.unwrap(), whole);
    }

    let server = Server::always(events(&message_events())).await;
    let client = anthropic(&server).http(stream.clone()).build().unwrap();
    let whole = AnthropicMessages::new()
        .read_response(&message_response())
        .unwrap();
    assert_eq!(client.complete(&hello()).await.unwrap(), whole);
    let body = server.request().json();
    assert_eq!(body["stream"], true);
    Wire::MessagesRequest.check(&body);

    let done = json!({"type": "response.completed", "sequence_number": 9, "response": responses_response()});
    let delta = json!({"type": "response.output_text.delta", "delta": "response.completed", "item_id": "m"});
    let server = Server::always(events(&[
        (
            "response.created",
            json!({"type": "response.created", "response": {}}),
        ),
        ("response.output_text.delta", delta),
        ("response.completed", done),
    ]))
    .await;
    let client = openai(&server).responses().http(stream).build().unwrap();
    let whole = OpenAiResponses::new()
        .read_response(&responses_response())
        .unwrap();
    assert_eq!(client.complete(&hello()).await.unwrap(), whole);
    Wire::ResponsesRequest.check(&server.request().json());
}

#[tokio::test]
async fn a_stream_in_single_bytes_is_the_same_answer() {
    let chunks: Vec<_> = chat_chunks().into_iter().map(|chunk| ("", chunk)).collect();
    let bytes = event_stream(&chunks);
    let server = Server::always(vec![Step::Drip(bytes, Duration::from_micros(1)), Step::Close]).await;
    let client = openai(&server).http(http().streaming()).build().unwrap();
    assert_eq!(client.complete(&hello()).await.unwrap().text(), "In Bremen.");
}

#[tokio::test]
async fn a_server_that_cannot_stream_answers_whole() {
    let server = Server::always(vec![json_answer(&chat_response())]).await;
    let client = openai(&server).http(http().streaming()).build().unwrap();
    assert_eq!(client.complete(&hello()).await.unwrap().text(), "In Bremen.");
}

#[tokio::test]
async fn connections_are_kept_and_shared_by_clones() {
    let server = Server::always(vec![json_answer(&chat_response())]).await;
    let client = openai(&server).build().unwrap();
    for _ in 0..3 {
        client.clone().complete(&hello()).await.unwrap();
    }
    assert!(server.requests().iter().all(|request| request.connection == 0));
}

#[tokio::test]
async fn a_filter_of_azures_is_told_from_a_wrong_request() {
    let refused = json!({"error": {
        "message": "The response was filtered", "type": null, "param": "prompt", "code": "content_filter", "status": 400,
        "innererror": {"code": "ResponsibleAIPolicyViolation", "content_filter_result": {"hate": {"filtered": true}}},
    }});
    let mut cut = chat_response();
    cut["choices"][0]["finish_reason"] = "content_filter".into();
    cut["choices"][0]["content_filter_results"] = json!({"hate": {"filtered": true}});
    cut["prompt_filter_results"] = json!([]);
    let json = [("content-type", "application/json"), ("apim-request-id", "az-1")];
    let server = Server::start(vec![
        vec![answer(400, &json, refused.to_string())],
        vec![answer(200, &json, cut.to_string())],
    ])
    .await;
    let client = azure(&server);
    let error = client.complete(&hello()).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.code(), error.status(), error.request_id()),
        (
            LlmErrorKind::ContentFilter,
            Some("content_filter"),
            Some(400),
            Some("az-1")
        )
    );
    let Completion { finish, .. } = client.complete(&hello()).await.unwrap();
    assert_eq!(finish, FinishReason::ContentFilter);
}

#[tokio::test]
async fn an_error_in_an_answer_that_says_success_is_an_error() {
    let body = openai_error("slow down", "requests", Some("rate_limit_exceeded"));
    Wire::OpenAiError.check(&body);
    let server = Server::always(vec![json_answer(&body)]).await;
    let error = openai(&server)
        .build()
        .unwrap()
        .complete(&hello())
        .await
        .unwrap_err();
    assert_eq!(
        (error.kind(), error.request_id()),
        (LlmErrorKind::RateLimit, Some("req_1"))
    );
}

#[test]
fn settings_that_cannot_be_are_refused_without_showing_the_key() {
    let wrong = [
        OpenAi::builder().build().map(drop),
        OpenAi::builder().key("").build().map(drop),
        OpenAi::builder().key(format!("{KEY}\n")).build().map(drop),
        OpenAi::builder()
            .key(KEY)
            .base_url("api.openai.com")
            .build()
            .map(drop),
        OpenAi::builder()
            .key(KEY)
            .base_url("file:///etc/passwd")
            .build()
            .map(drop),
        OpenAi::builder()
            .key(KEY)
            .base_url(format!("https://u:{KEY}@x.example"))
            .build()
            .map(drop),
        OpenAi::builder()
            .key(KEY)
            .base_url(format!("https://x.example?key={KEY}"))
            .build()
            .map(drop),
        OpenAi::builder().key(KEY).organization("a\nb").build().map(drop),
        OpenAi::builder()
            .key(KEY)
            .http(HttpOptions::new().header("Authorization", KEY))
            .build()
            .map(drop),
        OpenAi::builder()
            .key(KEY)
            .http(HttpOptions::new().header("a b", KEY))
            .build()
            .map(drop),
        OpenAi::builder()
            .key(KEY)
            .http(HttpOptions::new().header("x-a", format!("{KEY}\n")))
            .build()
            .map(drop),
        OpenAi::builder()
            .key(KEY)
            .project("p")
            .http(HttpOptions::new().header("OpenAI-Project", "q"))
            .build()
            .map(drop),
        Anthropic::builder().build().map(drop),
        Anthropic::builder()
            .key(KEY)
            .http(HttpOptions::new().header("X-Api-Key", KEY))
            .build()
            .map(drop),
        Anthropic::builder()
            .key(KEY)
            .http(HttpOptions::new().header("anthropic-version", "x"))
            .build()
            .map(drop),
        AzureOpenAi::builder().key(KEY).build().map(drop),
        AzureOpenAi::builder()
            .endpoint("https://x.example")
            .build()
            .map(drop),
        AzureOpenAi::builder()
            .key(KEY)
            .endpoint("https://x.example")
            .deployment("../x")
            .build()
            .map(drop),
    ];
    for (i, result) in wrong.into_iter().enumerate() {
        let error = result.expect_err(&i.to_string());
        assert_eq!(error.kind(), ErrorKind::Invalid, "{i}: {error}");
        let shown = format!("{error} {error:?} {error:#?}");
        assert!(!shown.contains("c4n4ry"), "{shown}");
    }
    assert_eq!(
        "2026-10-21".parse::<AnthropicVersion>().unwrap(),
        AnthropicVersion::V2026_10_21
    );
    assert!("2024-01-01".parse::<AnthropicVersion>().is_err());
}

#[tokio::test]
async fn debug_shows_no_key() {
    let server = Server::always(Vec::new()).await;
    let options = http().header("x-secret", KEY);
    let openai = openai(&server).http(options.clone());
    let anthropic = anthropic(&server).http(options.clone());
    let azure = AzureOpenAi::builder()
        .bearer(KEY)
        .endpoint(server.url())
        .http(options.clone());
    let client = openai.clone().build().unwrap();
    let embedder = client
        .embedder("e", promptops_llm::EmbedderOptions::new())
        .unwrap();
    let shown = format!(
        "{options:#?} {openai:#?} {anthropic:#?} {azure:#?} {client:#?} {embedder:#?} {:#?} {:#?}",
        anthropic.clone().build().unwrap(),
        azure.clone().build().unwrap(),
    );
    assert!(!shown.contains("c4n4ry"), "{shown}");
    assert!(
        shown.contains("x-secret") && shown.contains("/v1/chat/completions"),
        "{shown}"
    );
}
