//! What the command line asks for.

use std::num::NonZeroUsize;

/// How the program is called.
pub const USAGE: &str =
    "usage: simulations experiments|monitor|gate|scoreboard [--full] [--threads N] [--skip N] [--write]";

/// What is simulated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Simulation {
    /// Experiments between variants.
    Experiments,
    /// Watches over shipped versions.
    Monitor,
    /// Candidates at the ship gate.
    Gate,
    /// The library's rules beside plain ones, in the same worlds.
    Scoreboard,
}

/// What the command line asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arguments {
    /// What to simulate.
    pub simulation: Simulation,
    /// All of it: minutes rather than seconds.
    pub full: bool,
    /// Threads to use.
    pub threads: NonZeroUsize,
    /// Lines of the first long table to leave out, after an interruption.
    pub skip: usize,
    /// Whether to keep the tables in a file; of the scoreboard alone.
    pub write: bool,
}

/// Reads the arguments after the program's name.
///
/// # Errors
/// For anything but what [`USAGE`] says: what is wrong, in words.
pub fn parse(arguments: impl IntoIterator<Item = String>) -> Result<Arguments, String> {
    let mut arguments = arguments.into_iter();
    let simulation = match arguments.next().as_deref() {
        Some("experiments") => Simulation::Experiments,
        Some("monitor") => Simulation::Monitor,
        Some("gate") => Simulation::Gate,
        Some("scoreboard") => Simulation::Scoreboard,
        Some(other) => return Err(format!("there is no simulation {other:?}; {USAGE}")),
        None => return Err(format!("nothing to simulate was named; {USAGE}")),
    };
    let mut parsed = Arguments {
        simulation,
        full: false,
        threads: std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
        skip: 0,
        write: false,
    };
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--full" => parsed.full = true,
            "--write" if simulation == Simulation::Scoreboard => parsed.write = true,
            "--threads" => {
                let threads = arguments.next().and_then(|threads| threads.parse().ok());
                parsed.threads = threads.ok_or(format!("--threads needs a number above 0; {USAGE}"))?;
            }
            "--skip" => {
                let skip = arguments.next().and_then(|skip| skip.parse().ok());
                parsed.skip = skip.ok_or(format!("--skip needs a number; {USAGE}"))?;
            }
            other => return Err(format!("unknown argument {other:?}; {USAGE}")),
        }
    }
    Ok(parsed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Arguments, String> {
        parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn arguments_are_those_of_the_usage() {
        let read_all = read("experiments --threads 3 --full --skip 14").unwrap();
        assert!(read_all.full && read_all.threads.get() == 3 && read_all.skip == 14);
        assert!(!read("experiments").unwrap().full);
        assert_eq!(read("experiments").unwrap().simulation, Simulation::Experiments);
        assert_eq!(read("monitor").unwrap().simulation, Simulation::Monitor);
        assert_eq!(read("gate --full").unwrap().simulation, Simulation::Gate);
        let written = read("scoreboard --write").unwrap();
        assert!(written.write && written.simulation == Simulation::Scoreboard);
        for wrong in [
            "gate --write",
            "",
            "experiment",
            "experiments --fast",
            "experiments --threads",
            "experiments --threads 0",
            "experiments --skip",
        ] {
            assert!(read(wrong).unwrap_err().contains(USAGE), "{wrong}");
        }
    }
}
