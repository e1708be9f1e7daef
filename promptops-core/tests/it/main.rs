//! Integration tests of the core.

mod conformance;
mod golden;
mod journey;
mod rooms;
