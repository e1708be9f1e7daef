//! What a commit keeps, and what it is refused for.

use serde_json::json;

use crate::base::{Actor, DocumentHash};
use crate::conformance::Harness;
use crate::conformance::fixture::*;
use crate::deployment::{
    Base, Deployment, DeploymentCommit, DeploymentFilter, Document, Ended, Evidence, Hold, Lease, Live,
    MonitorOutcome, Origin, Shipped, SlotControl, State, Step, Verdict, refusal,
};
use crate::environment::{Waiver, refusal as environment_refusal};
use crate::prompt::{Status, refusal as prompt_refusal};

async fn refused(desk: &Desk, commit: DeploymentCommit, expected: crate::Error) {
    let error = fails(desk.try_commit(commit).await, expected.kind(), expected.message());
    assert_eq!(error.message(), expected.message());
    assert_eq!(error.current_revision(), expected.current_revision());
}

const AWKWARD: &str = "it's \"a\" \u{0} n\u{e4}me \u{1f984}\n100%";

/// A deployment in which everything is used that one can have.
fn awkward(plain: Deployment) -> Deployment {
    let live = Live {
        version: number(u32::MAX),
        closure_hash: closure("live"),
    };
    let base = Base {
        revision: plain.base.revision,
        live: Some(live),
    };
    Deployment {
        base,
        origin: Origin::Cluster {
            cluster: AWKWARD.into(),
            strategy: "add_rule".into(),
        },
        rationale: AWKWARD.into(),
        proposal: Some(document("proposal").hash()),
        is_quarantined: true,
        evidence: Some(Evidence {
            verdict: Verdict::Inconclusive,
            reason: AWKWARD.into(),
            base: Base {
                revision: u64::MAX,
                ..base
            },
            candidate: closure("candidate"),
            report: document("report").hash(),
            number: u32::MAX,
            at: at(999_999),
        }),
        lease: Some(Lease {
            worker: AWKWARD.into(),
            until: timestamp(-1),
        }),
        shipped: Some(Shipped {
            revision: u64::MAX,
            restores: Some(number(7)),
            waiver: Some(Waiver {
                reason: AWKWARD.into(),
                unmet: vec![crate::base::Unmet {
                    condition: "base".into(),
                    found: AWKWARD.into(),
                    needed: String::new(),
                }],
            }),
            by: Actor::owner("olga \u{1f984}"),
            at: at(1),
        }),
        ended: Some(Ended {
            by: Actor::system("auto_rollback"),
            reason: AWKWARD.into(),
            at: at(2),
        }),
        rebased_as: Some(deployment_id("D:2_a.b-C")),
        monitor_epoch: u32::MAX,
        proposed_by: Actor::owner("olga \u{1f984}"),
        watched_since: Some(at(999_999)),
        ..plain
    }
}

