//! The handle on the host's pool.

use std::fmt;
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use backon::{ExponentialBuilder, Retryable};
use promptops_core::base::stored::corrupt;
use promptops_core::{Error, ErrorKind, Result};
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions, PgRow};
use sqlx::{Connection as _, Row as _, SqlSafeStr as _, SqlStr};

use crate::connection::{Connection, Query, Transaction};
use crate::error::{self, Failure};
use crate::options::PgOptions;
use crate::schema;

/// All stores in one PostgreSQL database, shared by any number of processes. Cheap to clone.
///
/// A call that was dropped before it was done may still take effect, as with any database.
#[derive(Clone)]
pub struct PgBackend(Arc<Shared>);

struct Shared {
    pool: PgPool,
    options: PgOptions,
    /// Begins a transaction with its timeouts.
    begin: SqlStr,
    lock_timeout: String,
    /// Whether the schema was seen to be the one of this release.
    checked: OnceLock<()>,
    /// Whether a change by one statement needs a transaction around it, since the host's default is not READ COMMITTED.
    begins: AtomicBool,
}

/// A connection that was idle for longer is tried before it is used: the server may have been started anew.
const TRUSTED_IDLE: Duration = Duration::from_millis(500);

impl PgBackend {
    /// Uses the host's pool. Nothing is read or written by this; call [`migrate`](Self::migrate) once for a database.
    #[must_use]
    pub fn new(pool: PgPool) -> Self {
        Self::options().with_pool(pool)
    }

    /// Connects with a pool of its own: `postgres://user:password@host:port/database`.
    ///
    /// # Errors
    /// [`Invalid`](ErrorKind::Invalid) for a URL that cannot be read; [`Backend`](ErrorKind::Backend) when the server
    /// refuses user, password or database; [`Unavailable`](ErrorKind::Unavailable) when it cannot be reached. No error
    /// shows the URL.
    pub async fn connect(url: &str) -> Result<Self> {
        Self::options().connect(url).await
    }

    /// Options to use a database with.
    pub fn options() -> PgOptions {
        PgOptions::default()
    }

    pub(crate) fn open_with(pool: PgPool, options: PgOptions) -> Self {
        let millis = |timeout: Duration| timeout.as_millis().clamp(1, i32::MAX as u128);
        let (statement, lock) = (millis(options.statement_timeout), millis(options.lock_timeout));
        // Numbers only: nothing to escape. A client that stops in the middle must not hold up its tenant.
        let begin = format!(
            "BEGIN ISOLATION LEVEL READ COMMITTED;
            SET LOCAL statement_timeout = {statement};
            SET LOCAL lock_timeout = {lock};
            SET LOCAL idle_in_transaction_session_timeout = {statement}"
        );
        Self(Arc::new(Shared {
            pool,
            begin: sqlx::AssertSqlSafe(begin).into_sql_str(),
            lock_timeout: lock.to_string(),
            options,
            checked: OnceLock::new(),
            begins: AtomicBool::new(false),
        }))
    }

    pub(crate) async fn connect_with(url: &str, options: PgOptions) -> Result<Self> {
        let is_ours = ["postgres://", "postgresql://"]
            .iter()
            .any(|scheme| url.starts_with(scheme));
        // Without the parser's own error, which could show parts of the URL.
        let parsed = PgConnectOptions::from_str(url).ok().filter(|_| is_ours);
        let connect = parsed.ok_or_else(|| {
            Error::new(
                ErrorKind::Invalid,
                "the connection URL cannot be read; expected postgres://user:password@host:port/database",
            )
        })?;
        let connect = connect.application_name("promptops");
        let pool = PgPoolOptions::new()
            .max_connections(options.max_connections)
            .acquire_timeout(options.acquire_timeout)
            .test_before_acquire(false)
            .before_acquire(|connection, meta| {
                Box::pin(async move {
                    if meta.idle_for > TRUSTED_IDLE {
                        connection.ping().await?;
                    }
                    Ok(true)
                })
            })
            .connect_lazy_with(connect.clone());
        // Directly, since a pool would try again for what will not change.
        let first = sqlx::PgConnection::connect_with(&connect);
        let first = tokio::time::timeout(options.statement_timeout, first)
            .await
            .unwrap_or_else(|_| Err(std::io::Error::from(std::io::ErrorKind::TimedOut).into()));
        // Closing it politely is not worth an error.
        let _ = first.map_err(Failure::from)?.close().await;
        Ok(options.with_pool(pool))
    }

    /// Brings the schema `promptops` of the database to this release's, as many processes at once as may be. Needs a role
    /// that may create a schema, or owns this one.
    ///
    /// # Errors
    /// [`Unsupported`](ErrorKind::Unsupported) when a newer release wrote it, which is left as it is; the backend's
    /// errors.
    pub async fn migrate(&self) -> Result<()> {
        self.migrate_to(schema::LATEST).await
    }

    /// Brings the schema to this version, up or down. **The way down loses what the versions above it hold: 0 removes
    /// the schema with everything in it.** See [`schema_version`](Self::schema_version).
    ///
    /// # Errors
    /// [`Invalid`](ErrorKind::Invalid) for a version that this release does not know; those of
    /// [`migrate`](Self::migrate).
    pub async fn migrate_to(&self, version: u32) -> Result<()> {
        // Seen without the lock that changing it takes, by a role that may not change it.
        if self.schema_version().await? != version {
            schema::migrate(self, version).await?;
        }
        if version == schema::LATEST {
            // Only now, so that what failed before is looked at again.
            let _ = self.0.checked.set(());
        }
        Ok(())
    }

