//! One connection of the pool, on which no statement takes longer than it may, and which goes back only when it is known
//! to be idle.

use std::time::Duration;

use promptops_core::{Error, ErrorKind, Result};
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgArguments, PgRow, Postgres};
use sqlx::{AssertSqlSafe, Executor as _, SqlSafeStr as _, SqlStr};

use crate::error::{self, Failure};

/// A statement with its values.
pub(crate) type Query = sqlx::query::Query<'static, Postgres, PgArguments>;

pub(crate) struct Connection {
    /// `None` only while it is dropped.
    inner: Option<PoolConnection<Postgres>>,
    statement_timeout: Duration,
    /// Whether the server waits for the next statement.
    is_idle: bool,
    in_transaction: bool,
}

impl Connection {
    pub(crate) fn new(inner: PoolConnection<Postgres>, statement_timeout: Duration) -> Self {
        Self {
            inner: Some(inner),
            statement_timeout,
            is_idle: true,
            in_transaction: false,
        }
    }

    /// Says whether the statements before this one left a transaction open.
    pub(crate) fn set_in_transaction(&mut self, in_transaction: bool) {
        self.in_transaction = in_transaction;
    }

    /// The rows of one statement.
    pub(crate) async fn rows(
        &mut self,
        sql: &'static str,
        bind: impl FnOnce(Query) -> Query,
    ) -> error::Result<Vec<PgRow>> {
        let query = bind(sqlx::query(sql));
        let timeout = self.statement_timeout;
        let inner = self.begin_statement()?;
        let rows = limited(timeout, query.fetch_all(&mut **inner)).await;
        self.is_idle = match &rows {
            Ok(_) => true,
            // The server refused the statement, and waits for the next one.
            Err(failure @ Failure::Pg(sqlx::Error::Database(_))) => {
                !failure.is_lost_connection() && !failure.is_fatal()
            }
            Err(_) => false,
        };
        rows
    }

    /// How long one statement may take.
    pub(crate) fn statement_timeout(&self) -> Duration {
        self.statement_timeout
    }

    /// Statements without values, which may take so long together.
    pub(crate) async fn batch(&mut self, sql: SqlStr, limit: Duration) -> error::Result<()> {
        let inner = self.begin_statement()?;
        limited(limit, inner.execute(sqlx::raw_sql(sql))).await?;
        self.is_idle = true;
        Ok(())
    }

    fn begin_statement(&mut self) -> error::Result<&mut PoolConnection<Postgres>> {
        self.is_idle = false;
        self.inner
            .as_mut()
            .ok_or_else(|| Error::new(ErrorKind::Backend, "the connection was given back").into())
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if let Some(inner) = self.inner.take()
            && (self.in_transaction || !self.is_idle)
        {
            // A statement was given up in the middle, or failed: nobody knows what the server still has to say. Closing the
            // socket is what ends it for sure, and undoes a transaction.
            drop(inner.detach());
        }
    }
}

/// A change of several statements.
pub(crate) struct Transaction {
    connection: Connection,
}

impl Transaction {
    pub(crate) async fn begin(mut connection: Connection, begin: SqlStr) -> error::Result<Self> {
        connection.in_transaction = true;
        let timeout = connection.statement_timeout;
        connection.batch(begin, timeout).await?;
        Ok(Self { connection })
    }

    /// The rows of one statement.
    pub(crate) async fn rows(
        &mut self,
        sql: &'static str,
        bind: impl FnOnce(Query) -> Query,
    ) -> error::Result<Vec<PgRow>> {
        self.connection.rows(sql, bind).await
    }

    /// The first row of one statement.
    pub(crate) async fn row(
        &mut self,
        sql: &'static str,
        bind: impl FnOnce(Query) -> Query,
    ) -> error::Result<Option<PgRow>> {
        Ok(self.rows(sql, bind).await?.into_iter().next())
    }

    /// Undoes the work.
    pub(crate) async fn undo(mut self) {
        let timeout = self.connection.statement_timeout;
        let end = AssertSqlSafe("ROLLBACK").into_sql_str();
        // An error is nobody's concern: closing the connection undoes it too.
        self.connection.in_transaction = self.connection.batch(end, timeout).await.is_err();
    }

    /// Commits when the work succeeded, and undoes it when it failed.
    pub(crate) async fn finish<T>(mut self, result: error::Result<T>) -> Result<T> {
        let end = match &result {
            Ok(_) => "COMMIT",
            Err(failure) if failure.is_lost_connection() => return Ok(result?),
            Err(_) => "ROLLBACK",
        };
        let timeout = self.connection.statement_timeout;
        let ended = self
            .connection
            .batch(AssertSqlSafe(end).into_sql_str(), timeout)
            .await;
        self.connection.in_transaction = ended.is_err();
        // An error of undoing is nobody's concern: closing the connection undoes it too.
        let value = result?;
        ended.map_err(Failure::of_commit)?;
        Ok(value)
    }
}

async fn limited<T, E: Into<Failure>>(
    timeout: Duration,
    work: impl Future<Output = std::result::Result<T, E>>,
) -> error::Result<T> {
    match tokio::time::timeout(timeout, work).await {
        Ok(done) => done.map_err(Into::into),
        Err(_) => Err(Error::new(
            ErrorKind::Unavailable,
            format!(
                "the database server did not answer within {} ms; try again",
                timeout.as_millis()
            ),
        )
        .into()),
    }
}
