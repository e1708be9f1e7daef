//! Recording outcomes: checked and counted by a writer of their own, and never in anybody's way.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::{Instant, timeout};

use super::outcome::{Outcome, OutcomeEntry, OutcomeVerdict};
use super::record::Experiment;
use super::refusal;
use super::store::{ExperimentStore, Loss};
use super::watch::Watch;
use crate::base::error::{Error, ErrorKind, Result, invalid};
use crate::base::{Clock, ClosureHash, ExperimentId, Spawn, TenantId, Timestamp, VariantName};
use crate::observation::recording::{Pipeline, Recorded, RecordingSettings, RecordingStats, Sink, Verdict};
use crate::observation::{Assignment, Stamp};

/// Most experiments of which the record is kept at hand; more are forgotten all at once, and read again.
const MOST_KNOWN: usize = 1_024;
/// Most experiments of which losses wait to be told to the store, and most epochs and variants of each; losses of more are
/// in the recorder's counts alone.
const MOST_LOSING: usize = 1_024;
const MOST_LOSSES: usize = 64;

type Key = (TenantId, ExperimentId);
/// How many outcomes of each epoch and variant.
type Losses = HashMap<(u32, VariantName), u64>;

/// Records outcomes of all tenants. One for a process; shared by all handles.
#[derive(Clone)]
pub struct OutcomeRecorder {
    pipeline: Pipeline<Writing>,
    clock: Arc<dyn Clock>,
}

/// An outcome as it was reported.
struct Reported {
    tenant: TenantId,
    assignment: Assignment,
    served: ClosureHash,
    outcome: Outcome,
    at: Timestamp,
    /// What became of it in a try that failed with others.
    settled: OnceLock<Result<Verdict>>,
    /// Where who waits for it learns why it does not count.
    reason: Option<Reason>,
}

type Reason = Arc<OnceLock<Error>>;

impl Reported {
    fn key(&self) -> Key {
        (self.tenant.clone(), self.assignment.experiment.clone())
    }
}

impl OutcomeRecorder {
    /// A recorder into this store. `watch` is told which experiments have new outcomes.
    #[must_use]
    pub fn new(
        experiments: Arc<dyn ExperimentStore>,
        watch: Watch,
        clock: Arc<dyn Clock>,
        spawn: Arc<dyn Spawn>,
        settings: RecordingSettings,
    ) -> Self {
        let sink = Writing {
            experiments,
            watch,
            known: Mutex::default(),
            losses: Mutex::default(),
        };
        Self {
            pipeline: Pipeline::new(sink, settings, spawn),
            clock,
        }
    }

    /// [`RecordingSettings::default`] with batches of up to 16,384: outcomes are small, and a store that keeps them by unit
    /// writes the less for each the more come at once.
    #[must_use]
    pub fn default_settings() -> RecordingSettings {
        RecordingSettings {
            max_batch: 16_384,
            ..RecordingSettings::default()
        }
    }

    fn reported(&self, tenant: &TenantId, stamp: &Stamp, outcome: Outcome) -> Option<Reported> {
        let assignment = stamp.assignment.as_ref().filter(|of| of.is_counted())?;
        Some(Reported {
            tenant: tenant.clone(),
            assignment: assignment.clone(),
            served: stamp.closure_hash,
            outcome,
            at: self.clock.now(),
            settled: OnceLock::new(),
            reason: None,
        })
    }

    pub(super) fn record(&self, tenant: &TenantId, stamp: &Stamp, outcome: Outcome) -> Recorded {
        match self.reported(tenant, stamp, outcome) {
            Some(reported) => self.pipeline.record(reported),
            None => Recorded::NotCounted,
        }
    }

    pub(super) async fn record_durable(
        &self,
        tenant: &TenantId,
        stamp: &Stamp,
        outcome: Outcome,
    ) -> Result<Option<Verdict>> {
        let Some(mut reported) = self.reported(tenant, stamp, outcome) else {
            return Ok(None);
        };
        reported.outcome.check()?;
        let reason = Reason::default();
        reported.reason = Some(reason.clone());
        match self.pipeline.record_durable(reported).await? {
            Verdict::Invalid => Err(reason.get().cloned().unwrap_or_else(not_counted)),
            verdict => Ok(Some(verdict)),
        }
    }

    /// Waits until what was recorded before is settled.
    ///
    /// # Errors
    /// [`Unavailable`](ErrorKind::Unavailable) when the time is over before.
    pub async fn flush(&self, deadline: Duration) -> Result<RecordingStats> {
        self.pipeline.flush(deadline).await
    }

