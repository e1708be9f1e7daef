//! What a client adds to a call, on loopback.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Instant;

use promptops_benches::measure::Samples;
use promptops_benches::table::{Goal, Table};
use promptops_core::llm::{Blueprint, BlueprintAdapter, BlueprintMessage, LlmClient};
use promptops_core::prompt::MessageRole;
use promptops_llm::{HttpOptions, OpenAi, OpenAiChat};

const MODEL: &str = "small";
const CALLS: usize = 3_000;
const BODY: &str = r#"{"id":"chatcmpl-1","object":"chat.completion","created":1767225600,"model":"small-2026-01-01","choices":[{"index":0,"message":{"role":"assistant","content":"{\"category\": \"shipping\", \"urgent\": false}","refusal":null,"annotations":[]},"logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":312,"completion_tokens":14,"total_tokens":326,"prompt_tokens_details":{"cached_tokens":0,"audio_tokens":0},"completion_tokens_details":{"reasoning_tokens":0,"audio_tokens":0,"accepted_prediction_tokens":0,"rejected_prediction_tokens":0}},"service_tier":"default","system_fingerprint":"fp_1"}"#;

pub fn run() {
    // The bare client takes it from the process; ours brings its own.
    rustls::crypto::ring::default_provider()
        .install_default()
        .expect("nobody else has set one");
    let mut table = Table::new(
        "OpenAi::complete on loopback, one call after the other on a connection that is kept",
        "bare reqwest: the same body sent, the answer's bytes read",
    );
    let server = Server::start();
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime")
        .block_on(async {
            for (what, ticket) in [("a request of 1 KB", 1_000), ("a request of 10 KB", 10_000)] {
                let (ours, floor) = calls(&server, &blueprint(ticket)).await;
                for (name, share) in [("median", 0.5), ("p99", 0.99)] {
                    let goal = if share < 0.9 {
                        Goal::Above(100e3)
                    } else {
                        Goal::None
                    };
                    table.times(
                        &format!("{what}, {name}"),
                        ours.percentile(share),
                        Some(floor.percentile(share)),
                        goal,
                    );
                }
            }
        });
}

fn blueprint(ticket: usize) -> Blueprint {
    let mut blueprint = Blueprint::new([
        BlueprintMessage::new(
            MessageRole::System,
            "Sort the customer's ticket. Answer with JSON: category and urgent.",
        ),
        BlueprintMessage::new(
            MessageRole::User,
            "The parcel has not come yet. ".repeat(ticket / 29),
        ),
    ]);
    blueprint.settings.model = Some(MODEL.into());
    blueprint
}

async fn calls(server: &Server, blueprint: &Blueprint) -> (Samples, Samples) {
    let client = OpenAi::builder()
        .base_url(&server.base_url)
        .key("sk-bench")
        .http(HttpOptions::default().without_proxy())
        .build()
        .expect("a client");
    let bare = reqwest::Client::builder().no_proxy().build().expect("a client");
    let url = format!("{}/chat/completions", server.base_url);
    let body = OpenAiChat::default().request(blueprint).expect("it can be said");
    let body = serde_json::to_vec(&body).expect("it is JSON");
    let (mut ours, mut floor) = (Samples::default(), Samples::default());
    for i in 0..CALLS + 100 {
        let begin = Instant::now();
        let completion = client.complete(blueprint).await.expect("it is answered");
        let took = begin.elapsed();
        assert_eq!(completion.usage.input_tokens, 312);
        let begin = Instant::now();
        let response = bare
            .post(&url)
            .header("content-type", "application/json")
            .header("accept", "application/json")
            .header("authorization", "Bearer sk-bench")
            .body(body.clone())
            .send()
            .await
            .expect("it is answered");
        let bytes = response.bytes().await.expect("it is whole");
        let took_bare = begin.elapsed();
        assert_eq!(bytes.len(), BODY.len());
        // The first calls connect.
        if i >= 100 {
            ours.push(took.as_nanos() as f64);
            floor.push(took_bare.as_nanos() as f64);
        }
    }
    (ours, floor)
}

/// Answers every request alike, each connection on a thread of its own.
struct Server {
    base_url: String,
}

impl Server {
    fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
        let address = listener.local_addr().expect("it is bound");
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // A connection that ends is its client's affair.
                std::thread::spawn(move || serve(stream));
            }
        });
        Self {
            base_url: format!("http://{address}/v1"),
        }
    }
}

fn serve(stream: TcpStream) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let answer = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nx-request-id: req_1\r\ncontent-length: {}\r\n\r\n{BODY}",
        BODY.len()
    );
    let mut stream = BufReader::with_capacity(1 << 16, stream);
    let (mut line, mut body) = (String::new(), Vec::new());
    loop {
        let mut length = 0;
        loop {
            line.clear();
            if stream.read_line(&mut line)? == 0 {
                return Ok(());
            }
            let (name, value) = line.split_once(':').unwrap_or_default();
            if name.eq_ignore_ascii_case("content-length") {
                length = value.trim().parse().unwrap_or(0);
            }
            if line.trim().is_empty() {
                break;
            }
        }
        body.resize(length, 0);
        stream.read_exact(&mut body)?;
        stream.get_mut().write_all(answer.as_bytes())?;
    }
}
