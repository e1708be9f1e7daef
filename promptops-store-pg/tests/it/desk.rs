//! Shared by the tests: short ways to make changes.

use std::time::Duration;

use promptops_core::base::audit::{AuditAction, AuditEntry};
use promptops_core::base::{Actor, ClosureHash, PromptName, RunId, TenantId, Timestamp, VersionNumber};
use promptops_core::base::{EnvironmentName, ExperimentId, TraceId, VariantName};
use promptops_core::deployment::{
    Deployment, DeploymentCommit, Document, MonitorOutcome, Shipped, SlotControl, State, Step, Transition,
};
use promptops_core::environment::{MoveKind, PointerMove};
use promptops_core::evaluation::run::{Claim, Claimed, EvaluatorRecord, Recorded, ResultBatch};
use promptops_core::evaluation::{DatasetDraft, Entry, EntryResult, EvaluationStore, Run, RunState};
use promptops_core::experiment::{
    Allocation, Epoch, Experiment, ExperimentChange, ExperimentStatus, ExperimentStore, Goal, NewExperiment,
    OutcomeEntry, OutcomeVerdict, Rules, Variant,
};
use promptops_core::improvement::{
    Control, DailyBudget, ImprovementCommit, ImprovementRecord, ImprovementStore, SlotLease, Spending, day_of,
};
use promptops_core::llm::{
    BlueprintMessage, Completion, CompletionKey, CompletionStore, FinishReason, Usage,
};
use promptops_core::observation::{Stamp, TraceEntry, TraceRecord, TraceStore, UnitKey};
use promptops_core::prompt::{Draft, MessageRole, Version};
use promptops_core::{Error, ErrorKind, PromptOps, Result, Tenant};
use promptops_store_pg::PgBackend;

pub fn acme_id() -> TenantId {
    TenantId::new("acme").unwrap()
}

pub fn name(name: &str) -> PromptName {
    PromptName::new(name).unwrap()
}

pub fn ana() -> Actor {
    Actor::owner("ana")
}

/// The tenant `acme` of a library instance of its own.
pub fn acme(backend: PgBackend) -> Tenant {
    PromptOps::builder(backend).build().tenant("acme").unwrap()
}

pub async fn save(tenant: &Tenant, prompt: &str, text: &str) -> Version {
    let draft = Draft::text(text).by(ana()).active();
    tenant.prompts().save(prompt, draft).await.unwrap()
}

pub async fn promote(tenant: &Tenant, version: &Version) -> u64 {
    let environments = tenant.environments();
    let pointer = environments.promote(version, "production", &ana()).await;
    pointer.unwrap().revision
}

/// What a reference is served as.
pub async fn text(tenant: &Tenant, reference: &str) -> String {
    let answer = tenant.resolve(reference).render(&()).await.unwrap();
    answer.text().unwrap().to_owned()
}

#[track_caller]
pub fn fails<T>(result: Result<T>, kind: ErrorKind, words: &[&str]) -> Error {
    let error = result.err().expect("the call should fail");
    assert_eq!(error.kind(), kind, "{error:?}");
    for word in words {
        assert!(error.to_string().contains(word), "{error} lacks {word:?}");
    }
    error
}

pub fn run_id() -> RunId {
    RunId::new("run-1").unwrap()
}

/// A dataset of three entries, a run on it with a result and a task under a lease, and a kept answer.
pub async fn evaluate(backend: &PgBackend) {
    let tenant = acme(backend.clone());
    let entries = ["a", "b", "c"].map(|id| Entry::new(id, serde_json::Map::new()));
    let draft = DatasetDraft::new(entries);
    let golden = tenant.datasets().save("golden", draft, &ana()).await.unwrap();
    let run = Run {
        id: run_id(),
        prompt: name("triage"),
        version: VersionNumber::FIRST,
        closure_hash: ClosureHash::from_bytes([7; 32]),
        dataset: golden.name,
        dataset_version: golden.version,
        entries: golden.entries,
        evaluator: EvaluatorRecord {
            provider: "p".into(),
            model: "m".into(),
            repeats: 1,
            criteria: Vec::new(),
        },
        state: RunState::Running,
        started_by: ana(),
        started_at: Timestamp::default(),
    };
    let (action, detail) = (AuditAction::StartRun, serde_json::json!({}));
    let audit = AuditEntry::new(&acme_id(), run.started_at, &ana(), action, "run-1", &detail);
    backend.create_run(&acme_id(), run, audit).await.unwrap();
    assert_eq!(claim(backend, "w", 2).await.unwrap().tasks.len(), 2);
    record(backend, 0, "a").await.unwrap();
    let answer = Completion {
        message: BlueprintMessage::new(MessageRole::Assistant, "yes"),
        finish: FinishReason::Stop,
        usage: Usage::default(),
        model: "m".into(),
        id: None,
    };
    let key = CompletionKey::from_bytes([7; 32]);
    let at = Timestamp::default();
    backend
        .keep_completion(&acme_id(), &key, &answer, at)
        .await
        .unwrap();
}

