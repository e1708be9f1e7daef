//! Experiments, outcomes, traces and counts by time in the model: operations in words, and the calls that they mean.

mod generate;
mod read;

pub(super) use generate::{Ongoing, traffic};
pub(super) use read::TrafficRead;

use std::fmt::Debug;

use serde_json::{Value, json};

use super::operation::{By, Revision};
use crate::base::audit::AuditAction;
use crate::base::{Result, TenantId, TraceId, VersionNumber};
use crate::conformance::fixture::*;
use crate::environment::PointerMove;
use crate::experiment::{
    Ending, Epoch, Experiment, ExperimentChange, ExperimentStatus, Loss, NewExperiment, OutcomeEntry,
};
use crate::observation::{Annotation, AnnotationEntry, TraceEntry, TraceError, TraceScore};
use crate::ops::Stores;
use crate::prompt::{Content, Lookup, Version};

/// What is done in one tenant. Times are minutes after some hour, and go back too.
#[derive(Debug, Clone)]
pub(super) enum Traffic {
    Begin {
        id: &'static str,
        prompt: &'static str,
        environment: &'static str,
        versions: [u32; 2],
        /// Whether the hashes given are the versions'.
        same_content: bool,
        pointer: Revision,
        policy: Revision,
        namespace: Option<(u16, u16)>,
        by: By,
    },
    Change {
        id: &'static str,
        on: Revision,
        to: ExperimentStatus,
        /// The revisions that the promotion of the second variant rests on: of the pointer, and of the policies.
        promotion: Option<(Revision, Revision)>,
        by: By,
    },
    /// Unit, variant, and what it says.
    Outcomes(&'static str, Vec<(u64, u8, Said)>),
    Losses(&'static str, Vec<(u32, u8, u64)>),
    Traces(Vec<Traced>),
    Annotate(Vec<(u8, Said)>),
    PruneTraces {
        before: i64,
        at_most: usize,
    },
    PruneMinutes {
        before: i64,
        at_most: usize,
    },
}

/// What is said of an answer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Said {
    pub success: Option<bool>,
    pub score: Option<u32>,
    /// A number from which the rest is made.
    pub more: u8,
}

/// A trace. Its id tells when it began, to be found by; it is counted by a time of its own.
#[derive(Debug, Clone, Copy)]
pub(super) struct Traced {
    pub id: u8,
    pub at: i64,
    pub prompt: &'static str,
    pub closure: &'static str,
    pub environment: Option<&'static str>,
    pub variant: Option<&'static str>,
    pub is_error: bool,
    pub has_content: bool,
    pub said: Said,
}

/// The id of one of the traces: in the order of the numbers, two in each minute.
pub(super) fn trace_id(n: u8) -> TraceId {
    TraceId::new(second(i64::from(n / 2) * 60), u128::from(n))
}

/// A call of a method of these stores.
#[derive(Debug, Clone)]
#[allow(
    clippy::large_enum_variant,
    reason = "one is made, used and dropped at a time"
)]
pub(super) enum TrafficCall {
    Create(NewExperiment),
    Change(ExperimentChange),
    RecordOutcomes(TenantId, &'static str, Vec<OutcomeEntry>),
    RecordLosses(TenantId, &'static str, Vec<Loss>),
    RecordTraces(Vec<TraceEntry>),
    AnnotateTraces(Vec<AnnotationEntry>),
    PruneTraces(TenantId, i64, usize),
    PruneMinutes(TenantId, i64, usize),
}

fn words<T: Debug>(verdicts: &[T]) -> Value {
    verdicts.iter().map(|verdict| format!("{verdict:?}")).collect()
}

impl TrafficCall {
    pub(super) async fn answer(&self, stores: &Stores) -> Result<Value> {
        let (experiments, traces) = (&stores.experiments, &stores.traces);
        Ok(match self {
            Self::Create(new) => json!(experiments.create_experiment(new.clone()).await?),
            Self::Change(change) => json!(experiments.change_experiment(change.clone()).await?),
            Self::RecordOutcomes(tenant, id, outcomes) => {
                let id = experiment_id(id);
                words(&experiments.record_outcomes(tenant, &id, outcomes).await?)
            }
            Self::RecordLosses(tenant, id, losses) => {
                json!(
                    experiments
                        .record_losses(tenant, &experiment_id(id), losses)
                        .await?
                )
            }
            Self::RecordTraces(batch) => words(&traces.record_traces(batch).await?),
            Self::AnnotateTraces(batch) => words(&traces.annotate_traces(batch).await?),
            Self::PruneTraces(tenant, before, at_most) => {
                json!(traces.prune_traces(tenant, second(before * 60), *at_most).await?)
            }
            Self::PruneMinutes(tenant, before, at_most) => {
                let metrics = &stores.metrics;
                json!(
                    metrics
                        .prune_minutes(tenant, second(before * 60), *at_most)
                        .await?
                )
            }
        })
    }
}

impl Said {
    fn annotation(self) -> Annotation {
        let score = TraceScore {
            value_millionths: u32::from(self.more),
            reason: None,
        };
        Annotation {
            success: self.success,
            rating_millionths: self.score,
            corrected_output: self
                .more
                .is_multiple_of(5)
                .then(|| format!("better \u{0} {}", self.more)),
            comment: self
                .more
                .is_multiple_of(7)
                .then(|| format!("\u{1f984} {}", self.more)),
            scores: (!self.more.is_multiple_of(3))
                .then(|| {
                    (
                        score_name(["exact", "tone \u{e9}"][usize::from(self.more % 2)]),
                        score,
                    )
                })
                .into_iter()
                .collect(),
        }
    }
}

impl Traced {
    fn entry(&self, desk: &Desk) -> TraceEntry {
        let mut record = trace(u32::from(self.said.more));
        record.id = trace_id(self.id);
        record.at = second(self.at * 60 + 7);
        record.stamp = stamp(self.prompt, self.closure, self.environment);
        record.stamp.assignment = self.variant.map(|variant| assignment("exp-1", variant));
        record.error = self.is_error.then(|| TraceError {
            kind: "timeout".into(),
            message: "\u{0}".into(),
        });
        record.tags = (0..self.said.more % 3).map(|n| format!("tag {n}")).collect();
        self.said.annotation().apply(&mut record);
        desk.trace_entry(if self.has_content {
            record
        } else {
            left_out(record)
        })
    }
}

impl Traffic {
    /// The call, given what memory keeps.
    pub(super) async fn call(&self, desk: Desk) -> TrafficCall {
        match self {
            Self::Begin {
                id,
                prompt,
                environment: of,
                versions,
                same_content,
                pointer,
                policy,
                namespace: buckets,
                by,
            } => {
                let mut variants = Vec::new();
                for n in versions {
                    variants.push(version(&desk, prompt, number(*n), *same_content).await);
                }
                let slots = desk.slots(prompt).await;
                let current = slots
                    .pointer(&environment(of))
                    .map_or(0, |pointer| pointer.revision);
                let experiment = Experiment {
                    environment: environment(of),
                    pointer_revision: pointer.of(current),
                    namespace: buckets.and_then(|(from, to)| namespace("checkout", from, to)),
                    name: format!("{by:?} \u{0}"),
                    created_by: by.actor(),
                    created_at: by.time(),
                    ..desk.experiment_of(id, &variants)
                };
                TrafficCall::Create(NewExperiment {
                    policy_revision: policy.of(slots.policy_revision),
                    audit: by.entry(&desk, AuditAction::StartExperiment, id),
                    ..desk.new_experiment(experiment)
                })
            }
            Self::Change {
                id,
                on,
                to,
                promotion,
                by,
            } => TrafficCall::Change(change(&desk, id, *on, *to, *promotion, *by).await),
            Self::Outcomes(id, outcomes) => {
                let entry = |(unit, variant, said): &(u64, u8, Said)| OutcomeEntry {
                    success: said.success,
                    score_millionths: said.score,
                    epoch: 1 + u32::from(said.more % 2),
                    measured: said.more,
                    harmed: said.more & 0b101,
                    ..outcome(*unit, *variant)
                };
                TrafficCall::RecordOutcomes(desk.tenant, id, outcomes.iter().map(entry).collect())
            }
            Self::Losses(id, losses) => {
                let loss = |(epoch, variant, count): &(u32, u8, u64)| Loss {
                    epoch: *epoch,
                    variant: *variant,
                    count: *count,
                };
                TrafficCall::RecordLosses(desk.tenant, id, losses.iter().map(loss).collect())
            }
            Self::Traces(traces) => {
                TrafficCall::RecordTraces(traces.iter().map(|trace| trace.entry(&desk)).collect())
            }
            Self::Annotate(said) => {
                let entry = |(id, said): &(u8, Said)| AnnotationEntry {
                    tenant: desk.tenant.clone(),
                    trace: trace_id(*id),
                    annotation: said.annotation(),
                };
                TrafficCall::AnnotateTraces(said.iter().map(entry).collect())
            }
            Self::PruneTraces { before, at_most } => TrafficCall::PruneTraces(desk.tenant, *before, *at_most),
            Self::PruneMinutes { before, at_most } => {
                TrafficCall::PruneMinutes(desk.tenant, *before, *at_most)
            }
        }
    }

    /// What shows at once whether it did what it should have.
    pub(super) fn glance(&self) -> Vec<TrafficRead> {
        match self {
            Self::Begin {
                id,
                prompt,
                environment,
                ..
            } => vec![
                TrafficRead::Experiment(id),
                TrafficRead::Open(prompt, environment),
            ],
            Self::Change { id, .. } => vec![TrafficRead::Experiment(id)],
            Self::Outcomes(id, _) | Self::Losses(id, _) => vec![TrafficRead::Tallies(id)],
            Self::Annotate(said) => said.iter().map(|(id, _)| TrafficRead::Trace(*id)).collect(),
            Self::Traces(_) | Self::PruneTraces { .. } | Self::PruneMinutes { .. } => Vec::new(),
        }
    }
}

/// A version to be compared, an inherited one too; with another hash when there is none, or its content is not to be the
/// same.
async fn version(desk: &Desk, prompt: &str, n: VersionNumber, same_content: bool) -> Version {
    let draft = desk.draft(prompt, "never saved");
    let nothing = Version {
        tenant: desk.tenant.clone(),
        prompt: draft.prompt,
        number: n,
        hash: Content::text("never saved").hash(),
        content: draft.content,
        semver: None,
        parents: Vec::new(),
        author: draft.author,
        message: String::new(),
        status: draft.status,
        created_at: draft.created_at,
    };
    match desk.find_one(&format!("{prompt}@{n}")).await {
        Lookup::Found(found) if same_content => Version::clone(&found.version),
        _ => nothing,
    }
}

async fn change(
    desk: &Desk,
    id: &str,
    on: Revision,
    to: ExperimentStatus,
    promotion: Option<(Revision, Revision)>,
    by: By,
) -> ExperimentChange {
    let of = match desk.experiment(id).await {
        Some(experiment) => experiment,
        None => {
            let mut versions = Vec::new();
            for n in [1, 2] {
                versions.push(version(desk, "triage", number(n), false).await);
            }
            desk.experiment_of(id, &versions)
        }
    };
    let mut change = desk.experiment_change(&of, to);
    change.audit = by.entry(desk, change.audit.action, id);
    change.experiment.revision = on.of(of.revision).saturating_add(1);
    if to == ExperimentStatus::Active {
        let epoch = of.epoch();
        let share = 1_000 + 500 * u16::try_from(by.at + 2).unwrap();
        change.experiment.epochs.push(Epoch {
            number: epoch.number + 1,
            allocation: epoch.allocation.reweighted(&[share, 10_000 - share]).unwrap(),
            started_at: by.time(),
        });
    }
    if let Some((pointer, policy)) = promotion {
        let winner = &of.variants[1];
        let slots = desk.slots(&of.prompt).await;
        let current = slots
            .pointer(&of.environment)
            .map_or(0, |pointer| pointer.revision);
        let promoted = version(desk, &of.prompt, winner.version, true).await;
        change.promotion = Some(PointerMove {
            policy_revision: policy.of(slots.policy_revision),
            hash: winner.content_hash,
            actor: by.actor(),
            at: by.time(),
            audit: by.entry(desk, AuditAction::Promote, &of.prompt),
            ..desk.promotion(&promoted, &of.environment, pointer.of(current))
        });
    }
    if let Some(completion) = &mut change.experiment.completion {
        completion.reason = format!("{by:?} \u{0}");
        completion.at = by.time();
        if change.promotion.is_some() {
            completion.ending = Ending::Winner {
                variant: of.variants[1].name.clone(),
            };
        }
    }
    change
}
