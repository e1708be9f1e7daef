//! Settings of the backend.

use std::fmt;
use std::time::Duration;

use promptops_core::Result;
use sqlx::postgres::{PgConnectOptions, PgPool};

use crate::backend::PgBackend;

/// How to use a database. Made by [`PgBackend::options`].
#[derive(Clone)]
#[must_use = "options do nothing until `connect` or `with_pool`"]
pub struct PgOptions {
    pub(crate) max_connections: u32,
    pub(crate) acquire_timeout: Duration,
    pub(crate) statement_timeout: Duration,
    pub(crate) lock_timeout: Duration,
    pub(crate) poll_interval: Duration,
    pub(crate) retained_changes: u32,
    pub(crate) listen: Option<PgConnectOptions>,
}

impl Default for PgOptions {
    fn default() -> Self {
        Self {
            max_connections: 10,
            acquire_timeout: Duration::from_millis(1_500),
            statement_timeout: Duration::from_secs(5),
            lock_timeout: Duration::from_secs(3),
            poll_interval: Duration::from_secs(5),
            retained_changes: 50_000,
            listen: None,
        }
    }
}

/// Without the options to listen with, which hold a password.
impl fmt::Debug for PgOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PgOptions")
            .field("max_connections", &self.max_connections)
            .field("acquire_timeout", &self.acquire_timeout)
            .field("statement_timeout", &self.statement_timeout)
            .field("lock_timeout", &self.lock_timeout)
            .field("poll_interval", &self.poll_interval)
            .field("retained_changes", &self.retained_changes)
            .finish_non_exhaustive()
    }
}

impl PgOptions {
    /// Most connections of the pool that [`connect`](Self::connect) makes. Default 10, at least 1. One more is used to
    /// listen for changes.
    pub fn max_connections(mut self, count: u32) -> Self {
        self.max_connections = count.max(1);
        self
    }

    /// How long to wait for a connection of the pool, before a call fails with
    /// [`Unavailable`](promptops_core::ErrorKind::Unavailable). Default 1.5 s. The pool's own limit holds as well.
    pub fn acquire_timeout(mut self, timeout: Duration) -> Self {
        self.acquire_timeout = timeout;
        self
    }

    /// How long one statement may take, before it is given up and its connection closed. Default 5 s, at least 1 ms. A
    /// step of a migration may take 60 times as long.
    pub fn statement_timeout(mut self, timeout: Duration) -> Self {
        self.statement_timeout = timeout.max(Duration::from_millis(1));
        self
    }

    /// How long a change may wait for another one of the same tenant. Default 3 s, at least 1 ms.
    pub fn lock_timeout(mut self, timeout: Duration) -> Self {
        self.lock_timeout = timeout.max(Duration::from_millis(1));
        self
    }

    /// How often changes are looked for when no notification comes, and whether the connection is still there. Default
    /// 5 s. Notifications come within a millisecond; this is for what swallows them, such as a pooler between.
    pub fn poll_interval(mut self, interval: Duration) -> Self {
        self.poll_interval = interval.max(Duration::from_millis(1));
        self
    }

    /// How many changes stay on record at least, for processes that were away. Default 50,000 (about 10 MB), at least
    /// 1,000. Who was away for more takes anything for changed.
    pub fn retained_changes(mut self, count: u32) -> Self {
        self.retained_changes = count.max(1_000);
        self
    }

    /// Listens through a connection of this kind instead of the pool's: where the pool goes through a pooler that does
    /// not pass notifications on.
    pub fn listen_with(mut self, options: PgConnectOptions) -> Self {
        self.listen = Some(options);
        self
    }

    /// Uses the host's pool with these options. Nothing is read or written by this.
    #[must_use]
    pub fn with_pool(self, pool: PgPool) -> PgBackend {
        PgBackend::open_with(pool, self)
    }

    /// Connects with these options; see [`PgBackend::connect`].
    ///
    /// # Errors
    /// As [`PgBackend::connect`].
    pub async fn connect(self, url: &str) -> Result<PgBackend> {
        PgBackend::connect_with(url, self).await
    }
}
