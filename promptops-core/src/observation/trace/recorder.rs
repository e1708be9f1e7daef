//! Recording traces: with content or without, redacted, counted, and never in anybody's way.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use xxhash_rust::xxh3::xxh3_64;

use super::draft::{self, Annotate, Trace};
use super::otel::emit;
use super::record::{Annotation, AnnotationEntry, TraceEntry};
use super::redact::Redact;
use super::settings::TraceSettings;
use super::store::{TraceStore, TraceVerdict};
use crate::base::error::{Error, ErrorKind, Result, invalid};
use crate::base::{Clock, IdSource, Spawn, TenantId, Timestamp, TraceId};
use crate::observation::metrics::MetricsStore;
use crate::observation::recording::{Pipeline, Recorded, RecordingStats, Sink, Verdict};

/// Most traces removed at once, so that no removal holds up what is recorded.
const PRUNE_AT_ONCE: usize = 1_000;
/// Most removals in a row, before what is recorded has its turn.
const PRUNES_IN_A_ROW: usize = 50;

/// How far ahead of this process another's clock may be.
const MOST_AHEAD: chrono::TimeDelta = chrono::TimeDelta::days(1);

/// Records traces of all tenants. One for a process; shared by all handles.
#[derive(Clone)]
pub struct TraceRecorder {
    pipeline: Pipeline<Writing>,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn IdSource>,
    settings: Arc<TraceSettings>,
}

/// What waits to be written. What is taken out to be written is put back when it could not be.
struct Item {
    /// `None` for what was found to be none when it was handed in.
    tenant: Option<TenantId>,
    weight: usize,
    waiting: Mutex<Option<Waiting>>,
}

enum Waiting {
    Trace {
        entry: Box<TraceEntry>,
        is_redacted: bool,
    },
    Annotation {
        entry: Box<AnnotationEntry>,
        is_redacted: bool,
    },
    /// It was written by a try that failed with something else.
    Settled(Verdict),
}

fn from_the_future(id: TraceId, at: Timestamp) -> Error {
    invalid(format!(
        "the trace {id} of {at} began more than a day from now; ids of traces begin with their time: take one that was handed \
         out, or none"
    ))
}

