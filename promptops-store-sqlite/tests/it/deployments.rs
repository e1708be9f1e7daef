//! Deployments: their files, and processes that are killed in the midst of a ship.

use std::path::Path;

use promptops_core::ErrorKind;
use promptops_core::base::audit::AuditAction;
use promptops_core::base::{Actor, CommandKey, DeploymentId, PageRequest, Timestamp};
use promptops_core::deployment::{
    Base, Deployment, DeploymentCommit, DeploymentFilter, DeploymentStore, Document, MonitorOutcome, Origin,
    Shipped, SlotControl, Standing, State, Step, Target, Transition, replayed,
};
use promptops_core::environment::EnvironmentStore;
use promptops_core::prompt::{Status, StatusChange, Store, Version, closure_hash};
use promptops_store_sqlite::SqliteBackend;
use serde_json::json;

use crate::desk::{acme, audit, audit_log, fails, name, production, promote, promotion, raw, save};
use crate::integrity::{filled, only_grows};
use crate::processes::acknowledge;
use crate::traffic;

fn id(id: &str) -> DeploymentId {
    DeploymentId::new(id).unwrap()
}

fn report(of: &str) -> Document {
    Document::of(&json!({ "report": of })).unwrap()
}

/// A commit that is built step by step, each with its audit record.
struct Steps(DeploymentCommit);

impl Steps {
    fn new() -> Self {
        Self(DeploymentCommit::new(acme()))
    }

    fn take(&mut self, of: &mut Deployment, step: Step) {
        let to = match step {
            Step::Propose => Standing::PROPOSED,
            _ => of.standing().after(step).expect("the step is legal"),
        };
        (of.state, of.monitor, of.monitor_epoch) = (to.state, to.monitor, to.epoch);
        of.steps += 1;
        let key = format!("{}/{}", of.id, of.steps).replace('/', ".");
        self.0.transitions.push(Transition {
            deployment: of.id.clone(),
            number: of.steps,
            step,
            to,
            by: Actor::owner("ana"),
            reason: "it is better".into(),
            key: Some(CommandKey::new(key).unwrap()),
            detail: json!({}),
            at: Timestamp::default(),
        });
        let action = match step {
            Step::Propose => AuditAction::ProposeDeployment,
            _ => AuditAction::ChangeDeployment,
        };
        self.0.audits.push(audit(action, of.id.as_str()));
    }

    async fn commit(self, backend: &SqliteBackend) -> promptops_core::Result<()> {
        backend.commit_deployments(self.0).await
    }
}

/// A version's way into production begins, on top of the pointer's revision.
fn proposal(version: &Version, deployment: &str, revision: u64) -> (Deployment, Steps) {
    let report = report(deployment);
    let mut deployment = Deployment {
        id: id(deployment),
        prompt: version.prompt.clone(),
        environment: production(),
        state: State::Proposed,
        monitor: None,
        monitor_epoch: 0,
        revision: 1,
        steps: 0,
        candidate: Target {
            version: version.number,
            content_hash: version.hash,
            closure_hash: closure_hash(&version.hash, &[]),
        },
        base: Base { revision, live: None },
        origin: Origin::Author,
        rationale: "it says less".into(),
        proposal: Some(report.hash()),
        is_quarantined: false,
        evidence: None,
        lease: None,
        shipped: None,
        ended: None,
        rebased_as: None,
        proposed_by: Actor::owner("ana"),
        proposed_at: Timestamp::default(),
        watched_since: None,
    };
    let mut steps = Steps::new();
    steps.take(&mut deployment, Step::Propose);
    steps.0.documents.push(report);
    steps.0.created = Some(deployment.clone());
    (deployment, steps)
}

async fn propose(backend: &SqliteBackend, version: &Version, id: &str, revision: u64) -> Deployment {
    let (deployment, steps) = proposal(version, id, revision);
    steps.commit(backend).await.unwrap();
    deployment
}

async fn slot(backend: &SqliteBackend, prompt: &str) -> SlotControl {
    let slot = backend.slot_control(&acme(), &name(prompt), &production()).await;
    slot.unwrap()
}

/// The one that has the slot.
async fn holder(backend: &SqliteBackend, prompt: &str) -> Option<Deployment> {
    let filter = DeploymentFilter {
        prompt: Some(name(prompt)),
        environment: Some(production()),
        has_slot: Some(true),
        ..DeploymentFilter::default()
    };
    let mut found = all(backend, &filter).await;
    assert!(found.len() <= 1, "{found:?}");
    found.pop()
}

