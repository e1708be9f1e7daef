//! Immutable versions and the line they form.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use semver::Version as Semver;
use serde::{Deserialize, Serialize};

use super::content::Content;
use crate::base::error::{Error, ErrorKind, Result, invalid};
use crate::base::{Actor, Change, ContentHash, PromptName, Tag, TenantId, Timestamp, VersionNumber};

/// Where a version stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Saved, and seen only by who names its number or hash.
    Draft,
    /// Eligible as the latest active version. A promotion activates a draft.
    Active,
    /// Out of use; kept for ever.
    Archived,
}

impl Status {
    const ALL: [Self; 3] = [Self::Draft, Self::Active, Self::Archived];

    /// The stable text form, as stored.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Active => "active",
            Self::Archived => "archived",
        }
    }

    /// Checks that a version of this status may get that one: draft → active → archived, draft → archived, and
    /// archived → active to take one back into use.
    ///
    /// # Errors
    /// [`IllegalTransition`](ErrorKind::IllegalTransition) naming both.
    pub fn check_transition(self, to: Self) -> Result<()> {
        match (self, to) {
            (Self::Draft, Self::Active | Self::Archived)
            | (Self::Active, Self::Archived)
            | (Self::Archived, Self::Active) => Ok(()),
            _ => Err(Error::new(
                ErrorKind::IllegalTransition,
                format!("a version cannot go from {self} to {to}"),
            )),
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Status {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self> {
        Self::ALL
            .into_iter()
            .find(|status| status.as_str() == text)
            .ok_or_else(|| {
                invalid(format!(
                    "unknown status {text:?}; expected draft, active or archived"
                ))
            })
    }
}

/// One immutable version of a prompt. Only its status ever changes.
#[derive(Clone, PartialEq, Serialize)]
pub struct Version {
    /// The tenant that owns it; for an inherited prompt the parent.
    pub tenant: TenantId,
    /// The prompt.
    pub prompt: PromptName,
    /// Its number within the prompt.
    pub number: VersionNumber,
    /// The identity of its content.
    pub hash: ContentHash,
    /// What it says.
    pub content: Arc<Content>,
    /// The author's own version number.
    pub semver: Option<Semver>,
    /// The versions it was made from; empty for the first.
    pub parents: Vec<VersionNumber>,
    /// Who saved it.
    pub author: Actor,
    /// Why, in the author's words; may be empty.
    pub message: String,
    /// Where it stands.
    pub status: Status,
    /// When it was saved.
    pub created_at: Timestamp,
}

impl Version {
    /// What is told when it is saved or its status changes.
    #[must_use]
    pub fn change(&self) -> Change {
        Change::VersionChanged {
            prompt: self.prompt.clone(),
            version: self.number,
        }
    }
}

/// Without any text.
impl fmt::Debug for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Version")
            .field("tenant", &self.tenant)
            .field("prompt", &self.prompt)
            .field("number", &self.number)
            .field("hash", &self.hash)
            .field("status", &self.status)
            .field("author", &self.author)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for Version {
    /// `support/triage v3`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.prompt, self.number)
    }
}

/// A prompt as lists show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PromptRecord {
    /// Its tenant.
    pub tenant: TenantId,
    /// Its name.
    pub name: PromptName,
    /// Its tags, sorted.
    pub tags: Vec<Tag>,
    /// How it stands: active when any version is, else draft when any is, else archived.
    pub status: Status,
    /// The number of its newest version.
    pub latest: VersionNumber,
    /// The number of its newest active version: what a bare reference resolves to.
    pub latest_active: Option<VersionNumber>,
    /// When its first version was saved.
    pub created_at: Timestamp,
    /// When its newest version was saved.
    pub updated_at: Timestamp,
}