/// What is committed comes back as given, with its audit records, at once, from another handle and after reopening.
pub async fn commit_is_kept_as_given(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    let another = Desk::open(harness).await;
    let versions = desk.contenders("support/triage").await;
    let first = desk.deployment_of("dep-0", &versions[1], 1);
    desk.do_commit(desk.creation(first.clone())).await;
    // The first is shipped while the second comes to be.
    let mut commit = desk.shipping(&first, &versions[1], 1, 0);
    let second = awkward(Deployment {
        environment: environment("staging"),
        ..desk.deployment_of("Dep-1:a.b_C", &versions[0], 0)
    });
    commit.transitions.push(desk.transition(&second, Step::Propose));
    commit.transitions[0].key = Some(command_key("K-1:a.b_C"));
    commit.transitions[0].reason = AWKWARD.into();
    commit.transitions[0].detail = json!({ "0.1 + 0.2": 0.1 + 0.2, "\u{0}": [null, AWKWARD, u64::MAX, -1] });
    commit.slot = Some(SlotControl {
        hold: Some(Hold {
            by: Actor::owner("olga \u{1f984}"),
            reason: AWKWARD.into(),
            at: at(5),
        }),
        last_auto_rollback: Some(timestamp(-1)),
        ..desk.slot_at(&first, 1)
    });
    commit.documents = vec![document(AWKWARD), document("report")];
    commit
        .audits
        .push(desk.entry(crate::base::audit::AuditAction::ProposeDeployment, "second"));
    commit.created = Some(second.clone());
    let audited = desk.audited().await;
    desk.do_commit(commit.clone()).await;
    let shipped = commit.changed[0].clone();
    for desk in [desk.clone(), another, desk.reopen(harness).await] {
        assert_eq!(desk.deployment("dep-0").await.as_ref(), Some(&shipped));
        assert_eq!(desk.deployment("Dep-1:a.b_C").await.as_ref(), Some(&second));
        let all = desk.deployments(&DeploymentFilter::default()).await;
        assert_eq!(all, [shipped.clone(), second.clone()]);
        assert_eq!(
            desk.transitions("dep-0").await,
            [
                desk.transition(&first, Step::Propose),
                commit.transitions[0].clone()
            ]
        );
        assert_eq!(
            desk.transitions("Dep-1:a.b_C").await,
            [commit.transitions[1].clone()]
        );
        assert_eq!(
            desk.transition_of_key("K-1:a.b_C").await.as_ref(),
            Some(&commit.transitions[0])
        );
        assert_eq!(desk.transition_of_key("k-1:a.b_C").await, None);
        let slot = desk.slot_control("support/triage", "production").await;
        assert_eq!(Some(&slot), commit.slot.as_ref());
        let untouched = desk.slot_control("support/triage", "staging").await;
        assert_eq!(
            untouched,
            SlotControl::untouched(name("support/triage"), environment("staging"))
        );
        for document in &commit.documents {
            assert_eq!(desk.kept(document).await.as_ref(), Some(document));
        }
        assert_eq!(desk.kept(&document("another")).await, None);
        let slots = desk.slots("support/triage").await;
        assert_eq!(slots.pointer(&environment("production")).unwrap().revision, 2);
        let records = desk.audit().await;
        let entries: Vec<_> = records[audited..].iter().map(|record| &record.entry).collect();
        let pointer = &commit.pointer.as_ref().unwrap().audit;
        assert_eq!(entries, [pointer, &commit.audits[0], &commit.audits[1]]);
    }
}

/// A commit of documents, holds and leases alone changes nothing else.
pub async fn commit_without_deployments_is_kept(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    let (deployment, _) = desk.propose("dep-1", "triage").await;
    let commit = DeploymentCommit {
        slot: Some(desk.slot_at(&deployment, 1)),
        documents: vec![document("one"), document("one")],
        ..desk.commit()
    };
    desk.do_commit(commit).await;
    // Kept once, and kept again without a word.
    let commit = DeploymentCommit {
        documents: vec![document("one"), document("two")],
        ..desk.commit()
    };
    desk.do_commit(commit).await;
    assert_eq!(desk.kept(&document("one")).await, Some(document("one")));
    assert_eq!(desk.kept(&document("two")).await, Some(document("two")));
    assert_eq!(desk.slot_control("triage", "production").await.revision, 1);
    desk.do_commit(desk.commit()).await;
    assert_eq!(desk.deployment("dep-1").await, Some(deployment));
    let hash = DocumentHash::from_bytes([7; 32]);
    let none = desk
        .stores
        .deployments
        .document(&desk.tenant, &hash)
        .await
        .unwrap();
    assert_eq!(none, None::<Document>);
}

/// A slot at another revision conflicts, with the current one.
pub async fn stale_slot_conflicts(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    let (deployment, _) = desk.propose("dep-1", "triage").await;
    let at_revision = |revision| DeploymentCommit {
        slot: Some(desk.slot_at(&deployment, revision)),
        ..desk.commit()
    };
    let conflict = |expected, current| {
        refusal::slot_conflict(&deployment.prompt, &deployment.environment, expected, current)
    };
    for (revision, expected) in [(2, 1), (3, 2)] {
        refused(&desk, at_revision(revision), conflict(expected, 0)).await;
    }
    for revision in [1, 2, 3] {
        desk.do_commit(at_revision(revision)).await;
    }
    let before = desk.everything().await;
    for (revision, expected) in [(0, 0), (1, 0), (2, 1), (3, 2), (5, 4)] {
        let commit = DeploymentCommit {
            documents: vec![document("late")],
            ..at_revision(revision)
        };
        refused(&desk, commit, conflict(expected, 3)).await;
    }
    assert_eq!(desk.everything().await, before, "nothing changes");
    assert_eq!(desk.kept(&document("late")).await, None);
    // Another place is another slot.
    let mut elsewhere = at_revision(1);
    elsewhere.slot.as_mut().unwrap().environment = environment("staging");
    desk.do_commit(elsewhere).await;
}

