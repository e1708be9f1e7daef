//! How resolving behaves.

use std::time::Duration;

/// How resolving behaves. Every bound has a default.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct ResolveSettings {
    /// How long an answer counts as fresh without word from the store; an older one is still served, marked stale,
    /// and refreshed behind. Default 60 s.
    pub max_age: Duration,
    /// The same, while changes made by other processes cannot be heard, as in an outage of the store. Default 1 s.
    pub max_age_unheard: Duration,
    /// How long a load may take, snippets included. Default 2 s.
    pub load_timeout: Duration,
    /// How long after a failed load the next one is tried; what was known is served meanwhile. Default 1 s.
    pub retry_after: Duration,
    /// Most answers that are refreshed behind at the same time; others that have aged are served meanwhile. Fewer than the
    /// store has connections, so that requests and changes find one. Default 4, at least 1.
    pub max_refreshes: usize,
    /// Most references kept. Default 200,000.
    pub max_entries: usize,
    /// Most bytes of compiled prompts and references kept, by estimate. Default 256 MiB.
    pub max_bytes: usize,
    /// Whether experiments are looked up and applied where a reference names an environment. Default: yes.
    pub experiments: bool,
    /// Largest snapshot in bytes, to write and to read. Default 1 GiB.
    pub max_snapshot_bytes: u64,
}

impl Default for ResolveSettings {
    fn default() -> Self {
        Self {
            max_age: Duration::from_secs(60),
            max_age_unheard: Duration::from_secs(1),
            load_timeout: Duration::from_secs(2),
            retry_after: Duration::from_secs(1),
            max_refreshes: 4,
            max_entries: 200_000,
            max_bytes: 256 << 20,
            experiments: true,
            max_snapshot_bytes: 1 << 30,
        }
    }
}

impl ResolveSettings {
    /// Whether the cache may hold so much.
    pub(super) fn allow(&self, entries: usize, bytes: usize) -> bool {
        entries <= self.max_entries && bytes <= self.max_bytes
    }
}
