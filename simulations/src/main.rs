//! Prints the tables of simulated experiments, monitors, ship gates and rules side by side.
#![allow(clippy::print_stderr, reason = "a program tells its caller what is wrong")]

use std::process::ExitCode;

use simulations::arguments::Simulation;
use simulations::{arguments, gate, monitor, scoreboard, tables};

fn main() -> ExitCode {
    let arguments = match arguments::parse(std::env::args().skip(1)) {
        Ok(arguments) => arguments,
        Err(wrong) => {
            eprintln!("{wrong}");
            return ExitCode::from(2);
        }
    };
    let mut out = std::io::stdout().lock();
    let written = match arguments.simulation {
        Simulation::Experiments => tables::experiments(&arguments, &mut out),
        Simulation::Monitor => monitor::tables(&arguments, &mut out),
        Simulation::Gate => gate::tables(&arguments, &mut out),
        Simulation::Scoreboard => scoreboard::tables(&arguments, &mut out),
    };
    match written {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
