//! A worker on a run: claims entries, has them asked, keeps the results, until the run is complete or stopped.

use std::collections::{HashSet, VecDeque};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

use super::attempt::Attempt;
use super::claims::Claims;
use super::pool::{Pool, Returned};
use super::progress::Progress;
use super::record::{Run, RunState, StopCause};
use super::result::EntryResult;
use super::work::{Claim, Claimed, ResultBatch, RunChange, Task, Worker};
use crate::base::audit::{AuditAction, AuditEntry};
use crate::base::error::{Error, ErrorKind, Result};
use crate::base::{Actor, Clock, PageRequest, TenantId, Timestamp};
use crate::evaluation::dataset::DatasetStore;
use crate::evaluation::evidence::Evidence;
use crate::evaluation::report::{Report, ReportOptions};
use crate::evaluation::store::EvaluationStore;
use crate::llm::Cost;

/// Most results kept in one commit.
const BATCH: usize = 512;
/// How long the store may be out of reach before a worker gives up what it holds.
const PATIENCE: Duration = Duration::from_secs(120);

/// What whoever holds the handle wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Command {
    Work,
    Cancel,
}

/// Why this worker takes no more entries.
enum Stop {
    /// The handle was dropped: the run stays as it is.
    Dropped,
    /// Somebody else stopped or completed it.
    Elsewhere,
    /// This worker stops it.
    Ours {
        cause: StopCause,
        reason: String,
        error: Option<Error>,
    },
}

/// What a worker came to.
pub(super) struct Finished {
    pub(super) run: Run,
    /// The report of the run that this worker has completed.
    pub(super) report: Option<Report>,
    /// What made the run fail.
    pub(super) failure: Option<Error>,
}

pub(super) struct Runner {
    pub(super) store: Arc<dyn EvaluationStore>,
    pub(super) datasets: Arc<dyn DatasetStore>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) tenant: TenantId,
    pub(super) run: Run,
    pub(super) worker: Worker,
    pub(super) actor: Actor,
    pub(super) pool: Pool,
    pub(super) concurrency: usize,
    pub(super) lease: Duration,
    pub(super) budget: Option<Cost>,
    pub(super) control: watch::Receiver<Command>,
    pub(super) progress: watch::Sender<Progress>,
    /// The tasks that this worker was given and whose results are not kept yet. When its leases have ended, as after a
    /// clock was set on, a claim brings them again.
    pub(super) held: HashSet<u64>,
    /// The report of the run, once this worker has completed it.
    pub(super) report: Option<Report>,
}

impl Runner {
    /// Works until the run is complete, stopped, or the handle is dropped.
    pub(super) async fn work(mut self) -> Result<Finished> {
        let worked = self.drive().await;
        self.pool.stop();
        // Whatever happened: what this worker holds is somebody else's now.
        let released = self
            .store
            .release_tasks(&self.tenant, &self.run.id, &self.worker)
            .await;
        let stop = worked?;
        released?;
        let Some(Stop::Ours { cause, reason, error }) = stop else {
            let run = self.store.run(&self.tenant, &self.run.id).await?;
            return Ok(Finished {
                run,
                report: self.report,
                failure: None,
            });
        };
        let at = self.clock.now();
        let detail = json!({ "cause": cause, "reason": reason, "done": self.progress.borrow().done });
        let to = RunState::Stopped { cause, reason, at };
        let run = match self.change(to, None, AuditAction::StopRun, at, &detail).await {
            // Somebody else has completed it meanwhile.
            Err(error) if error.kind() == ErrorKind::IllegalTransition => {
                self.store.run(&self.tenant, &self.run.id).await?
            }
            changed => changed?,
        };
        let failure = error.filter(|_| !run.state.is_completed());
        Ok(Finished {
            run,
            report: None,
            failure,
        })
    }

