//! Tests of the backend on real files.
#![allow(
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "this is test code, most of it outside of the functions that are marked so"
)]

mod asked;
mod completion;
mod conformance;
mod deployments;
mod desk;
mod files;
mod improvement;
mod improving;
mod integrity;
mod processes;
mod queued;
mod quiz;
mod runs;
mod traffic;
mod values;
// The desk of the improvement loop knows nothing of a backend.
#[allow(dead_code, reason = "the loop's own tests have more of it")]
#[path = "../../../promptops-core/tests/it/improving/world.rs"]
mod world;
