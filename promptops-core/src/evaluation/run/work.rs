//! How workers share a run: tasks under leases, results in batches.

use crate::base::audit::AuditEntry;
use crate::base::{ClosureHash, DatasetName, PromptName, RunId, TenantId, Timestamp};
use crate::evaluation::dataset::Entry;
use crate::evaluation::evidence::Evidence;

use super::record::RunState;
use super::result::EntryResult;

/// Whoever works on a run: one process may be several.
pub type Worker = String;

/// One entry to be asked once.
#[derive(Debug, Clone, PartialEq)]
pub struct Task {
    /// Its place in the run, as in [`EntryResult::ordinal`].
    pub ordinal: u64,
    /// Which repetition of the entry, from 0.
    pub repeat: u32,
    /// The entry.
    pub entry: Entry,
}

/// A worker asks for tasks.
#[derive(Debug, Clone)]
pub struct Claim {
    /// The tenant.
    pub tenant: TenantId,
    /// The run.
    pub run: RunId,
    /// The worker: 1 to 200 bytes.
    pub worker: Worker,
    /// Most tasks wanted, ≥ 1.
    pub limit: u32,
    /// What time it is.
    pub now: Timestamp,
    /// Until when nobody else may do them.
    pub until: Timestamp,
}

/// What a worker was given.
#[derive(Debug, Clone, PartialEq)]
pub struct Claimed {
    /// Tasks for this worker alone, in the order of their ordinals; none when the run is not running.
    pub tasks: Vec<Task>,
    /// Where the run stands.
    pub state: RunState,
    /// How many tasks other workers hold under leases that have not ended.
    pub held_elsewhere: u64,
    /// When the first of these leases ends.
    pub next_lease_end: Option<Timestamp>,
}

/// Results that a worker hands in.
#[derive(Debug, Clone)]
pub struct ResultBatch {
    /// The tenant.
    pub tenant: TenantId,
    /// The run.
    pub run: RunId,
    /// The results, each of another task.
    pub results: Vec<EntryResult>,
}

/// What became of results that were handed in.
#[derive(Debug, Clone, PartialEq)]
pub struct Recorded {
    /// The ordinals of those that are kept now, in ascending order. The rest had a result already, which stays.
    pub accepted: Vec<u64>,
    /// Where the run stands.
    pub state: RunState,
}

/// A run comes into another state.
#[derive(Debug, Clone)]
pub struct RunChange {
    /// The tenant.
    pub tenant: TenantId,
    /// The run.
    pub run: RunId,
    /// The state to come into.
    pub to: RunState,
    /// What the run came to: recorded in the same commit, by who completes the run. Only with
    /// [`Completed`](RunState::Completed).
    pub evidence: Option<Evidence>,
    /// What goes on record.
    pub audit: AuditEntry,
}

/// Which runs are wanted. Conditions hold together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RunFilter {
    /// Of this prompt.
    pub prompt: Option<PromptName>,
    /// Of exactly this closure.
    pub closure_hash: Option<ClosureHash>,
    /// On this dataset, whatever its version.
    pub dataset: Option<DatasetName>,
}
