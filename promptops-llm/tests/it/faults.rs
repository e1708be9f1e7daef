//! Everything that can go wrong on the way: each is the right kind of error, says whether to repeat, comes in time, and
//! shows no key.

use std::time::{Duration, Instant};

use promptops_core::llm::{LlmClient, LlmError, LlmErrorKind};
use promptops_llm::{HttpOptions, OpenAi};
use serde_json::{Value, json};

use crate::clients::{KEY, anthropic, azure, hello, http, openai};
use crate::fixtures::{anthropic_error, chat_chunks, chat_response, message_events, openai_error};
use crate::server::{Script, Server, Step, answer, event_stream, head, json_answer};

const JSON: (&str, &str) = ("content-type", "application/json");

struct Fault {
    name: &'static str,
    script: Script,
    kind: LlmErrorKind,
    retryable: bool,
    wait: Option<Duration>,
    says: &'static str,
}

fn fault(name: &'static str, script: Script, kind: LlmErrorKind, says: &'static str) -> Fault {
    Fault {
        name,
        script,
        kind,
        retryable: kind.is_retryable(),
        wait: None,
        says,
    }
}

impl Fault {
    fn waits(mut self, ms: u64) -> Self {
        self.wait = Some(Duration::from_millis(ms));
        self
    }

    fn finally(mut self) -> Self {
        self.retryable = false;
        self
    }

    fn repeated(mut self) -> Self {
        self.retryable = true;
        self
    }
}

fn failing(status: u16, body: impl ToString) -> Script {
    vec![answer(status, &[JSON], body.to_string())]
}

fn with_header(status: u16, name: &str, value: &str) -> Script {
    vec![answer(status, &[JSON, (name, value)], "{}")]
}

/// An answer that begins well, then does something else.
fn begun(announced: usize, body: &[u8], then: Step) -> Script {
    let length = announced.to_string();
    let mut bytes = head(200, &[JSON, ("content-length", &length)]);
    bytes.extend_from_slice(body);
    vec![Step::Send(bytes), Step::Pause(Duration::from_millis(20)), then]
}

fn chunked() -> Vec<u8> {
    head(200, &[JSON, ("transfer-encoding", "chunked")])
}

fn statuses() -> Vec<Fault> {
    use LlmErrorKind::{Auth, ContextLength, InvalidRequest, Overloaded, Quota, RateLimit};
    let echo = format!("Incorrect API key provided: {KEY}. You sent Bearer {KEY}.");
    let wrong_key = openai_error(&echo, "invalid_request_error", Some("invalid_api_key"));
    let no_model = openai_error("no such model", "invalid_request_error", Some("model_not_found"));
    let spent = openai_error("spent", "insufficient_quota", Some("insufficient_quota"));
    let too_long = openai_error("long", "invalid_request_error", Some("context_length_exceeded"));
    let too_long_anthropic = anthropic_error(
        "invalid_request_error",
        "prompt is too long: 9 tokens > 8 maximum",
    );
    let date = [
        JSON,
        ("date", "Wed, 21 Oct 2026 07:28:00 GMT"),
        ("retry-after", "Wed, 21 Oct 2026 07:28:07 GMT"),
    ];
    vec![
        fault("401", failing(401, wrong_key), Auth, "[key]"),
        fault(
            "401 as text",
            vec![answer(401, &[("content-type", "text/plain")], &echo)],
            Auth,
            "[key]",
        ),
        fault(
            "403",
            failing(403, json!({"error": {"message": "country"}})),
            Auth,
            "country",
        ),
        fault(
            "404",
            failing(404, no_model),
            InvalidRequest,
            "check the model's name",
        ),
        fault(
            "400 context length",
            failing(400, too_long),
            ContextLength,
            "shorten",
        ),
        fault(
            "400 too long",
            failing(400, too_long_anthropic),
            ContextLength,
            "shorten",
        ),
        fault(
            "400 without a reason",
            failing(400, ""),
            InvalidRequest,
            "gives no reason",
        ),
        fault(
            "422",
            failing(422, json!({"detail": "bad field"})),
            InvalidRequest,
            "bad field",
        ),
        fault("429", failing(429, "{}"), RateLimit, "less often"),
        fault("429 quota", failing(429, spent), Quota, "credit"),
        fault("429 seconds", with_header(429, "retry-after", "2"), RateLimit, "").waits(2_000),
        fault(
            "429 milliseconds",
            with_header(429, "retry-after-ms", "150"),
            RateLimit,
            "",
        )
        .waits(150),
        fault("429 date", vec![answer(429, &date, "{}")], RateLimit, "").waits(7_000),
        fault(
            "429 no retry",
            with_header(429, "x-should-retry", "false"),
            RateLimit,
            "",
        )
        .finally(),
        fault(
            "400 retry",
            with_header(400, "x-should-retry", "true"),
            InvalidRequest,
            "",
        )
        .repeated(),
        fault("408", failing(408, "{}"), Overloaded, "later"),
        fault("409", failing(409, "{}"), Overloaded, "later"),
        fault(
            "500",
            failing(500, anthropic_error("api_error", "oops")),
            Overloaded,
            "oops",
        ),
        fault("503", failing(503, "{}"), Overloaded, "later"),
        fault(
            "503 as a page",
            vec![answer(
                503,
                &[("content-type", "text/html")],
                "<html>\n<b>busy</b>\u{202e}</html>",
            )],
            Overloaded,
            "<html> <b>busy</b>",
        ),
        fault(
            "529",
            failing(529, anthropic_error("overloaded_error", "busy")),
            Overloaded,
            "busy",
        ),
        fault("a long error", failing(500, "x".repeat(100_000)), Overloaded, "…"),
        fault(
            "an error that does not end",
            vec![
                Step::Send(head(500, &[("content-type", "text/plain")])),
                Step::Flood(b"again and ".repeat(1_000)),
            ],
            Overloaded,
            "again and again",
        ),
        fault(
            "a key at the cut",
            failing(500, format!("{}{KEY}", "x".repeat(490))),
            Overloaded,
            "x[key]",
        ),
        fault("an odd status", failing(418, "{}"), InvalidRequest, "reason"),
    ]
}

