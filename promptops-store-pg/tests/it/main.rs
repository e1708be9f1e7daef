//! Tests of the backend on real servers.
#![allow(
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "this is test code, most of it outside of the functions that are marked so"
)]

mod completion;
mod conformance;
mod connecting;
mod databases;
mod deployments;
mod desk;
mod following;
mod improvement;
mod outages;
mod processes;
mod proxy;
// What the tests of killed workers ask knows nothing of a backend.
#[path = "../../../promptops-store-sqlite/tests/it/quiz.rs"]
mod quiz;
mod runs;
mod traffic;
mod walls;
