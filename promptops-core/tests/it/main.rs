//! Integration tests of the core.
#![allow(
    clippy::unwrap_used,
    reason = "helpers of tests are tests, which clippy.toml cannot know"
)]

mod conformance;
mod golden;
mod journey;
mod rooms;