/// A command's key is one command's.
pub async fn taken_key_already_exists(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    let (deployment, _) = desk.propose("dep-1", "triage").await;
    let keyed = |of: &Deployment, key: &str| {
        let mut commit = desk.taking(of, Step::StartReplay, State::AbRunning, None);
        commit.transitions[0].key = Some(command_key(key));
        commit
    };
    desk.do_commit(keyed(&deployment, "k")).await;
    let running = desk.deployment("dep-1").await.unwrap();
    let before = desk.everything().await;
    refused(
        &desk,
        keyed(&running, "k"),
        refusal::key_is_taken(&command_key("k")),
    )
    .await;
    assert_eq!(desk.everything().await, before, "nothing changes");
    desk.do_commit(keyed(&running, "K")).await;
    // It is another tenant's own.
    let other = desk.of("other");
    let (theirs, _) = other.propose("dep-1", "triage").await;
    let mut commit = other.taking(&theirs, Step::StartReplay, State::AbRunning, None);
    commit.transitions[0].key = Some(command_key("k"));
    other.do_commit(commit).await;
}

/// What a new deployment rests on must be as it was.
pub async fn creation_rests_on_its_version_and_base(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    let (present, versions) = desk.propose("dep-1", "triage").await;
    let mut other = desk.save_draft("triage", "three").await;
    desk.set_status("triage", other.number, Status::Archived)
        .await
        .unwrap();
    let before = desk.everything().await;
    let archived = desk.creation(desk.deployment_of("dep-2", &other, 1));
    let expected =
        environment_refusal::version_is_archived(&name("triage"), other.number, &environment("production"));
    refused(&desk, archived, expected).await;
    other.hash = versions[0].hash;
    let changed = desk.creation(desk.deployment_of("dep-2", &other, 1));
    let expected = prompt_refusal::other_content(&name("triage"), other.number, &other.hash);
    refused(&desk, changed, expected).await;
    other.number = number(9);
    let unknown = desk.creation(desk.deployment_of("dep-2", &other, 1));
    refused(
        &desk,
        unknown,
        prompt_refusal::unknown_version(&name("triage"), number(9)),
    )
    .await;
    for revision in [0, 2] {
        let stale = desk.creation(desk.deployment_of("dep-2", &versions[0], revision));
        let expected =
            environment_refusal::revision_conflict(&name("triage"), &environment("production"), revision, 1);
        refused(&desk, stale, expected).await;
    }
    let again = desk.creation(Deployment {
        environment: environment("staging"),
        base: Base {
            revision: 0,
            live: None,
        },
        ..present.clone()
    });
    refused(&desk, again, refusal::id_is_taken(&present.id)).await;
    assert_eq!(desk.everything().await, before, "nothing changes");
    // A draft stays one.
    let draft = desk.save_draft("triage", "four").await;
    desk.do_commit(desk.creation(desk.deployment_of("dep-2", &draft, 1)))
        .await;
    let versions = desk.versions("triage").await;
    let kept = versions.iter().find(|version| version.number == draft.number);
    assert_eq!(kept.unwrap().status, Status::Draft);
}

/// A deployment that the tenant does not have is not found.
pub async fn change_of_an_unknown_deployment_is_not_found(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    let (deployment, _) = desk.propose("dep-1", "triage").await;
    let other = desk.of("other");
    let stranger = Deployment {
        id: deployment_id("DEP-1"),
        ..deployment.clone()
    };
    for (desk, of) in [(&desk, &stranger), (&other, &deployment)] {
        let commit = desk.taking(of, Step::Reject, State::Rejected, None);
        refused(desk, commit, refusal::unknown_deployment(&of.id)).await;
    }
    assert_eq!(desk.deployment("dep-1").await, Some(deployment));
    assert_eq!(other.audited().await, 0);
}

