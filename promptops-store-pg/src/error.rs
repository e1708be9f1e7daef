//! What PostgreSQL's errors mean in core's terms. No sqlx type leaves this crate, but as the boxed source of an error.

use promptops_core::{Error, ErrorKind};
use sqlx::postgres::{PgDatabaseError, PgSeverity};

/// Why a call failed: lets `?` work on both kinds.
#[derive(Debug)]
pub(crate) enum Failure {
    Pg(sqlx::Error),
    Core(Error),
}

pub(crate) type Result<T, E = Failure> = std::result::Result<T, E>;

impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Self {
        Self::Pg(error)
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
            Failure::Pg(error) => {
                let (kind, message) = meaning(&error);
                Self::new(kind, message).caused_by(error)
            }
        }
    }
}

impl Failure {
    /// The connection was lost, or the server ends it: a statement that was under way may have been carried out.
    pub(crate) fn is_lost_connection(&self) -> bool {
        use sqlx::Error as E;
        match self {
            Self::Pg(E::Io(_) | E::Protocol(_) | E::WorkerCrashed) => true,
            Self::Pg(E::Database(error)) => error.code().is_some_and(|code| ends_connection(&code)),
            Self::Pg(_) => false,
            Self::Core(error) => error.kind() == ErrorKind::Unavailable,
        }
    }

    /// The schema refused a change because its transaction is not READ COMMITTED.
    pub(crate) fn needs_read_committed(&self) -> bool {
        matches!(self, Self::Pg(sqlx::Error::Database(error)) if error.code().as_deref() == Some("PO001"))
    }

    /// The server gives up the session, or itself, for whatever reason.
    pub(crate) fn is_fatal(&self) -> bool {
        let Self::Pg(sqlx::Error::Database(error)) = self else {
            return false;
        };
        let error = error.try_downcast_ref::<PgDatabaseError>();
        error.is_some_and(|error| matches!(error.severity(), PgSeverity::Fatal | PgSeverity::Panic))
    }

    /// What a failed commit, or a failed statement that commits by itself, tells its caller: that the outcome is unknown
    /// when the server did not say.
    pub(crate) fn of_commit(self) -> Error {
        // A server that gives up in the middle may have put the commit on record before.
        if !self.is_lost_connection() && !self.is_fatal() {
            return self.into();
        }
        let message = "the connection to the database was lost while it committed the change, so that it may have been \
                       made or not; look before repeating it";
        let error = Error::new(ErrorKind::OutcomeUnknown, message);
        match self {
            Self::Pg(source) => error.caused_by(source),
            Self::Core(source) => error.caused_by(source),
        }
    }
}

/// Whether the server gives up the connection with this error.
fn ends_connection(code: &str) -> bool {
    code.starts_with("08") || matches!(code, "57P01" | "57P02" | "57P03" | "57P05" | "25P03" | "25P04")
}

fn meaning(error: &sqlx::Error) -> (ErrorKind, &'static str) {
    use sqlx::Error as E;
    match error {
        E::Database(error) => {
            let code = error.code();
            code_meaning(code.as_deref().unwrap_or_default())
        }
        E::Io(_) | E::Protocol(_) | E::WorkerCrashed => (
            ErrorKind::Unavailable,
            "the database server cannot be reached, or the connection to it was lost; try again",
        ),
        E::PoolTimedOut => (
            ErrorKind::Unavailable,
            "no connection to the database became free in time; try again, or give the pool more connections",
        ),
        E::PoolClosed => (
            ErrorKind::Unavailable,
            "the connection pool was closed by the host; open another",
        ),
        E::Configuration(_) => (ErrorKind::Invalid, "the options of the connection cannot be used"),
        E::Tls(_) => (
            ErrorKind::Backend,
            "no encrypted connection to the database could be made; check the server's certificate and `sslmode`, and \
             that the feature `tls` is on",
        ),
        E::ColumnDecode { .. } | E::Decode(_) => (
            ErrorKind::Corrupt,
            "a stored value cannot be read back; it was changed by something else than this library",
        ),
        E::Encode(_) | E::InvalidArgument(_) => {
            (ErrorKind::Invalid, "a value cannot be stored in PostgreSQL")
        }
        _ => (ErrorKind::Backend, "PostgreSQL failed"),
    }
}

