//! Traces of one tenant.

use std::fmt;
use std::io::BufRead;
use std::sync::Arc;
use std::time::Duration;

use super::draft::{Annotate, MAX_LABELS, Trace};
use super::filter::TraceFilter;
use super::otel::{ImportOptions, ImportReport, Lookups, import};
use super::record::TraceRecord;
use super::recorder::TraceRecorder;
use super::store::TraceStore;
use crate::base::error::{Error, ErrorKind, Result};
use crate::base::{Page, PageRequest, TenantId, Timestamp, TraceId};
use crate::observation::recording::{Recorded, RecordingStats, Verdict};

/// The traces of one tenant.
#[derive(Clone)]
pub struct Traces {
    store: Arc<dyn TraceStore>,
    recorder: TraceRecorder,
    lookups: Lookups,
    tenant: TenantId,
}

impl Traces {
    /// The traces of this tenant. The lookups are for what is imported.
    #[must_use]
    pub fn new(
        store: Arc<dyn TraceStore>,
        recorder: TraceRecorder,
        lookups: Lookups,
        tenant: TenantId,
    ) -> Self {
        Self {
            store,
            recorder,
            lookups,
            tenant,
        }
    }

    /// Records a trace: never waits, never fails. What cannot be kept is counted: see [`stats`](Self::stats). The id is that
    /// under which more can be said of it later.
    pub fn record(&self, trace: Trace) -> TraceId {
        self.recorder.record(&self.tenant, trace).0
    }

    /// Records a trace as [`record`](Self::record) does, and says what became of it at once.
    pub fn try_record(&self, trace: Trace) -> (TraceId, Recorded) {
        self.recorder.record(&self.tenant, trace)
    }

    /// Records a trace and waits until it is stored.
    ///
    /// # Errors
    /// [`Invalid`](ErrorKind::Invalid) for what is out of its range, saying what; the backend's errors;
    /// [`IllegalTransition`](ErrorKind::IllegalTransition) after a shutdown.
    pub async fn record_durable(&self, trace: Trace) -> Result<(TraceId, Verdict)> {
        self.recorder.record_durable(&self.tenant, trace).await
    }

    /// Says more of a trace, such as feedback and late scores: never waits, never fails. Of a trace that is not there, or would
    /// have scores of more than 64 names, it is counted as invalid.
    pub fn annotate(&self, trace: TraceId, annotate: Annotate) -> Recorded {
        self.recorder.annotate(&self.tenant, trace, annotate)
    }

    /// Says more of a trace and waits until it is stored.
    ///
    /// # Errors
    /// [`NotFound`](ErrorKind::NotFound) when there is no such trace, since it was not recorded or is too old;
    /// [`Invalid`](ErrorKind::Invalid) for what is out of its range, saying what, and when the trace would have scores of more
    /// than 64 names; the backend's errors; [`IllegalTransition`](ErrorKind::IllegalTransition) after a shutdown.
    pub async fn annotate_durable(&self, trace: TraceId, annotate: Annotate) -> Result<()> {
        match self
            .recorder
            .annotate_durable(&self.tenant, trace, annotate)
            .await?
        {
            // The writer does not say why: either it is not there, or has too many scores.
            Verdict::Invalid => match self.store.trace(&self.tenant, trace).await? {
                Some(found) => Err(self.full(&found)),
                None => Err(self.unknown(trace)),
            },
            _ => Ok(()),
        }
    }

