//! Prints the tables of simulated experiments.
#![allow(clippy::print_stderr, reason = "a program tells its caller what is wrong")]

use std::process::ExitCode;

use simulations::{arguments, tables};

fn main() -> ExitCode {
    let arguments = match arguments::parse(std::env::args().skip(1)) {
        Ok(arguments) => arguments,
        Err(wrong) => {
            eprintln!("{wrong}");
            return ExitCode::from(2);
        }
    };
    match tables::experiments(&arguments, &mut std::io::stdout().lock()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