fn too_old(id: TraceId, settings: &TraceSettings) -> Error {
    invalid(format!(
        "the trace {id} began {}, longer ago than the {} hours that traces are kept: it would be removed at once, and counted \
         again when it comes again; record it sooner, or raise `retention`",
        id.at(),
        settings.kept_for().as_secs() / 3_600
    ))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl TraceRecorder {
    /// A recorder into these stores, which must be one backend's.
    #[must_use]
    pub fn new(
        traces: Arc<dyn TraceStore>,
        metrics: Arc<dyn MetricsStore>,
        clock: Arc<dyn Clock>,
        ids: Arc<dyn IdSource>,
        spawn: Arc<dyn Spawn>,
        settings: TraceSettings,
    ) -> Self {
        let settings = Arc::new(settings);
        let sink = Writing {
            traces,
            metrics,
            clock: clock.clone(),
            settings: settings.clone(),
            pruned: Mutex::default(),
        };
        Self {
            pipeline: Pipeline::new(sink, settings.recording, spawn),
            clock,
            ids,
            settings,
        }
    }

    fn entry(&self, tenant: &TenantId, trace: Trace) -> (TraceId, Result<TraceEntry>) {
        let now = self.clock.now();
        let at = trace.began(now);
        let id = trace.id.unwrap_or_else(|| self.ids.trace_id(at));
        let keeps_content = self.keeps_content(&trace, id);
        if id.at().max(at) > now + MOST_AHEAD {
            return (id, Err(from_the_future(id, at)));
        }
        if self.is_too_old(id, now) {
            return (id, Err(too_old(id, &self.settings)));
        }
        let entry = trace.into_record(id, at, &self.settings).map(|mut trace| {
            if !keeps_content {
                trace.leave_out_content();
            }
            TraceEntry {
                tenant: tenant.clone(),
                trace,
            }
        });
        (id, entry)
    }

    /// Whether the next removal takes a trace of this id, which nobody would know again then.
    pub(super) fn is_too_old(&self, id: TraceId, now: Timestamp) -> bool {
        let oldest = self.settings.oldest(now);
        oldest.is_some_and(|oldest| id < TraceId::first_at(oldest))
    }

    /// The entry of a trace that keeps its content whatever the share, and did not wait to be recorded.
    pub(super) fn imported_entry(
        &self,
        tenant: &TenantId,
        (id, at): (TraceId, Timestamp),
        trace: Trace,
    ) -> Result<TraceEntry> {
        Ok(TraceEntry {
            tenant: tenant.clone(),
            trace: trace.into_record(id, at, &self.settings)?,
        })
    }

    /// Redacts traces and stores them past the queue, in one batch. Says of each what became of it; `None` where it could
    /// not be redacted.
    pub(super) async fn store(&self, mut entries: Vec<TraceEntry>) -> Result<Vec<Option<TraceVerdict>>> {
        let sink = self.pipeline.sink();
        let redacted: Vec<bool> = entries.iter_mut().map(|entry| sink.redact(entry)).collect();
        let mut is_redacted = redacted.iter();
        entries.retain(|_| is_redacted.next().copied().unwrap_or(false));
        let found = match entries.is_empty() {
            true => Vec::new(),
            false => sink.traces.record_traces(&entries).await?,
        };
        if found.len() != entries.len() {
            return Err(Error::new(
                ErrorKind::Backend,
                format!(
                    "the store must give one verdict per trace: expected {}, found {}; this is a bug in it",
                    entries.len(),
                    found.len()
                ),
            ));
        }
        let mut found = found.into_iter();
        let verdicts = redacted
            .into_iter()
            .map(|stored| stored.then(|| found.next()).flatten());
        Ok(verdicts.collect())
    }

    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    fn keeps_content(&self, trace: &Trace, id: TraceId) -> bool {
        let share = self.settings.sample;
        if share.is_nan() || share >= 1.0 || (self.settings.keep_errors && trace.is_error()) {
            return true;
        }
        let hash = match trace.session_name() {
            Some(session) => xxh3_64(session.as_bytes()),
            None => xxh3_64(&id.to_bytes()),
        };
        // As a share of all hashes there are.
        (hash as f64) < share * 2_f64.powi(64)
    }

    /// Records a trace: never waits, never fails. What became of it at once, and the id under which it can be annotated.
    pub(super) fn record(&self, tenant: &TenantId, trace: Trace) -> (TraceId, Recorded) {
        let (id, entry) = self.entry(tenant, trace);
        if let Ok(entry) = &entry {
            emit(tenant, &entry.trace);
        }
        (id, self.pipeline.record(Item::of(entry)))
    }

    /// Records a trace and waits until it is stored.
    pub(super) async fn record_durable(&self, tenant: &TenantId, trace: Trace) -> Result<(TraceId, Verdict)> {
        let (id, entry) = self.entry(tenant, trace);
        // Who waits is told why it is none.
        let entry = entry?;
        emit(tenant, &entry.trace);
        let item = Item::of(Ok(entry));
        Ok((id, self.pipeline.record_durable(item).await?))
    }

    pub(super) fn annotate(&self, tenant: &TenantId, trace: TraceId, annotate: Annotate) -> Recorded {
        let item = Item::annotation(tenant, trace, annotate.checked());
        self.pipeline.record(item)
    }

    pub(super) async fn annotate_durable(
        &self,
        tenant: &TenantId,
        trace: TraceId,
        annotate: Annotate,
    ) -> Result<Verdict> {
        let item = Item::annotation(tenant, trace, Ok(annotate.checked()?));
        self.pipeline.record_durable(item).await
    }

    /// Waits until what was recorded before is settled. See [`Traces::flush`](super::Traces::flush).
    ///
    /// # Errors
    /// [`Unavailable`](crate::ErrorKind::Unavailable) when the time is over before.
    pub async fn flush(&self, deadline: Duration) -> Result<RecordingStats> {
        self.pipeline.flush(deadline).await
    }

    /// Takes nothing more, writes what is queued, and says what became of all that was recorded.
    pub async fn shutdown(&self, deadline: Duration) -> RecordingStats {
        self.pipeline.shutdown(deadline).await
    }

    /// What became of all that was recorded as yet.
    #[must_use]
    pub fn stats(&self) -> RecordingStats {
        self.pipeline.stats()
    }

    /// What a try to write failed with last, if one did.
    #[must_use]
    pub fn last_error(&self) -> Option<Error> {
        self.pipeline.last_error()
    }

    /// How long traces are kept.
    pub(super) fn retention(&self) -> Duration {
        self.settings.kept_for()
    }
}

impl std::fmt::Debug for TraceRecorder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TraceRecorder")
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}