/// Claims tasks whose leases end a second later.
pub async fn claim(backend: &PgBackend, worker: &str, limit: u32) -> Result<Claimed> {
    let now = Timestamp::default();
    let claim = Claim {
        tenant: acme_id(),
        run: run_id(),
        worker: worker.into(),
        limit,
        now,
        until: now + Duration::from_secs(1),
    };
    backend.claim_tasks(claim).await
}

pub async fn record(backend: &PgBackend, ordinal: u64, entry: &str) -> Result<Recorded> {
    let result = EntryResult {
        ordinal,
        entry: entry.into(),
        repeat: 0,
        output: None,
        finish: None,
        error: None,
        scores: Vec::new(),
        latency: Duration::ZERO,
        usage: Usage::default(),
        cost: None,
        cached: false,
        model: None,
        at: Timestamp::default(),
    };
    let batch = ResultBatch {
        tenant: acme_id(),
        run: run_id(),
        results: vec![result],
    };
    backend.record_results(batch).await
}

/// A trace of `triage`, kept, that began so many milliseconds after 1970.
pub fn trace(millis: i64, bits: u128) -> TraceEntry {
    let at = Timestamp::from_timestamp_millis(millis).unwrap();
    let stamp = Stamp {
        prompt: name("triage"),
        version: Some(VersionNumber::FIRST),
        closure_hash: ClosureHash::from_bytes([7; 32]),
        environment: Some(EnvironmentName::new("production").unwrap()),
        assignment: None,
    };
    let trace = TraceRecord {
        id: TraceId::new(at, bits),
        stamp,
        at,
        inputs: Some(serde_json::json!({ "question": "why?" })),
        output: Some("because".into()),
        omitted: None,
        error: None,
        success: Some(true),
        rating_millionths: None,
        corrected_output: None,
        comment: None,
        scores: Default::default(),
        latency: Some(Duration::from_millis(3)),
        usage: None,
        cost: None,
        model: Some("m".into()),
        session: None,
        tags: Default::default(),
    };
    TraceEntry {
        tenant: acme_id(),
        trace,
    }
}

pub fn experiment_id(id: &str) -> ExperimentId {
    ExperimentId::new(id).unwrap()
}

/// An experiment of these versions in production, whose pointer is at this revision.
pub fn experiment(id: &str, pointer_revision: u64, versions: &[&Version]) -> Experiment {
    let variants = versions.iter().zip(["control", "other"]);
    Experiment {
        id: experiment_id(id),
        name: "a trial".into(),
        prompt: versions[0].prompt.clone(),
        environment: EnvironmentName::new("production").unwrap(),
        status: ExperimentStatus::Active,
        revision: 1,
        variants: variants
            .map(|(version, name)| Variant {
                name: VariantName::new(name).unwrap(),
                version: version.number,
                content_hash: version.hash,
                closure_hash: ClosureHash::from_bytes([7; 32]),
            })
            .collect(),
        epochs: vec![Epoch {
            number: 1,
            allocation: Allocation::new(&[5_000, 5_000]).unwrap(),
            started_at: Timestamp::default(),
        }],
        salt: String::new(),
        namespace: None,
        holdout: None,
        goal: Goal::Success,
        rules: Rules::default(),
        guardrails: Vec::new(),
        pointer_revision,
        created_by: ana(),
        created_at: Timestamp::default(),
        completion: None,
    }
}

/// A trace, and an experiment with an outcome, where `v1` is live at revision 1.
pub async fn live(backend: &PgBackend, v1: &Version, policy_revision: u64) -> Experiment {
    backend.record_traces(&[trace(1, 1)]).await.unwrap();
    let experiment = experiment("x-1", 1, &[v1, v1]);
    begin(backend, &experiment, policy_revision).await.unwrap();
    let outcomes = [outcome(1, 0, true)];
    let counted = backend
        .record_outcomes(&acme_id(), &experiment.id, &outcomes)
        .await;
    assert_eq!(counted.unwrap(), [OutcomeVerdict::Written]);
    experiment
}

fn audited(action: AuditAction, experiment: &Experiment) -> AuditEntry {
    let detail = serde_json::json!({});
    let subject = experiment.id.to_string();
    AuditEntry::new(
        &acme_id(),
        Timestamp::default(),
        &ana(),
        action,
        &subject,
        &detail,
    )
}

pub async fn begin(backend: &PgBackend, experiment: &Experiment, policy_revision: u64) -> Result<Experiment> {
    let new = NewExperiment {
        tenant: acme_id(),
        audit: audited(AuditAction::StartExperiment, experiment),
        experiment: experiment.clone(),
        policy_revision,
    };
    backend.create_experiment(new).await
}

