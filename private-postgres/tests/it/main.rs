//! Servers are started, stopped and lost, and commands are run beside them.
#![allow(
    clippy::unwrap_used,
    reason = "helpers of tests are tests, which clippy.toml cannot know"
)]

mod program;
mod server;

use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::process::{Command, Output};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// A client's program, without what the environment says to clients.
fn client(binaries: &Path, program: &str) -> Command {
    let mut command = Command::new(binaries.join(program));
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.as_encoded_bytes().starts_with(b"PG")) {
        command.env_remove(name);
    }
    command
}

fn psql(binaries: &Path, url: &str, sql: &str) -> Output {
    client(binaries, "psql")
        .args(["-XAtq", "-c", sql, "-d", url])
        .output()
        .unwrap()
}

/// What a statement answers.
fn query(binaries: &Path, url: &str, sql: &str) -> String {
    let output = psql(binaries, url, sql);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{sql}: {errors}");
    String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
}

fn somebody_listens(port: u16) -> bool {
    TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok()
}

/// Waits for what must come soon.
fn soon(what: &str, mut has_come: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !has_come() {
        assert!(begin.elapsed() < Duration::from_secs(20), "not yet: {what}");
        sleep(Duration::from_millis(20));
    }
}
