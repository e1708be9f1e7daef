//! What SQLite's errors mean in core's terms. No rusqlite type leaves this crate, but as the boxed source of an error.

use std::fmt;

use promptops_core::{Error, ErrorKind};
use rusqlite::ErrorCode;

/// Why a job on a connection failed: lets `?` work on both kinds inside of it.
#[derive(Debug)]
pub(crate) enum Failure {
    Sqlite(rusqlite::Error),
    Core(Error),
}

pub(crate) type Result<T, E = Failure> = std::result::Result<T, E>;

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Core(error)
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Core(error) => error,
            Failure::Sqlite(error) => {
                let (kind, message) = meaning(&error);
                Self::new(kind, message).caused_by(error)
            }
        }
    }
}

impl Failure {
    /// Whether another connection was in the way.
    pub(crate) fn is_busy(&self) -> bool {
        matches!(self, Self::Sqlite(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy))
    }

    /// Adds a named fact.
    pub(crate) fn with(self, name: &'static str, value: impl fmt::Display) -> Self {
        Self::Core(Error::from(self).with(name, value))
    }
}

fn meaning(error: &rusqlite::Error) -> (ErrorKind, &'static str) {
    use rusqlite::Error as E;
    match error {
        E::FromSqlConversionFailure(..)
        | E::IntegralValueOutOfRange(..)
        | E::InvalidColumnType(..)
        | E::Utf8Error(..) => (
            ErrorKind::Corrupt,
            "a stored value cannot be read back; it was changed by something else than this library",
        ),
        E::ToSqlConversionFailure(_) => (ErrorKind::Invalid, "a value cannot be stored in SQLite"),
        _ => error
            .sqlite_error_code()
            .map_or((ErrorKind::Backend, "SQLite failed"), code_meaning),
    }
}

fn code_meaning(code: ErrorCode) -> (ErrorKind, &'static str) {
    match code {
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => (
            ErrorKind::Unavailable,
            "another connection holds the database for longer than the busy timeout; try again",
        ),
        ErrorCode::DiskFull => (
            ErrorKind::Unavailable,
            "the disk is full; nothing was changed. Make room and try again",
        ),
        ErrorCode::SystemIoFailure | ErrorCode::FileLockingProtocolFailed | ErrorCode::OutOfMemory => (
            ErrorKind::Unavailable,
            "the database file could not be read or written; try again",
        ),
        ErrorCode::CannotOpen => (
            ErrorKind::Unavailable,
            "the database file cannot be opened; check that the process may read and write the file and its directory",
        ),
        ErrorCode::NotADatabase => (
            ErrorKind::Corrupt,
            "the file is not a SQLite database; check the path, or restore the file from a backup",
        ),
        ErrorCode::DatabaseCorrupt => (
            ErrorKind::Corrupt,
            "the database file is damaged; restore it from a backup",
        ),
        ErrorCode::ReadOnly => (
            ErrorKind::Backend,
            "the database cannot be written; give the process write permission on the file and its directory",
        ),
        ErrorCode::PermissionDenied => (
            ErrorKind::Backend,
            "the operating system denies access to the database file",
        ),
        ErrorCode::TooBig => (ErrorKind::Invalid, "a value is too large for SQLite"),
        ErrorCode::ConstraintViolation => (
            ErrorKind::Backend,
            "the database refused a change that would break its rules",
        ),
        _ => (ErrorKind::Backend, "SQLite failed"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(code: std::os::raw::c_int) -> ErrorKind {
        let failure = rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(code), None);
        Error::from(Failure::from(failure)).kind()
    }

    #[test]
    fn result_codes_become_kinds() {
        use rusqlite::ffi;
        for (code, expected) in [
            (ffi::SQLITE_BUSY, ErrorKind::Unavailable),
            (ffi::SQLITE_BUSY_SNAPSHOT, ErrorKind::Unavailable),
            (ffi::SQLITE_LOCKED, ErrorKind::Unavailable),
            (ffi::SQLITE_FULL, ErrorKind::Unavailable),
            (ffi::SQLITE_IOERR_FSYNC, ErrorKind::Unavailable),
            (ffi::SQLITE_CANTOPEN, ErrorKind::Unavailable),
            (ffi::SQLITE_CORRUPT, ErrorKind::Corrupt),
            (ffi::SQLITE_NOTADB, ErrorKind::Corrupt),
            (ffi::SQLITE_READONLY, ErrorKind::Backend),
            (ffi::SQLITE_CONSTRAINT_TRIGGER, ErrorKind::Backend),
            (ffi::SQLITE_TOOBIG, ErrorKind::Invalid),
            (ffi::SQLITE_MISUSE, ErrorKind::Backend),
        ] {
            assert_eq!(kind(code), expected, "{code}");
        }
    }
}
