//! A proxy before the server, which cuts, hangs and counts on command.

use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use sqlx::postgres::PgConnectOptions;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};

use crate::databases::URL;

/// A message of the protocol that asks for nothing but an answer.
const SYNC: &[u8] = b"S\0\0\0\x04";

/// What happens to the next message of a client that holds these bytes.
#[derive(Debug, Clone)]
pub enum Fault {
    /// It never reaches the server, and the connection is closed.
    CutBefore(&'static [u8]),
    /// It reaches the server, which answers, but the connection is closed before the client hears of it.
    CutAfter(&'static [u8]),
    /// It reaches the server, but no answer ever comes back.
    Hang(&'static [u8]),
    /// It reaches the server, but the client is told this error, and the connection is closed.
    Fail(&'static [u8], &'static str),
}

#[derive(Default)]
struct Control {
    fault: Mutex<Option<Fault>>,
    slow: AtomicBool,
    in_flight: AtomicUsize,
    rounds: AtomicUsize,
}

pub struct Proxy {
    control: Arc<Control>,
    port: u16,
}

impl Proxy {
    /// A proxy before the server that these options lead to.
    pub async fn before(server: &PgConnectOptions) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let host = match server.get_host() {
            socket if socket.starts_with('/') => "127.0.0.1".to_owned(),
            host => host.to_owned(),
        };
        let upstream = (host, server.get_port());
        let control = Arc::new(Control::default());
        let shared = Arc::clone(&control);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(upstream.clone()).await.unwrap();
                client.set_nodelay(true).unwrap();
                server.set_nodelay(true).unwrap();
                tokio::spawn(connection(client, server, Arc::clone(&shared)));
            }
        });
        Self { control, port }
    }

    /// The way through the proxy to this database.
    pub fn options(&self, database: &PgConnectOptions) -> PgConnectOptions {
        // Made anew: options that lead to a socket cannot be led elsewhere.
        let url = std::env::var(URL).unwrap();
        let (who, _) = url.split_once("://").unwrap().1.rsplit_once('@').unwrap();
        let through = format!("postgres://{who}@127.0.0.1:{}", self.port);
        let options = PgConnectOptions::from_str(&through).unwrap();
        options.database(database.get_database().unwrap())
    }

    /// Lets the next message that fits go wrong.
    pub fn next(&self, fault: Fault) {
        *self.control.fault.lock().unwrap_or_else(PoisonError::into_inner) = Some(fault);
    }

    /// Whether the fault has come to pass.
    pub fn has_struck(&self) -> bool {
        self.control.fault.lock().unwrap().is_none()
    }

    /// Makes the server's answers slow, and counts from 0 how often the clients waited for it: requests that are under
    /// way together count once.
    pub fn count_rounds(&self) {
        self.control.slow.store(true, Ordering::SeqCst);
        self.control.rounds.store(0, Ordering::SeqCst);
    }

    /// How often the clients waited.
    pub fn rounds(&self) -> usize {
        self.control.rounds.load(Ordering::SeqCst)
    }
}

impl Control {
    /// The fault that these bytes meet.
    fn strike(&self, bytes: &[u8]) -> Option<Fault> {
        let mut fault = self.fault.lock().unwrap_or_else(PoisonError::into_inner);
        let (Fault::CutBefore(needle)
        | Fault::CutAfter(needle)
        | Fault::Hang(needle)
        | Fault::Fail(needle, _)) = fault.as_ref()?;
        let fits = needle.is_empty() || bytes.windows(needle.len()).any(|window| window == *needle);
        fits.then(|| fault.take()).flatten()
    }
}

/// What one connection's two directions tell each other.
#[derive(Default)]
struct Line {
    is_waiting: AtomicBool,
    cut: AtomicBool,
    hang: AtomicBool,
    error: Mutex<Option<&'static str>>,
}

async fn connection(client: TcpStream, server: TcpStream, control: Arc<Control>) {
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let line = Arc::new(Line::default());
    // Whichever ends first ends the other, and with it the connection.
    tokio::select! {
        () = requests(from_client, to_server, &control, &line) => {}
        () = answers(from_server, to_client, &control, &line) => {}
    }
    if line.is_waiting.load(Ordering::SeqCst) {
        control.in_flight.fetch_sub(1, Ordering::SeqCst);
    }
}

async fn requests(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, control: &Control, line: &Line) {
    let mut buffer = vec![0; 64 << 10];
    while let Ok(count @ 1..) = from.read(&mut buffer).await {
        let bytes = &buffer[..count];
        match control.strike(bytes) {
            Some(Fault::CutBefore(_)) => return,
            Some(Fault::CutAfter(_)) => line.cut.store(true, Ordering::SeqCst),
            Some(Fault::Hang(_)) => line.hang.store(true, Ordering::SeqCst),
            Some(Fault::Fail(_, error)) => *line.error.lock().unwrap() = Some(error),
            None => {}
        }
        // The pool looks whether a connection works when it comes back; nobody waits for that.
        let is_ping = bytes == SYNC;
        if !is_ping
            && !line.is_waiting.swap(true, Ordering::SeqCst)
            && control.in_flight.fetch_add(1, Ordering::SeqCst) == 0
        {
            control.rounds.fetch_add(1, Ordering::SeqCst);
        }
        if to.write_all(bytes).await.is_err() {
            return;
        }
    }
}

async fn answers(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, control: &Control, line: &Line) {
    let mut buffer = vec![0; 64 << 10];
    while let Ok(count @ 1..) = from.read(&mut buffer).await {
        if line.cut.load(Ordering::SeqCst) {
            return;
        }
        let error = line.error.lock().unwrap().take();
        if let Some(error) = error {
            // Severity, code and message, as a message of the protocol.
            let fields = format!("{error}\0\0");
            let length = u32::try_from(fields.len() + 4).unwrap().to_be_bytes();
            let message = [b"E", length.as_slice(), fields.as_bytes()].concat();
            let _ = to.write_all(&message).await;
            return;
        }
        if line.hang.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        if control.slow.load(Ordering::SeqCst) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        if line.is_waiting.swap(false, Ordering::SeqCst) {
            control.in_flight.fetch_sub(1, Ordering::SeqCst);
        }
        if to.write_all(&buffer[..count]).await.is_err() {
            return;
        }
    }
}