/// A change on top of another revision than the deployment's conflicts, with the current one.
pub async fn stale_deployment_conflicts(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    let (first, _) = desk.propose("dep-1", "triage").await;
    let running = desk
        .take_step(&first, Step::StartReplay, State::AbRunning, None)
        .await;
    let now = desk
        .take_step(&running, Step::PassReplay, State::AbPassed, None)
        .await;
    let before = desk.everything().await;
    for (revision, expected) in [(0, 0), (1, 0), (2, 1), (3, 2), (5, 4)] {
        let mut commit = desk.taking(&now, Step::Reject, State::Rejected, None);
        commit.changed[0].revision = revision;
        commit.documents = vec![document("late")];
        let expected = refusal::deployment_conflict(&now.id, expected, 3, now.standing());
        refused(&desk, commit, expected).await;
    }
    assert_eq!(desk.everything().await, before, "nothing changes");
    // Of two of which one is stale, neither changes.
    let (other, _) = desk.propose("dep-2", "tone").await;
    let mut both = desk.taking(&other, Step::Reject, State::Rejected, None);
    let late = desk.taking(&running, Step::Reject, State::Rejected, None);
    both.changed.extend(late.changed);
    refused(
        &desk,
        both,
        refusal::deployment_conflict(&now.id, 2, 3, now.standing()),
    )
    .await;
    assert_eq!(desk.deployment("dep-2").await, Some(other));
}

/// Of a slot's deployments that are not shipped yet, no two have the same text.
pub async fn candidate_on_its_way_already_exists(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    let (first, versions) = desk.propose("dep-1", "triage").await;
    let again = || desk.creation(desk.deployment_of("dep-2", &versions[1], 1));
    let known = |state| refusal::candidate_is_known(&first.candidate.closure_hash, &first.id, state);
    refused(&desk, again(), known(State::Proposed)).await;
    let running = desk
        .take_step(&first, Step::StartReplay, State::AbRunning, None)
        .await;
    refused(&desk, again(), known(State::AbRunning)).await;
    // Another text, or another environment.
    desk.do_commit(desk.creation(desk.deployment_of("dep-3", &versions[0], 1)))
        .await;
    let mut elsewhere = desk.deployment_of("dep-4", &versions[1], 0);
    elsewhere.environment = environment("staging");
    desk.do_commit(desk.creation(elsewhere)).await;
    // In the commit that ends the first one, the second can come to be.
    let mut rebase = desk.taking(&running, Step::Rebase, State::Rejected, None);
    let next = again();
    rebase.created = next.created;
    rebase.transitions.extend(next.transitions);
    desk.do_commit(rebase).await;
    assert_eq!(desk.deployment("dep-2").await.unwrap().state, State::Proposed);
    assert_eq!(desk.deployment("dep-1").await.unwrap().state, State::Rejected);
}

/// At most one deployment has its slot.
pub async fn second_deployment_in_a_slot_conflicts(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    let (first, versions) = desk.propose("dep-1", "triage").await;
    let ship = desk.shipping(&first, &versions[1], 1, 0);
    let first = ship.changed[0].clone();
    desk.do_commit(ship).await;
    let third = desk.save_active("triage", "three").await;
    let second = desk.deployment_of("dep-2", &third, 2);
    desk.do_commit(desk.creation(second.clone())).await;
    let before = desk.everything().await;
    let ship = desk.shipping(&second, &third, 2, 1);
    let taken = refusal::slot_is_taken(&first.prompt, &first.environment, &first.id);
    refused(&desk, ship.clone(), taken).await;
    assert_eq!(desk.everything().await, before, "nothing changes");
    // In the commit that supersedes the first one, it can.
    let superseded = desk.taking(
        &first,
        Step::Supersede,
        State::Monitoring,
        Some(MonitorOutcome::Superseded),
    );
    let mut forced = ship;
    forced.changed.insert(0, superseded.changed[0].clone());
    desk.do_commit(forced).await;
    let having = desk
        .deployments(&DeploymentFilter {
            has_slot: Some(true),
            ..DeploymentFilter::default()
        })
        .await;
    assert_eq!(having.len(), 1);
    assert_eq!(having[0].id, second.id);
    let slots = desk.slots("triage").await;
    assert_eq!(
        slots.pointer(&environment("production")).unwrap().version,
        third.number
    );
}

