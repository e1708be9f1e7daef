//! What became of one item: at once, and in the end.

use serde::{Deserialize, Serialize};

/// What became of an item at the moment it was recorded. Nobody needs to look: what is dropped is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Recorded {
    /// It waits to be written.
    Queued,
    /// Dropped: as many items, or bytes of them, wait already as the settings allow.
    Full,
    /// Dropped: alone it is heavier than all that may wait, in bytes.
    TooLarge,
    /// Dropped: the recorder was shut down.
    ShutDown,
    /// Left out: no experiment counts it, since none is on, or the unit takes no part in it.
    NotCounted,
}

impl Recorded {
    /// Whether it waits to be written.
    #[must_use]
    pub fn is_queued(self) -> bool {
        self == Self::Queued
    }
}

/// What became of an item that reached the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Verdict {
    /// It is stored.
    Written,
    /// The store had it already. Also said of what an earlier try of the same batch had stored, when that try's answer
    /// was lost on the way.
    Duplicate,
    /// It contradicts what is stored (one unit seen in two variants, say), and does not count.
    Contaminated,
    /// It cannot be stored as it is.
    Invalid,
}
