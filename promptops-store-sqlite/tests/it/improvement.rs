//! What the file of the improvement loop keeps by itself: from schema 5, against changes, behind the backend's back.

use chrono::{NaiveDate, TimeDelta};
use promptops_core::ErrorKind;
use promptops_core::base::{AttemptId, ClusterId, DeploymentId, PageRequest, Timestamp, VersionNumber};
use promptops_core::deployment::Base;
use promptops_core::improvement::{
    Attempt, AttemptStage, Control, DailyBudget, ImprovementCommit, ImprovementRecord, ImprovementStore,
    RecentSessions, RecordFilter, RecordKind, SlotLease, Spending, Watch, WatchPurpose, WatchStatus, day_of,
};
use promptops_store_sqlite::SqliteBackend;

use crate::desk::{acme, audit_log, fails, name, production, raw};
use crate::integrity::{filled, only_grows};

fn attempt(id: &str) -> ImprovementRecord {
    ImprovementRecord::Attempt(Box::new(Attempt {
        id: AttemptId::new(id).unwrap(),
        prompt: name("p"),
        environment: production(),
        cluster: ClusterId::new("cluster-1").unwrap(),
        cluster_total: 7,
        base: Base {
            revision: 1,
            live: None,
        },
        stage: AttemptStage::Proposing,
        candidates: Vec::new(),
        outcome: None,
        spent: Spending::NONE,
        failures: 0,
        failed_at: None,
        begun_at: Timestamp::default(),
        ended_at: None,
        revision: 1,
    }))
}

fn watch() -> ImprovementRecord {
    ImprovementRecord::Watch(Box::new(Watch {
        deployment: DeploymentId::new("dep-1").unwrap(),
        epoch: 1,
        purpose: WatchPurpose::Deployment,
        prompt: name("p"),
        environment: production(),
        version: VersionNumber::FIRST,
        scored_by: "judge".into(),
        status: WatchStatus::Waiting,
        figures: None,
        since: Timestamp::default(),
        looked_to: Timestamp::default(),
        sessions: RecentSessions::default(),
        blame: None,
        failing_since: None,
        failures: 0,
        end: None,
        revision: 1,
    }))
}

fn control() -> ImprovementRecord {
    ImprovementRecord::Control(Control {
        stopped: None,
        revision: 1,
    })
}

async fn remember(backend: &SqliteBackend, records: Vec<ImprovementRecord>) {
    let commit = ImprovementCommit {
        tenant: acme(),
        changes: records.iter().filter_map(ImprovementRecord::change).collect(),
        records,
        audits: Vec::new(),
    };
    backend.commit_improvement(commit).await.unwrap();
}

fn today() -> NaiveDate {
    day_of(Timestamp::default())
}

async fn spend(backend: &SqliteBackend, calls: u64, most: Option<u64>) -> Option<Spending> {
    let limits = DailyBudget {
        calls: most,
        ..DailyBudget::UNLIMITED
    };
    let amount = Spending::calls(calls);
    let reserved = backend.reserve_spending(&acme(), today(), amount, &limits).await;
    reserved.unwrap()
}

fn minute(minute: i64) -> Timestamp {
    Timestamp::default() + TimeDelta::minutes(minute)
}

fn lease(worker: &str, until: Timestamp) -> SlotLease {
    SlotLease {
        prompt: name("p"),
        environment: production(),
        worker: worker.into(),
        until,
    }
}

async fn take(backend: &SqliteBackend, lease: &SlotLease, now: Timestamp) -> SlotLease {
    let taken = backend.take_slot_lease(&acme(), lease.clone(), now).await;
    taken.unwrap()
}

/// Every definition, by its name.
fn schema(raw: &rusqlite::Connection) -> Vec<String> {
    let mut statement = raw
        .prepare(
            "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL AND name LIKE 'promptops%' ORDER BY name",
        )
        .unwrap();
    let rows = statement.query_map([], |row| row.get(0)).unwrap();
    rows.map(Result::unwrap).collect()
}

#[tokio::test]
async fn a_file_of_schema_5_keeps_what_it_has_and_remembers() {
    let dir = tempfile::tempdir().unwrap();
    let (new, path) = (dir.path().join("new.db"), dir.path().join("prompts.db"));
    filled(&new).await.close().await;
    filled(&path).await.close().await;
    // What a release with schema 5 would have left.
    let old = raw(&path);
    old.execute_batch(
        "DROP TABLE promptops_improvement; DROP TABLE promptops_slot_lease; DROP TABLE promptops_spending;
        DELETE FROM promptops_schema WHERE version > 5;",
    )
    .unwrap();
    drop(old);

    let backend = SqliteBackend::open(&path).await.unwrap();
    assert_eq!(schema(&raw(&path)), schema(&raw(&new)));
    let audited = audit_log(&backend).verify().await.unwrap();
    assert_eq!(audited, 4);
    remember(&backend, vec![attempt("a-1"), watch(), control()]).await;
    assert_eq!(spend(&backend, 3, None).await, Some(Spending::calls(3)));
    let mine = lease("w-1", minute(1));
    assert_eq!(take(&backend, &mine, minute(0)).await, mine);
    let found = backend
        .improvement_record(&acme(), RecordKind::Watch, "dep-1/1")
        .await;
    assert_eq!(found.unwrap(), Some(watch()));
}

