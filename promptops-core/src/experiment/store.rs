//! The store of experiments and what was counted of them.

use async_trait::async_trait;

use super::outcome::{OutcomeEntry, OutcomeVerdict};
use super::record::{Experiment, ExperimentStatus};
use super::tally::TallyRow;
use crate::base::audit::AuditEntry;
use crate::base::error::Result;
use crate::base::{Change, EnvironmentName, ExperimentId, Page, PageRequest, PromptName, TenantId};
use crate::environment::PointerMove;

/// An experiment to be begun.
#[derive(Debug, Clone)]
pub struct NewExperiment {
    /// The tenant.
    pub tenant: TenantId,
    /// The experiment, at revision 1.
    pub experiment: Experiment,
    /// The policy revision on which it was decided that it may begin.
    pub policy_revision: u64,
    /// What goes on record.
    pub audit: AuditEntry,
}

/// A change of an experiment: paused, resumed, split otherwise, completed.
#[derive(Debug, Clone)]
pub struct ExperimentChange {
    /// The tenant.
    pub tenant: TenantId,
    /// The experiment as it is to be, its revision one more than now.
    pub experiment: Experiment,
    /// The promotion of the winner that belongs to it.
    pub promotion: Option<PointerMove>,
    /// What goes on record of the experiment.
    pub audit: AuditEntry,
}

/// What is told of an experiment that began or changed, once it is committed.
#[must_use]
pub fn experiment_changed(experiment: &Experiment) -> Change {
    Change::ExperimentChanged {
        prompt: experiment.prompt.clone(),
        environment: experiment.environment.clone(),
    }
}

/// Which experiments are wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExperimentFilter {
    /// Those of this prompt.
    pub prompt: Option<PromptName>,
    /// Those that stand so.
    pub status: Option<ExperimentStatus>,
}

/// Outcomes that a recorder had no room for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Loss {
    /// The allocation under which the units got the variant.
    pub epoch: u32,
    /// The variant, by its place in the experiment's list.
    pub variant: u8,
    /// How many.
    pub count: u64,
}

/// Keeps experiments, outcomes, and what was counted. One commit may touch this store, the
/// [`EnvironmentStore`](crate::environment::EnvironmentStore), the [`Store`](crate::prompt::Store) and the audit log, so
/// all of them are one backend.
///
/// Every method is one atomic operation and sees no other tenant's data. A call that is refused for several reasons
/// fails with the one that the method's "Behavior" names first. Errors beside those listed:
/// [`Unavailable`](crate::base::ErrorKind::Unavailable) when the backend cannot be reached,
/// [`Backend`](crate::base::ErrorKind::Backend) for the rest.
#[async_trait]
pub trait ExperimentStore: Send + Sync {
    /// Begins an experiment, with its audit record.
    ///
    /// # Behavior
    /// - The pointer's revision is the experiment's `pointer_revision`, else
    ///   [`Conflict`](crate::base::ErrorKind::Conflict) with the current revision.
    /// - The tenant's policy revision is as given, else [`Conflict`](crate::base::ErrorKind::Conflict).
    /// - Each variant's version exists for this tenant itself, with its content hash, else
    ///   [`NotFound`](crate::base::ErrorKind::NotFound); an archived one is
    ///   [`IllegalTransition`](crate::base::ErrorKind::IllegalTransition). Of several such variants the first one tells. No
    ///   version's status changes.
    /// - Prompt and environment have no other open experiment, else
    ///   [`AlreadyExists`](crate::base::ErrorKind::AlreadyExists) naming it. Of two that race for one prompt and
    ///   environment exactly one begins.
    /// - No open experiment of the tenant has a bucket of the same namespace, else
    ///   [`AlreadyExists`](crate::base::ErrorKind::AlreadyExists) naming it, of several the one with the smallest id. Of two
    ///   that race for one bucket exactly one begins.
    /// - The id is no experiment's, not even a completed one's, else
    ///   [`AlreadyExists`](crate::base::ErrorKind::AlreadyExists).
    /// - A version that is a variant of an open experiment cannot be archived: that is a
    ///   [`Conflict`](crate::base::ErrorKind::Conflict), naming of several experiments the one with the smallest id.
    async fn create_experiment(&self, new: NewExperiment) -> Result<Experiment>;

    /// An experiment; `None` when there is none of this id.
    async fn experiment(&self, tenant: &TenantId, id: &ExperimentId) -> Result<Option<Experiment>>;

    /// The experiment that is open on a prompt and environment.
    async fn open_experiment(
        &self,
        tenant: &TenantId,
        prompt: &PromptName,
        environment: &EnvironmentName,
    ) -> Result<Option<Experiment>>;

    /// Experiments, in descending byte order of their ids: with time-ordered ids the newest first.
    ///
    /// # Behavior
    /// - The cursor is the last id of a page; any id is a place in the list. Another text is
    ///   [`Invalid`](crate::base::ErrorKind::Invalid).
    async fn experiments(
        &self,
        tenant: &TenantId,
        filter: &ExperimentFilter,
        page: &PageRequest,
    ) -> Result<Page<Experiment>>;

    /// Changes an experiment, and promotes what belongs to it, with the audit records of both, the promotion's first: all or
    /// nothing. The experiment is kept as given; what may change of it is its author's to know.
    ///
    /// # Behavior
    /// - The experiment is there, else [`NotFound`](crate::base::ErrorKind::NotFound).
    /// - It is at the revision before the given one, else [`Conflict`](crate::base::ErrorKind::Conflict) with the
    ///   current revision. Of two racing changes exactly one succeeds.
    /// - It is open, else [`IllegalTransition`](crate::base::ErrorKind::IllegalTransition).
    /// - The promotion is refused as
    ///   [`move_pointer`](crate::environment::EnvironmentStore::move_pointer) refuses it, and then nothing changes.
    async fn change_experiment(&self, change: ExperimentChange) -> Result<Experiment>;

    /// Counts outcomes, and says of each, in order, what became of it.
    ///
    /// # Behavior
    /// - The experiment is there for this tenant, else [`NotFound`](crate::base::ErrorKind::NotFound).
    /// - Of a completed one every outcome is [`Closed`](OutcomeVerdict::Closed), and nothing changes.
    /// - A unit's first outcome counts, and goes on counting; a later one of the same variant is a duplicate; one of another
    ///   variant makes the unit contaminated, and whatever is told of it then is called so: also within one batch, and when
    ///   batches race.
    ///   [`TallyDelta::count`](super::TallyDelta::count) says what is counted where.
    /// - A reader sees a batch's counts as a whole.
    /// - The tallies do not depend on the order of outcomes of different units.
    async fn record_outcomes(
        &self,
        tenant: &TenantId,
        experiment: &ExperimentId,
        outcomes: &[OutcomeEntry],
    ) -> Result<Vec<OutcomeVerdict>>;

    /// Adds to the counts of what was lost, also of a completed experiment. What a variant or epoch is called is not checked.
    ///
    /// # Behavior
    /// - The experiment is there for this tenant, else [`NotFound`](crate::base::ErrorKind::NotFound).
    async fn record_losses(
        &self,
        tenant: &TenantId,
        experiment: &ExperimentId,
        losses: &[Loss],
    ) -> Result<()>;

    /// What was counted, in order of epoch, variant and counter; nothing for an unknown experiment. Counts of 0 are left out.
    async fn tallies(&self, tenant: &TenantId, experiment: &ExperimentId) -> Result<Vec<TallyRow>>;
}
