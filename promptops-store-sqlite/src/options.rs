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
}

impl Default for SqliteOptions {
    fn default() -> Self {
        Self {
            readers: 2,
            busy_timeout: Duration::from_secs(5),
            queue: 1_024,
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

    /// Opens the database file with these options; see [`SqliteBackend::open`].
    ///
    /// # Errors
    /// As [`SqliteBackend::open`].
    pub async fn open(self, path: impl AsRef<Path>) -> Result<SqliteBackend> {
        SqliteBackend::open_with(path.as_ref(), self).await
    }
}
