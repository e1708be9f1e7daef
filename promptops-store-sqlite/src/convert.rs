//! Values between SQLite and core, and the list that each file keeps of its statements.

use chrono::DateTime;
use promptops_core::base::{Actor, Timestamp, VersionNumber};
use promptops_core::{Error, ErrorKind};

use crate::error::corrupt;

/// Declares a file's statements, and in tests a list of all of them, so that none escapes the check of its plan.
macro_rules! statements {
    ($($name:ident = $sql:expr;)+) => {
        $(const $name: &str = $sql;)+
        #[cfg(test)]
        pub(crate) const STATEMENTS: &[(&str, &str)] = &[$((stringify!($name), $sql)),+];
    };
}

/// A value that was checked when it was stored: any error in parsing it means that it was changed since.
pub(crate) fn stored<T>(what: &str, parsed: Result<T, Error>) -> Result<T, Error> {
    parsed.map_err(|error| match error.kind() {
        ErrorKind::Corrupt => error,
        _ => corrupt(what).caused_by(error),
    })
}

pub(crate) fn timestamp(micros: i64) -> Result<Timestamp, Error> {
    DateTime::from_timestamp_micros(micros).ok_or_else(|| corrupt("time"))
}

pub(crate) fn version_number(number: u32) -> Result<VersionNumber, Error> {
    stored("version number", VersionNumber::new(number))
}

pub(crate) fn actor(id: String, role: &str) -> Result<Actor, Error> {
    Ok(Actor::new(id, stored("role", role.parse())?))
}

/// SQLite's integers have a sign.
pub(crate) fn integer(number: u64) -> Result<i64, Error> {
    i64::try_from(number).map_err(|e| {
        Error::new(
            ErrorKind::Invalid,
            format!(
                "{number} is too large for SQLite; at most {} is allowed",
                i64::MAX
            ),
        )
        .caused_by(e)
    })
}

pub(crate) fn unsigned(what: &str, number: i64) -> Result<u64, Error> {
    u64::try_from(number).map_err(|e| corrupt(what).caused_by(e))
}

pub(crate) fn from_json<T: serde::de::DeserializeOwned>(what: &str, json: &str) -> Result<T, Error> {
    serde_json::from_str(json).map_err(|e| corrupt(what).caused_by(e))
}

pub(crate) fn to_json<T: serde::Serialize>(what: &str, value: &T) -> Result<String, Error> {
    serde_json::to_string(value)
        .map_err(|e| Error::new(ErrorKind::Invalid, format!("the {what} has no JSON form")).caused_by(e))
}
