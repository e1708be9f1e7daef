//! The request path: from a reference to a prompt ready to render, without I/O when warm.
//!
//! ```text
//! request ──▶ cache ──fresh──▶ Resolved ──render──▶ Answer
//!               │ aged: served as it is, refreshed behind
//!               │ invalid or absent
//!               ▼
//!            loader ──(one flight per key)──▶ store, snippets, compiler
//!               │ fails: the last known good, marked stale
//! ```
//!
//! A snapshot is the cache's last known good as a file: what it brings is in the cache as invalid, so that the loader
//! is asked first.

mod answer;
mod cache;
mod enrolment;
mod loader;
mod request;
mod resolver;
mod settings;
mod shelf;
mod snapshot;
mod sources;

pub use answer::{Answer, Resolved};
pub use request::{Resolve, ResolveFuture};
pub use resolver::{CacheStats, Resolver};
pub use settings::ResolveSettings;
pub use snapshot::SnapshotInfo;
