//! Datasets, runs and kept answers in the model: operations in words, and the calls that they mean.

mod generate;
mod read;

pub(super) use generate::{Evaluated, work};
pub(super) use read::EvaluationRead;

use serde_json::{Value, json};

use super::names::{ANSWERS, entry_set};
use super::operation::By;
use crate::base::audit::{AuditAction, AuditEntry};
use crate::base::{Result, TenantId};
use crate::conformance::fixture::*;
use crate::evaluation::run::{Claim, ResultBatch, RunChange, StopCause};
use crate::evaluation::{Dataset, Entry, EntryResult, Evidence, NewDataset, Run, RunState};
use crate::llm::Completion;
use crate::ops::Stores;

/// What is done in one tenant. Times are microseconds after some moment, and go back too.
#[derive(Debug, Clone)]
pub(super) enum Work {
    SaveDataset {
        dataset: &'static str,
        entries: usize,
        by: By,
    },
    CreateRun {
        run: &'static str,
        dataset: &'static str,
        version: u32,
        prompt: &'static str,
        closure: &'static str,
        repeats: u32,
        miscounted: bool,
        by: By,
    },
    Claim {
        run: &'static str,
        worker: &'static str,
        limit: u32,
        now: i64,
        until: i64,
    },
    Renew {
        run: &'static str,
        worker: &'static str,
        until: i64,
    },
    Release {
        run: &'static str,
        worker: &'static str,
    },
    Record {
        run: &'static str,
        /// All tasks when there are none.
        tasks: Vec<u64>,
        /// Adds a result of no task.
        foreign: bool,
        at: i64,
    },
    Change {
        run: &'static str,
        to: State,
        evidence: bool,
        by: By,
    },
    Keep {
        key: u8,
        answer: usize,
        at: i64,
    },
    Forget {
        before: i64,
    },
}

/// A state for a run to come into.
#[derive(Debug, Clone, Copy)]
pub(super) enum State {
    Running,
    Stopped,
    Completed,
}

/// A call of a method of these stores.
#[derive(Debug, Clone)]
pub(super) enum WorkCall {
    SaveDataset(NewDataset),
    CreateRun(TenantId, Run, AuditEntry),
    ClaimTasks(Claim),
    RenewLeases(TenantId, &'static str, &'static str, i64),
    ReleaseTasks(TenantId, &'static str, &'static str),
    RecordResults(ResultBatch),
    ChangeRun(RunChange),
    KeepCompletion(TenantId, u8, Completion, i64),
    ForgetCompletions(TenantId, i64),
}

impl WorkCall {
    pub(super) async fn answer(&self, stores: &Stores) -> Result<Value> {
        let (evaluations, completions) = (&stores.evaluations, &stores.completions);
        let done = |()| Value::Null;
        match self {
            Self::SaveDataset(new) => stores
                .datasets
                .save_dataset(new.clone())
                .await
                .map(|saved| json!({ "created": saved.created, "dataset": saved.dataset })),
            Self::CreateRun(tenant, run, audit) => evaluations
                .create_run(tenant, run.clone(), audit.clone())
                .await
                .map(done),
            Self::ClaimTasks(claim) => evaluations.claim_tasks(claim.clone()).await.map(|claimed| {
                let tasks = claimed.tasks.into_iter();
                json!({
                    "tasks": tasks.map(|task| json!([task.ordinal, task.repeat, task.entry])).collect::<Vec<_>>(),
                    "state": claimed.state,
                    "held_elsewhere": claimed.held_elsewhere,
                    "next_lease_end": claimed.next_lease_end,
                })
            }),
            Self::RenewLeases(tenant, run, worker, until) => evaluations
                .renew_leases(tenant, &run_id(run), worker, at(*until))
                .await
                .map(|count| json!(count)),
            Self::ReleaseTasks(tenant, run, worker) => evaluations
                .release_tasks(tenant, &run_id(run), worker)
                .await
                .map(done),
            Self::RecordResults(batch) => evaluations
                .record_results(batch.clone())
                .await
                .map(|recorded| json!({ "accepted": recorded.accepted, "state": recorded.state })),
            Self::ChangeRun(change) => evaluations.change_run(change.clone()).await.map(|run| json!(run)),
            Self::KeepCompletion(tenant, byte, completion, time) => completions
                .keep_completion(tenant, &key(*byte), completion, at(*time))
                .await
                .map(done),
            Self::ForgetCompletions(tenant, before) => completions
                .forget_completions(tenant, at(*before))
                .await
                .map(|count| json!(count)),
        }
    }
}

