//! A server that says, byte by byte, what a test wants, and remembers what it was asked.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::wire;

/// One thing that the server does after it has read a request.
#[derive(Debug, Clone)]
pub enum Step {
    /// Sends these bytes.
    Send(Vec<u8>),
    /// Sends these bytes one at a time, with a pause before each.
    Drip(Vec<u8>, Duration),
    /// Sends these bytes again and again, until nobody takes them.
    Flood(Vec<u8>),
    /// Waits.
    Pause(Duration),
    /// Ends the connection, as a server does that is done.
    Close,
    /// Ends the connection, as a server does that crashed.
    Reset,
}

/// What the server does for one request. Without [`Step::Close`] or [`Step::Reset`] the connection stays open.
pub type Script = Vec<Step>;

/// A request as it came.
#[derive(Debug, Clone)]
pub struct Request {
    /// The request line and the headers, as text.
    pub head: String,
    pub body: Vec<u8>,
    /// The number of its connection, from 0.
    pub connection: usize,
}

impl Request {
    /// `POST /path`
    pub fn line(&self) -> &str {
        self.head.split(" HTTP/").next().unwrap()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// A server on a port of its own; it ends with this value.
pub struct Server {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<Request>>>,
    open: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Server {
    /// A server that follows the first script for the first request, the second for the second, and the last for all
    /// that follow.
    pub async fn start(scripts: Vec<Script>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let open = Arc::new(AtomicUsize::new(0));
        let (kept, opened) = (Arc::clone(&requests), Arc::clone(&open));
        let scripts = Arc::new(scripts);
        let task = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            for connection in 0.. {
                let Ok((stream, _)) = listener.accept().await else {
                    return;
                };
                let (kept, scripts, open) = (Arc::clone(&kept), Arc::clone(&scripts), Arc::clone(&opened));
                open.fetch_add(1, Ordering::SeqCst);
                connections.spawn(async move {
                    // A client that goes away is what many tests are about.
                    let _ = serve(stream, connection, &kept, &scripts).await;
                    open.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        Self {
            address,
            requests,
            open,
            task,
        }
    }

    /// A server that does the same for every request.
    pub async fn always(script: Script) -> Self {
        Self::start(vec![script]).await
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn port(&self) -> u16 {
        self.address.port()
    }

    pub fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }

    /// Waits until so many connections are open.
    pub async fn wait_for_open(&self, connections: usize) {
        while self.open.load(Ordering::SeqCst) != connections {
            sleep(Duration::from_millis(5)).await;
        }
    }

    /// The only request there was.
    pub fn request(&self) -> Request {
        let requests = self.requests();
        assert_eq!(requests.len(), 1);
        requests[0].clone()
    }
}

impl Drop for Server {
    /// Whatever a test is about, what it sent must be what the providers take.
    fn drop(&mut self) {
        self.task.abort();
        if !std::thread::panicking() {
            for request in self.requests() {
                wire::check_request(request.line(), &request.json());
            }
        }
    }
}

async fn serve(
    mut stream: TcpStream,
    connection: usize,
    requests: &Mutex<Vec<Request>>,
    scripts: &[Script],
) -> io::Result<()> {
    stream.set_nodelay(true)?;
    while let Some((head, body)) = read_request(&mut stream).await? {
        let script = {
            let mut requests = requests.lock().unwrap();
            requests.push(Request {
                head,
                body,
                connection,
            });
            scripts
                .get(requests.len() - 1)
                .or(scripts.last())
                .unwrap()
                .clone()
        };
        for step in script {
            match step {
                Step::Send(bytes) => stream.write_all(&bytes).await?,
                Step::Drip(bytes, pause) => {
                    for byte in bytes {
                        sleep(pause).await;
                        stream.write_all(&[byte]).await?;
                    }
                }
                Step::Flood(bytes) => loop {
                    stream.write_all(&bytes).await?;
                },
                Step::Pause(time) => sleep(time).await,
                Step::Close => return stream.shutdown().await,
                Step::Reset => return stream.set_zero_linger(),
            }
        }
    }
    Ok(())
}

async fn read_request(stream: &mut TcpStream) -> io::Result<Option<(String, Vec<u8>)>> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 16 << 10];
    let end = loop {
        if let Some(at) = bytes.windows(4).position(|w| w == b"\r\n\r\n") {
            break at + 4;
        }
        match stream.read(&mut buffer).await? {
            0 => return Ok(None),
            n => bytes.extend_from_slice(&buffer[..n]),
        }
    };
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
    let length = head
        .lines()
        .find_map(|line| {
            line.to_ascii_lowercase()
                .strip_prefix("content-length:")
                .map(|n| n.trim().parse::<usize>().unwrap())
        })
        .unwrap_or(0);
    while bytes.len() < end + length {
        match stream.read(&mut buffer).await? {
            0 => return Ok(None),
            n => bytes.extend_from_slice(&buffer[..n]),
        }
    }
    Ok(Some((head, bytes[end..].to_vec())))
}

/// An answer with these headers and a length.
pub fn answer(status: u16, headers: &[(&str, &str)], body: impl AsRef<[u8]>) -> Step {
    let body = body.as_ref();
    let mut bytes = head(status, headers);
    bytes.truncate(bytes.len() - 2);
    bytes.extend_from_slice(format!("content-length: {}\r\n\r\n", body.len()).as_bytes());
    bytes.extend_from_slice(body);
    Step::Send(bytes)
}

/// A JSON answer with status 200.
pub fn json_answer(body: &Value) -> Step {
    answer(
        200,
        &[("content-type", "application/json"), ("x-request-id", "req_1")],
        body.to_string(),
    )
}

/// The beginning of an answer, up to and with the empty line.
pub fn head(status: u16, headers: &[(&str, &str)]) -> Vec<u8> {
    let mut head = format!("HTTP/1.1 {status} x\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("\r\n");
    head.into_bytes()
}

/// An answer in events, which ends with the connection: each event a name, which may be empty, and data.
pub fn event_stream(events: &[(&str, Value)]) -> Vec<u8> {
    let mut bytes = head(
        200,
        &[
            ("content-type", "text/event-stream; charset=utf-8"),
            ("x-request-id", "req_s"),
            ("connection", "close"),
        ],
    );
    for (name, data) in events {
        if !name.is_empty() {
            bytes.extend_from_slice(format!("event: {name}\n").as_bytes());
        }
        let data = match data {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        bytes.extend_from_slice(format!("data: {data}\n\n").as_bytes());
    }
    bytes
}
