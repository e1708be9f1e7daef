//! The shell that keeps a server, and ends it when we end; see `supervisor.sh`.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::{env, fs, io};

use crate::account::Account;
use crate::error::{Error, Result};

/// What only a supervisor can do, since it is the parent of the server and runs as the same account.
pub(crate) struct Supervisor {
    shell: Child,
    /// `None` once it is to end. No other process has this end of the pipe, so that the system closes it with ours.
    orders: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    directory: PathBuf,
}

impl Supervisor {
    /// Makes a directory, which it removes at its end.
    pub(crate) fn start(binaries: &Path, settings: &[String], account: Option<&Account>) -> Result<Self> {
        let mut command = Command::new("/bin/sh");
        command
            .args(["-c", include_str!("supervisor.sh"), "private-postgres"])
            .arg(binaries)
            .args(settings)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            // Ours may be one that the account cannot enter.
            .current_dir("/")
            // A Ctrl-C is for us; the end of the pipe is for the supervisor.
            .process_group(0);
        // What is set for clients (PGDATA, PGPORT, PGOPTIONS …) is not meant for this server.
        for (name, _) in env::vars_os() {
            if name.as_encoded_bytes().starts_with(b"PG") {
                command.env_remove(name);
            }
        }
        // Messages that we can read, and no search for the machine's time zone.
        command.env("LC_ALL", "C").env("TZ", "UTC");
        if let Some(account) = account {
            account.run(&mut command);
        }
        let mut shell = command
            .spawn()
            .map_err(|source| Error::io("cannot start /bin/sh to keep the server", source))?;
        let (Some(orders), Some(answers)) = (shell.stdin.take(), shell.stdout.take()) else {
            return Err(Error::new("the shell that keeps the server has no pipes"));
        };
        let mut supervisor = Self {
            shell,
            orders: Some(orders),
            answers: BufReader::new(answers),
            directory: PathBuf::new(),
        };
        let made = supervisor
            .answer()
            .map_err(|source| Error::io("cannot make a directory for the server in /tmp", source))?;
        supervisor.directory = made.into();
        Ok(supervisor)
    }

    /// What the server has written is in here, and its socket.
    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// Runs `initdb`; its exit code.
    pub(crate) fn initialize(&mut self, password: &str) -> Result<String> {
        self.order(&format!("initialize {password}"))
    }

    /// Starts the server; its process id.
    pub(crate) fn launch(&mut self, port: u16) -> Result<String> {
        self.order(&format!("start {port}"))
    }

    /// Whether the process of the server is there.
    pub(crate) fn runs(&mut self) -> Result<bool> {
        Ok(self.order("look")? == "runs")
    }

    /// Ends the server by a signal and waits for its end. `false` if it took SIGKILL.
    pub(crate) fn stop(&mut self, signal: &str) -> Result<bool> {
        Ok(self.order(&format!("stop {signal}"))? == "stopped")
    }

    fn order(&mut self, order: &str) -> Result<String> {
        self.ask(order).map_err(|source| {
            Error::io(
                "the shell that keeps the server does not answer; has it been killed?",
                source,
            )
        })
    }

    fn ask(&mut self, order: &str) -> io::Result<String> {
        let orders = self.orders.as_mut().ok_or(io::ErrorKind::BrokenPipe)?;
        orders.write_all(format!("{order}\n").as_bytes())?;
        self.answer()
    }

    fn answer(&mut self) -> io::Result<String> {
        let mut answer = String::new();
        if self.answers.read_line(&mut answer)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(answer.trim_end().to_owned())
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        self.orders = None;
        let _ = self.shell.wait();
        // If somebody has killed the shell. Without its directory a server ends by itself, within a minute.
        let _ = fs::remove_dir_all(&self.directory);
    }
}
