//! Integration tests of the models, over real HTTP on the loopback interface.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests are tests, which clippy.toml cannot know"
)]

mod adapters;
mod blueprints;
mod clients;
mod embedding;
mod faults;
mod fixtures;
mod round_trip;
mod server;
mod wire;