/// A move that is refused takes its whole commit with it.
pub async fn refused_move_leaves_the_deployment(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    let (deployment, versions) = desk.propose("dep-1", "triage").await;
    desk.promote(&versions[0], "staging").await;
    let before = desk.everything().await;
    let ship = |pointer| DeploymentCommit {
        documents: vec![document("late")],
        ..desk.shipping(&deployment, &versions[1], pointer, 0)
    };
    for revision in [0, 2] {
        let expected =
            environment_refusal::revision_conflict(&name("triage"), &environment("production"), revision, 1);
        refused(&desk, ship(revision), expected).await;
    }
    let mut stale = ship(1);
    stale.pointer.as_mut().unwrap().policy_revision = 3;
    refused(&desk, stale, environment_refusal::policy_conflict(3, 0)).await;
    let mut unknown = ship(1);
    unknown.pointer.as_mut().unwrap().to = number(9);
    refused(
        &desk,
        unknown,
        prompt_refusal::unknown_version(&name("triage"), number(9)),
    )
    .await;
    assert_eq!(desk.everything().await, before, "nothing changes");
    assert_eq!(desk.kept(&document("late")).await, None);
    assert_eq!(desk.slot_control("triage", "production").await.revision, 0);
}

/// A commit that is refused for several reasons is refused for the first of them.
pub async fn commit_is_refused_for_its_first_reason(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    let (first, versions) = desk.propose("dep-1", "triage").await;
    let mut keyed = desk.taking(&first, Step::StartReplay, State::AbRunning, None);
    keyed.transitions[0].key = Some(command_key("k"));
    let running = keyed.changed[0].clone();
    desk.do_commit(keyed).await;
    // Everything about it is wrong.
    let mut wrong = desk.shipping(&first, &versions[1], 7, 5);
    wrong.transitions[0].key = Some(command_key("k"));
    let mut created = desk.deployment_of("dep-1", &versions[1], 5);
    created.candidate.version = number(9);
    wrong.created = Some(created);
    let (prompt, production) = (name("triage"), environment("production"));
    refused(
        &desk,
        wrong.clone(),
        refusal::slot_conflict(&prompt, &production, 5, 0),
    )
    .await;
    wrong.slot = Some(desk.slot_at(&first, 1));
    refused(&desk, wrong.clone(), refusal::key_is_taken(&command_key("k"))).await;
    wrong.transitions[0].key = None;
    refused(
        &desk,
        wrong.clone(),
        prompt_refusal::unknown_version(&prompt, number(9)),
    )
    .await;
    wrong.created = Some(desk.deployment_of("dep-1", &versions[1], 5));
    let expected = environment_refusal::revision_conflict(&prompt, &production, 5, 1);
    refused(&desk, wrong.clone(), expected).await;
    wrong.created = Some(desk.deployment_of("dep-1", &versions[1], 1));
    refused(&desk, wrong.clone(), refusal::id_is_taken(&first.id)).await;
    wrong.created = None;
    let mut stranger = wrong.changed[0].clone();
    stranger.id = deployment_id("dep-9");
    wrong.changed.insert(0, stranger);
    refused(
        &desk,
        wrong.clone(),
        refusal::unknown_deployment(&deployment_id("dep-9")),
    )
    .await;
    wrong.changed.remove(0);
    let expected = refusal::deployment_conflict(&first.id, 1, 2, running.standing());
    refused(&desk, wrong.clone(), expected).await;
    wrong.changed[0].revision = 3;
    let expected = environment_refusal::revision_conflict(&prompt, &production, 7, 1);
    refused(&desk, wrong.clone(), expected).await;
    wrong.pointer.as_mut().unwrap().expected_revision = 1;
    wrong.transitions[0].number = 3;
    desk.do_commit(wrong).await;
}

/// No tenant sees another's, whatever it is called.
pub async fn deployments_are_their_tenants_own(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    desk.deploy().await;
    let other = desk.of("other");
    let before = desk.everything().await;
    assert_eq!(other.deployment("dep-1").await, None);
    assert!(other.deployments(&DeploymentFilter::default()).await.is_empty());
    assert!(other.transitions("dep-1").await.is_empty());
    assert_eq!(other.transition_of_key("ship-1").await, None);
    assert_eq!(other.kept(&document("evidence")).await, None);
    assert_eq!(other.slot_control("voice", "production").await.revision, 0);
    other.deploy().await;
    assert_eq!(desk.everything().await, before);
    assert_eq!(other.deployments(&DeploymentFilter::default()).await.len(), 2);
}
