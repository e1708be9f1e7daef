//! The store of pointers, their history, policies and approvals.

use async_trait::async_trait;

use super::approval::Approval;
use super::history::{HistoryRecord, MoveKind, Waiver};
use super::pointer::Pointer;
use super::policy::{Policy, PolicyRecord};
use crate::base::audit::AuditEntry;
use crate::base::error::Result;
use crate::base::{
    Actor, Change, ClosureHash, ContentHash, EnvironmentName, Page, PageRequest, PromptName, TenantId,
    Timestamp, VersionNumber,
};

/// All that a promotion of one prompt is decided on, in one consistent view.
#[derive(Debug, Clone, PartialEq)]
pub struct Slots {
    /// The prompt's pointers, in byte order of their environments.
    pub pointers: Vec<Pointer>,
    /// The tenant's policies that are for all prompts or for this one.
    pub policies: Vec<PolicyRecord>,
    /// Counts the tenant's policy changes, from 0.
    pub policy_revision: u64,
    /// Approvals for this prompt that are not spent: their base revision is the pointer's revision, or 0 where
    /// nothing is live. In byte order of their environments, those for one environment as they came.
    pub approvals: Vec<Approval>,
}

impl Slots {
    /// The pointer of an environment.
    #[must_use]
    pub fn pointer(&self, environment: &EnvironmentName) -> Option<&Pointer> {
        self.pointers
            .iter()
            .find(|pointer| pointer.environment == *environment)
    }

    /// The policy in force: the prompt's own, else the environment's.
    #[must_use]
    pub fn policy(&self, environment: &EnvironmentName) -> Option<&Policy> {
        let of = |own: bool| {
            self.policies
                .iter()
                .find(|record| record.environment == *environment && record.prompt.is_some() == own)
                .map(|record| &record.policy)
        };
        of(true).or_else(|| of(false))
    }
}

/// The pointer that a decision rested on must not have moved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceGuard {
    /// The source environment.
    pub environment: EnvironmentName,
    /// Its pointer's revision when the decision was taken; 0 when nothing was live.
    pub revision: u64,
}

/// A move of a pointer, decided, to be committed only if what it was decided on still holds.
#[derive(Debug, Clone)]
pub struct PointerMove {
    /// The tenant.
    pub tenant: TenantId,
    /// The prompt.
    pub prompt: PromptName,
    /// The environment.
    pub environment: EnvironmentName,
    /// Which way.
    pub kind: MoveKind,
    /// The version to make live.
    pub to: VersionNumber,
    /// The content hash that it must have: what was decided on is what goes live.
    pub hash: ContentHash,
    /// Its closure hash.
    pub closure_hash: ClosureHash,
    /// The revision that the pointer must have now; 0 when nothing may be live.
    pub expected_revision: u64,
    /// The policy revision that must hold now.
    pub policy_revision: u64,
    /// What the source environment must show now.
    pub source: Option<SourceGuard>,
    /// Who moves it.
    pub actor: Actor,
    /// Why.
    pub reason: String,
    /// What an owner set aside.
    pub waiver: Option<Waiver>,
    /// When.
    pub at: Timestamp,
    /// What goes on record.
    pub audit: AuditEntry,
}

impl PointerMove {
    /// The revision that the pointer has once it is committed.
    fn next_revision(&self) -> u64 {
        // What is expected may be anything, and is refused by the store then.
        self.expected_revision.saturating_add(1)
    }

    /// What is told of it once it is committed.
    #[must_use]
    pub fn change(&self) -> Change {
        Change::PointerMoved {
            prompt: self.prompt.clone(),
            environment: self.environment.clone(),
            version: self.to,
            closure_hash: self.closure_hash,
            revision: self.next_revision(),
        }
    }

    /// What is told besides when it makes a draft active.
    #[must_use]
    pub fn activation(&self) -> Change {
        Change::VersionChanged {
            prompt: self.prompt.clone(),
            version: self.to,
        }
    }

