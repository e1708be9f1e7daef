//! The schema `promptops` and its migrations. Their version is kept in a table of its own.

use promptops_core::{Error, ErrorKind, Result};
use sqlx::{AssertSqlSafe, Row, SqlSafeStr};

use crate::backend::PgBackend;
use crate::connection::Connection;
use crate::error;

struct Migration {
    up: &'static str,
    /// The way back. Each says what it loses.
    down: &'static str,
}

macro_rules! migration {
    ($name:literal) => {
        Migration {
            up: include_str!(concat!("../migrations/", $name, ".up.sql")),
            down: include_str!(concat!("../migrations/", $name, ".down.sql")),
        }
    };
}

/// All migrations in order; the first makes schema 1. Each is applied in one transaction.
const MIGRATIONS: [Migration; 7] = [
    migration!("0001_tables"),
    migration!("0002_operations"),
    migration!("0003_row_security"),
    migration!("0004_evaluation"),
    migration!("0005_live_traffic"),
    migration!("0006_deployments"),
    migration!("0007_improvement"),
];

/// The version that this release works with.
pub(crate) const LATEST: u32 = MIGRATIONS.len() as u32;

/// Held while the schema is changed; the number has no meaning but to be ours. What is read after it must be what was
/// committed before it, whatever isolation level is the host's default.
const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL lock_timeout = '60s';
    SELECT pg_advisory_xact_lock(7239811400218763113)";
/// How many times as long as a statement a step of a migration may take.
const PATIENCE: u32 = 60;
const PREPARE: &str = "DO $$ BEGIN
        IF to_regnamespace('promptops') IS NULL THEN
            CREATE SCHEMA promptops;
        END IF;
        CREATE TABLE IF NOT EXISTS promptops.schema_version (
            version    integer     PRIMARY KEY,
            applied_by text        NOT NULL,
            applied_at timestamptz NOT NULL DEFAULT now()
        );
    END $$";
const REMOVE: &str = "DROP TABLE promptops.schema_version; DROP SCHEMA promptops";
const EXISTS: &str = "SELECT to_regclass('promptops.schema_version') IS NOT NULL";
const FOUND: &str = "SELECT coalesce(max(version), 0) FROM promptops.schema_version";
const NOTE: &str = "INSERT INTO promptops.schema_version (version, applied_by) VALUES ($1, $2)";
const STRIKE: &str = "DELETE FROM promptops.schema_version WHERE version = $1";

/// The version that the database has; 0 when it has none.
pub(crate) async fn found(connection: &mut Connection) -> error::Result<u32> {
    let exists = connection.rows(EXISTS, |query| query).await?;
    if !exists.first().map_or(Ok(false), |row| row.try_get(0))? {
        return Ok(0);
    }
    let version = connection.rows(FOUND, |query| query).await?;
    let version: i32 = version.first().map_or(Ok(0), |row| row.try_get(0))?;
    Ok(version.try_into().unwrap_or(0))
}

/// Refuses a database whose schema is not the one of this release.
pub(crate) async fn check(connection: &mut Connection) -> error::Result<()> {
    match found(connection).await? {
        LATEST => Ok(()),
        newer @ LATEST.. => Err(is_newer(newer).into()),
        older => Err(Error::new(
            ErrorKind::Unsupported,
            format!(
                "the database has {}, but this release needs schema {LATEST}; call `PgBackend::migrate` first, as a role \
                 that owns it",
                match older {
                    0 => "no schema `promptops`".to_owned(),
                    version => format!("schema {version}"),
                }
            ),
        )
        .into()),
    }
}

fn is_newer(found: u32) -> Error {
    Error::new(
        ErrorKind::Unsupported,
        format!(
            "the database has schema {found}, but this release knows none newer than {LATEST}; \
             use the release that wrote it, or a later one"
        ),
    )
}

/// Goes to this version step by step, each of them one transaction.
pub(crate) async fn migrate(backend: &PgBackend, target: u32) -> Result<()> {
    if target > LATEST {
        return Err(Error::new(
            ErrorKind::Invalid,
            format!("there is no schema {target}; this release knows 0 to {LATEST}"),
        ));
    }
    while !step(&mut backend.connection().await?, target).await? {}
    Ok(())
}

/// Goes one version towards the target; says whether it is reached.
async fn step(connection: &mut Connection, target: u32) -> error::Result<bool> {
    let batch = |sql: &'static str| AssertSqlSafe(sql).into_sql_str();
    let limit = connection.statement_timeout().saturating_mul(PATIENCE);
    // An error leaves the transaction open; giving up the connection undoes it.
    connection.set_in_transaction(true);
    connection.batch(batch(BEGIN), limit).await?;
    // Again, now that we hold the lock: another process may have been faster.
    let found = found(connection).await?;
    if found > LATEST {
        return Err(is_newer(found).into());
    }
    if found == target {
        connection.batch(batch("ROLLBACK"), limit).await?;
        connection.set_in_transaction(false);
        return Ok(true);
    }
    if found < target {
        connection.batch(batch(PREPARE), limit).await?;
        connection
            .batch(batch(MIGRATIONS[found as usize].up), limit)
            .await?;
        let version = found as i32 + 1;
        connection
            .rows(NOTE, |query| query.bind(version).bind(env!("CARGO_PKG_VERSION")))
            .await?;
    } else {
        connection
            .batch(batch(MIGRATIONS[found as usize - 1].down), limit)
            .await?;
        connection.rows(STRIKE, |query| query.bind(found as i32)).await?;
        if found == 1 {
            connection.batch(batch(REMOVE), limit).await?;
        }
    }
    connection.batch(batch("COMMIT"), limit).await?;
    connection.set_in_transaction(false);
    Ok(false)
}

/// Gives a role what it needs.
pub(crate) async fn grant(backend: &PgBackend, role: &str) -> Result<()> {
    if role.is_empty() || role.contains('\0') {
        return Err(Error::new(
            ErrorKind::Invalid,
            "a role's name is not empty and has no U+0000",
        ));
    }
    let quoted = format!("\"{}\"", role.replace('"', "\"\""));
    let grants = include_str!("../migrations/grants.sql").replace("{role}", &quoted);
    let mut connection = backend.connection().await?;
    let limit = connection.statement_timeout();
    connection
        .batch(AssertSqlSafe(grants).into_sql_str(), limit)
        .await?;
    Ok(())
}
