//! Tests of the backend on real servers.
#![allow(
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "this is test code, most of it outside of the functions that are marked so"
)]

// What workers of the loop are asked, and the desk that they work for, know nothing of a backend.
#[allow(dead_code, reason = "the tests on the other backend have more of it")]
#[path = "../../../promptops-store-sqlite/tests/it/asked.rs"]
mod asked;
mod completion;
mod conformance;
mod connecting;
mod databases;
mod deployments;
mod desk;
mod following;
mod improvement;
mod improving;
mod outages;
mod processes;
mod proxy;
// What the tests of killed workers ask knows nothing of a backend.
#[path = "../../../promptops-store-sqlite/tests/it/quiz.rs"]
mod quiz;
mod runs;
mod traffic;
mod walls;
#[allow(dead_code, reason = "the loop's own tests have more of it")]
#[path = "../../../promptops-core/tests/it/improving/world.rs"]
mod world;