/// The meaning of an SQLSTATE: <https://www.postgresql.org/docs/current/errcodes-appendix.html>.
fn code_meaning(code: &str) -> (ErrorKind, &'static str) {
    match code {
        "28000" | "28P01" => (
            ErrorKind::Backend,
            "the database server refuses the user or its password; check the connection's user, password and database",
        ),
        "3D000" => (
            ErrorKind::Backend,
            "the database does not exist; create it, or check the name in the connection URL",
        ),
        "3F000" | "42P01" | "42703" | "42883" => (
            ErrorKind::Unsupported,
            "the database has no schema `promptops`, or not the one of this release; call `PgBackend::migrate` first",
        ),
        "42501" => (
            ErrorKind::Backend,
            "the database role may not do this; give it its privileges with `PgBackend::grant_to`, or connect as another",
        ),
        "25006" => (
            ErrorKind::Backend,
            "the database can only be read here: it is a standby, or `default_transaction_read_only` is set; connect to \
             the primary, or as a role that may write",
        ),
        "55P03" => (
            ErrorKind::Unavailable,
            "another change holds what this one needs for longer than the lock timeout; nothing was changed. Try again",
        ),
        "57014" => (
            ErrorKind::Unavailable,
            "the statement took longer than the statement timeout; nothing was changed. Try again",
        ),
        "40001" | "40P01" => (
            ErrorKind::Unavailable,
            "the change collided with another one; nothing was changed. Try again",
        ),
        "22P05" => (
            ErrorKind::Invalid,
            "a text holds a character that the database's encoding does not have; use a database whose encoding is UTF8",
        ),
        "22021" => (
            ErrorKind::Invalid,
            "a text holds the character U+0000, which PostgreSQL cannot store; remove it",
        ),
        "54000" => (ErrorKind::Invalid, "a value is too large for PostgreSQL"),
        _ if ends_connection(code) => (
            ErrorKind::Unavailable,
            "the database server is starting, stopping, or ended the connection; try again",
        ),
        _ if code.starts_with("53") => (
            ErrorKind::Unavailable,
            "the database server is short of connections, memory or disk space; try again",
        ),
        _ if code.starts_with("23") => (
            ErrorKind::Backend,
            "the database refused a change that would break its rules",
        ),
        _ if code.starts_with("XX") || code.starts_with("58") => (
            ErrorKind::Unavailable,
            "the database server failed by itself; look into its log and try again",
        ),
        _ => (ErrorKind::Backend, "PostgreSQL failed"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sqlstates_become_kinds() {
        for (code, expected) in [
            ("28P01", ErrorKind::Backend),
            ("3D000", ErrorKind::Backend),
            ("3F000", ErrorKind::Unsupported),
            ("42883", ErrorKind::Unsupported),
            ("42501", ErrorKind::Backend),
            ("25006", ErrorKind::Backend),
            ("55P03", ErrorKind::Unavailable),
            ("57014", ErrorKind::Unavailable),
            ("57P01", ErrorKind::Unavailable),
            ("08006", ErrorKind::Unavailable),
            ("40P01", ErrorKind::Unavailable),
            ("53300", ErrorKind::Unavailable),
            ("25P04", ErrorKind::Unavailable),
            ("22021", ErrorKind::Invalid),
            ("22P05", ErrorKind::Invalid),
            ("23505", ErrorKind::Backend),
            ("42601", ErrorKind::Backend),
        ] {
            assert_eq!(code_meaning(code).0, expected, "{code}");
        }
    }

    #[test]
    fn a_lost_connection_leaves_a_commits_outcome_open() {
        let lost = || Failure::Pg(std::io::Error::from(std::io::ErrorKind::ConnectionReset).into());
        assert_eq!(Error::from(lost()).kind(), ErrorKind::Unavailable);
        assert_eq!(lost().of_commit().kind(), ErrorKind::OutcomeUnknown);
        assert_eq!(
            Failure::Pg(sqlx::Error::RowNotFound).of_commit().kind(),
            ErrorKind::Backend
        );
    }
}
