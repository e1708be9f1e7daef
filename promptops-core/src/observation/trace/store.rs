//! The store of traces.

use async_trait::async_trait;

use super::filter::TraceFilter;
#[cfg(doc)]
use super::record::Annotation;
use super::record::{AnnotationEntry, TraceEntry, TraceRecord};
use crate::base::error::Result;
use crate::base::{Page, PageRequest, TenantId, Timestamp, TraceId};

/// What became of something that was to be recorded of a trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TraceVerdict {
    /// It is kept, and counted.
    Written,
    /// There is a trace of this id already, which stays as it is.
    Duplicate,
    /// There is no trace of this id.
    Unknown,
    /// The trace would have scores of too many names: nothing of what was to be said is added. See [`Annotation::fits`].
    Full,
}

/// Keeps traces, and counts them with the [`MetricsStore`](crate::observation::MetricsStore): the two are one backend.
///
/// Every method is one atomic operation. Errors: [`Unavailable`](crate::base::ErrorKind::Unavailable) when the backend
/// cannot be reached, [`Backend`](crate::base::ErrorKind::Backend) for the rest.
#[async_trait]
pub trait TraceStore: Send + Sync {
    /// Records traces and counts them, in every resolution, as
    /// [`Metrics::roll_up`](crate::observation::Metrics::roll_up) does, and says of each, in order, what became of it.
    ///
    /// # Behavior
    /// - A trace whose id the tenant has already is a duplicate, also within one batch: it is neither kept nor counted.
    /// - One without content is kept, counted and known again like any other.
    /// - Each is counted by its own [`at`](TraceRecord::at), however late it is recorded.
    /// - Concurrent calls lose no count, and a reader sees a batch's counts as a whole.
    async fn record_traces(&self, batch: &[TraceEntry]) -> Result<Vec<TraceVerdict>>;

    /// Adds what is said of traces later, and counts them anew, in the times that they are of.
    ///
    /// # Behavior
    /// - What is said of one trace is added in the order of the batch.
    /// - A trace that the tenant does not have is [`Unknown`](TraceVerdict::Unknown), and the others are annotated.
    /// - One that would have too many scores is [`Full`](TraceVerdict::Full), and stays as it is: see [`Annotation::fits`].
    /// - Counts by the minute that were removed stay so: what is said of a trace changes the counts that are there, as
    ///   [`Metrics::replace`](crate::observation::Metrics::replace) does.
    /// - Concurrent calls on one trace lose nothing.
    async fn annotate_traces(&self, batch: &[AnnotationEntry]) -> Result<Vec<TraceVerdict>>;

    /// A trace; `None` when there is none of this id.
    async fn trace(&self, tenant: &TenantId, id: TraceId) -> Result<Option<TraceRecord>>;

    /// Traces that are wanted, in descending order of their ids: the newest first. The cursor is the last id looked at, so
    /// that a page may hold fewer than were asked for, and still not be the last.
    ///
    /// # Behavior
    /// - Each condition of the filter is one, and all of them hold: [`TraceFilter::matches`] says so.
    /// - The cursor is the id's text; any id is a place in the list. Another text is
    ///   [`Invalid`](crate::base::ErrorKind::Invalid).
    /// - Paging to the end meets every trace once that was there at the beginning and is there at the end.
    async fn traces(
        &self,
        tenant: &TenantId,
        filter: &TraceFilter,
        page: &PageRequest,
    ) -> Result<Page<TraceRecord>>;

    /// What time it is by a clock that the processes share which use the backend; `None` where it has no clock but this
    /// process's. What is old is removed by whichever clock is behind: one process whose clock runs far ahead would remove
    /// all traces of everybody.
    async fn now(&self) -> Result<Option<Timestamp>> {
        Ok(None)
    }

    /// Removes at most so many traces that began before a time, the oldest first, and says how many.
    ///
    /// # Behavior
    /// - When a trace began is what its id says, to the millisecond: those of smaller ids than [`TraceId::first_at`] go, in
    ///   the order of their ids.
    /// - What was counted of them stays.
    /// - Concurrent calls remove each trace once; fewer than `at_most` are removed only when no more are there.
    async fn prune_traces(&self, tenant: &TenantId, before: Timestamp, at_most: usize) -> Result<usize>;
}
