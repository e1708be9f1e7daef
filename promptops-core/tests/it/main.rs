//! Integration tests of the core.

mod bombs;
mod conformance;
mod journey;
mod templates;