    /// Takes nothing more, writes what is queued, and says what became of all that was recorded. Where the store is slow, the
    /// last tenth of the time, at most a second, is for telling it what was lost of which variant. It takes no longer than
    /// the deadline, but for a tenth of a second.
    pub async fn shutdown(&self, deadline: Duration) -> RecordingStats {
        let began = Instant::now();
        let for_losses = (deadline / 10).min(Duration::from_secs(1));
        let stats = self.pipeline.shutdown(deadline.saturating_sub(for_losses)).await;
        let left = deadline.saturating_sub(began.elapsed());
        let _ = timeout(left, self.pipeline.sink().tell_losses()).await;
        stats
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
}

impl fmt::Debug for OutcomeRecorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OutcomeRecorder")
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}

/// Where outcomes go.
struct Writing {
    experiments: Arc<dyn ExperimentStore>,
    watch: Watch,
    known: Mutex<HashMap<Key, Arc<Experiment>>>,
    /// Outcomes that were lost and that the store was not told of yet.
    losses: Mutex<HashMap<Key, Losses>>,
}

fn settle(outcomes: &[&Reported], result: Result<Verdict>) {
    for reported in outcomes {
        // Only the first try that says something of it settles it.
        let _ = reported.settled.set(result.clone());
    }
}

/// Settles outcomes that do not count, and says why to who waits for them.
fn refuse(outcomes: &[&Reported], error: &Error) {
    for reported in outcomes {
        if reported.settled.set(Ok(Verdict::Invalid)).is_ok()
            && let Some(reason) = &reported.reason
        {
            let _ = reason.set(error.clone());
        }
    }
}

/// Another tenant's experiment is unknown too.
fn unknown(key: &Key) -> Error {
    refusal::unknown_experiment(&key.1).with("tenant", &key.0)
}

fn closed(key: &Key) -> Error {
    Error::new(
        ErrorKind::IllegalTransition,
        format!(
            "the experiment {} is completed and counts no more outcomes; report them while it is open",
            key.1
        ),
    )
}

fn not_counted() -> Error {
    invalid("the outcome does not count; pass stamps on as they were handed out")
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Writing {
    /// The experiment, with the allocation of this number; `None` when there is none.
    async fn experiment(&self, key: &Key, epoch: u32) -> Result<Option<Arc<Experiment>>> {
        let known = lock(&self.known).get(key).cloned();
        if let Some(known) = known.filter(|known| known.epoch().number >= epoch) {
            return Ok(Some(known));
        }
        let Some(found) = self.experiments.experiment(&key.0, &key.1).await? else {
            return Ok(None);
        };
        let found = Arc::new(found);
        let mut known = lock(&self.known);
        if known.len() >= MOST_KNOWN {
            known.clear();
        }
        known.insert(key.clone(), found.clone());
        Ok(Some(found))
    }

    /// Writes outcomes of one experiment.
    async fn write_one(&self, key: &Key, outcomes: &[&Reported]) -> Result<()> {
        let newest = outcomes.iter().map(|reported| reported.assignment.epoch).max();
        let Some(experiment) = self.experiment(key, newest.unwrap_or(0)).await? else {
            refuse(outcomes, &unknown(key));
            return Ok(());
        };
        let mut counted: Vec<&Reported> = Vec::with_capacity(outcomes.len());
        let mut entries: Vec<OutcomeEntry> = Vec::with_capacity(outcomes.len());
        for reported in outcomes {
            let entry = experiment.entry(
                &reported.assignment,
                reported.served,
                &reported.outcome,
                reported.at,
            );
            match entry {
                Ok(entry) => {
                    counted.push(reported);
                    entries.push(entry);
                }
                Err(error) => refuse(&[reported], &error.with("experiment", &key.1)),
            }
        }
        if entries.is_empty() {
            return Ok(());
        }
        let found = self.experiments.record_outcomes(&key.0, &key.1, &entries).await?;
        for (reported, verdict) in counted.into_iter().zip(found) {
            let verdict = match verdict {
                OutcomeVerdict::Written => Verdict::Written,
                OutcomeVerdict::Duplicate => Verdict::Duplicate,
                OutcomeVerdict::Contaminated => Verdict::Contaminated,
                OutcomeVerdict::Closed => {
                    refuse(&[reported], &closed(key));
                    continue;
                }
            };
            settle(&[reported], Ok(verdict));
        }
        Ok(())
    }

    fn lose(&self, reported: &Reported) {
        let mut losses = lock(&self.losses);
        let room = losses.len() < MOST_LOSING;
        let of = match losses.entry(reported.key()) {
            Entry::Occupied(of) => of.into_mut(),
            Entry::Vacant(of) if room => of.insert(HashMap::new()),
            Entry::Vacant(_) => return,
        };
        let room = of.len() < MOST_LOSSES;
        match of.entry((reported.assignment.epoch, reported.assignment.variant.clone())) {
            Entry::Occupied(mut count) => *count.get_mut() += 1,
            Entry::Vacant(count) if room => {
                count.insert(1);
            }
            Entry::Vacant(_) => {}
        }
    }

    /// Tells the store what was lost. What it cannot be told now is told another time; so is what it was being told when
    /// it took too long, and may then be counted twice.
    async fn tell_losses(&self) {
        let mut telling = Telling {
            writing: self,
            left: std::mem::take(&mut *lock(&self.losses)),
        };
        let keys: Vec<Key> = telling.left.keys().cloned().collect();
        for key in keys {
            let Some(of) = telling.left.get(&key) else {
                continue;
            };
            if self.tell(&key, of).await {
                telling.left.remove(&key);
            }
        }
    }

    /// Whether this need not be told again.
    async fn tell(&self, key: &Key, of: &Losses) -> bool {
        let Ok(experiment) = self.experiment(key, 0).await else {
            return false;
        };
        // Of an experiment that is not there nobody asks.
        let Some(experiment) = experiment else { return true };
        let told: Vec<Loss> = of
            .iter()
            .filter_map(|((epoch, name), count)| {
                Some(Loss {
                    epoch: *epoch,
                    variant: experiment.variant_index(name)?,
                    count: *count,
                })
            })
            .collect();
        if told.is_empty() {
            return true;
        }
        let result = self.experiments.record_losses(&key.0, &key.1, &told).await;
        !result.is_err_and(|error| error.is_retryable())
    }

    fn keep(&self, key: Key, of: Losses) {
        let mut losses = lock(&self.losses);
        let present = losses.entry(key).or_default();
        for (variant, count) in of {
            *present.entry(variant).or_default() += count;
        }
    }
}

/// Losses that the store is being told of. Keeps those for another time of which it was not told, also when nobody waits
/// any longer.
struct Telling<'a> {
    writing: &'a Writing,
    left: HashMap<Key, Losses>,
}