    /// Imports spans of OpenTelemetry as traces: OTLP as JSON, one request or one on each line, as OTLP over HTTP and
    /// the collector's file exporter have it. How a span becomes a trace is said [there](super::otel).
    ///
    /// Each span that is a call of a language model, and says which version of which prompt it was made with, is a trace
    /// then, redacted and with or without content as the settings are; none is sampled. Importing it again is a duplicate,
    /// and so is what was recorded here, which stays as it is. What is older than the retention is passed over; only what
    /// [`remove_before`](Self::remove_before) took earlier is not known again, and is counted twice. What is passed over is
    /// in the report, with the reason and the first places. A span whose `promptops.tenant` is another tenant is passed
    /// over.
    ///
    /// Reads and parses where it is polled, a batch between two calls of the store: give large files a task of their own.
    ///
    /// ```
    /// use promptops_core::observation::otel::{ImportOptions, SkipReason};
    /// use promptops_core::{MemoryBackend, PromptOps};
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
    /// let acme = PromptOps::builder(MemoryBackend::new()).build().tenant("acme")?;
    /// let text = r#"{"resourceSpans": [{"scopeSpans": [{"spans": [{
    ///     "traceId": "5b8efff798038103d269b633813fc60c", "spanId": "eee19b7ec3c1b174",
    ///     "startTimeUnixNano": "1767225600000000000",
    ///     "attributes": [{"key": "http.request.method", "value": {"stringValue": "GET"}}]
    /// }]}]}]}"#;
    /// let report = acme.traces().import_otlp(text.as_bytes(), &ImportOptions::new()).await?;
    /// assert_eq!((report.spans, report.skipped(SkipReason::NotLlm)), (1, 1));
    /// # Ok::<(), promptops_core::Error>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`Invalid`](ErrorKind::Invalid) when there is a text and not one request in it can be read, or the reader says that
    /// it is broken; [`Unavailable`](ErrorKind::Unavailable) when the reader fails; the backend's errors. What was stored
    /// before an error stays: import the whole again.
    pub async fn import_otlp(
        &self,
        reader: impl BufRead + Send,
        options: &ImportOptions,
    ) -> Result<ImportReport> {
        import(&self.recorder, &self.lookups, &self.tenant, reader, options).await
    }

    /// A trace.
    ///
    /// # Errors
    /// [`NotFound`](ErrorKind::NotFound); the backend's errors.
    pub async fn get(&self, id: TraceId) -> Result<TraceRecord> {
        let found = self.store.trace(&self.tenant, id).await?;
        found.ok_or_else(|| self.unknown(id))
    }

    fn unknown(&self, id: TraceId) -> Error {
        Error::new(
            ErrorKind::NotFound,
            format!(
                "there is no trace {id}: it was not recorded, not yet written, or removed after {} days",
                self.recorder.retention().as_secs() / 86_400
            ),
        )
        .with("tenant", &self.tenant)
    }

    fn full(&self, trace: &TraceRecord) -> Error {
        Error::new(
            ErrorKind::Invalid,
            format!(
                "the trace has scores of {} names, and can have {MAX_LABELS}; replace some of those, or say less",
                trace.scores.len()
            ),
        )
        .with("tenant", &self.tenant)
        .with("trace", trace.id)
    }

    /// Traces that are wanted, the newest first. A page may hold fewer than asked for, and still not be the last: go on while
    /// it has a `next`.
    ///
    /// # Errors
    /// [`Invalid`](ErrorKind::Invalid) for a foreign cursor; the backend's errors.
    pub async fn list(&self, filter: &TraceFilter, page: &PageRequest) -> Result<Page<TraceRecord>> {
        self.store.traces(&self.tenant, filter, page).await
    }

    /// Removes this tenant's traces that began before a time, and says how many. The writer removes by itself what is older
    /// than the retention. What was counted of them stays; one that is younger than the retention and comes again is counted
    /// again.
    ///
    /// # Errors
    /// The backend's errors.
    pub async fn remove_before(&self, before: Timestamp) -> Result<u64> {
        const AT_ONCE: usize = 1_000;
        let mut removed = 0;
        loop {
            let more = self.store.prune_traces(&self.tenant, before, AT_ONCE).await?;
            removed += more as u64;
            if more < AT_ONCE {
                return Ok(removed);
            }
        }
    }

    /// Waits until all that was recorded before, of every tenant, is settled.
    ///
    /// # Errors
    /// [`Unavailable`](ErrorKind::Unavailable) when the time is over before; the writer goes on.
    pub async fn flush(&self, deadline: Duration) -> Result<RecordingStats> {
        self.recorder.flush(deadline).await
    }

    /// What became of all that was recorded in this process, of every tenant.
    #[must_use]
    pub fn stats(&self) -> RecordingStats {
        self.recorder.stats()
    }
}

impl fmt::Debug for Traces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Traces")
            .field("tenant", &self.tenant)
            .finish_non_exhaustive()
    }
}
