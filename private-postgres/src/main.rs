//! `private-postgres run -- COMMAND ARGUMENTS...` runs a command beside a PostgreSQL server of its own.

#![allow(
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "a program speaks to its user"
)]

use std::env;
use std::ffi::OsString;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitCode};

use private_postgres::Server;

const USAGE: &str = "Usage:
  private-postgres run -- COMMAND ARGUMENTS...
      Starts a server, runs the command with PROMPTOPS_TEST_POSTGRES_URL set to the URL of the server's database
      `postgres`, stops the server, and ends with the command's exit code. If the variable is set already, it only
      runs the command.
  private-postgres find
      Prints the directory of the server's programs.
The exit code of its own failures is 2.";

const VARIABLE: &str = "PROMPTOPS_TEST_POSTGRES_URL";

fn main() -> ExitCode {
    let arguments: Vec<OsString> = env::args_os().skip(1).collect();
    let words: Vec<_> = arguments
        .iter()
        .map(|argument| argument.to_str().unwrap_or_default())
        .collect();
    let done = match (words.as_slice(), arguments.as_slice()) {
        (["run", "--", ..], [_, _, program, arguments @ ..]) => run(program, arguments),
        (["find"], _) => find(),
        (["--help" | "-h" | "help"], _) => {
            println!("{USAGE}");
            Ok(0)
        }
        _ => Err(format!("expected a command to run.\n{USAGE}")),
    };
    done.unwrap_or_else(|message| {
        eprintln!("private-postgres: {message}");
        2
    })
    .into()
}

fn find() -> Result<u8, String> {
    let directory = private_postgres::find().map_err(|error| error.to_string())?;
    println!("{}", directory.display());
    Ok(0)
}

fn run(program: &OsString, arguments: &[OsString]) -> Result<u8, String> {
    let mut command = Command::new(program);
    command.args(arguments);
    let given = env::var_os(VARIABLE).is_some_and(|url| !url.is_empty());
    let server = if given {
        None
    } else {
        Some(Server::start().map_err(|error| error.to_string())?)
    };
    if let Some(server) = &server {
        command.env(VARIABLE, server.socket_url("postgres"));
    }
    let status = command
        .status()
        .map_err(|error| format!("cannot run {}: {error}", program.display()))?;
    // As shells say it: 128 and the number of the signal that ended the command.
    let code = status
        .code()
        .unwrap_or_else(|| 128 + status.signal().unwrap_or_default());
    Ok(u8::try_from(code).unwrap_or(u8::MAX))
}