impl Drop for Telling<'_> {
    fn drop(&mut self) {
        for (key, of) in self.left.drain() {
            self.writing.keep(key, of);
        }
    }
}

#[async_trait]
impl Sink for Writing {
    type Item = Reported;

    fn what(&self) -> &'static str {
        "outcomes"
    }

    fn weight(&self, _: &Reported) -> usize {
        size_of::<Reported>()
    }

    async fn write(&self, batch: &[Reported]) -> Result<Vec<Verdict>> {
        let mut outcomes: HashMap<Key, Vec<&Reported>> = HashMap::new();
        for reported in batch.iter().filter(|reported| reported.settled.get().is_none()) {
            outcomes.entry(reported.key()).or_default().push(reported);
        }
        let mut passing = None;
        for (key, outcomes) in &outcomes {
            match self.write_one(key, outcomes).await {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::NotFound => refuse(outcomes, &unknown(key)),
                Err(error) if self.is_worth_another_try(&error) => passing = Some(error),
                // It is this experiment's alone, whatever becomes of the others.
                Err(error) => settle(outcomes, Err(error)),
            }
        }
        if let Some(error) = passing {
            return Err(error);
        }
        // What nobody settled is of no experiment, or of none that counts it.
        let verdict = |of: &Reported| of.settled.get().cloned().unwrap_or(Ok(Verdict::Invalid));
        batch.iter().map(verdict).collect()
    }

    fn settled(&self, reported: &Reported) -> Option<Result<Verdict>> {
        reported.settled.get().cloned()
    }

    fn is_worth_another_try(&self, error: &Error) -> bool {
        // What was stored by a try whose answer was lost is found again, and not counted twice.
        error.is_retryable() || error.kind() == ErrorKind::OutcomeUnknown
    }

    fn dropped(&self, reported: &Reported) {
        self.lose(reported);
    }

    fn failed(&self, reported: &Reported, _: &Error) {
        self.lose(reported);
    }

    async fn written(&self, batch: &[Reported], verdicts: &[Verdict]) {
        let mut last: Option<&Reported> = None;
        // What does not count is no news, and may be of an experiment that is none.
        let counted = batch
            .iter()
            .zip(verdicts)
            .filter(|(_, verdict)| **verdict != Verdict::Invalid);
        for (reported, _) in counted {
            let is_other = last.is_none_or(|last| {
                last.assignment.experiment != reported.assignment.experiment || last.tenant != reported.tenant
            });
            if is_other {
                self.watch.note(&reported.tenant, &reported.assignment.experiment);
                last = Some(reported);
            }
        }
        self.tell_losses().await;
    }
}