fn answers() -> Vec<Fault> {
    use LlmErrorKind::{InvalidRequest, Malformed, Network};
    let good = chat_response().to_string();
    let half = &good.as_bytes()[..good.len() / 2];
    let mut endless = chunked();
    endless.extend_from_slice(b"2710\r\n");
    endless.extend_from_slice(&[b' '; 0x2710]);
    endless.extend_from_slice(b"\r\n");
    let piece = endless[chunked().len()..].to_vec();
    let mut broken_chunk = chunked();
    broken_chunk.extend_from_slice(b"5\r\n{\"a\":\r\nZZ\r\n");
    let page = ("content-type", "text/html; charset=utf-8");
    let away = [JSON, ("location", "http://elsewhere.example/v1?key=secret")];
    let echo = openai_error(&format!("you sent {KEY}"), "server_error", None);
    let cut = openai_error(&format!("{}{KEY}", "x".repeat(485)), "server_error", None);
    vec![
        fault(
            "half a body",
            begun(good.len(), half, Step::Close),
            Malformed,
            "broke off",
        ),
        fault(
            "half a document",
            vec![answer(200, &[JSON], half)],
            Malformed,
            "no JSON",
        ),
        fault(
            "reset within",
            begun(good.len(), half, Step::Reset),
            Network,
            "broke within",
        ),
        fault(
            "reset before",
            vec![Step::Reset],
            Network,
            "before there was an answer",
        ),
        fault(
            "closed before",
            vec![Step::Close],
            Network,
            "before there was an answer",
        ),
        fault(
            "no HTTP",
            vec![Step::Send(b"hello?\r\n\r\n".to_vec()), Step::Close],
            Network,
            "broke",
        ),
        fault(
            "10 MB",
            vec![answer(200, &[JSON], vec![b' '; 10_000_000])],
            Malformed,
            "larger than",
        )
        .finally(),
        fault(
            "endless",
            vec![Step::Send(chunked()), Step::Flood(piece)],
            Malformed,
            "larger than 8388608 bytes",
        )
        .finally(),
        fault(
            "a broken chunk",
            vec![Step::Send(broken_chunk), Step::Close],
            Malformed,
            "broke off",
        ),
        fault(
            "wrong type",
            vec![answer(200, &[("content-type", "text/plain")], &good)],
            Malformed,
            "text/plain",
        ),
        fault(
            "a page",
            vec![answer(200, &[page], "<html>log in</html>")],
            Malformed,
            "text/html",
        ),
        fault(
            "a stream",
            vec![answer(200, &[("content-type", "text/event-stream")], &good)],
            Malformed,
            "not asked for",
        ),
        fault(
            "encoded",
            vec![answer(200, &[JSON, ("content-encoding", "gzip")], "x")],
            Malformed,
            "gzip",
        )
        .finally(),
        fault("empty", vec![answer(200, &[JSON], "")], Malformed, "empty"),
        fault("204", vec![Step::Send(head(204, &[]))], Malformed, "empty"),
        fault("{}", vec![answer(200, &[JSON], "{}")], Malformed, ""),
        fault("null", vec![answer(200, &[JSON], "null")], Malformed, ""),
        fault(
            "no UTF-8",
            vec![answer(200, &[JSON], b"{\"id\": \"\xff\xfe\"}")],
            Malformed,
            "no JSON",
        ),
        fault(
            "an error as success",
            vec![json_answer(&echo)],
            LlmErrorKind::Overloaded,
            "[key]",
        ),
        fault(
            "a key at the cut",
            vec![json_answer(&cut)],
            LlmErrorKind::Overloaded,
            "x[key]",
        ),
        fault(
            "redirected",
            vec![answer(307, &away, "")],
            InvalidRequest,
            "elsewhere.example",
        ),
        fault(
            "redirected nowhere",
            vec![answer(302, &[JSON], "")],
            InvalidRequest,
            "another address",
        ),
    ]
}

