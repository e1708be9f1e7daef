//! Shared by the tests: short ways to make changes.

use std::time::Duration;

use promptops_core::base::audit::{AuditAction, AuditEntry};
use promptops_core::base::{Actor, ClosureHash, PromptName, RunId, TenantId, Timestamp, VersionNumber};
use promptops_core::evaluation::run::{Claim, Claimed, EvaluatorRecord, Recorded, ResultBatch};
use promptops_core::evaluation::{DatasetDraft, Entry, EntryResult, EvaluationStore, Run, RunState};
use promptops_core::llm::{
    BlueprintMessage, Completion, CompletionKey, CompletionStore, FinishReason, Usage,
};
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