/// The change to this status.
pub fn change(experiment: &Experiment, status: ExperimentStatus) -> ExperimentChange {
    let experiment = Experiment {
        status,
        revision: experiment.revision + 1,
        ..experiment.clone()
    };
    ExperimentChange {
        tenant: acme_id(),
        audit: audited(AuditAction::CompleteExperiment, &experiment),
        experiment,
        promotion: None,
    }
}

pub fn outcome(unit: u64, variant: u8, success: bool) -> OutcomeEntry {
    OutcomeEntry {
        unit: UnitKey::new(unit),
        variant,
        epoch: 1,
        success: Some(success),
        score_millionths: Some(500_000),
        measured: 3,
        harmed: 2,
        at: Timestamp::default(),
    }
}

/// Proposes a version for production.
pub async fn propose(tenant: &Tenant, version: &Version) -> Deployment {
    let deployments = tenant.deployments();
    let proposed = deployments.propose(version, "production", &ana()).await;
    proposed.unwrap()
}

/// Ships what was never replayed, and supersedes what has the slot.
pub async fn ship(tenant: &Tenant, deployment: &Deployment) -> Result<Deployment> {
    tenant
        .deployments()
        .approve(&deployment.id, &ana())
        .waive("there are no traces to replay")
        .await
}

/// A ship, with a document, on top of the slot's revision 0.
pub fn shipping(proposed: &Deployment, policy_revision: u64) -> DeploymentCommit {
    let at = Timestamp::default();
    let audited = |action, subject: &str| {
        AuditEntry::new(&acme_id(), at, &ana(), action, subject, &serde_json::json!({}))
    };
    let pointer = PointerMove {
        tenant: acme_id(),
        prompt: proposed.prompt.clone(),
        environment: proposed.environment.clone(),
        kind: MoveKind::Promote,
        to: proposed.candidate.version,
        hash: proposed.candidate.content_hash,
        closure_hash: proposed.candidate.closure_hash,
        expected_revision: proposed.base.revision,
        policy_revision,
        source: None,
        actor: ana(),
        reason: String::new(),
        waiver: None,
        at,
        audit: audited(AuditAction::Promote, "triage"),
    };
    let shipped = Deployment {
        state: State::Monitoring,
        monitor: Some(MonitorOutcome::Open),
        revision: proposed.revision + 1,
        steps: proposed.steps + 1,
        shipped: Some(Shipped {
            revision: proposed.base.revision + 1,
            restores: None,
            waiver: None,
            by: ana(),
            at,
        }),
        ..proposed.clone()
    };
    let transition = Transition {
        deployment: shipped.id.clone(),
        number: shipped.steps,
        step: Step::Ship,
        to: shipped.standing(),
        by: ana(),
        reason: String::new(),
        key: None,
        detail: serde_json::json!({}),
        at,
    };
    let mut slot = SlotControl::untouched(proposed.prompt.clone(), proposed.environment.clone());
    slot.revision = 1;
    DeploymentCommit {
        slot: Some(slot),
        audits: vec![audited(AuditAction::ChangeDeployment, shipped.id.as_str())],
        changed: vec![shipped],
        transitions: vec![transition],
        documents: vec![Document::of(&"evidence").unwrap()],
        pointer: Some(pointer),
        ..DeploymentCommit::new(acme_id())
    }
}

/// The switch of `acme` at a revision.
pub fn switch(revision: u64) -> ImprovementCommit {
    let control = Control {
        stopped: None,
        revision,
    };
    ImprovementCommit {
        tenant: acme_id(),
        records: vec![ImprovementRecord::Control(control)],
        changes: Vec::new(),
        audits: Vec::new(),
    }
}

pub fn lease(worker: &str) -> SlotLease {
    SlotLease {
        prompt: name("triage"),
        environment: "production".parse().unwrap(),
        worker: worker.into(),
        until: Timestamp::default() + Duration::from_secs(60),
    }
}

pub async fn take(backend: &PgBackend, worker: &str) -> SlotLease {
    let taken = backend
        .take_slot_lease(&acme_id(), lease(worker), Timestamp::default())
        .await;
    taken.unwrap()
}

/// Sets aside calls on a day of which so many are allowed.
pub async fn spend(backend: &PgBackend, calls: u64, most: Option<u64>) -> Option<Spending> {
    let limits = DailyBudget {
        calls: most,
        ..DailyBudget::UNLIMITED
    };
    let day = day_of(Timestamp::default());
    let reserved = backend
        .reserve_spending(&acme_id(), day, Spending::calls(calls), &limits)
        .await;
    reserved.unwrap()
}

/// A row of everything that improving keeps.
pub async fn improve(backend: &PgBackend) {
    backend.commit_improvement(switch(1)).await.unwrap();
    take(backend, "w-1").await;
    spend(backend, 3, None).await.unwrap();
}
