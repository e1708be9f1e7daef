//! A server, from its making to its end.

use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};
use std::{fmt, fs};

use crate::account::Account;
use crate::binaries;
use crate::error::{Error, Result};
use crate::options::Options;
use crate::random;
use crate::supervisor::Supervisor;

/// How many ports are tried before it must be something else that is wrong.
const PORTS: usize = 20;

/// Longer than a busy machine takes to start a server; after a crash it has its log to read first.
const PATIENCE: Duration = Duration::from_secs(60);

/// How many of the log's last lines an error shows.
const LINES: usize = 20;

/// A PostgreSQL server of our own, with the superuser `postgres`. Dropping it stops it and removes all that it wrote;
/// so does the end of this process, whatever ends it.
pub struct Server {
    supervisor: Supervisor,
    binaries: PathBuf,
    password: String,
    port: u16,
}

impl Server {
    /// Makes a server and starts it: UTF8, locale C, time zone UTC, on a free port of 127.0.0.1 and on a Unix socket,
    /// with a random password on both. Returns when it accepts connections.
    ///
    /// # Errors
    /// PostgreSQL is not installed, or its server does not start. The message says where it was looked for, or shows
    /// the end of the server's log.
    pub fn start() -> Result<Self> {
        Self::options().start()
    }

    /// A server with other settings.
    pub fn options() -> Options {
        Options::default()
    }

    pub(crate) fn start_with(options: &Options) -> Result<Self> {
        let binaries = match &options.binaries {
            Some(directory) => binaries::check(directory, "Options::binaries")?,
            None => binaries::find()?,
        };
        let account = Account::instead_of_root()?;
        let supervisor = Supervisor::start(&binaries, &options.arguments(), account.as_ref())?;
        let mut server = Self {
            supervisor,
            binaries,
            password: random::password()?,
            port: 0,
        };
        server.initialize()?;
        server.launch_on_a_free_port()?;
        Ok(server)
    }

