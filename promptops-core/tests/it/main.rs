//! Integration tests of the core.

// Memory and limits of a process are read and set as on Linux.
#[cfg(target_os = "linux")]
mod bombs;
mod conformance;
mod journey;
mod templates;
