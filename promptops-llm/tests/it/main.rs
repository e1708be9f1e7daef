//! Integration tests of the models, over real HTTP on the loopback interface where there is HTTP.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests are tests, which clippy.toml cannot know"
)]

mod adapters;
mod blueprints;
mod breaker;
mod cache;
mod cassette;
mod clients;
mod embedders;
mod embedding;
mod faults;
mod fixtures;
mod layers;
mod limit;
mod meter;
mod retry;
mod round_trip;
mod server;
mod support;
mod wire;