/// No part of an error shows the key, and none is long.
fn scan(name: &str, error: &LlmError) {
    let general = promptops_core::Error::from(error.clone());
    let shown = format!("{error} {error:?} {error:#?} {general} {general:?}");
    assert!(!shown.contains("c4n4ry"), "{name}: {shown}");
    assert!(!shown.contains("Bearer sk"), "{name}: {shown}");
    assert!(!shown.contains("key=secret"), "{name}: {shown}");
    assert!(
        error.message().len() < 800,
        "{name}: {} bytes",
        error.message().len()
    );
    assert!(!error.to_string().contains(['\n', '\u{202e}']), "{name}: {error}");
}

async fn every_client(server: &Server, options: &HttpOptions) -> Vec<LlmError> {
    let openai = openai(server).http(options.clone());
    let chat = openai.clone().build().unwrap();
    let responses = openai.responses().build().unwrap();
    let anthropic = anthropic(server).http(options.clone()).build().unwrap();
    let azure = azure(server);
    let request = hello();
    let clients: [&dyn LlmClient; 4] = [&chat, &responses, &anthropic, &azure];
    let mut errors = Vec::new();
    for client in clients {
        let error = client.complete(&request).await.unwrap_err();
        assert_eq!(error.provider(), client.provider());
        errors.push(error);
    }
    errors
}

async fn check(fault: Fault) {
    let server = Server::always(fault.script).await;
    let begin = Instant::now();
    for error in every_client(&server, &http()).await {
        let name = fault.name;
        assert_eq!(error.kind(), fault.kind, "{name}: {error}");
        assert_eq!(error.is_retryable(), fault.retryable, "{name}: {error}");
        assert_eq!(error.retry_after(), fault.wait, "{name}");
        assert!(error.message().contains(fault.says), "{name}: {error}");
        scan(name, &error);
    }
    // A client asks once.
    assert_eq!(server.requests().len(), 4, "{}", fault.name);
    assert!(begin.elapsed() < Duration::from_secs(15), "{}", fault.name);
}

#[tokio::test]
async fn every_status_is_the_right_error() {
    for fault in statuses() {
        check(fault).await;
    }
}

#[tokio::test]
async fn every_broken_answer_is_the_right_error() {
    for fault in answers() {
        check(fault).await;
    }
}