async fn all(backend: &SqliteBackend, filter: &DeploymentFilter) -> Vec<Deployment> {
    let page = PageRequest::first(PageRequest::MAX_LIMIT);
    backend.deployments(&acme(), filter, &page).await.unwrap().items
}

/// Ships on top of the pointer's revision: pointer, slot, both deployments and their steps change in one commit, the winner
/// before the one that makes room for it.
async fn ship(backend: &SqliteBackend, of: &Deployment, version: &Version, pointer: u64) -> Deployment {
    let slot = slot(backend, of.prompt.as_str()).await;
    let mut steps = Steps::new();
    let mut shipped = of.clone();
    shipped.revision += 1;
    steps.take(&mut shipped, Step::Ship);
    steps.take(&mut shipped, Step::Watch);
    shipped.shipped = Some(Shipped {
        revision: pointer + 1,
        restores: None,
        waiver: None,
        by: Actor::owner("ana"),
        at: Timestamp::default(),
    });
    steps.0.changed.push(shipped.clone());
    if let Some(mut before) = holder(backend, of.prompt.as_str()).await {
        before.revision += 1;
        steps.take(&mut before, Step::Supersede);
        steps.0.changed.push(before);
    }
    steps.0.slot = Some(SlotControl {
        revision: slot.revision + 1,
        ..slot
    });
    steps.0.pointer = Some(promotion(version, pointer));
    steps.0.documents.push(report(&format!("ship of {}", of.id)));
    steps.commit(backend).await.unwrap();
    shipped
}

/// What another process does until it is killed: proposes and ships.
pub async fn ship_on(backend: &SqliteBackend, label: &str) {
    for n in 0_u32.. {
        let version = save(backend, "r", &format!("{label} {n}")).await;
        let revision = slot(backend, "r").await.revision;
        let deployment = propose(backend, &version, &format!("{label}.{n:06}"), revision).await;
        acknowledge(&format!("propose {}", deployment.id));
        let shipped = ship(backend, &deployment, &version, revision).await;
        acknowledge(&format!("ship {} {}", shipped.id, revision + 1));
    }
}

/// Checks that an acknowledged proposal or ship is there.
pub async fn check_acknowledged(backend: &SqliteBackend, ack: &[String]) {
    let found = backend.deployment(&acme(), &id(&ack[1])).await.unwrap();
    let found = found.expect("an acknowledged deployment is lost");
    if ack[0] == "ship" {
        let revision = found.shipped.map(|shipped| shipped.revision.to_string());
        assert_eq!(revision.as_ref(), Some(&ack[2]), "an acknowledged ship is lost");
    }
}

/// Checks that nothing of one life is there by halves; says how many audit records belong to all deployments so far.
pub async fn check_whole(backend: &SqliteBackend, path: &Path, label: &str) -> u64 {
    for of in all(backend, &DeploymentFilter::default()).await {
        if !of.id.as_str().starts_with(label) {
            break;
        }
        let transitions = backend.transitions(&acme(), &of.id).await.unwrap();
        assert_eq!(replayed(&transitions).unwrap(), of.standing());
        assert_eq!(transitions.len() as u32, of.steps);
        for transition in transitions {
            let found = backend
                .transition_of_key(&acme(), transition.key.as_ref().unwrap())
                .await;
            assert_eq!(found.unwrap(), Some(transition));
        }
        let mut documents = vec![report(of.id.as_str())];
        if of.shipped.is_some() {
            documents.push(report(&format!("ship of {}", of.id)));
        }
        for document in documents {
            let kept = backend.document(&acme(), &document.hash()).await.unwrap();
            assert_eq!(kept, Some(document));
        }
    }
    let slots = backend.slots(&acme(), &name("r")).await.unwrap();
    let pointer = slots.pointer(&production());
    let holder = holder(backend, "r").await;
    assert_eq!(
        pointer.map(|pointer| (pointer.revision, pointer.version, pointer.closure_hash)),
        holder.map(|of| {
            let candidate = of.candidate;
            (
                of.shipped.unwrap().revision,
                candidate.version,
                candidate.closure_hash,
            )
        })
    );
    let revision = slot(backend, "r").await.revision;
    assert_eq!(pointer.map_or(0, |pointer| pointer.revision), revision);

    let raw = raw(path);
    let count = |sql: &str| -> u64 {
        let count: i64 = raw.query_row(sql, [], |row| row.get(0)).unwrap();
        count as u64
    };
    assert_eq!(
        count("SELECT coalesce(sum(revision), 0) FROM promptops_deployment"),
        count("SELECT count(*) FROM promptops_change WHERE change LIKE '%deployment_changed%'"),
        "each change is told of once"
    );
    revision + count("SELECT count(*) FROM promptops_transition")
}

