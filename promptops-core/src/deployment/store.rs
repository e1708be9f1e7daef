//! The store of deployments.

use async_trait::async_trait;

use super::document::Document;
use super::record::{Deployment, SlotControl, Transition};
use super::state::State;
use crate::base::audit::AuditEntry;
use crate::base::error::Result;
use crate::base::{
    Change, ClosureHash, CommandKey, DeploymentId, DocumentHash, EnvironmentName, Page, PageRequest,
    PromptName, TenantId,
};
use crate::environment::PointerMove;

/// What is committed of deployments at once: all of it or nothing.
#[derive(Debug, Clone)]
pub struct DeploymentCommit {
    /// The tenant.
    pub tenant: TenantId,
    /// The slot as it is to be, its revision one more than now.
    pub slot: Option<SlotControl>,
    /// A deployment that comes to be, at revision 1.
    pub created: Option<Deployment>,
    /// Deployments as they are to be, the revision of each one more than now. No two are the same.
    pub changed: Vec<Deployment>,
    /// The steps taken, in their order.
    pub transitions: Vec<Transition>,
    /// What is kept with it.
    pub documents: Vec<Document>,
    /// The pointer's move that belongs to it.
    pub pointer: Option<PointerMove>,
    /// What goes on record of the deployments.
    pub audits: Vec<AuditEntry>,
}

impl DeploymentCommit {
    /// A commit of nothing.
    #[must_use]
    pub fn new(tenant: TenantId) -> Self {
        Self {
            tenant,
            slot: None,
            created: None,
            changed: Vec::new(),
            transitions: Vec::new(),
            documents: Vec::new(),
            pointer: None,
            audits: Vec::new(),
        }
    }

    /// What is told of it once it is committed.
    #[must_use]
    pub fn changes(&self) -> Vec<Change> {
        let deployments = self.created.iter().chain(&self.changed).map(deployment_changed);
        let pointer = self
            .pointer
            .iter()
            .flat_map(|pointer| [pointer.change(), pointer.activation()]);
        deployments.chain(pointer).collect()
    }
}

/// What is told of a deployment that came to be or changed, once it is committed.
#[must_use]
pub fn deployment_changed(deployment: &Deployment) -> Change {
    Change::DeploymentChanged {
        deployment: deployment.id.clone(),
        prompt: deployment.prompt.clone(),
        environment: deployment.environment.clone(),
        state: deployment.state.as_str().to_owned(),
    }
}

/// Which deployments are wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeploymentFilter {
    /// Those of this prompt.
    pub prompt: Option<PromptName>,
    /// Those into this environment.
    pub environment: Option<EnvironmentName>,
    /// Those in this state.
    pub state: Option<State>,
    /// Those whose candidate has this closure.
    pub closure_hash: Option<ClosureHash>,
    /// Those that [have their slot](Deployment::has_slot), or those that have not.
    pub has_slot: Option<bool>,
}

impl DeploymentFilter {
    /// Whether this is one of them.
    #[must_use]
    pub fn matches(&self, deployment: &Deployment) -> bool {
        self.prompt
            .as_ref()
            .is_none_or(|prompt| *prompt == deployment.prompt)
            && self
                .environment
                .as_ref()
                .is_none_or(|environment| *environment == deployment.environment)
            && self.state.is_none_or(|state| state == deployment.state)
            && self
                .closure_hash
                .is_none_or(|hash| hash == deployment.candidate.closure_hash)
            && self
                .has_slot
                .is_none_or(|has_slot| has_slot == deployment.has_slot())
    }
}

/// Keeps deployments, their steps and their evidence. One commit may touch this store, the
/// [`EnvironmentStore`](crate::environment::EnvironmentStore), the [`Store`](crate::prompt::Store) and the audit log, so
/// all of them are one backend.
///
/// Every method is one atomic operation and sees no other tenant's data. A call that is refused for several reasons
/// fails with the one that the method's "Behavior" names first. Errors beside those listed:
/// [`Unavailable`](crate::base::ErrorKind::Unavailable) when the backend cannot be reached,
/// [`Backend`](crate::base::ErrorKind::Backend) for the rest.
#[async_trait]
pub trait DeploymentStore: Send + Sync {
    /// Commits what happens to deployments of one slot, all or nothing: the audit record of a pointer's move first, then those
    /// given, in their order. Deployments and the slot are kept as given; what may change of them is their author's to know.
    ///
    /// # Behavior
    /// - The slot is at the revision before the given one, a slot that nothing was stored of at 0, else
    ///   [`Conflict`](crate::base::ErrorKind::Conflict) with the current revision. Of two racing commits exactly one succeeds.
    /// - No command of a transition's key was carried out for the tenant, else
    ///   [`AlreadyExists`](crate::base::ErrorKind::AlreadyExists).
    /// - The candidate's version of what comes to be exists for this tenant itself, with its content hash, else
    ///   [`NotFound`](crate::base::ErrorKind::NotFound); an archived one is
    ///   [`IllegalTransition`](crate::base::ErrorKind::IllegalTransition). Its status does not change.
    /// - The pointer is at the revision of its base, else [`Conflict`](crate::base::ErrorKind::Conflict) with the current
    ///   revision.
    /// - Its id is no deployment's, else [`AlreadyExists`](crate::base::ErrorKind::AlreadyExists).
    /// - What is to be changed is there, else [`NotFound`](crate::base::ErrorKind::NotFound), at the revision before the given
    ///   one, else [`Conflict`](crate::base::ErrorKind::Conflict) with the current revision. Of several the first one tells.
    /// - As it is to be, no two deployments of one slot that are [before their ship](State::is_before_ship) have one closure,
    ///   else [`AlreadyExists`](crate::base::ErrorKind::AlreadyExists) naming the one that was there.
    /// - As it is to be, at most one deployment [has the slot](Deployment::has_slot), else
    ///   [`Conflict`](crate::base::ErrorKind::Conflict) naming the one that had it.
    /// - The pointer's move is refused as [`move_pointer`](crate::environment::EnvironmentStore::move_pointer) refuses it, and
    ///   then nothing changes.
    /// - A document that is there already is kept once.
    async fn commit_deployments(&self, commit: DeploymentCommit) -> Result<()>;

    /// A deployment; `None` when there is none of this id.
    async fn deployment(&self, tenant: &TenantId, id: &DeploymentId) -> Result<Option<Deployment>>;

    /// Deployments, in descending byte order of their ids: with time-ordered ids the newest first.
    ///
    /// # Behavior
    /// - The cursor is the last id of a page; any id is a place in the list. Another text is
    ///   [`Invalid`](crate::base::ErrorKind::Invalid).
    async fn deployments(
        &self,
        tenant: &TenantId,
        filter: &DeploymentFilter,
        page: &PageRequest,
    ) -> Result<Page<Deployment>>;

    /// The steps of a deployment, the first one first; none of an unknown one.
    async fn transitions(&self, tenant: &TenantId, id: &DeploymentId) -> Result<Vec<Transition>>;

    /// The step that a command of this key led to.
    async fn transition_of_key(&self, tenant: &TenantId, key: &CommandKey) -> Result<Option<Transition>>;

    /// A slot; [untouched](SlotControl::untouched) as long as nothing was stored of it.
    async fn slot_control(
        &self,
        tenant: &TenantId,
        prompt: &PromptName,
        environment: &EnvironmentName,
    ) -> Result<SlotControl>;

    /// What was kept under this hash; `None` when nothing was.
    async fn document(&self, tenant: &TenantId, hash: &DocumentHash) -> Result<Option<Document>>;
}