    /// The version of the schema that the database has; 0 when it has none.
    ///
    /// # Errors
    /// The backend's errors.
    pub async fn schema_version(&self) -> Result<u32> {
        Ok(schema::found(&mut self.connection().await?).await?)
    }

    /// Gives a role what it needs to work with the schema, and no more. Connected as such a role, which owns nothing, every
    /// statement is bound by row-level security to the tenant that it is for.
    ///
    /// # Errors
    /// [`Invalid`](ErrorKind::Invalid) for a name that no role can have; the backend's errors.
    pub async fn grant_to(&self, role: &str) -> Result<()> {
        schema::grant(self, role).await
    }

    /// The pool that it works on.
    #[must_use]
    pub fn pool(&self) -> &PgPool {
        &self.0.pool
    }

    pub(crate) fn settings(&self) -> &PgOptions {
        &self.0.options
    }

    /// The lock timeout in milliseconds, as functions of the schema take it.
    pub(crate) fn lock_timeout(&self) -> &str {
        &self.0.lock_timeout
    }

    /// A connection of the pool, whatever the schema is.
    pub(crate) async fn connection(&self) -> error::Result<Connection> {
        let Shared { pool, options, .. } = &*self.0;
        match tokio::time::timeout(options.acquire_timeout, pool.acquire()).await {
            Ok(Ok(acquired)) => Ok(Connection::new(acquired, options.statement_timeout)),
            Ok(Err(error)) if !matches!(error, sqlx::Error::PoolTimedOut) => Err(error.into()),
            // The pool's own limit, or ours.
            Ok(Err(_)) | Err(_) => {
                let wait = options.acquire_timeout.min(pool.options().get_acquire_timeout());
                let wait = wait.as_millis();
                let what = if pool.size() >= pool.options().get_max_connections() && pool.num_idle() == 0 {
                    format!(
                        "all {} connections of the pool are in use, and none became free within {wait} ms; try again, or \
                         give the pool more",
                        pool.size()
                    )
                } else {
                    format!("no connection to the database server could be made within {wait} ms; try again")
                };
                Err(Error::new(ErrorKind::Unavailable, what).into())
            }
        }
    }

    /// A connection to a database of this release's schema.
    async fn ready(&self) -> error::Result<Connection> {
        let mut connection = self.connection().await?;
        // Several calls may look at once when the first begin together; it costs them a statement.
        if self.0.checked.get().is_none() {
            schema::check(&mut connection).await?;
            let _ = self.0.checked.set(());
        }
        Ok(connection)
    }

    /// The rows of one statement that only reads, which is repeated when the connection was lost.
    pub(crate) async fn read(
        &self,
        sql: &'static str,
        bind: impl Fn(Query) -> Query + Send + Sync,
    ) -> error::Result<Vec<PgRow>> {
        let once = || async { self.ready().await?.rows(sql, &bind).await };
        let patience = ExponentialBuilder::default()
            .with_min_delay(Duration::from_millis(5))
            .with_max_times(2)
            .with_jitter();
        once.retry(patience)
            .when(|failure: &Failure| matches!(failure, Failure::Pg(_)) && failure.is_lost_connection())
            .await
    }

    /// The one row of such a statement, if there is one.
    pub(crate) async fn read_one(
        &self,
        sql: &'static str,
        bind: impl Fn(Query) -> Query + Send + Sync,
    ) -> error::Result<Option<PgRow>> {
        Ok(self.read(sql, bind).await?.into_iter().next())
    }

    /// The rows of one statement that makes a change and commits by itself.
    pub(crate) async fn write(
        &self,
        sql: &'static str,
        bind: impl Fn(Query) -> Query + Send + Sync,
    ) -> Result<Vec<PgRow>> {
        if !self.0.begins.load(Ordering::Relaxed) {
            let mut connection = self.ready().await?;
            match connection.rows(sql, &bind).await {
                // The host has its transactions begin at another isolation level. Nothing was done.
                Err(failure) if failure.needs_read_committed() => {
                    self.0.begins.store(true, Ordering::Relaxed)
                }
                done => return done.map_err(Failure::of_commit),
            }
        }
        let mut tx = self.begin().await?;
        let result = tx.rows(sql, bind).await;
        tx.finish(result).await
    }

    /// Begins a change of several statements. A connection that turns out to be lost is replaced: nothing was done yet.
    pub(crate) async fn begin(&self) -> error::Result<Transaction> {
        let begin = || async { Transaction::begin(self.ready().await?, self.0.begin.clone()).await };
        begin
            .retry(
                ExponentialBuilder::default()
                    .with_min_delay(Duration::from_millis(5))
                    .with_max_times(2),
            )
            .when(|failure: &Failure| matches!(failure, Failure::Pg(_)) && failure.is_lost_connection())
            .await
    }
}

/// How many rows a statement says that it removed.
pub(crate) fn removed(rows: &[PgRow]) -> Result<usize> {
    let count = rows.first().map_or(Ok(0), |row| row.try_get(0));
    let count: i64 = count.map_err(Failure::from)?;
    usize::try_from(count).map_err(|e| corrupt("number of rows").caused_by(e))
}

impl fmt::Debug for PgBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PgBackend")
            .field("connections", &self.0.pool.size())
            .finish_non_exhaustive()
    }
}