impl Work {
    /// The work as a call, given what memory keeps of the desk's tenant.
    pub(super) async fn call(&self, desk: Desk) -> WorkCall {
        let tenant = desk.tenant.clone();
        match self {
            Self::SaveDataset { dataset, entries, by } => WorkCall::SaveDataset(NewDataset {
                prompt: (by.at > 2).then(|| name("triage")),
                metadata: object(json!({ "by": format!("{by:?} \u{0}"), "n": [u64::MAX, 1e308] })),
                message: format!("{by:?}"),
                created_by: by.actor(),
                created_at: by.time(),
                audit: by.entry(&desk, AuditAction::SaveDataset, "to be replaced"),
                ..desk.dataset_draft(dataset, entry_set(*entries))
            }),
            Self::CreateRun {
                run,
                dataset: on,
                version,
                prompt,
                closure: of,
                repeats,
                miscounted,
                by,
            } => {
                let found = desk.dataset(on, Some(*version)).await;
                let on = found.unwrap_or_else(|_| Dataset {
                    name: dataset(on),
                    version: number(*version),
                    ..nothing(&desk)
                });
                let new = Run {
                    prompt: name(prompt),
                    closure_hash: closure(of),
                    entries: on.entries + u64::from(*miscounted),
                    started_by: by.actor(),
                    started_at: by.time(),
                    ..desk.new_run(run, &on, *repeats)
                };
                WorkCall::CreateRun(tenant, new, by.entry(&desk, AuditAction::StartRun, run))
            }
            Self::Claim {
                run,
                worker,
                limit,
                now,
                until,
            } => WorkCall::ClaimTasks(desk.claim(run, worker, *limit, at(*now), at(*until))),
            Self::Renew { run, worker, until } => WorkCall::RenewLeases(tenant, run, worker, *until),
            Self::Release { run, worker } => WorkCall::ReleaseTasks(tenant, run, worker),
            Self::Record {
                run,
                tasks,
                foreign,
                at,
            } => {
                let (entries, repeats) = tasks_of(&desk, run).await;
                let all: Vec<_> = (0..entries.len() as u64 * repeats).collect();
                let tasks = if tasks.is_empty() { &all } else { tasks };
                let mut results: Vec<_> = tasks
                    .iter()
                    .filter_map(|task| outcome(*task, &entries, repeats, *at))
                    .collect();
                if *foreign {
                    let entry = "of another dataset".to_owned();
                    results.push(EntryResult {
                        entry,
                        ..result(0, 1)
                    });
                }
                WorkCall::RecordResults(ResultBatch {
                    tenant,
                    run: run_id(run),
                    results,
                })
            }
            Self::Change {
                run,
                to,
                evidence,
                by,
            } => {
                let to = match to {
                    State::Running => RunState::Running,
                    State::Stopped => RunState::Stopped {
                        cause: StopCause::Budget,
                        reason: format!("{by:?} \u{0}"),
                        at: by.time(),
                    },
                    State::Completed => RunState::Completed { at: by.time() },
                };
                let evidence = match desk.run(run).await {
                    Ok(found) if *evidence => Some(conclusion(&desk, found, *by).await),
                    _ => None,
                };
                let change = desk.run_change(run, to);
                WorkCall::ChangeRun(RunChange {
                    evidence,
                    audit: by.entry(&desk, change.audit.action, run),
                    ..change
                })
            }
            Self::Keep { key, answer, at } => {
                WorkCall::KeepCompletion(tenant, *key, completion(ANSWERS[*answer]), *at)
            }
            Self::Forget { before } => WorkCall::ForgetCompletions(tenant, *before),
        }
    }

    /// What shows at once whether the work did what it should have.
    pub(super) fn glance(&self) -> Vec<EvaluationRead> {
        match self {
            Self::SaveDataset { dataset: of, .. } => vec![EvaluationRead::Dataset(dataset(of), None)],
            Self::CreateRun { run, .. } | Self::Record { run, .. } | Self::Change { run, .. } => {
                let all = page(crate::base::PageRequest::MAX_LIMIT);
                vec![EvaluationRead::Run(run), EvaluationRead::Results(run, all)]
            }
            Self::Keep { key, .. } => vec![EvaluationRead::Completion(*key)],
            Self::Claim { .. } | Self::Renew { .. } | Self::Release { .. } | Self::Forget { .. } => {
                Vec::new()
            }
        }
    }
}

/// A dataset that is not there.
fn nothing(desk: &Desk) -> Dataset {
    let draft = desk.dataset_draft("nothing", entry_set(0));
    Dataset {
        name: draft.name,
        version: number(1),
        hash: draft.hash,
        entries: 1,
        prompt: None,
        metadata: draft.metadata,
        message: draft.message,
        created_by: draft.created_by,
        created_at: draft.created_at,
    }
}

/// Evidence of a run, at times under a name that is on record.
async fn conclusion(desk: &Desk, run: Run, by: By) -> Evidence {
    let on = run.dataset.as_str();
    let latest = desk
        .latest_evidence(run.prompt.as_str(), &run.closure_hash, on)
        .await;
    let taken = latest.filter(|_| by.at % 4 != 0).map(|evidence| evidence.run);
    Evidence {
        run: taken.unwrap_or_else(|| run.id.to_string()),
        prompt: run.prompt,
        closure_hash: run.closure_hash,
        dataset: run.dataset,
        dataset_version: run.dataset_version,
        entries: run.entries,
        passed: 1,
        dimensions: [("format".to_owned(), 1.0 / 3.0)].into(),
        judges: [("judge".to_owned(), by.at > 0)].into(),
    }
}

/// The entries of a run and its repeats; one of each for a run that is not there.
async fn tasks_of(desk: &Desk, run: &str) -> (Vec<Entry>, u64) {
    let Ok(run) = desk.run(run).await else {
        return (entry_set(0), 1);
    };
    let of = desk
        .dataset(run.dataset.as_str(), Some(run.dataset_version.get()))
        .await
        .expect("a run's dataset is there");
    (
        desk.dataset_entries(&of, 1_000).await,
        u64::from(run.evaluator.repeats),
    )
}

/// A result of a task; `None` when there is no such task.
fn outcome(task: u64, entries: &[Entry], repeats: u64, time: i64) -> Option<EntryResult> {
    let entry = entries.get(usize::try_from(task / repeats).ok()?)?;
    Some(EntryResult {
        entry: entry.id.clone(),
        output: Some(format!("at {time} \u{0}")),
        at: at(time),
        ..result(task, repeats)
    })
}