    /// The pointer that it leaves behind once it is committed.
    #[must_use]
    pub fn into_pointer(self) -> Pointer {
        let revision = self.next_revision();
        Pointer {
            prompt: self.prompt,
            environment: self.environment,
            version: self.to,
            closure_hash: self.closure_hash,
            revision,
            moved_by: self.actor,
            moved_at: self.at,
        }
    }
}

/// A change of a policy.
#[derive(Debug, Clone)]
pub struct PolicyChange {
    /// The tenant.
    pub tenant: TenantId,
    /// The environment.
    pub environment: EnvironmentName,
    /// The one prompt that it is for; `None` for all.
    pub prompt: Option<PromptName>,
    /// What it asks; `None` to remove it.
    pub policy: Option<Policy>,
    /// What goes on record.
    pub audit: AuditEntry,
}

impl PolicyChange {
    /// What is told of it once it is committed.
    #[must_use]
    pub fn change(&self) -> Change {
        Change::PolicyChanged {
            environment: self.environment.clone(),
            prompt: self.prompt.clone(),
        }
    }
}

/// An approval to be committed.
#[derive(Debug, Clone)]
pub struct ApprovalEntry {
    /// The tenant.
    pub tenant: TenantId,
    /// The approval.
    pub approval: Approval,
    /// What goes on record.
    pub audit: AuditEntry,
}

/// Keeps environments. One commit may touch this store, the [`Store`](crate::prompt::Store) and the audit log, so
/// the three are one backend.
///
/// Every method is one atomic operation and sees no other tenant's data. A call that is refused for several reasons
/// fails with the one that the method's "Behavior" names first. Errors beside those listed:
/// [`Unavailable`](crate::base::ErrorKind::Unavailable) when the backend cannot be reached,
/// [`Backend`](crate::base::ErrorKind::Backend) for the rest.
#[async_trait]
pub trait EnvironmentStore: Send + Sync {
    /// What is known about one prompt's environments; empty lists for an unknown prompt.
    async fn slots(&self, tenant: &TenantId, prompt: &PromptName) -> Result<Slots>;

    /// Moves a pointer, with its history record and its audit record, and returns it.
    ///
    /// # Behavior
    /// - The pointer's revision is `expected_revision`, else [`Conflict`](crate::base::ErrorKind::Conflict) with
    ///   the current revision. Of two racing moves on one revision exactly one succeeds.
    /// - The tenant's policy revision and the source pointer's revision are as given, else
    ///   [`Conflict`](crate::base::ErrorKind::Conflict).
    /// - The version exists for this tenant itself, with this content hash, else
    ///   [`NotFound`](crate::base::ErrorKind::NotFound).
    /// - A draft becomes active. An archived version is
    ///   [`IllegalTransition`](crate::base::ErrorKind::IllegalTransition).
    /// - The new revision is one more; the history has no gap.
    /// - A failed move changes nothing.
    async fn move_pointer(&self, change: PointerMove) -> Result<Pointer>;

    /// The moves of one pointer, newest first. The cursor is the last revision of a page.
    async fn history(
        &self,
        tenant: &TenantId,
        prompt: &PromptName,
        environment: &EnvironmentName,
        page: &PageRequest,
    ) -> Result<Page<HistoryRecord>>;

    /// Sets or removes a policy, with its audit record.
    ///
    /// # Behavior
    /// - The tenant's policy revision grows by one.
    /// - Removing a policy that is not there is [`NotFound`](crate::base::ErrorKind::NotFound).
    async fn set_policy(&self, change: PolicyChange) -> Result<()>;

    /// All policies of the tenant, those for all prompts first, in byte order of environment and prompt.
    async fn policies(&self, tenant: &TenantId) -> Result<Vec<PolicyRecord>>;

    /// Adds an approval, with its audit record.
    ///
    /// # Behavior
    /// - Its base revision is the pointer's revision, else [`Conflict`](crate::base::ErrorKind::Conflict) with the
    ///   current revision.
    /// - A second approval of the same closure on the same base by the same actor changes nothing.
    async fn approve(&self, entry: ApprovalEntry) -> Result<()>;
}