/// All rows of these tables, as text.
fn rows(raw: &rusqlite::Connection, tables: &[String]) -> Vec<String> {
    let mut all = Vec::new();
    for table in tables {
        let mut statement = raw.prepare(&format!("SELECT * FROM {table}")).unwrap();
        let columns = statement.column_count();
        let mut rows = statement.query([]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            let values: Vec<_> = (0..columns).map(|at| row.get_ref(at).unwrap()).collect();
            all.push(format!("{table} {values:?}"));
        }
    }
    all.sort();
    all
}

fn schema(raw: &rusqlite::Connection, column: &str) -> Vec<String> {
    let sql = format!(
        "SELECT {column} FROM sqlite_schema WHERE sql IS NOT NULL AND name LIKE 'promptops%' AND name <> 'promptops_schema'
        ORDER BY name"
    );
    let mut statement = raw.prepare(&sql).unwrap();
    let rows = statement.query_map([], |row| row.get(0)).unwrap();
    rows.map(Result::unwrap).collect()
}

#[tokio::test]
async fn a_file_of_schema_4_keeps_what_it_has_and_gets_deployments() {
    let dir = tempfile::tempdir().unwrap();
    let (new, path) = (dir.path().join("new.db"), dir.path().join("prompts.db"));
    let backend = filled(&new).await;
    traffic::begin(&backend).await;
    backend.close().await;

    // What a release with schema 4 would have written.
    let old = raw(&path);
    old.execute_batch(
        "PRAGMA foreign_keys = OFF;
        CREATE TABLE promptops_schema (version INTEGER PRIMARY KEY, applied_by TEXT NOT NULL) STRICT;",
    )
    .unwrap();
    for migration in [
        include_str!("../../migrations/0001_initial.sql"),
        include_str!("../../migrations/0002_change_log.sql"),
        include_str!("../../migrations/0003_evaluation.sql"),
        include_str!("../../migrations/0004_live_traffic.sql"),
    ] {
        old.execute_batch(migration).unwrap();
    }
    let mut tables = schema(&old, "iif(type = 'table', name, '')");
    tables.retain(|table| !table.is_empty());
    old.execute("ATTACH ?1 AS new", [new.to_str().unwrap()]).unwrap();
    for table in &tables {
        old.execute_batch(&format!("INSERT INTO main.{table} SELECT * FROM new.{table}"))
            .unwrap();
    }
    old.execute_batch(
        "DETACH new; INSERT INTO promptops_schema VALUES (1, 'old'), (2, 'old'), (3, 'old'), (4, 'old');",
    )
    .unwrap();
    let before = rows(&old, &tables);
    assert!(before.len() > 15, "{before:#?}");
    drop(old);

    let backend = SqliteBackend::open(&path).await.unwrap();
    let now = raw(&path);
    assert_eq!(rows(&now, &tables), before);
    assert_eq!(schema(&now, "sql"), schema(&raw(&new), "sql"));
    let version = save(&backend, "p", "two").await;
    let deployment = propose(&backend, &version, "dep-1", 1).await;
    let shipped = ship(&backend, &deployment, &version, 1).await;
    assert_eq!(holder(&backend, "p").await, Some(shipped));
    audit_log(&backend).verify().await.unwrap();
}

