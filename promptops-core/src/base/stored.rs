//! Values between core and the columns of a database: what backends share, so that all of them keep the same.
//!
//! Numbers are signed 64-bit integers, times microseconds since 1970 in UTC, enums and names their text forms, structured
//! values JSON text. A value that was checked when it was stored and cannot be read back was changed by something else:
//! that is [`Corrupt`](ErrorKind::Corrupt).

use chrono::DateTime;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::actor::Actor;
use super::clock::Timestamp;
use super::error::{Error, ErrorKind, Result};
use super::id::VersionNumber;

/// The error for a column that holds what cannot be what this library wrote.
#[must_use]
pub fn corrupt(what: &str) -> Error {
    Error::new(
        ErrorKind::Corrupt,
        format!("the stored {what} cannot be read back; it was changed by something else than this library"),
    )
}

/// A value that was checked when it was stored.
///
/// # Errors
/// [`Corrupt`](ErrorKind::Corrupt) whatever the parser's error.
pub fn stored<T>(what: &str, parsed: Result<T>) -> Result<T> {
    parsed.map_err(|error| match error.kind() {
        ErrorKind::Corrupt => error,
        _ => corrupt(what).caused_by(error),
    })
}

/// A time from its microseconds.
///
/// # Errors
/// [`Corrupt`](ErrorKind::Corrupt) for one that is out of range.
pub fn timestamp(micros: i64) -> Result<Timestamp> {
    DateTime::from_timestamp_micros(micros).ok_or_else(|| corrupt("time"))
}

/// A version's number.
///
/// # Errors
/// [`Corrupt`](ErrorKind::Corrupt) for 0 and what is out of range.
pub fn version_number(number: impl TryInto<u32>) -> Result<VersionNumber> {
    let what = "version number";
    let number = number.try_into().map_err(|_| corrupt(what))?;
    stored(what, VersionNumber::new(number))
}

/// An actor from its two columns.
///
/// # Errors
/// [`Corrupt`](ErrorKind::Corrupt) for an unknown role.
pub fn actor(id: String, role: &str) -> Result<Actor> {
    Ok(Actor::new(id, stored("role", role.parse())?))
}

/// A number as a database keeps it: with a sign.
///
/// # Errors
/// [`Invalid`](ErrorKind::Invalid) above 2^63 − 1.
pub fn integer(number: u64) -> Result<i64> {
    i64::try_from(number).map_err(|e| {
        Error::new(
            ErrorKind::Invalid,
            format!(
                "{number} is too large to be stored; at most {} is allowed",
                i64::MAX
            ),
        )
        .caused_by(e)
    })
}

/// A number that was stored by [`integer`].
///
/// # Errors
/// [`Corrupt`](ErrorKind::Corrupt) for one below 0.
pub fn unsigned(what: &str, number: i64) -> Result<u64> {
    u64::try_from(number).map_err(|e| corrupt(what).caused_by(e))
}

/// A hash from its bytes.
///
/// # Errors
/// [`Corrupt`](ErrorKind::Corrupt) when they are not 32.
pub fn hash_bytes(bytes: &[u8]) -> Result<[u8; 32]> {
    bytes.try_into().map_err(|e| corrupt("hash").caused_by(e))
}

/// A value from its JSON text.
///
/// # Errors
/// [`Corrupt`](ErrorKind::Corrupt) for any other text.
pub fn from_json<T: DeserializeOwned>(what: &str, json: &str) -> Result<T> {
    serde_json::from_str(json).map_err(|e| corrupt(what).caused_by(e))
}

/// The JSON text of a value.
///
/// # Errors
/// [`Invalid`](ErrorKind::Invalid) for a value that has none.
pub fn to_json<T: Serialize>(what: &str, value: &T) -> Result<String> {
    serde_json::to_string(value)
        .map_err(|e| Error::new(ErrorKind::Invalid, format!("the {what} has no JSON form")).caused_by(e))
}