impl Item {
    fn of(entry: Result<TraceEntry>) -> Self {
        entry.map_or_else(Self::invalid, |entry| Self {
            tenant: Some(entry.tenant.clone()),
            weight: entry.trace.bytes(),
            waiting: Mutex::new(Some(Waiting::Trace {
                entry: Box::new(entry),
                is_redacted: false,
            })),
        })
    }

    fn annotation(tenant: &TenantId, trace: TraceId, annotation: Result<Annotation>) -> Self {
        annotation.map_or_else(Self::invalid, |annotation| Self {
            tenant: Some(tenant.clone()),
            weight: annotation.bytes(),
            waiting: Mutex::new(Some(Waiting::Annotation {
                entry: Box::new(AnnotationEntry {
                    tenant: tenant.clone(),
                    trace,
                    annotation,
                }),
                is_redacted: false,
            })),
        })
    }

    /// It is counted, and nothing else.
    fn invalid(_: Error) -> Self {
        Self {
            tenant: None,
            weight: 0,
            waiting: Mutex::new(None),
        }
    }
}

/// Where traces go.
struct Writing {
    traces: Arc<dyn TraceStore>,
    metrics: Arc<dyn MetricsStore>,
    clock: Arc<dyn Clock>,
    settings: Arc<TraceSettings>,
    /// When each tenant's old traces were removed last, all of them, by the monotonic clock.
    pruned: Mutex<BTreeMap<TenantId, Duration>>,
}

/// Entries taken out of a batch, redacted. Puts them back unless they were written.
struct Taken<'a> {
    batch: &'a [Item],
    /// The place in the batch of each trace, and of each annotation.
    places: (Vec<usize>, Vec<usize>),
    traces: Vec<TraceEntry>,
    annotations: Vec<AnnotationEntry>,
    /// Of what cannot be written, invalid.
    verdicts: Vec<Verdict>,
}

impl Taken<'_> {
    fn put_trace(&mut self, place: usize, entry: Option<TraceEntry>) {
        if let Some(entry) = entry {
            self.places.0.push(place);
            self.traces.push(entry);
        }
    }

    fn put_annotation(&mut self, place: usize, entry: Option<AnnotationEntry>) {
        if let Some(entry) = entry {
            self.places.1.push(place);
            self.annotations.push(entry);
        }
    }

    fn settle(&mut self, place: usize, verdict: Verdict) {
        self.verdicts[place] = verdict;
        *lock(&self.batch[place].waiting) = Some(Waiting::Settled(verdict));
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        let put = |place: usize, waiting| {
            if let Some(item) = self.batch.get(place) {
                *lock(&item.waiting) = Some(waiting);
            }
        };
        for (place, entry) in self.places.0.drain(..).zip(self.traces.drain(..)) {
            let entry = Box::new(entry);
            put(
                place,
                Waiting::Trace {
                    entry,
                    is_redacted: true,
                },
            );
        }
        for (place, entry) in self.places.1.drain(..).zip(self.annotations.drain(..)) {
            let entry = Box::new(entry);
            put(
                place,
                Waiting::Annotation {
                    entry,
                    is_redacted: true,
                },
            );
        }
    }
}