#[tokio::test]
async fn the_database_itself_keeps_what_deployments_were() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("prompts.db");
    let backend = SqliteBackend::open(&path).await.unwrap();
    let one = save(&backend, "p", "one").await;
    let two = save(&backend, "p", "two").await;
    let first = propose(&backend, &one, "dep-1", 0).await;
    let raw = raw(&path);
    let changing = [
        "prompt",
        "environment",
        "state",
        "closure_hash",
        "has_slot",
        "revision",
        "body",
    ];
    only_grows(&raw, "promptops_deployment", &changing);
    let copy = "INSERT INTO promptops_deployment (tenant, name, prompt, environment, state, closure_hash, has_slot,
            revision, body)
        SELECT tenant, 'copy', prompt, environment, state, closure_hash, has_slot, 1, body FROM promptops_deployment
        WHERE name = 'dep-1'";
    let refused = |sql: &str| {
        for or in ["", " OR REPLACE"] {
            let sql = sql.replacen("INSERT", &format!("INSERT{or}"), 1).replacen(
                "UPDATE",
                &format!("UPDATE{or}"),
                1,
            );
            let error = raw.execute_batch(&sql).unwrap_err();
            assert!(error.to_string().contains("promptops: "), "{sql}: {error}");
        }
    };
    refused(copy);
    ship(&backend, &first, &one, 0).await;
    let second = propose(&backend, &two, "dep-2", 1).await;
    for table in ["transition", "document"] {
        only_grows(&raw, &format!("promptops_{table}"), &[]);
    }
    only_grows(&raw, "promptops_slot", &["revision", "body"]);
    // A second one in the slot, and a second key.
    refused(copy);
    refused("UPDATE promptops_deployment SET state = 'shipped', has_slot = 1 WHERE name = 'dep-2'");
    refused(
        "INSERT INTO promptops_transition (deployment, number, tenant, step, key, body)
        SELECT deployment, 9, tenant, step, key, body FROM promptops_transition LIMIT 1",
    );

    let mut rejection = Steps::new();
    let mut rejected = second;
    rejected.revision += 1;
    rejection.take(&mut rejected, Step::Reject);
    rejection.0.changed.push(rejected.clone());
    rejection.commit(&backend).await.unwrap();
    refused("UPDATE promptops_deployment SET state = 'proposed' WHERE name = 'dep-2'");
    let mut steps = Steps::new();
    rejected.revision += 1;
    steps.0.changed.push(rejected);
    fails(
        steps.commit(&backend).await,
        ErrorKind::Backend,
        &["break its rules"],
    );
}

#[tokio::test]
async fn deployments_changed_behind_the_backend_are_errors() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("prompts.db");
    let backend = SqliteBackend::open(&path).await.unwrap();
    let version = save(&backend, "p", "one").await;
    let deployment = propose(&backend, &version, "dep-1", 0).await;
    let deployment = ship(&backend, &deployment, &version, 0).await;
    let raw = raw(&path);
    raw.execute_batch(
        "DROP TRIGGER promptops_deployment_identity; DROP TRIGGER promptops_transition_update;
        DROP TRIGGER promptops_slot_identity; DROP TRIGGER promptops_document_update;
        PRAGMA ignore_check_constraints = ON; PRAGMA foreign_keys = OFF;",
    )
    .unwrap();
    let tables: Vec<_> = ["deployment", "transition", "slot", "document"]
        .map(|table| format!("promptops_{table}"))
        .into();
    let before = rows(&raw, &tables);
    // Each is changed and changed back.
    let with = |table: &str, column: &str, value: &str, of: &str| {
        let found: rusqlite::types::Value = raw
            .query_row(
                &format!("SELECT {column} FROM promptops_{table} WHERE {of}"),
                [],
                |row| row.get(0),
            )
            .unwrap();
        let sql = format!("UPDATE promptops_{table} SET {column} = {value} WHERE {of}");
        assert_eq!(raw.execute(&sql, []).unwrap(), 1, "{sql}");
        found
    };
    let back = |table: &str, column: &str, value, of: &str| {
        let sql = format!("UPDATE promptops_{table} SET {column} = ?1 WHERE {of}");
        raw.execute(&sql, [value]).unwrap();
    };
    let list = || async {
        let page = PageRequest::default();
        backend
            .deployments(&acme(), &DeploymentFilter::default(), &page)
            .await
    };
    for (column, value) in [
        ("name", "'dep-2'"),
        ("prompt", "'q'"),
        ("environment", "'dev'"),
        ("state", "'regressed'"),
        ("closure_hash", "zeroblob(32)"),
        ("has_slot", "0"),
        ("revision", "9"),
        ("body", "'{}'"),
        ("body", "json_set(body, '$.state', 'asleep')"),
    ] {
        let found = with("deployment", column, value, "true");
        fails(list().await, ErrorKind::Corrupt, &["deployment"]);
        if column != "name" {
            let read = backend.deployment(&acme(), &deployment.id).await;
            fails(read, ErrorKind::Corrupt, &["deployment"]);
            let mut steps = Steps::new();
            let mut next = deployment.clone();
            next.revision += 1;
            steps.0.changed.push(next);
            fails(steps.commit(&backend).await, ErrorKind::Corrupt, &["deployment"]);
        }
        back("deployment", column, found, "true");
    }
    for (column, value) in [
        ("number", "9"),
        ("step", "'clear'"),
        ("key", "'another'"),
        ("key", "NULL"),
        ("body", "'{}'"),
        ("body", "json_set(body, '$.deployment', 'dep-2')"),
    ] {
        let found = with("transition", column, value, "number = 2");
        let read = backend.transitions(&acme(), &deployment.id).await;
        fails(read, ErrorKind::Corrupt, &["step of a deployment"]);
        back(
            "transition",
            column,
            found,
            if column == "number" {
                "number = 9"
            } else {
                "number = 2"
            },
        );
    }
    for (column, value) in [
        ("revision", "9"),
        ("body", "'{}'"),
        ("body", "json_set(body, '$.prompt', 'q')"),
    ] {
        let found = with("slot", column, value, "true");
        let read = backend.slot_control(&acme(), &name("p"), &production()).await;
        fails(read, ErrorKind::Corrupt, &["slot of deployments"]);
        back("slot", column, found, "true");
    }
    let document = report("dep-1");
    let found = with("document", "body", "body || ' '", "rowid = 1");
    let read = backend.document(&acme(), &document.hash()).await;
    fails(read, ErrorKind::Corrupt, &["document", &document.hash().short()]);
    back("document", "body", found, "rowid = 1");

    assert_eq!(rows(&raw, &tables), before);
    assert_eq!(list().await.unwrap().items, [deployment]);
}