    /// Where `database` is reached over TCP: `postgres://postgres:…@127.0.0.1:…/database`.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        self.url_of("127.0.0.1", database)
    }

    /// Where `database` is reached over the Unix socket, a little faster than over TCP. The host is the directory with
    /// its slashes as `%2F`, which sqlx and libpq understand.
    #[must_use]
    pub fn socket_url(&self, database: &str) -> String {
        self.url_of(&encoded(&self.socket_dir().to_string_lossy()), database)
    }

    fn url_of(&self, host: &str, database: &str) -> String {
        format!(
            "postgres://postgres:{}@{host}:{}/{}",
            self.password,
            self.port,
            encoded(database)
        )
    }

    /// The port, on 127.0.0.1; the same after [`start_again`](Self::start_again).
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The directory of the Unix socket, which is a part of its name together with the port. It is removed with the
    /// server.
    #[must_use]
    pub fn socket_dir(&self) -> &Path {
        self.supervisor.directory()
    }

    /// The password of the superuser `postgres`.
    #[must_use]
    pub fn password(&self) -> &str {
        &self.password
    }

    /// The directory of the programs that this server was made with: mostly `psql` and `pg_dump` are there too.
    #[must_use]
    pub fn binaries(&self) -> &Path {
        &self.binaries
    }

    /// Stops the server as a crash would (SIGQUIT): it breaks off what is under way, writes nothing more, and recovers
    /// from its log when it is started again. Returns when it has ended; a stopped server stays as it is.
    ///
    /// # Errors
    /// It did not end, and was killed.
    pub fn stop_immediate(&mut self) -> Result<()> {
        self.stop("QUIT")
    }

    /// Stops the server in order (SIGINT): it disconnects its clients, rolls back what they did not commit, and writes
    /// a checkpoint. Returns when it has ended; a stopped server stays as it is.
    ///
    /// # Errors
    /// It did not end, and was killed.
    pub fn stop_fast(&mut self) -> Result<()> {
        self.stop("INT")
    }

    /// Starts a stopped server, with the data and on the port that it had. Returns when it accepts connections.
    ///
    /// # Errors
    /// The server runs, or does not start; the message shows the end of its log.
    pub fn start_again(&mut self) -> Result<()> {
        if self.is_running()? {
            return Err(Error::new(
                "the server runs; it can be started again only after it was stopped",
            ));
        }
        match self.launch()? {
            Launch::Ready => Ok(()),
            Launch::PortTaken => {
                Err(self.failure("the port of the server has been taken by another program"))
            }
        }
    }

    /// Whether the server's process is there.
    ///
    /// # Errors
    /// The shell that keeps the server does not answer.
    pub fn is_running(&mut self) -> Result<bool> {
        self.supervisor.runs()
    }

    fn stop(&mut self, signal: &str) -> Result<()> {
        if self.supervisor.stop(signal)? {
            Ok(())
        } else {
            Err(self.failure("the server did not heed the signal to stop, and was killed"))
        }
    }

    fn initialize(&mut self) -> Result<()> {
        match self.supervisor.initialize(&self.password)?.as_str() {
            "0" => Ok(()),
            code => Err(self.failure(&format!("initdb ended with code {code} instead of 0"))),
        }
    }

    fn launch_on_a_free_port(&mut self) -> Result<()> {
        for _ in 0..PORTS {
            self.port = random::port()?;
            // A program may yet take the port before our server does; most of those that are taken are found here.
            if TcpListener::bind((Ipv4Addr::LOCALHOST, self.port)).is_err() {
                continue;
            }
            match self.launch()? {
                Launch::Ready => return Ok(()),
                Launch::PortTaken => {}
            }
        }
        Err(self.failure(&format!(
            "none of {PORTS} ports on 127.0.0.1 could be listened on; does this machine allow it?"
        )))
    }

    fn launch(&mut self) -> Result<Launch> {
        let earlier = self.log().len();
        let pid = self.supervisor.launch(self.port)?;
        let begin = Instant::now();
        while begin.elapsed() < PATIENCE {
            if self.is_ready(&pid) {
                return Ok(Launch::Ready);
            }
            if !self.supervisor.runs()? {
                let log = self.log();
                return if log
                    .get(earlier..)
                    .is_some_and(|log| log.contains("already in use"))
                {
                    Ok(Launch::PortTaken)
                } else {
                    Err(self.failure("the server ended before it accepted connections"))
                };
            }
            sleep(Duration::from_millis(10));
        }
        let failure = self.failure(&format!(
            "the server does not accept connections after {} s",
            PATIENCE.as_secs()
        ));
        self.supervisor.stop("QUIT")?;
        Err(failure)
    }

    /// A server writes its process id on the first line of this file, and on the eighth how it is.
    fn is_ready(&self, pid: &str) -> bool {
        let file = self.socket_dir().join("data/postmaster.pid");
        fs::read_to_string(file).is_ok_and(|text| {
            let mut lines = text.lines().map(str::trim);
            lines.next() == Some(pid) && lines.nth(6) == Some("ready")
        })
    }

    fn log(&self) -> String {
        let bytes = fs::read(self.socket_dir().join("log")).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    fn failure(&self, what: &str) -> Error {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        let last = lines.get(lines.len().saturating_sub(LINES)..).unwrap_or_default();
        if last.is_empty() {
            return Error::new(format!("{what}; its log is empty"));
        }
        Error::new(format!("{what}; the end of its log:\n  {}", last.join("\n  ")))
    }
}

impl fmt::Debug for Server {
    /// Without the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("port", &self.port)
            .field("socket_dir", &self.socket_dir())
            .field("binaries", &self.binaries)
            .finish_non_exhaustive()
    }
}

enum Launch {
    Ready,
    PortTaken,
}

/// With every byte escaped that is not sure to mean itself in any part of a URL.
fn encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => char::from(byte).to_string(),
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_escaped_in_urls() {
        assert_eq!(encoded("/tmp/a-b_c.d"), "%2Ftmp%2Fa-b_c.d");
        assert_eq!(encoded("ä?b"), "%C3%A4%3Fb");
    }
}
