//! Why what is to be remembered is refused, in the same words everywhere; also for authors of backends.

use super::record::RecordKind;
use crate::base::error::{Error, ErrorKind};
use crate::base::id::quoted;

/// [`Conflict`](ErrorKind::Conflict): the record changed meanwhile.
#[must_use]
pub fn record_conflict(kind: RecordKind, id: &str, expected: u64, current: u64) -> Error {
    Error::new(
        ErrorKind::Conflict,
        format!("the {kind} {id} is at revision {current}, not {expected}; read it again and decide anew"),
    )
    .with_current_revision(current)
}

/// [`NotFound`](ErrorKind::NotFound): the tenant has no such record.
#[must_use]
pub fn unknown_record(kind: RecordKind, id: &str) -> Error {
    Error::new(
        ErrorKind::NotFound,
        format!("there is no {kind} {}; list those there are", quoted(id)),
    )
}
