//! The program: commands beside a server.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::{query, somebody_listens, soon};

const VARIABLE: &str = "PROMPTOPS_TEST_POSTGRES_URL";

fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_private-postgres"));
    // These tests may themselves be run by the program.
    command.args(arguments).env_remove(VARIABLE);
    command
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap().trim_end()
}

fn fails(command: &mut Command, message: &str) {
    let Output { status, stderr, .. } = command.output().unwrap();
    assert_eq!(status.code(), Some(2));
    assert!(text(&stderr).contains(message), "{}", text(&stderr));
}

#[test]
fn a_command_is_given_a_server_for_as_long_as_it_runs() {
    let find = program(&["find"]).output().unwrap();
    let script = format!(
        "echo ${VARIABLE}; '{}/psql' -XAt -d ${VARIABLE} -c 'SELECT 6 * 7'; exit 7",
        text(&find.stdout)
    );
    let output = program(&["run", "--", "sh", "-c", &script]).output().unwrap();
    assert_eq!(output.status.code(), Some(7), "{}", text(&output.stderr));
    let (url, answer) = text(&output.stdout).split_once('\n').unwrap();
    assert_eq!(answer, "42");
    assert!(!somebody_listens(port(url)));
}

#[test]
fn a_server_that_is_given_is_used() {
    let script = format!("echo ${VARIABLE}; kill -s TERM $$");
    let output = program(&["run", "--", "sh", "-c", &script])
        .env(VARIABLE, "postgres://elsewhere")
        .output()
        .unwrap();
    assert_eq!(text(&output.stdout), "postgres://elsewhere");
    assert_eq!(
        output.status.code(),
        Some(128 + 15),
        "as a shell tells of a signal"
    );
}

#[test]
fn its_own_failures_are_told_apart() {
    fails(&mut program(&[]), "Usage");
    fails(&mut program(&["run", "true"]), "Usage");
    fails(&mut program(&["run", "--"]), "Usage");
    fails(
        program(&["run", "--", "./no such program"]).env(VARIABLE, "postgres://elsewhere"),
        "cannot run ./no such program",
    );
    let empty = tempfile::tempdir().unwrap();
    fails(
        program(&["run", "--", "true"]).env("PROMPTOPS_POSTGRES_BIN", empty.path()),
        "(named by PROMPTOPS_POSTGRES_BIN): there is no initdb",
    );
}

#[test]
fn a_killed_process_leaves_no_server_and_no_directory() {
    let find = program(&["find"]).output().unwrap();
    // The command outlives the program, which cannot end it any more: it ends with the pipe that is its input.
    let script = format!("echo ${VARIABLE}; read -r line");
    let mut run = program(&["run", "--", "sh", "-c", &script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut url = String::new();
    BufReader::new(run.stdout.take().unwrap())
        .read_line(&mut url)
        .unwrap();
    let port = port(url.trim_end());
    let directory = query(
        Path::new(text(&find.stdout)),
        url.trim_end(),
        "SHOW unix_socket_directories",
    );
    assert!(somebody_listens(port) && Path::new(&directory).exists());

    let input = run.stdin.take();
    run.kill().unwrap();
    run.wait().unwrap();
    soon("the end of the server", || !somebody_listens(port));
    soon("the end of its directory", || !Path::new(&directory).exists());
    drop(input);
}

fn port(url: &str) -> u16 {
    let (_, address) = url.rsplit_once(':').unwrap();
    address.strip_suffix("/postgres").unwrap().parse().unwrap()
}