    /// Works; `None` when this worker has completed the run.
    async fn drive(&mut self) -> Result<Option<Stop>> {
        let mut claims = Claims::new(self.concurrency);
        let mut waiting: VecDeque<Task> = VecDeque::new();
        let mut results: Vec<EntryResult> = Vec::new();
        let mut stop: Option<Stop> = None;
        let mut heartbeat = interval(self.lease / 3);
        heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        heartbeat.tick().await;
        loop {
            if stop.is_none()
                && waiting.is_empty()
                && claims.may_bring_more()
                // With nothing out it is asked whether there is anything left at all, budget or not.
                && (self.may_ask(&claims, results.len()) || (self.pool.out() == 0 && results.is_empty()))
            {
                let claimed = self.claim(claims.size(self.pool.out())).await?;
                if !claimed.state.is_running() {
                    stop = Some(Stop::Elsewhere);
                }
                claims.took(&claimed);
                let tasks = claimed.tasks.into_iter();
                waiting.extend(tasks.filter(|task| self.held.insert(task.ordinal)));
            }
            while stop.is_none() && self.may_ask(&claims, results.len()) {
                match waiting.pop_front() {
                    Some(task) => self.pool.push(task),
                    None => break,
                }
            }
            if !results.is_empty() {
                let state = self.record(std::mem::take(&mut results)).await?;
                if !state.is_running() && stop.is_none() {
                    stop = Some(Stop::Elsewhere);
                }
                if stop.is_none() {
                    stop = self.broke();
                }
                continue;
            }
            if self.pool.out() == 0 {
                if stop.is_some() {
                    return Ok(stop);
                }
                if !waiting.is_empty() {
                    stop = Some(self.spent());
                    continue;
                }
                if !claims.may_bring_more() {
                    if !claims.others_work() && self.complete().await? {
                        return Ok(None);
                    }
                    stop = self.idle(claims.idle_time(self.clock.now())).await;
                    claims.look_again();
                }
                continue;
            }
            tokio::select! {
                returned = self.pool.next(BATCH) => {
                    claims.returned(returned.len());
                    for returned in returned {
                        take(returned, &mut results, &mut stop);
                    }
                }
                _ = heartbeat.tick() => {
                    self.keep_leases().await;
                    for attempt in self.pool.give_up_blocked()? {
                        take(Returned::Asked(attempt), &mut results, &mut stop);
                    }
                }
                wanted = wanted(&mut self.control), if stop.is_none() => stop = Some(wanted),
            }
            if stop.is_some() {
                self.pool.stop();
            }
        }
    }

    /// Whether another entry may be asked now.
    fn may_ask(&self, claims: &Claims, unrecorded: usize) -> bool {
        let out = self.pool.out();
        let Some(budget) = self.budget else {
            return out < self.concurrency + claims.waiting_room();
        };
        let progress = self.progress.borrow();
        // A call that failed in a way that may have been billed counts as the dearest so far.
        let failed = progress.unknown_costs - progress.unpriced;
        let spent = progress
            .cost
            .nano_usd()
            .saturating_add(failed.saturating_mul(progress.dearest.nano_usd()));
        let left = budget.nano_usd().saturating_sub(spent);
        if progress.answered == 0 {
            // What one entry costs is known when one is answered; one that was not asked, or failed, cost nothing.
            return left > 0 && out + unrecorded == 0;
        }
        // Each entry whose cost is not counted yet, and this one, may cost as much as the dearest so far.
        let dearest = progress.dearest.nano_usd().max(1);
        out < self.concurrency && left / dearest > (out + unrecorded) as u64
    }

    /// The stop of a run whose budget does not reach for another entry.
    fn spent(&self) -> Stop {
        let progress = self.progress.borrow();
        let budget = self.budget.unwrap_or_default();
        Stop::Ours {
            cause: StopCause::Budget,
            reason: format!(
                "{} of {budget} are spent, and the next entry may cost {}",
                progress.cost, progress.dearest
            ),
            error: None,
        }
    }

    /// The stop of a run whose budget can no longer be kept.
    fn broke(&self) -> Option<Stop> {
        let unknown = self.progress.borrow().unpriced;
        (self.budget.is_some() && unknown > 0).then(|| Stop::Ours {
            cause: StopCause::Budget,
            reason: format!(
                "{unknown} results have a price that is not known, so that the budget cannot be kept; give the price of every \
                 model, the judges' included"
            ),
            error: None,
        })
    }

    async fn claim(&self, limit: u32) -> Result<Claimed> {
        patiently(async || {
            let now = self.clock.now();
            self.store
                .claim_tasks(Claim {
                    tenant: self.tenant.clone(),
                    run: self.run.id.clone(),
                    worker: self.worker.clone(),
                    limit,
                    now,
                    until: self.lease_end(now),
                })
                .await
        })
        .await
    }

    fn lease_end(&self, now: Timestamp) -> Timestamp {
        now + chrono::TimeDelta::from_std(self.lease).unwrap_or(chrono::TimeDelta::MAX)
    }

    async fn keep_leases(&self) {
        let until = self.lease_end(self.clock.now());
        // A store that is out of reach is the next claim's or record's affair; results are kept without a lease too.
        let _ = self
            .store
            .renew_leases(&self.tenant, &self.run.id, &self.worker, until)
            .await;
    }