#[tokio::test]
async fn a_ship_is_told_of_in_its_commit() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("prompts.db");
    let backend = SqliteBackend::open(&path).await.unwrap();
    let one = save(&backend, "p", "one").await;
    let first = propose(&backend, &one, "dep-1", 0).await;
    let first = ship(&backend, &first, &one, 0).await;
    let two = save(&backend, "p", "two").await;
    let second = propose(&backend, &two, "dep-2", 1).await;
    let raw = raw(&path);
    let end: i64 = raw
        .query_row("SELECT max(position) FROM promptops_change", [], |row| row.get(0))
        .unwrap();
    ship(&backend, &second, &two, 1).await;
    let mut statement = raw
        .prepare("SELECT change FROM promptops_change WHERE position > ?1 ORDER BY position")
        .unwrap();
    let told: Vec<String> = statement
        .query_map([end], |row| row.get(0))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    assert_eq!(told.len(), 4, "{told:#?}");
    assert!(
        told[2].contains("\"dep-2\"") && told[2].contains("\"monitoring\""),
        "{told:#?}"
    );
    assert!(told[3].contains("\"dep-1\""), "{told:#?}");
    let before = backend.deployment(&acme(), &first.id).await.unwrap().unwrap();
    assert_eq!(before.monitor, Some(MonitorOutcome::Superseded));
    audit_log(&backend).verify().await.unwrap();
}

#[tokio::test]
async fn a_deployment_keeps_no_version_from_being_archived_but_a_live_one() {
    let dir = tempfile::tempdir().unwrap();
    let backend = SqliteBackend::open(dir.path().join("prompts.db")).await.unwrap();
    let one = save(&backend, "p", "one").await;
    let two = save(&backend, "p", "two").await;
    promote(&backend, &one).await.unwrap();
    let archive = |version: &Version| {
        let change = StatusChange {
            tenant: acme(),
            prompt: version.prompt.clone(),
            number: version.number,
            to: Status::Archived,
            audit: audit(AuditAction::SetStatus, "p"),
        };
        backend.set_status(change)
    };
    let deployment = propose(&backend, &two, "dep-1", 1).await;
    archive(&two).await.unwrap();
    // And then it cannot go live.
    let mut steps = Steps::new();
    let mut shipped = deployment.clone();
    shipped.revision += 1;
    steps.take(&mut shipped, Step::Ship);
    steps.0.changed.push(shipped);
    steps.0.pointer = Some(promotion(&two, 1));
    fails(
        steps.commit(&backend).await,
        ErrorKind::IllegalTransition,
        &["archived"],
    );
    assert_eq!(
        backend.deployment(&acme(), &deployment.id).await.unwrap(),
        Some(deployment)
    );
    let three = save(&backend, "p", "three").await;
    let next = propose(&backend, &three, "dep-2", 1).await;
    ship(&backend, &next, &three, 1).await;
    fails(archive(&three).await, ErrorKind::Conflict, &["production"]);
    archive(&one).await.unwrap();
}
