//! Settings of the backend.

use std::path::Path;
use std::time::Duration;

use promptops_core::Result;

use crate::backend::SqliteBackend;

/// How to open a database. Made by [`SqliteBackend::options`].
#[derive(Debug, Clone)]
#[must_use = "options do nothing until `open`"]
pub struct SqliteOptions {
    pub(crate) readers: usize,
    pub(crate) busy_timeout: Duration,
    pub(crate) queue: usize,
    pub(crate) cache_kib: u32,
    pub(crate) poll_interval: Duration,
}

impl Default for SqliteOptions {
    fn default() -> Self {
        Self {
            readers: 2,
            busy_timeout: Duration::from_secs(5),
            queue: 1_024,
            cache_kib: 16 * 1_024,
            poll_interval: Duration::from_millis(4),
        }
    }
}

impl SqliteOptions {
    /// Threads that read, each with a connection of its own, beside the one that writes. Default 2, at least 1.
    pub fn readers(mut self, count: usize) -> Self {
        self.readers = count.max(1);
        self
    }

    /// How long to wait for another process that holds the write lock, before a call fails with
    /// [`Unavailable`](promptops_core::ErrorKind::Unavailable). Default 5 seconds.
    pub fn busy_timeout(mut self, timeout: Duration) -> Self {
        self.busy_timeout = timeout;
        self
    }

    /// Calls that may wait for the writer, and as many for the readers; further ones wait (without blocking a
    /// thread) until there is room. Default 1,024, at least 1.
    pub fn queue(mut self, calls: usize) -> Self {
        self.queue = calls.max(1);
        self
    }

    /// The most memory in KiB that each connection (the readers' and the writer's) takes for pages of the file, as it
    /// reads them. Default 16 MiB, at least 64 KiB. With 100,000 prompts and SQLite's own 2 MiB a lookup takes
    /// nearly twice the time.
    pub fn cache_kib(mut self, kib: u32) -> Self {
        self.cache_kib = kib.max(64);
        self
    }

    /// How often the file is looked at for changes by other processes, which takes about 5 µs. Default 4 ms, at least 1.
    pub fn poll_interval(mut self, interval: Duration) -> Self {
        self.poll_interval = interval.max(Duration::from_millis(1));
        self
    }

    /// Opens the database file with these options; see [`SqliteBackend::open`].
    ///
    /// # Errors
    /// As [`SqliteBackend::open`].
    pub async fn open(self, path: impl AsRef<Path>) -> Result<SqliteBackend> {
        SqliteBackend::open_with(path.as_ref(), self).await
    }
}