    /// Keeps results, counts those that count, and says where the run stands.
    async fn record(&mut self, results: Vec<EntryResult>) -> Result<RunState> {
        let recorded = patiently(async || {
            self.store
                .record_results(ResultBatch {
                    tenant: self.tenant.clone(),
                    run: self.run.id.clone(),
                    results: results.clone(),
                })
                .await
        })
        .await?;
        for result in &results {
            self.held.remove(&result.ordinal);
        }
        self.progress.send_modify(|progress| {
            for result in &results {
                if recorded.accepted.binary_search(&result.ordinal).is_ok() {
                    progress.add(result, &self.run.evaluator);
                }
            }
        });
        Ok(recorded.state)
    }

    /// Completes the run if every result is there.
    async fn complete(&mut self) -> Result<bool> {
        let found = self.store.count_results(&self.tenant, &self.run.id).await?;
        if found < self.run.tasks() {
            return Ok(false);
        }
        let report = Report::load(
            self.store.as_ref(),
            self.datasets.as_ref(),
            &self.tenant,
            self.run.clone(),
            &ReportOptions::default(),
        )
        .await?;
        let evidence = report.evidence();
        let at = self.clock.now();
        let detail = json!({
            "entries": evidence.entries,
            "passed": evidence.passed,
            "errors": report.errors,
            "dimensions": evidence.dimensions,
        });
        let to = RunState::Completed { at };
        let changed = self
            .change(to, Some(evidence), AuditAction::CompleteRun, at, &detail)
            .await;
        match changed {
            Ok(run) => {
                self.run = run;
                self.progress.send_if_modified(|progress| {
                    let changed = *progress != report.progress;
                    *progress = report.progress;
                    changed
                });
                self.report = Some(report);
                Ok(true)
            }
            // Somebody stopped it: the next claim says so.
            Err(error) if error.kind() == ErrorKind::IllegalTransition => Ok(false),
            Err(error) => Err(error),
        }
    }

    async fn change(
        &self,
        to: RunState,
        evidence: Option<Evidence>,
        action: AuditAction,
        at: Timestamp,
        detail: &serde_json::Value,
    ) -> Result<Run> {
        let audit = AuditEntry::new(
            &self.tenant,
            at,
            &self.actor,
            action,
            self.run.id.as_str(),
            detail,
        );
        patiently(async || {
            self.store
                .change_run(RunChange {
                    tenant: self.tenant.clone(),
                    run: self.run.id.clone(),
                    to: to.clone(),
                    evidence: evidence.clone(),
                    audit: audit.clone(),
                })
                .await
        })
        .await
    }

    /// Waits for other workers' entries to come back, or for a stop.
    async fn idle(&mut self, time: Duration) -> Option<Stop> {
        tokio::select! {
            () = sleep(time) => None,
            stop = wanted(&mut self.control) => Some(stop),
        }
    }
}

fn take(returned: Returned, results: &mut Vec<EntryResult>, stop: &mut Option<Stop>) {
    match returned {
        Returned::Unasked => {}
        Returned::Asked(Attempt::Result(result)) => results.push(*result),
        Returned::Asked(Attempt::Fatal { cause, reason, error }) => {
            // The first reason is the one to tell.
            stop.get_or_insert(Stop::Ours {
                cause,
                reason,
                error: Some(error),
            });
        }
    }
}

/// Waits until whoever holds the handle wants it to end.
async fn wanted(control: &mut watch::Receiver<Command>) -> Stop {
    match control.wait_for(|command| *command == Command::Cancel).await {
        Ok(_) => Stop::Ours {
            cause: StopCause::Cancelled,
            reason: "cancelled by who started it".into(),
            error: None,
        },
        Err(_) => Stop::Dropped,
    }
}

/// Repeats what a store could not do just now, for a while: what was paid for must not be lost to a short outage. Only for
/// calls that may be made twice.
async fn patiently<T, F: Future<Output = Result<T>>>(call: impl Fn() -> F) -> Result<T> {
    let started = Instant::now();
    let mut pause = Duration::from_millis(50);
    loop {
        match call().await {
            Err(error)
                if (error.is_retryable() || error.kind() == ErrorKind::OutcomeUnknown)
                    && started.elapsed() < PATIENCE =>
            {
                sleep(pause).await;
                pause = (pause * 2).min(Duration::from_secs(5));
            }
            result => return result,
        }
    }
}

/// How far a run is that has results already.
pub(super) async fn progress_so_far(
    store: &dyn EvaluationStore,
    tenant: &TenantId,
    run: &Run,
) -> Result<Progress> {
    let mut progress = Progress::of(run.tasks());
    if store.count_results(tenant, &run.id).await? == 0 {
        return Ok(progress);
    }
    let mut request = PageRequest::first(PageRequest::MAX_LIMIT);
    loop {
        let page = store.results(tenant, &run.id, &request).await?;
        page.items
            .iter()
            .for_each(|result| progress.add(result, &run.evaluator));
        match page.next {
            Some(cursor) => request = request.after(cursor),
            None => return Ok(progress),
        }
    }
}
