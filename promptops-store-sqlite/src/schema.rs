//! Connections and the schema: our tables are `promptops_…`, their version is kept in `promptops_schema`.

use std::path::Path;
use std::time::{Duration, Instant};

use promptops_core::{Error, ErrorKind};
use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use crate::error::{Failure, Result};
use crate::options::SqliteOptions;

/// All migrations in order; the first makes schema 1. Each is applied in one transaction.
const MIGRATIONS: [&str; 6] = [
    include_str!("../migrations/0001_initial.sql"),
    include_str!("../migrations/0002_change_log.sql"),
    include_str!("../migrations/0003_evaluation.sql"),
    include_str!("../migrations/0004_live_traffic.sql"),
    include_str!("../migrations/0005_deployments.sql"),
    include_str!("../migrations/0006_improvement.sql"),
];

/// More than there are statements in this crate, so that none is ever prepared twice on one connection.
const STATEMENT_CACHE: usize = 256;

/// Pages after which the log is folded into the file: 64 MiB. Outcomes come in the random order of their units, so that a
/// batch touches most pages of a large experiment, and what the next batch changes again need not be copied in between: with
/// a million units and SQLite's own 1,000 pages they take a third more time.
const LOG_PAGES: i64 = 16_384;

/// Opens the connection that writes, and brings the schema up to date.
pub(crate) fn open_writer(path: &Path, options: &SqliteOptions) -> Result<Connection> {
    check_path(path)?;
    let mut connection = open(path, options, OpenFlags::SQLITE_OPEN_CREATE)?;
    refuse_newer(version(&connection)?)?;
    if connection.is_readonly("main")? {
        return Err(Error::new(
            ErrorKind::Backend,
            "the database file is read-only; give the process write permission on the file and its directory",
        )
        .into());
    }
    enter_wal(&connection, options.busy_timeout)?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "wal_autocheckpoint", LOG_PAGES)?;
    connection.set_transaction_behavior(TransactionBehavior::Immediate);
    migrate(&mut connection)?;
    Ok(connection)
}

/// Opens a connection that only reads, on a database that the writer has opened.
pub(crate) fn open_reader(path: &Path, options: &SqliteOptions) -> Result<Connection> {
    let connection = open(path, options, OpenFlags::empty())?;
    connection.pragma_update(None, "query_only", true)?;
    Ok(connection)
}

fn open(path: &Path, options: &SqliteOptions, more: OpenFlags) -> Result<Connection> {
    // No mutex: each connection belongs to one thread.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX | more;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(options.busy_timeout)?;
    connection.set_prepared_statement_cache_capacity(STATEMENT_CACHE);
    connection.pragma_update(None, "foreign_keys", true)?;
    // Negative: in KiB instead of pages. No memory map instead of a cache: through one, an error of the disk would
    // end the host's process with a signal.
    connection.pragma_update(None, "cache_size", -i64::from(options.cache_kib))?;
    Ok(connection)
}

/// SQLite says "unable to open database file" to all of these.
fn check_path(path: &Path) -> Result<()> {
    let invalid = |message: &str| Err(Error::new(ErrorKind::Invalid, message).into());
    if path.is_dir() {
        return invalid("the path of the database is a directory; give the path of a file");
    }
    match path.parent() {
        Some(parent) if !parent.is_dir() => {
            invalid("the directory of the database does not exist; make it first")
        }
        _ => Ok(()),
    }
}

/// The write-ahead log lets readers and the writer work at once; the setting stays with the file.
fn enter_wal(connection: &Connection, patience: Duration) -> Result<()> {
    let begin = Instant::now();
    loop {
        let switched =
            connection.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get::<_, String>(0));
        match switched.map_err(Failure::from) {
            Ok(mode) if mode.eq_ignore_ascii_case("wal") => return Ok(()),
            Ok(mode) => {
                return Err(Error::new(
                    ErrorKind::Unsupported,
                    format!(
                        "the database stays in journal mode {mode:?}, but WAL is needed; keep the file on a local disk"
                    ),
                )
                .into());
            }
            // While another process opens the same new file, SQLite gives up without asking the busy handler.
            Err(failure) if failure.is_busy() && begin.elapsed() < patience => {
                std::thread::sleep(Duration::from_millis(5));
            }
            Err(failure) => return Err(failure),
        }
    }
}

fn version(connection: &Connection) -> Result<usize> {
    let known: bool = connection.query_row(
        "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'promptops_schema')",
        [],
        |row| row.get(0),
    )?;
    if !known {
        return Ok(0);
    }
    let version: u32 = connection.query_row(
        "SELECT coalesce(max(version), 0) FROM promptops_schema",
        [],
        |row| row.get(0),
    )?;
    Ok(version as usize)
}

fn refuse_newer(found: usize) -> Result<()> {
    if found > MIGRATIONS.len() {
        return Err(Error::new(
            ErrorKind::Unsupported,
            format!(
                "the database has schema {found}, but this release knows none newer than {}; \
                 use the release that wrote it, or a later one",
                MIGRATIONS.len()
            ),
        )
        .into());
    }
    Ok(())
}

fn migrate(connection: &mut Connection) -> Result<()> {
    while version(connection)? != MIGRATIONS.len() {
        let tx = connection.transaction()?;
        // Again, now that we hold the write lock: another process may have been faster.
        let found = version(&tx)?;
        refuse_newer(found)?;
        let Some(migration) = MIGRATIONS.get(found) else {
            return Ok(());
        };
        tx.execute_batch(
            "CREATE TABLE IF NOT EXISTS promptops_schema (
                version INTEGER PRIMARY KEY,
                applied_by TEXT NOT NULL
            ) STRICT",
        )?;
        tx.execute_batch(migration)?;
        tx.execute(
            "INSERT INTO promptops_schema (version, applied_by) VALUES (?1, ?2)",
            (found as i64 + 1, env!("CARGO_PKG_VERSION")),
        )?;
        tx.commit()?;
    }
    Ok(())
}
