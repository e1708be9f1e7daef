//! Simulated experiments, monitors and ship gates: how often the library's decisions are wrong, and what they cost, by the library's own
//! functions.
//!
//! `cargo run --release -p simulations -- experiments` prints the tables, with `--full` those of 10,000 experiments of
//! 10,000 outcomes each; `-- monitor` those of shipped versions that are watched, with `--full` 2,000 for each line; `-- gate`
//! those of candidates that are replayed, with `--full` 4,000 for each; `-- scoreboard` the library's rules beside plain ones in
//! simulated worlds, with `--full` 1,000 for each, and with `--write` into `SCOREBOARD.md`. The same
//! seed gives the same table, for any number of threads.

pub mod arguments;
pub mod assignment;
pub mod cost;
pub mod gate;
pub mod monitor;
mod naive;
mod parallel;
pub mod power;
mod record;
pub mod returning;
pub mod scenario;
pub mod scoreboard;
pub mod tables;
mod trial;
pub mod world;

pub use parallel::in_parallel;
pub use record::record;
pub use trial::{Ended, Trial};
