//! Candidates at the ship gate: how often one that is no better is shipped, and one that is better is not.

mod plain;
mod run;
mod share;
mod tables;
mod world;

pub use plain::{Plain, Shipped, plain};
pub use run::{Found, Ship, replayed};
pub use share::Share;
pub use tables::tables;
pub use world::World;