impl Writing {
    /// What can be stored of a batch.
    fn take<'a>(&self, batch: &'a [Item]) -> Taken<'a> {
        let mut taken = Taken {
            batch,
            places: (Vec::with_capacity(batch.len()), Vec::new()),
            traces: Vec::with_capacity(batch.len()),
            annotations: Vec::new(),
            verdicts: vec![Verdict::Invalid; batch.len()],
        };
        for (place, item) in batch.iter().enumerate() {
            // Not in the match, which would hold the lock to its end.
            let waiting = lock(&item.waiting).take();
            match waiting {
                None => {}
                Some(Waiting::Settled(verdict)) => taken.settle(place, verdict),
                Some(Waiting::Trace { entry, is_redacted }) => {
                    taken.put_trace(place, self.redacted(*entry, is_redacted));
                }
                Some(Waiting::Annotation { entry, is_redacted }) => {
                    taken.put_annotation(place, self.redacted_annotation(*entry, is_redacted));
                }
            }
        }
        taken
    }

    /// The entry as it can be stored, if it can.
    fn redacted(&self, mut entry: TraceEntry, is_redacted: bool) -> Option<TraceEntry> {
        (is_redacted || self.redact(&mut entry)).then_some(entry)
    }

    /// The same of what is said of a trace.
    fn redacted_annotation(&self, mut entry: AnnotationEntry, is_redacted: bool) -> Option<AnnotationEntry> {
        let annotation = &mut entry.annotation;
        (is_redacted || self.try_redact(|redact| redact.annotation(annotation))).then_some(entry)
    }

    /// Takes out what must not be kept; says whether it can be stored.
    fn redact(&self, entry: &mut TraceEntry) -> bool {
        let trace = &mut entry.trace;
        let (id, at, stamp) = (trace.id, trace.at, trace.stamp.clone());
        let redacted = self.try_redact(|redact| redact.trace(trace));
        // What it is found and counted by is not to be redacted.
        (trace.id, trace.at, trace.stamp) = (id, at, stamp);
        // What could not be read again would stand in the way of every list that comes by it.
        redacted && trace.inputs.as_ref().is_none_or(draft::is_readable)
    }

    fn try_redact(&self, with: impl FnOnce(&dyn Redact)) -> bool {
        match self.settings.redact.as_deref() {
            None => true,
            Some(redact) => catch_unwind(AssertUnwindSafe(|| with(redact))).is_ok(),
        }
    }

    /// Removes what is old, for one turn; says whether that was all.
    async fn prune(&self, tenant: &TenantId, before: Timestamp) -> Result<bool> {
        for _ in 0..PRUNES_IN_A_ROW {
            let traces = self.traces.prune_traces(tenant, before, PRUNE_AT_ONCE).await?;
            let minutes = self.metrics.prune_minutes(tenant, before, PRUNE_AT_ONCE).await?;
            if traces < PRUNE_AT_ONCE && minutes < PRUNE_AT_ONCE {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The tenants of a batch whose old traces were not removed lately.
    fn due(&self, batch: &[Item], now: Duration) -> BTreeSet<TenantId> {
        const MOST: usize = 10_000;
        let every = self.settings.prune_every;
        if every.is_zero() {
            return BTreeSet::new();
        }
        let mut pruned = lock(&self.pruned);
        if pruned.len() > MOST {
            pruned.clear();
        }
        let tenants = batch.iter().filter_map(|item| item.tenant.as_ref());
        let is_due = |tenant: &&TenantId| {
            let last = pruned.get(*tenant);
            last.is_none_or(|last| now.saturating_sub(*last) >= every)
        };
        tenants.filter(is_due).cloned().collect()
    }
}

fn verdict(of: TraceVerdict) -> Verdict {
    match of {
        TraceVerdict::Written => Verdict::Written,
        TraceVerdict::Duplicate => Verdict::Duplicate,
        TraceVerdict::Unknown | TraceVerdict::Full => Verdict::Invalid,
    }
}

#[async_trait]
impl Sink for Writing {
    type Item = Item;

    fn what(&self) -> &'static str {
        "traces"
    }

    fn weight(&self, item: &Item) -> usize {
        item.weight
    }

    async fn write(&self, batch: &[Item]) -> Result<Vec<Verdict>> {
        let mut taken = self.take(batch);
        // Traces first: an annotation in the same batch may be of one of them.
        if !taken.traces.is_empty() {
            let found = self.traces.record_traces(&taken.traces).await?;
            taken.traces.clear();
            for (place, of) in std::mem::take(&mut taken.places.0).into_iter().zip(found) {
                taken.settle(place, verdict(of));
            }
        }
        if !taken.annotations.is_empty() {
            let found = self.traces.annotate_traces(&taken.annotations).await?;
            taken.annotations.clear();
            for (place, of) in std::mem::take(&mut taken.places.1).into_iter().zip(found) {
                taken.settle(place, verdict(of));
            }
        }
        Ok(std::mem::take(&mut taken.verdicts))
    }

    fn is_worth_another_try(&self, error: &Error) -> bool {
        // What was stored by a try whose answer was lost is found again, and not counted twice.
        error.is_retryable() || error.kind() == ErrorKind::OutcomeUnknown
    }

    async fn written(&self, batch: &[Item], _: &[Verdict]) {
        let now = self.clock.elapsed();
        let due = self.due(batch, now);
        if due.is_empty() {
            return;
        }
        // By a clock that cannot be asked nothing is removed, until another time.
        let Ok(shared) = self.traces.now().await else {
            return;
        };
        let own = self.clock.now();
        if let Some(before) = self.settings.oldest(shared.map_or(own, |shared| shared.min(own))) {
            for tenant in due {
                // What could not be removed is removed another time; what was too much for a turn, or for the time that
                // this may take, with the next batch.
                let is_left = matches!(self.prune(&tenant, before).await, Ok(false));
                if !is_left {
                    lock(&self.pruned).insert(tenant, now);
                }
            }
        }
    }
}
