//! What becomes of a cluster, and who may say so.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::record::ClusterRecord;
use crate::base::error::{Error, ErrorKind, Result, invalid};
use crate::base::id::quoted;
use crate::base::{Actor, Operation, Role, Timestamp};

/// What is done about a cluster.
///
/// | from | to |
/// |---|---|
/// | new | acknowledged, fixing, resolved |
/// | acknowledged | fixing, resolved |
/// | fixing | acknowledged, resolved |
/// | resolved | reopened |
/// | reopened | acknowledged, fixing, resolved |
///
/// Owners and members may do all of it. Automation may only reopen, which [`merge()`](super::merge()) does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClusterStatus {
    /// Nobody has looked at it.
    New,
    /// Somebody knows of it.
    Acknowledged,
    /// Somebody, or a candidate, is at work on it.
    Fixing,
    /// It is said to be over.
    Resolved,
    /// It was said to be over, and was seen again.
    Reopened,
}

impl ClusterStatus {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::New,
        Self::Acknowledged,
        Self::Fixing,
        Self::Resolved,
        Self::Reopened,
    ];

    /// The stable text form, as stored.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Acknowledged => "acknowledged",
            Self::Fixing => "fixing",
            Self::Resolved => "resolved",
            Self::Reopened => "reopened",
        }
    }

    /// What can follow.
    #[must_use]
    pub fn next(self) -> &'static [Self] {
        match self {
            Self::New | Self::Reopened => &[Self::Acknowledged, Self::Fixing, Self::Resolved],
            Self::Acknowledged => &[Self::Fixing, Self::Resolved],
            Self::Fixing => &[Self::Acknowledged, Self::Resolved],
            Self::Resolved => &[Self::Reopened],
        }
    }

    fn may(role: Role, to: Self) -> bool {
        match role {
            Role::Owner | Role::Member => true,
            Role::System => to == Self::Reopened,
            Role::Viewer => false,
        }
    }
}

impl fmt::Display for ClusterStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for ClusterStatus {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self> {
        Self::ALL
            .into_iter()
            .find(|status| status.as_str() == text)
            .ok_or_else(|| invalid(format!("unknown status of a cluster {}", quoted(text))))
    }
}

impl ClusterRecord {
    /// The record after this actor said that it is now so, with the next revision.
    ///
    /// # Errors
    /// [`Forbidden`](ErrorKind::Forbidden) for a role that may not,
    /// [`IllegalTransition`](ErrorKind::IllegalTransition) for what cannot follow, [`Invalid`](ErrorKind::Invalid) for a
    /// bad actor id.
    pub fn with_status(&self, status: ClusterStatus, actor: &Actor, now: Timestamp) -> Result<Self> {
        if !ClusterStatus::may(actor.role, status) {
            return Err(Error::new(
                ErrorKind::Forbidden,
                format!(
                    "a {} may not say that a cluster is {status}; {}",
                    actor.role,
                    match actor.role {
                        Role::System => "automation may only reopen one: ask an owner or a member",
                        _ => "ask an owner or a member",
                    }
                ),
            )
            .with("cluster", &self.id));
        }
        // The id's form; whom this lets through is decided above.
        actor.authorise(Operation::Author)?;
        let next = self.status.next();
        if !next.contains(&status) {
            let possible: Vec<&str> = next.iter().map(|status| status.as_str()).collect();
            return Err(Error::new(
                ErrorKind::IllegalTransition,
                format!(
                    "the cluster is {} and cannot become {status}; it can become {}",
                    self.status,
                    possible.join(" or ")
                ),
            )
            .with("cluster", &self.id));
        }
        let mut record = self.clone();
        record.come_to(status, Some(actor.clone()), now);
        record.revision += 1;
        Ok(record)
    }

    pub(super) fn come_to(&mut self, status: ClusterStatus, by: Option<Actor>, now: Timestamp) {
        self.status = status;
        self.status_at = now;
        self.status_by = by;
        if status == ClusterStatus::Reopened {
            self.reopened = self.reopened.saturating_add(1);
        }
    }
}
