//! Integration tests of the core.
#![allow(
    clippy::unwrap_used,
    reason = "helpers of tests are tests, which clippy.toml cannot know"
)]

mod authoring;
mod bombs;
mod cancelled;
mod conformance;
mod faulty;
mod golden;
mod governing;
mod journey;
mod judging;
mod resolving;
mod rooms;
mod schemas;
mod secrecy;
mod snapshot_files;
mod snapshots;
mod statistics;
mod templates;
