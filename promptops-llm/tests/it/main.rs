//! Integration tests of the models.
#![allow(
    clippy::unwrap_used,
    reason = "helpers of tests are tests, which clippy.toml cannot know"
)]

mod support;

mod breaker;
mod cache;
mod cassette;
mod layers;
mod limit;
mod meter;
mod retry;
