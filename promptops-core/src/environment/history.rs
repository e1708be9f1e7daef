//! How a pointer came to be where it is.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::base::error::{Error, ErrorKind, Result, Unmet};
use crate::base::{Actor, ClosureHash, EnvironmentName, PromptName, Timestamp, VersionNumber};

/// Which way a pointer moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MoveKind {
    /// Forward, through the policy.
    Promote,
    /// Back to a version that was live before.
    Rollback,
}

impl MoveKind {
    /// The stable text form, as stored.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Promote => "promote",
            Self::Rollback => "rollback",
        }
    }
}

impl fmt::Display for MoveKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for MoveKind {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self> {
        match text {
            "promote" => Ok(Self::Promote),
            "rollback" => Ok(Self::Rollback),
            _ => Err(Error::new(
                ErrorKind::Corrupt,
                format!("unknown kind of move {text:?}"),
            )),
        }
    }
}

/// Conditions that an owner set aside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiver {
    /// Why.
    pub reason: String,
    /// The conditions that were not met at that time.
    pub unmet: Vec<Unmet>,
}

/// One move of a pointer. Records are only ever added.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HistoryRecord {
    /// The prompt.
    pub prompt: PromptName,
    /// The environment.
    pub environment: EnvironmentName,
    /// The pointer's revision after the move.
    pub revision: u64,
    /// Which way.
    pub kind: MoveKind,
    /// What was live before; `None` for the first move.
    pub from: Option<VersionNumber>,
    /// What is live after.
    pub to: VersionNumber,
    /// Its closure hash at that time.
    pub closure_hash: ClosureHash,
    /// Who moved it.
    pub actor: Actor,
    /// Why; may be empty for a promotion.
    pub reason: String,
    /// What an owner set aside for it.
    pub waiver: Option<Waiver>,
    /// When.
    pub at: Timestamp,
}

/// What was live and was not rolled back, oldest first; the last is live now. Computed from all moves of one pointer,
/// oldest first, as (kind, to): after v1, v2, v3 and a rollback to v2, it is v1, v2.
///
/// A rollback goes to what is in here and to nothing else.
#[must_use]
pub fn standing(moves: impl IntoIterator<Item = (MoveKind, VersionNumber)>) -> Vec<VersionNumber> {
    let mut stack: Vec<VersionNumber> = Vec::new();
    for (kind, to) in moves {
        if kind == MoveKind::Rollback
            && let Some(at) = stack.iter().rposition(|version| *version == to)
        {
            stack.truncate(at + 1);
        } else if stack.last() != Some(&to) {
            stack.push(to);
        }
    }
    stack
}

/// What a rollback returns to from what is [`standing`], the nearest first, each version once: the first is the
/// predecessor of what is live, the others are for when that cannot go live any more.
#[must_use]
pub fn predecessors(standing: &[VersionNumber]) -> Vec<VersionNumber> {
    let Some((live, before)) = standing.split_last() else {
        return Vec::new();
    };
    let mut found: Vec<VersionNumber> = Vec::new();
    for version in before.iter().rev() {
        if version != live && !found.contains(version) {
            found.push(*version);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::MoveKind::{Promote, Rollback};
    use super::*;

    #[test]
    fn rollback_returns_to_what_was_live_before_and_not_to_what_was_rolled_back() {
        let after = |moves: &[(MoveKind, u32)]| {
            let standing = standing(
                moves
                    .iter()
                    .map(|(kind, to)| (*kind, VersionNumber::new(*to).unwrap())),
            );
            let numbers = |versions: &[VersionNumber]| -> Vec<u32> {
                versions.iter().map(|version| version.get()).collect()
            };
            (numbers(&standing), numbers(&predecessors(&standing)))
        };
        for (moves, stack, back) in [
            (&[][..], &[][..], &[][..]),
            (&[(Promote, 1)], &[1], &[]),
            (&[(Promote, 1), (Promote, 1)], &[1], &[]),
            (&[(Promote, 1), (Promote, 2)], &[1, 2], &[1]),
            (&[(Promote, 1), (Promote, 2), (Promote, 3)], &[1, 2, 3], &[2, 1]),
            (
                &[(Promote, 1), (Promote, 2), (Promote, 3), (Rollback, 2)],
                &[1, 2],
                &[1],
            ),
            (&[(Promote, 1), (Promote, 2), (Rollback, 1)], &[1], &[]),
            (
                &[(Promote, 1), (Promote, 2), (Rollback, 1), (Promote, 3)],
                &[1, 3],
                &[1],
            ),
            (
                &[
                    (Promote, 1),
                    (Promote, 2),
                    (Rollback, 1),
                    (Promote, 2),
                    (Promote, 3),
                ],
                &[1, 2, 3],
                &[2, 1],
            ),
            (&[(Promote, 1), (Promote, 2), (Promote, 1)], &[1, 2, 1], &[2]),
        ] {
            assert_eq!(after(moves), (stack.to_vec(), back.to_vec()), "{moves:?}");
        }
    }
}
