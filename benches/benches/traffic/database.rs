//! PostgreSQL, a server of its own that waits for its disk, with a schema for the floors.

use std::str::FromStr;

use private_postgres::Server;
use promptops_store_pg::PgBackend;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::{AssertSqlSafe, Executor};

pub struct Database {
    server: Server,
    pub pool: PgPool,
    pub backend: PgBackend,
}

impl Database {
    pub async fn start() -> Self {
        let server = Server::options()
            .fsync(true)
            .start()
            .expect("PostgreSQL is there");
        let options = PgConnectOptions::from_str(&server.socket_url("postgres")).expect("a URL");
        let pool = PgPoolOptions::new()
            .max_connections(8)
            .test_before_acquire(false)
            .connect_lazy_with(options);
        let backend = PgBackend::new(pool.clone());
        backend.migrate().await.expect("it migrates");
        Self {
            server,
            pool,
            backend,
        }
    }

    /// Makes a table of the same shape and with the same indexes, for a floor.
    pub async fn floor(&self, table: &str) {
        let sql = format!(
            "CREATE SCHEMA IF NOT EXISTS floor;
            CREATE TABLE floor.{table} (LIKE promptops.{table} INCLUDING ALL);"
        );
        self.pool
            .execute(sqlx::raw_sql(AssertSqlSafe(sql)))
            .await
            .expect("the table is there");
    }

    /// Bytes of a table with its indexes and long values.
    pub async fn size(&self, table: &str) -> usize {
        let size: i64 = sqlx::query_scalar("SELECT pg_total_relation_size($1::regclass)")
            .bind(table)
            .fetch_one(&self.pool)
            .await
            .expect("the table is there");
        usize::try_from(size).unwrap_or(0)
    }

    /// The server's first process, whose children the others are.
    pub fn process(&self) -> Option<u32> {
        let file = self.server.socket_dir().join("data/postmaster.pid");
        let text = std::fs::read_to_string(file).ok()?;
        text.lines().next()?.trim().parse().ok()
    }
}
