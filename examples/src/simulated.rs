//! A model of our own behind OpenAI's wire format on loopback: real HTTP, no key, no network.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// Largest request that is read, in bytes.
const MAX_REQUEST: usize = 1 << 20;

/// What the messages of a request are answered with.
type Answering = dyn Fn(&[Value]) -> String + Send + Sync;

/// A server that answers `POST /v1/chat/completions` for as long as the runtime lives.
#[derive(Debug, Clone)]
pub struct SimulatedModel {
    base_url: String,
}

impl SimulatedModel {
    /// Starts a server that answers each request after this time with what the function says to its messages.
    ///
    /// # Errors
    /// When no port of the loopback interface can be had.
    pub async fn start(
        delay: Duration,
        answer: impl Fn(&[Value]) -> String + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let base_url = format!("http://{}/v1", listener.local_addr()?);
        let answer: Arc<Answering> = Arc::new(answer);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let answer = Arc::clone(&answer);
                // A connection that breaks is its client's affair.
                tokio::spawn(async move { serve(stream, delay, &*answer).await });
            }
        });
        Ok(Self { base_url })
    }

    /// Where it listens: to be given to a client as its base URL.
    #[must_use]
    pub fn base_url(&self) -> &str {
        &self.base_url
    }
}

/// Answers the requests of one connection, one after the other.
async fn serve(stream: TcpStream, delay: Duration, answer: &Answering) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let mut length = 0;
        let mut line = String::new();
        loop {
            line.clear();
            if stream.read_line(&mut line).await? == 0 {
                return Ok(());
            }
            if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse().unwrap_or(0);
            }
            if line.trim().is_empty() {
                break;
            }
        }
        if length > MAX_REQUEST {
            return Ok(());
        }
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await?;
        tokio::time::sleep(delay).await;
        let request: Value = serde_json::from_slice(&body).unwrap_or_default();
        let response = completion(&request, answer).to_string();
        // In one piece: in two, the second would wait for the first to be acknowledged.
        let response = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{response}",
            response.len()
        );
        stream.write_all(response.as_bytes()).await?;
    }
}

fn completion(request: &Value, answer: &Answering) -> Value {
    let messages = request["messages"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    let text = answer(messages);
    // About four bytes are a token of English.
    let tokens = |bytes: usize| bytes.div_ceil(4);
    let asked: usize = messages
        .iter()
        .filter_map(|message| message["content"].as_str())
        .map(str::len)
        .sum();
    let (input, output) = (tokens(asked), tokens(text.len()));
    json!({
        "id": "chatcmpl-simulated",
        "object": "chat.completion",
        "created": 1_767_225_600,
        "model": request["model"],
        "choices": [{
            "index": 0,
            "message": { "role": "assistant", "content": text, "refusal": null },
            "logprobs": null,
            "finish_reason": "stop",
        }],
        "usage": { "prompt_tokens": input, "completion_tokens": output, "total_tokens": input + output },
    })
}