#[tokio::test]
async fn the_database_itself_keeps_which_record_is_which_and_what_was_spent() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("prompts.db");
    let backend = SqliteBackend::open(&path).await.unwrap();
    remember(&backend, vec![attempt("a-1"), watch(), control()]).await;
    spend(&backend, 3, None).await;
    let raw = raw(&path);
    let changing = ["prompt", "environment", "status", "revision", "body"];
    only_grows(&raw, "promptops_improvement", &changing);
    only_grows(&raw, "promptops_spending", &["calls", "tokens", "nano_usd"]);
    for attempt in [
        "INSERT INTO promptops_improvement (tenant, kind, name, status, revision, body)
            SELECT tenant, 'prompt', name, status, revision, body FROM promptops_improvement",
        "UPDATE promptops_improvement SET revision = -1",
        "UPDATE promptops_spending SET calls = -1",
        "UPDATE promptops_spending SET tokens = 0.5",
    ] {
        let error = raw.execute_batch(attempt).unwrap_err().to_string();
        assert!(
            error.contains("constraint") || error.contains("cannot store"),
            "{attempt}: {error}"
        );
    }
}

#[tokio::test]
async fn a_record_that_was_changed_behind_the_backend_is_corrupt() {
    for (change, word) in [
        ("status = 'selecting'", "attempt: a-1"),
        ("prompt = 'other'", "attempt: a-1"),
        ("prompt = NULL", "attempt: a-1"),
        ("environment = NULL", "attempt: a-1"),
        ("revision = 7", "attempt: a-1"),
        ("body = json_set(body, '$.revision', 7)", "attempt: a-1"),
        ("body = json_set(body, '$.id', 'a-2')", "attempt: a-2"),
        ("body = json_set(body, '$.stage', 'asleep')", "cannot be read"),
        ("body = '{}'", "cannot be read"),
        ("body = ''", "cannot be read"),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("prompts.db");
        let backend = SqliteBackend::open(&path).await.unwrap();
        remember(&backend, vec![attempt("a-1")]).await;
        let changed = raw(&path)
            .execute(&format!("UPDATE promptops_improvement SET {change}"), [])
            .unwrap();
        assert_eq!(changed, 1);
        let found = backend
            .improvement_record(&acme(), RecordKind::Attempt, "a-1")
            .await;
        fails(found, ErrorKind::Corrupt, &[word]);
        let all = RecordFilter::all(RecordKind::Attempt);
        let listed = backend
            .improvement_records(&acme(), &all, &PageRequest::default())
            .await;
        fails(listed, ErrorKind::Corrupt, &[word]);
    }
}

#[tokio::test]
async fn spending_stays_at_the_most_that_the_file_can_hold() {
    let dir = tempfile::tempdir().unwrap();
    let backend = SqliteBackend::open(dir.path().join("prompts.db")).await.unwrap();
    let most = i64::MAX as u64;
    for calls in [u64::MAX, 1] {
        let spent = spend(&backend, calls, None).await;
        assert_eq!(spent, Some(Spending::calls(most)));
    }
    let settled = backend
        .settle_spending(&acme(), today(), Spending::calls(1), Spending::NONE)
        .await;
    assert_eq!(settled.unwrap(), Spending::calls(most - 1));
    assert_eq!(spend(&backend, 2, Some(most)).await, None);
    assert_eq!(spend(&backend, 1, Some(most)).await, Some(Spending::calls(most)));
}

/// A worker that was stopped has its lease until it runs out, and others take it then.
#[tokio::test]
async fn a_lease_outlives_the_process_that_took_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("prompts.db");
    let backend = SqliteBackend::open(&path).await.unwrap();
    let theirs = lease("w-1", minute(1));
    take(&backend, &theirs, minute(0)).await;
    backend.close().await;
    let backend = SqliteBackend::open(&path).await.unwrap();
    let mine = lease("w-2", minute(2));
    assert_eq!(take(&backend, &mine, minute(0)).await, theirs);
    assert_eq!(take(&backend, &mine, minute(1)).await, mine);
}