#[tokio::test]
async fn an_error_carries_what_the_support_asks_for() {
    let body = openai_error("slow", "requests", Some("rate_limit_exceeded"));
    let headers = [JSON, ("x-request-id", "req_42"), ("retry-after", "1")];
    let server = Server::always(vec![answer(429, &headers, body.to_string())]).await;
    let error = openai(&server)
        .build()
        .unwrap()
        .complete(&hello())
        .await
        .unwrap_err();
    insta::assert_snapshot!(error.to_string(), @"openai: slow; ask less often, or have a higher limit set (rate_limit, status 429, code rate_limit_exceeded, request req_42)");
    let headers = [JSON, ("request-id", "req_a")];
    let body = anthropic_error("overloaded_error", "busy");
    let server = Server::always(vec![answer(529, &headers, body.to_string())]).await;
    let error = anthropic(&server)
        .build()
        .unwrap()
        .complete(&hello())
        .await
        .unwrap_err();
    insta::assert_snapshot!(error.to_string(), @"anthropic: busy; ask again later (overloaded, status 529, code overloaded_error, request req_a)");
    // An answer that is none also says which request it was.
    let headers = [JSON, ("x-request-id", "req_43")];
    let server = Server::always(vec![answer(200, &headers, "{}")]).await;
    let error = openai(&server)
        .build()
        .unwrap()
        .complete(&hello())
        .await
        .unwrap_err();
    assert_eq!((error.status(), error.request_id()), (Some(200), Some("req_43")));
}

#[tokio::test]
async fn a_slow_answer_ends_with_the_time_allowed() {
    let body = chat_response().to_string();
    let mut slow = head(200, &[JSON, ("content-length", &body.len().to_string())]);
    slow.extend_from_slice(body.as_bytes());
    let quick = http().request_timeout(Duration::from_millis(200));
    for script in [
        vec![Step::Pause(Duration::from_secs(60))],
        vec![Step::Drip(slow, Duration::from_millis(20))],
    ] {
        let server = Server::always(script).await;
        let client = openai(&server).http(quick.clone()).build().unwrap();
        let begin = Instant::now();
        let error = client.complete(&hello()).await.unwrap_err();
        assert_eq!(error.kind(), LlmErrorKind::Timeout, "{error}");
        assert!(error.is_retryable());
        assert!(error.message().contains("request_timeout"), "{error}");
        assert!(begin.elapsed() < Duration::from_secs(5));
        scan("slow", &error);
    }
}

#[tokio::test]
async fn an_error_that_is_slow_to_explain_itself_keeps_its_status() {
    let mut begun = head(401, &[JSON, ("content-length", "1000")]);
    begun.extend_from_slice(b"{\"error\"");
    let server = Server::always(vec![Step::Send(begun), Step::Pause(Duration::from_secs(60))]).await;
    let client = openai(&server).build().unwrap();
    let begin = Instant::now();
    let error = client.complete(&hello()).await.unwrap_err();
    assert_eq!((error.kind(), error.status()), (LlmErrorKind::Auth, Some(401)));
    assert!(begin.elapsed() < Duration::from_secs(10));
}

