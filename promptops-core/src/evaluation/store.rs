//! The store of runs, their results, and evidence.

use async_trait::async_trait;

use super::evidence::{Evidence, EvidenceRecord};
use super::run::{Claim, Claimed, EntryResult, Recorded, ResultBatch, Run, RunChange, RunFilter};
use crate::base::audit::AuditEntry;
use crate::base::error::Result;
use crate::base::{
    ClosureHash, DatasetName, Page, PageRequest, PromptName, RunId, TenantId, Timestamp, VersionNumber,
};

/// Keeps runs, their results, and evidence. It is one backend with the [`DatasetStore`](super::DatasetStore), whose
/// entries it hands out, and the audit log.
///
/// Every method is one atomic operation and sees no other tenant's data. A call that is refused for several reasons fails
/// with the one that the method's "Behavior" names first. Errors beside those listed:
/// [`Unavailable`](crate::base::ErrorKind::Unavailable) when the backend cannot be reached,
/// [`Backend`](crate::base::ErrorKind::Backend) for the rest.
#[async_trait]
pub trait EvaluationStore: Send + Sync {
    /// Adds evidence, with its audit record.
    ///
    /// # Behavior
    /// - Earlier evidence stays; nothing is overwritten.
    /// - Evidence of a run of this name on record for the same prompt, closure and dataset is
    ///   [`AlreadyExists`](crate::base::ErrorKind::AlreadyExists).
    async fn record_evidence(&self, record: EvidenceRecord) -> Result<()>;

    /// The evidence recorded last for this prompt, closure and dataset: for this version of the dataset, or whatever its
    /// version when none is given.
    ///
    /// # Behavior
    /// - Another tenant's, prompt's, closure's or dataset's evidence is never seen.
    async fn latest_evidence(
        &self,
        tenant: &TenantId,
        prompt: &PromptName,
        closure_hash: &ClosureHash,
        dataset: &DatasetName,
        version: Option<VersionNumber>,
    ) -> Result<Option<Evidence>>;

    /// Adds a run, which has no results yet, with its audit record.
    ///
    /// # Behavior
    /// - A run of this id is [`AlreadyExists`](crate::base::ErrorKind::AlreadyExists).
    /// - The tenant has this version of the dataset, with so many entries, else
    ///   [`NotFound`](crate::base::ErrorKind::NotFound).
    async fn create_run(&self, tenant: &TenantId, run: Run, audit: AuditEntry) -> Result<()>;

    /// A run.
    ///
    /// # Behavior
    /// - [`NotFound`](crate::base::ErrorKind::NotFound) when the tenant has none of this id.
    async fn run(&self, tenant: &TenantId, id: &RunId) -> Result<Run>;

    /// Runs, the one created last first. The cursor is the last run's number: the tenant's runs count from 1.
    async fn runs(&self, tenant: &TenantId, filter: &RunFilter, page: &PageRequest) -> Result<Page<Run>>;

    /// Gives a worker tasks that have no result and that nobody holds, those of the smallest ordinals first.
    ///
    /// # Behavior
    /// - [`NotFound`](crate::base::ErrorKind::NotFound) when the tenant has no such run.
    /// - No task is held by two workers at once: a lease ends when its time (`until`) is not after `now`, and the task is
    ///   then anybody's.
    /// - A worker's own tasks under leases that have not ended are not given to it again, and do not count as held
    ///   elsewhere.
    /// - Nothing is given out of a run that is not running.
    async fn claim_tasks(&self, claim: Claim) -> Result<Claimed>;

    /// Makes all leases of a worker end at another time, and says how many it has: one that has ended, but that nobody
    /// took, is its own again.
    ///
    /// # Behavior
    /// - [`NotFound`](crate::base::ErrorKind::NotFound) when the tenant has no such run.
    async fn renew_leases(
        &self,
        tenant: &TenantId,
        run: &RunId,
        worker: &str,
        until: Timestamp,
    ) -> Result<u64>;

    /// Gives all tasks back that a worker holds: they are anybody's at once, and renewing does not bring them back.
    ///
    /// # Behavior
    /// - [`NotFound`](crate::base::ErrorKind::NotFound) when the tenant has no such run.
    async fn release_tasks(&self, tenant: &TenantId, run: &RunId, worker: &str) -> Result<()>;

    /// Keeps results. They are durable when this returns: a killed process does not lose them.
    ///
    /// # Behavior
    /// - [`NotFound`](crate::base::ErrorKind::NotFound) when the tenant has no such run.
    /// - A result whose ordinal, entry or repetition is not one of the run's is
    ///   [`Invalid`](crate::base::ErrorKind::Invalid), and none is kept then.
    /// - The first result of a task stays, whoever holds its lease, and whether or not it was handed out; its lease ends.
    /// - A stopped run still takes what was under way.
    async fn record_results(&self, batch: ResultBatch) -> Result<Recorded>;

    /// Results in the order of their ordinals. The cursor is the last ordinal of a page.
    ///
    /// # Behavior
    /// - [`NotFound`](crate::base::ErrorKind::NotFound) when the tenant has no such run.
    async fn results(&self, tenant: &TenantId, run: &RunId, page: &PageRequest) -> Result<Page<EntryResult>>;

    /// How many results a run has.
    ///
    /// # Behavior
    /// - [`NotFound`](crate::base::ErrorKind::NotFound) when the tenant has no such run.
    async fn count_results(&self, tenant: &TenantId, run: &RunId) -> Result<u64>;

    /// Brings a run into another state, with its audit record, and returns it.
    ///
    /// # Behavior
    /// - [`NotFound`](crate::base::ErrorKind::NotFound) when the tenant has no such run.
    /// - A run that is in a state of this name already is returned as it is: nothing changes, and nothing goes on record.
    /// - What [`RunState::may_become`](super::RunState::may_become) does not allow is
    ///   [`IllegalTransition`](crate::base::ErrorKind::IllegalTransition).
    /// - A run is completed only when every task has a result, else
    ///   [`Conflict`](crate::base::ErrorKind::Conflict). Its evidence is recorded in the same commit, by the actor and at
    ///   the time of the audit record, without an audit record of its own; evidence of this run on record is
    ///   [`AlreadyExists`](crate::base::ErrorKind::AlreadyExists).
    async fn change_run(&self, change: RunChange) -> Result<Run>;
}
