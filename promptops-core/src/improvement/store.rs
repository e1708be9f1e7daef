//! The store of what the loop remembers.

use async_trait::async_trait;
use chrono::NaiveDate;

use super::record::{ImprovementRecord, RecordKind};
use super::spending::{DailyBudget, Spending};
use crate::base::audit::AuditEntry;
use crate::base::error::Result;
use crate::base::{Change, EnvironmentName, Page, PageRequest, PromptName, TenantId, Timestamp};

/// Records that are kept at once: all of them or none.
#[derive(Debug, Clone)]
pub struct ImprovementCommit {
    /// The tenant.
    pub tenant: TenantId,
    /// Records as they are to be, the revision of each one more than now, 1 for a new one. No two have one kind and id.
    pub records: Vec<ImprovementRecord>,
    /// What is told of it once it is committed.
    pub changes: Vec<Change>,
    /// What goes on record of it.
    pub audits: Vec<AuditEntry>,
}

/// Which records are wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordFilter {
    /// Those of this kind.
    pub kind: RecordKind,
    /// Those of this prompt.
    pub prompt: Option<PromptName>,
    /// Those of this environment.
    pub environment: Option<EnvironmentName>,
    /// Those that stand so: see [`ImprovementRecord::status`].
    pub status: Option<&'static str>,
}

impl RecordFilter {
    /// All of a kind.
    #[must_use]
    pub fn all(kind: RecordKind) -> Self {
        Self {
            kind,
            prompt: None,
            environment: None,
            status: None,
        }
    }

    /// Whether this is one of them.
    #[must_use]
    pub fn matches(&self, record: &ImprovementRecord) -> bool {
        self.kind == record.kind()
            && self
                .prompt
                .as_ref()
                .is_none_or(|prompt| Some(prompt) == record.prompt())
            && self
                .environment
                .as_ref()
                .is_none_or(|environment| Some(environment) == record.environment())
            && self.status.is_none_or(|status| status == record.status())
    }
}

/// Who works on a slot, a prompt in an environment, and until when nobody else does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlotLease {
    /// The prompt.
    pub prompt: PromptName,
    /// The environment.
    pub environment: EnvironmentName,
    /// Who; at most 200 bytes.
    pub worker: String,
    /// Until when.
    pub until: Timestamp,
}

/// Keeps what the loop remembers: clusters, attempts, watches, the switch; who works on what; what was spent. One commit
/// touches the audit log too, so both are one backend.
///
/// Every method is one atomic operation and sees no other tenant's data. Errors beside those listed:
/// [`Unavailable`](crate::base::ErrorKind::Unavailable) when the backend cannot be reached,
/// [`Backend`](crate::base::ErrorKind::Backend) for the rest.
#[async_trait]
pub trait ImprovementStore: Send + Sync {
    /// Keeps records, all or none.
    ///
    /// # Behavior
    /// - Each record is at the revision before the given one, one that is not there at 0, else
    ///   [`Conflict`](crate::base::ErrorKind::Conflict) with the current revision. Of several the first one tells. Of two
    ///   racing commits exactly one succeeds.
    /// - The changes are told to other processes, as those of any commit.
    async fn commit_improvement(&self, commit: ImprovementCommit) -> Result<()>;

    /// A record; `None` when there is none of this kind and id.
    async fn improvement_record(
        &self,
        tenant: &TenantId,
        kind: RecordKind,
        id: &str,
    ) -> Result<Option<ImprovementRecord>>;

    /// Records, in descending byte order of their ids: with time-ordered ids the newest first.
    ///
    /// # Behavior
    /// - The cursor is the last id of a page; any text is a place in the list.
    async fn improvement_records(
        &self,
        tenant: &TenantId,
        filter: &RecordFilter,
        page: &PageRequest,
    ) -> Result<Page<ImprovementRecord>>;

    /// Takes a slot for a worker, or prolongs what it has, and says who has it now.
    ///
    /// # Behavior
    /// - It is given to who asks when nobody has it, who asks has it, or who has it has it until `now` at most.
    /// - Of two that ask at once for what nobody has, exactly one gets it.
    async fn take_slot_lease(&self, tenant: &TenantId, lease: SlotLease, now: Timestamp)
    -> Result<SlotLease>;

    /// Gives a slot back; does nothing when the worker does not have it.
    async fn return_slot_lease(
        &self,
        tenant: &TenantId,
        prompt: &PromptName,
        environment: &EnvironmentName,
        worker: &str,
    ) -> Result<()>;

    /// Sets aside what is about to be spent on a day, if all of that day stays [within the
    /// limits](DailyBudget::allows), and says what all of that day comes to; `None` when it would not stay within them,
    /// and then nothing changes.
    ///
    /// # Behavior
    /// - However many ask at once, what they are given stays within the limits that they gave.
    async fn reserve_spending(
        &self,
        tenant: &TenantId,
        day: NaiveDate,
        amount: Spending,
        limits: &DailyBudget,
    ) -> Result<Option<Spending>>;

    /// Replaces what was set aside on a day by what was spent, and says what all of that day comes to.
    ///
    /// # Behavior
    /// - A figure that would fall below 0 is 0.
    async fn settle_spending(
        &self,
        tenant: &TenantId,
        day: NaiveDate,
        reserved: Spending,
        used: Spending,
    ) -> Result<Spending>;

    /// What was spent and set aside on a day.
    async fn spending(&self, tenant: &TenantId, day: NaiveDate) -> Result<Spending>;
}