#[tokio::test]
async fn nobody_at_the_address_is_a_fault_of_the_network() {
    let gone = Server::always(Vec::new()).await;
    let client = openai(&gone).build().unwrap();
    drop(gone);
    // The port is free once the server's task has ended.
    let error = loop {
        match client.complete(&hello()).await {
            Err(error) if error.message().contains("no connection") => break error,
            _ => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    };
    assert_eq!(error.kind(), LlmErrorKind::Network);
    assert!(error.is_retryable());
    scan("gone", &error);
    // A name that does not exist: the reserved top-level domain of RFC 2606.
    let client = OpenAi::builder()
        .key(KEY)
        .base_url("http://nobody.invalid/v1")
        .http(http())
        .build()
        .unwrap();
    let error = client.complete(&hello()).await.unwrap_err();
    assert_eq!(error.kind(), LlmErrorKind::Network, "{error}");
    scan("no name", &error);
}

#[tokio::test]
async fn a_redirect_takes_the_key_nowhere() {
    for status in [301, 302, 303, 307, 308] {
        let elsewhere = Server::always(vec![json_answer(&chat_response())]).await;
        // Another name for the same machine is another host.
        let target = format!("http://localhost:{}/v1/chat/completions", elsewhere.port());
        let server = Server::always(vec![answer(status, &[("location", &target)], "")]).await;
        for error in every_client(&server, &http()).await {
            assert_eq!(error.kind(), LlmErrorKind::InvalidRequest, "{error}");
            assert!(!error.is_retryable());
            assert!(error.message().contains("redirects to localhost"), "{error}");
            assert_eq!(error.status(), Some(status));
        }
        assert!(elsewhere.requests().is_empty());
    }
}

#[tokio::test]
async fn an_error_that_breaks_off_within_the_key_shows_no_half_of_it() {
    for (then, left_out) in [
        (Step::Close, 1),
        (Step::Reset, 6),
        (Step::Pause(Duration::from_secs(60)), 12),
    ] {
        let half = &KEY[..KEY.len() - left_out];
        let mut bytes = head(401, &[JSON, ("content-length", "900")]);
        bytes.extend_from_slice(format!(r#"{{"error":{{"message":"Incorrect key: {half}"#).as_bytes());
        let script = vec![Step::Send(bytes), Step::Pause(Duration::from_millis(20)), then];
        let server = Server::always(script).await;
        let client = openai(&server).build().unwrap();
        let error = client.complete(&hello()).await.unwrap_err();
        assert_eq!(error.kind(), LlmErrorKind::Auth);
        assert!(error.message().contains("Incorrect key: [key]…"), "{error}");
        assert!(!format!("{error} {error:?}").contains(&KEY[..8]), "{error:?}");
    }
}

#[tokio::test]
async fn a_header_of_the_hosts_is_repeated_by_no_error() {
    for (value, repeated) in [
        ("pässwört-0123456789", "pässwört-0123456789"),
        ("Bearer c4n4ry-0123456789", "c4n4ry-0123456789"),
    ] {
        let said = openai_error(&format!("who is {repeated}?"), "invalid_request_error", None);
        let server = Server::always(failing(400, said)).await;
        let options = http().header("x-gateway-token", value);
        let client = openai(&server).http(options).build().unwrap();
        let error = client.complete(&hello()).await.unwrap_err();
        assert!(error.message().contains("who is [key]?"), "{error}");
    }
}

fn stream(events: &[(&str, Value)], then: Step) -> Script {
    vec![
        Step::Send(event_stream(events)),
        Step::Pause(Duration::from_millis(20)),
        then,
    ]
}

#[tokio::test]
async fn a_stream_that_is_cut_is_no_answer() {
    let options = http().streaming();
    let chunks: Vec<_> = chat_chunks().into_iter().map(|chunk| ("", chunk)).collect();
    for events in 0..chunks.len() {
        let server = Server::always(stream(&chunks[..events], Step::Close)).await;
        let client = openai(&server).http(options.clone()).build().unwrap();
        let error = client.complete(&hello()).await.unwrap_err();
        assert_eq!(error.kind(), LlmErrorKind::Malformed, "{events}: {error}");
        assert_eq!(error.request_id(), Some("req_s"));
    }
    let all = message_events();
    for events in 0..all.len() {
        let server = Server::always(stream(&all[..events], Step::Close)).await;
        let client = anthropic(&server).http(options.clone()).build().unwrap();
        let error = client.complete(&hello()).await.unwrap_err();
        assert_eq!(error.kind(), LlmErrorKind::Malformed, "{events}: {error}");
        assert!(error.is_retryable());
    }
    let server = Server::always(stream(&chunks[..2], Step::Reset)).await;
    let client = openai(&server).http(options.clone()).build().unwrap();
    assert_eq!(
        client.complete(&hello()).await.unwrap_err().kind(),
        LlmErrorKind::Network
    );
    let created = [(
        "response.created",
        json!({"type": "response.created", "response": {}}),
    )];
    let server = Server::always(stream(&created, Step::Close)).await;
    let client = openai(&server).responses().http(options).build().unwrap();
    assert_eq!(
        client.complete(&hello()).await.unwrap_err().kind(),
        LlmErrorKind::Malformed
    );
}

#[tokio::test]
async fn a_stream_whose_pieces_are_of_another_form_is_no_answer() {
    let chunk = |choice: Value| {
        let usage = json!({"prompt_tokens": 1, "completion_tokens": 1});
        json!({"id": "c", "model": "m", "choices": [choice], "usage": usage})
    };
    let ends = |delta: Value| chunk(json!({"index": 0, "delta": delta, "finish_reason": "stop"}));
    let call = |id: &str, name: &str, arguments: Value| {
        let function = json!({"name": name, "arguments": arguments});
        json!({"tool_calls": [{"index": 0, "id": id, "function": function}]})
    };
    for (name, chunks) in [
        (
            "parts",
            vec![ends(json!({"content": [{"type": "text", "text": "hi"}]}))],
        ),
        ("refusal", vec![ends(json!({"refusal": {"text": "no"}}))]),
        (
            "message",
            vec![chunk(
                json!({"index": 0, "message": {"content": "hi"}, "finish_reason": "stop"}),
            )],
        ),
        ("arguments", vec![ends(call("c", "f", json!({"a": 1})))]),
        ("no id", vec![ends(call("", "f", "{}".into()))]),
        ("no name", vec![ends(call("c", "", "{}".into()))]),
        (
            "two calls in one place",
            vec![
                ends(call("c", "f", "{}".into())),
                ends(call("d", "g", "{}".into())),
            ],
        ),
    ] {
        let mut events: Vec<_> = chunks.into_iter().map(|chunk| ("", chunk)).collect();
        events.push(("", "[DONE]".into()));
        let server = Server::always(stream(&events, Step::Close)).await;
        let client = openai(&server).http(http().streaming()).build().unwrap();
        let error = client.complete(&hello()).await.map(|_| name).unwrap_err();
        assert_eq!(error.kind(), LlmErrorKind::Malformed, "{name}: {error}");
    }
}

#[tokio::test]
async fn an_error_within_a_stream_is_that_error() {
    let options = http().streaming();
    let echo = format!("busy, {KEY}");
    let first = ("", chat_chunks().remove(0));
    let wrong = openai_error(&echo, "server_error", None);
    let server = Server::always(stream(&[first, ("", wrong)], Step::Close)).await;
    let client = openai(&server).http(options.clone()).build().unwrap();
    let chat = client.complete(&hello()).await.unwrap_err();

    let mut events = message_events();
    events.truncate(3);
    events.push(("error", anthropic_error("overloaded_error", &echo)));
    let server = Server::always(stream(&events, Step::Close)).await;
    let client = anthropic(&server).http(options.clone()).build().unwrap();
    let messages = client.complete(&hello()).await.unwrap_err();

    let failed = json!({"type": "error", "code": "server_error", "message": echo, "param": null});
    let server = Server::always(stream(&[("error", failed)], Step::Close)).await;
    let client = openai(&server).responses().http(options.clone()).build().unwrap();
    let responses = client.complete(&hello()).await.unwrap_err();

    let failed = json!({"type": "response.failed", "response": {
        "status": "failed", "error": {"code": "server_error", "message": echo}}});
    let server = Server::always(stream(&[("response.failed", failed)], Step::Close)).await;
    let client = openai(&server).responses().http(options).build().unwrap();
    let failed = client.complete(&hello()).await.unwrap_err();

    for error in [chat, messages, responses, failed] {
        assert_eq!(error.kind(), LlmErrorKind::Overloaded, "{error}");
        assert!(error.message().contains("busy, [key]"), "{error}");
        assert!(error.is_retryable());
        scan("stream", &error);
    }
}

#[tokio::test]
async fn a_stream_is_bounded_in_time_and_size() {
    let silent = http().streaming().idle_timeout(Duration::from_millis(100));
    let chunks: Vec<_> = chat_chunks().into_iter().map(|chunk| ("", chunk)).collect();
    for script in [
        vec![Step::Pause(Duration::from_secs(60))],
        vec![
            Step::Send(event_stream(&chunks[..2])),
            Step::Pause(Duration::from_secs(60)),
        ],
    ] {
        let server = Server::always(script).await;
        let client = openai(&server).http(silent.clone()).build().unwrap();
        let error = client.complete(&hello()).await.unwrap_err();
        assert_eq!(error.kind(), LlmErrorKind::Timeout, "{error}");
        assert!(error.message().contains("idle_timeout"), "{error}");
    }
    // One endless line, and endless events that say nothing.
    for flood in [vec![b'x'; 10_000], b": ping\n\n".repeat(1_000)] {
        let script = vec![Step::Send(event_stream(&[])), Step::Flood(flood)];
        let server = Server::always(script).await;
        let options = http().streaming().max_response_bytes(1_000_000);
        let client = openai(&server).http(options).build().unwrap();
        let error = client.complete(&hello()).await.unwrap_err();
        assert_eq!(error.kind(), LlmErrorKind::Malformed, "{error}");
        assert!(error.message().contains("larger than 1000000 bytes"), "{error}");
    }
    // A stream that goes on and on in time, piece by piece.
    let drip = event_stream(&[("", "x".repeat(100_000).into())]);
    let server = Server::always(vec![Step::Drip(drip, Duration::from_millis(10))]).await;
    let options = http().streaming().request_timeout(Duration::from_millis(300));
    let client = openai(&server).http(options).build().unwrap();
    let error = client.complete(&hello()).await.unwrap_err();
    assert_eq!(error.kind(), LlmErrorKind::Timeout, "{error}");
}

#[tokio::test]
async fn events_that_are_no_text_or_no_json_are_malformed() {
    let mut bytes = event_stream(&[]);
    bytes.extend_from_slice(b"data: \xff\xfe\n\n");
    for script in [
        vec![Step::Send(bytes), Step::Close],
        stream(&[("", "half a {".into())], Step::Close),
    ] {
        let server = Server::always(script).await;
        let client = openai(&server).http(http().streaming()).build().unwrap();
        let error = client.complete(&hello()).await.unwrap_err();
        assert_eq!(error.kind(), LlmErrorKind::Malformed, "{error}");
    }
}

#[tokio::test]
async fn a_kept_connection_that_the_server_closed_is_replaced() {
    let script = vec![json_answer(&chat_response()), Step::Close];
    let server = Server::always(script).await;
    let client = openai(&server).build().unwrap();
    for _ in 0..3 {
        client.complete(&hello()).await.unwrap();
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let connections: Vec<_> = server.requests().iter().map(|r| r.connection).collect();
    assert_eq!(connections, [0, 1, 2]);
}

#[tokio::test]
async fn a_request_that_is_dropped_is_given_up() {
    let script = vec![
        Step::Send(head(200, &[JSON, ("transfer-encoding", "chunked")])),
        Step::Flood(b"1\r\n \r\n".to_vec()),
    ];
    let server = Server::start(vec![script, vec![json_answer(&chat_response())]]).await;
    let options = http().max_response_bytes(usize::MAX);
    let client = openai(&server).http(options).build().unwrap();
    let request = hello();
    let given_up = tokio::time::timeout(Duration::from_millis(100), client.complete(&request)).await;
    assert!(given_up.is_err());
    server.wait_for_open(0).await;
    // The next one has a connection of its own, and nothing of the first.
    client.complete(&request).await.unwrap();
    let connections: Vec<_> = server.requests().iter().map(|r| r.connection).collect();
    assert_eq!(connections, [0, 1]);
}

#[tokio::test]
async fn an_answer_that_fails_within_repeats_no_key() {
    let text = format!("you sent {KEY}");
    let mut failed = crate::fixtures::responses_response();
    failed["status"] = "failed".into();
    failed["error"] = json!({"code": "server_error", "message": text});
    let mut odd = crate::fixtures::responses_response();
    odd["output"][0]["type"] = text.clone().into();
    let server = Server::start(vec![vec![json_answer(&failed)], vec![json_answer(&odd)]]).await;
    let client = openai(&server).responses().build().unwrap();
    for kind in [LlmErrorKind::Overloaded, LlmErrorKind::Unsupported] {
        let error = client.complete(&hello()).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.message().contains("you sent [key]"), "{error}");
        scan("within", &error);
    }
    let server = Server::always(vec![json_answer(&anthropic_error("overloaded_error", &text))]).await;
    let client = anthropic(&server).build().unwrap();
    let error = client.complete(&hello()).await.unwrap_err();
    assert_eq!(error.kind(), LlmErrorKind::Overloaded, "{error}");
    scan("within", &error);
}

#[tokio::test]
async fn tls_works_without_a_provider_of_the_process_and_refuses_what_is_none() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("https://{}", listener.local_addr().unwrap());
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut first = [0; 5];
        tokio::io::AsyncReadExt::read_exact(&mut stream, &mut first)
            .await
            .unwrap();
        tokio::io::AsyncWriteExt::write_all(&mut stream, b"HTTP/1.1 400 x\r\n\r\n")
            .await
            .unwrap();
        first
    });
    match OpenAi::builder().key(KEY).base_url(address).http(http()).build() {
        Ok(client) => {
            let error = client.complete(&hello()).await.unwrap_err();
            assert_eq!(error.kind(), LlmErrorKind::Network, "{error}");
            // A handshake of TLS 1.0 or later, and not a request.
            assert_eq!(server.await.unwrap()[..2], [22, 3]);
            scan("tls", &error);
        }
        // A machine without root certificates says so.
        Err(error) => assert!(error.message().contains("root certificates"), "{error}"),
    }
}
