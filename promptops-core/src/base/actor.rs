//! Who did it, and what a role may do.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::error::{Error, ErrorKind, Result, invalid};
use super::id::MAX_NAME_BYTES;

/// What an actor is to the tenant. The host authenticates; this library authorises.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Answers for the tenant: sets policies, approves, waives.
    Owner,
    /// Works on prompts.
    Member,
    /// Reads only.
    Viewer,
    /// Automation acting on its own: a monitor, a controller.
    System,
}

impl Role {
    /// All roles.
    pub const ALL: [Self; 4] = [Self::Owner, Self::Member, Self::Viewer, Self::System];

    /// The stable text form, as stored.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Member => "member",
            Self::Viewer => "viewer",
            Self::System => "system",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Role {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self> {
        Self::ALL
            .into_iter()
            .find(|role| role.as_str() == text)
            .ok_or_else(|| {
                invalid(format!(
                    "unknown role {text:?}; expected owner, member, viewer or system"
                ))
            })
    }
}

/// What can be done to a tenant's data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Operation {
    /// Save a version, tag a prompt, activate or archive a version.
    Author,
    /// Move a pointer forward, as far as the environment's policy lets this role.
    Promote,
    /// Move a pointer back to a version that was live before.
    Rollback,
    /// Approve a promotion that somebody else will make.
    Approve,
    /// Set aside unmet conditions of a policy, with a reason.
    Waive,
    /// Set the policy of an environment.
    SetPolicy,
    /// Choose the tenant to inherit prompts and snippets from.
    SetParent,
    /// Record evidence that gates rest on.
    RecordEvidence,
    /// Save a version of a dataset.
    SaveDataset,
    /// Start, stop and resume evaluation runs, and work on them.
    Evaluate,
    /// Start experiments, pause and resume them, split their traffic otherwise, and end them.
    Experiment,
    /// Propose deployments and have candidates replayed.
    Propose,
    /// Approve and ship deployments, reject, hold and roll them back.
    Deploy,
}

impl Operation {
    /// All operations.
    pub const ALL: [Self; 13] = [
        Self::Author,
        Self::Promote,
        Self::Rollback,
        Self::Approve,
        Self::Waive,
        Self::SetPolicy,
        Self::SetParent,
        Self::RecordEvidence,
        Self::SaveDataset,
        Self::Evaluate,
        Self::Experiment,
        Self::Propose,
        Self::Deploy,
    ];

    /// The operation in words, as errors name it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Author => "author prompts",
            Self::Promote => "promote",
            Self::Rollback => "roll back",
            Self::Approve => "approve promotions",
            Self::Waive => "waive conditions",
            Self::SetPolicy => "set policies",
            Self::SetParent => "set the parent tenant",
            Self::RecordEvidence => "record evidence",
            Self::SaveDataset => "save datasets",
            Self::Evaluate => "evaluate",
            Self::Experiment => "run experiments",
            Self::Propose => "propose deployments",
            Self::Deploy => "decide on deployments",
        }
    }

    /// Whether the role may do it at all; an environment's policy can only narrow this.
    #[must_use]
    pub fn is_allowed_to(self, role: Role) -> bool {
        match role {
            Role::Owner => true,
            Role::Viewer => false,
            Role::Member | Role::System => {
                matches!(
                    self,
                    Self::Author
                        | Self::Promote
                        | Self::Rollback
                        | Self::RecordEvidence
                        | Self::SaveDataset
                        | Self::Evaluate
                        | Self::Experiment
                        | Self::Propose
                )
            }
        }
    }
}

/// Who acts: an id that the host chose, and a role.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Actor {
    /// The host's name for the person or service: 1 to 200 bytes without control characters.
    pub id: String,
    /// What the actor is to the tenant.
    pub role: Role,
}

impl Actor {
    /// An actor of any role. The id is checked when the actor acts.
    #[must_use]
    pub fn new(id: impl Into<String>, role: Role) -> Self {
        Self { id: id.into(), role }
    }

    /// An owner of the tenant.
    #[must_use]
    pub fn owner(id: impl Into<String>) -> Self {
        Self::new(id, Role::Owner)
    }

    /// A member of the tenant.
    #[must_use]
    pub fn member(id: impl Into<String>) -> Self {
        Self::new(id, Role::Member)
    }

    /// Somebody who may only read.
    #[must_use]
    pub fn viewer(id: impl Into<String>) -> Self {
        Self::new(id, Role::Viewer)
    }

    /// Automation.
    #[must_use]
    pub fn system(id: impl Into<String>) -> Self {
        Self::new(id, Role::System)
    }

    /// Checks that the id is well formed and that the role may do this.
    ///
    /// # Errors
    /// [`Invalid`](ErrorKind::Invalid) for a bad id, [`Forbidden`](ErrorKind::Forbidden) for a role that may not.
    pub fn authorise(&self, operation: Operation) -> Result<()> {
        if self.id.is_empty() || self.id.len() > MAX_NAME_BYTES || self.id.chars().any(char::is_control) {
            return Err(invalid(format!(
                "the actor id {:?} has {} bytes; expected 1 to {MAX_NAME_BYTES} without control characters",
                self.id.chars().take(40).collect::<String>(),
                self.id.len()
            )));
        }
        if operation.is_allowed_to(self.role) {
            return Ok(());
        }
        let allowed: Vec<_> = Role::ALL
            .into_iter()
            .filter(|role| operation.is_allowed_to(*role))
            .map(Role::as_str)
            .collect();
        Err(Error::new(
            ErrorKind::Forbidden,
            format!(
                "{} may not {}; needed: {}",
                self,
                operation.as_str(),
                allowed.join(" or ")
            ),
        ))
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.id, self.role)
    }
}

/// A bare name is a member's.
impl From<&str> for Actor {
    fn from(id: &str) -> Self {
        Self::member(id)
    }
}

impl From<&Actor> for Actor {
    fn from(actor: &Actor) -> Self {
        actor.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table is the contract: a change to it must be made here too.
    #[test]
    fn roles_may_do_exactly_this() {
        let table: Vec<String> = Operation::ALL
            .into_iter()
            .map(|operation| {
                let roles: Vec<_> = Role::ALL
                    .into_iter()
                    .filter(|role| operation.is_allowed_to(*role))
                    .map(Role::as_str)
                    .collect();
                format!("{}: {}", operation.as_str(), roles.join(" "))
            })
            .collect();
        assert_eq!(
            table,
            [
                "author prompts: owner member system",
                "promote: owner member system",
                "roll back: owner member system",
                "approve promotions: owner",
                "waive conditions: owner",
                "set policies: owner",
                "set the parent tenant: owner",
                "record evidence: owner member system",
                "save datasets: owner member system",
                "evaluate: owner member system",
                "run experiments: owner member system",
                "propose deployments: owner member system",
                "decide on deployments: owner",
            ]
        );
    }

    #[test]
    fn a_refusal_names_the_roles_that_may() {
        let error = Actor::viewer("vic").authorise(Operation::Waive).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Forbidden);
        assert_eq!(
            error.message(),
            "vic (viewer) may not waive conditions; needed: owner"
        );
        assert_eq!(
            Actor::owner("").authorise(Operation::Waive).unwrap_err().kind(),
            ErrorKind::Invalid
        );
        assert!(Actor::owner("a\nb").authorise(Operation::Waive).is_err());
    }
}
