//! Deployments: what their commits do, and processes that are killed in the midst of a ship.

mod file;

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
use crate::processes::acknowledge;

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
