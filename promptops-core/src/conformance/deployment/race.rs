//! Commits that race.

use std::sync::Arc;

use crate::base::{EnvironmentName, ErrorKind};
use crate::conformance::Harness;
use crate::conformance::fixture::*;
use crate::deployment::{DeploymentCommit, DeploymentFilter, MonitorOutcome, State, Step};
use crate::environment::MoveKind;

fn production() -> EnvironmentName {
    environment("production")
}

/// Commits all of these at once, each by one of two handles. One of them is made, the others are refused as this; the place of
/// the one that was made.
async fn one_is_made(desks: &[Desk; 2], commits: Vec<DeploymentCommit>, refused: ErrorKind) -> usize {
    let count = commits.len();
    let work = Arc::new((desks.clone(), commits));
    let results = race(count, |i| {
        let work = work.clone();
        async move { work.0[i % 2].try_commit(work.1[i].clone()).await }
    })
    .await;
    for error in results.iter().filter_map(|result| result.as_ref().err()) {
        assert_eq!(error.kind(), refused, "{error}");
    }
    let made: Vec<_> = (0..count).filter(|i| results[*i].is_ok()).collect();
    assert_eq!(made.len(), 1, "{results:?}");
    made[0]
}

/// An approval and a rejection at once: one of them happens, and nothing of the other.
pub async fn racing_approval_and_rejection_exclude_each_other(harness: &dyn Harness) {
    let desks = Desk::open_two(harness).await;
    let desk = &desks[0];
    for n in 0..8 {
        let (deployment, versions) = desk.propose(&format!("dep-{n}"), &format!("prompt-{n}")).await;
        let ship = desk.shipping(&deployment, &versions[1], 1, 0);
        let reject = desk.taking(&deployment, Step::Reject, State::Rejected, None);
        let audited = desk.audited().await;
        let made = one_is_made(&desks, vec![ship, reject], ErrorKind::Conflict).await;
        let now = desk.deployment(deployment.id.as_str()).await.unwrap();
        let is_shipped = made == 0;
        let slots = desk.slots(deployment.prompt.as_str()).await;
        assert_eq!(
            slots.pointer(&production()).unwrap().revision,
            1 + u64::from(is_shipped)
        );
        let state = if is_shipped {
            State::Monitoring
        } else {
            State::Rejected
        };
        assert_eq!(now.state, state);
        assert_eq!(desk.transitions(now.id.as_str()).await.len(), 2);
        assert_eq!(desk.audited().await, audited + 1 + usize::from(is_shipped));
    }
}

/// Of several candidates that ship into one slot at once, one does.
pub async fn racing_ships_have_one_winner(harness: &dyn Harness) {
    let desks = Desk::open_two(harness).await;
    let desk = &desks[0];
    let control = desk.save_active("triage", "control").await;
    desk.promote(&control, "production").await;
    let mut ships = Vec::new();
    for n in 0..8 {
        let version = desk.save_active("triage", &format!("text {n}")).await;
        let deployment = desk.deployment_of(&format!("dep-{n}"), &version, 1);
        desk.do_commit(desk.creation(deployment.clone())).await;
        ships.push(desk.shipping(&deployment, &version, 1, 0));
    }
    one_is_made(&desks, ships, ErrorKind::Conflict).await;
    let history = desk.history("triage", "production").await;
    assert_eq!(history.len(), 2);
    assert_eq!(desk.slot_control("triage", "production").await.revision, 1);
    let filter = DeploymentFilter {
        has_slot: Some(true),
        ..DeploymentFilter::default()
    };
    let having = desk.deployments(&filter).await;
    assert_eq!(having.len(), 1);
    assert_eq!(
        Some(having[0].candidate.version),
        history.last().map(|moved| moved.to)
    );
}

/// A promotion by hand and a ship at once: the pointer moves once.
pub async fn racing_ships_and_promotions_exclude_each_other(harness: &dyn Harness) {
    let desks = Desk::open_two(harness).await;
    let desk = &desks[0];
    for n in 0..6 {
        let prompt = format!("prompt-{n}");
        let (deployment, versions) = desk.propose(&format!("dep-{n}"), &prompt).await;
        let third = desk.save_active(&prompt, "three").await;
        let ship = desk.shipping(&deployment, &versions[1], 1, 0);
        let work = Arc::new((desks.clone(), ship, third));
        let results = race(2, |i| {
            let work = work.clone();
            async move {
                match i {
                    0 => work.0[0].try_commit(work.1.clone()).await,
                    _ => work.0[1].try_promote(&work.2, "production", 1).await.map(drop),
                }
            }
        })
        .await;
        assert_eq!(
            results.iter().filter(|result| result.is_ok()).count(),
            1,
            "{results:?}"
        );
        assert_eq!(desk.history(&prompt, "production").await.len(), 2);
        let state = desk.deployment(deployment.id.as_str()).await.unwrap().state;
        assert_eq!(state == State::Monitoring, results[0].is_ok());
    }
}

/// The same command sent by many at once is carried out once.
pub async fn racing_commands_of_one_key_are_carried_out_once(harness: &dyn Harness) {
    let desks = Desk::open_two(harness).await;
    let desk = &desks[0];
    let versions = desk.contenders("triage").await;
    let creations: Vec<DeploymentCommit> = (0..8)
        .map(|n| {
            let mut deployment = desk.deployment_of(&format!("dep-{n}"), &versions[1], 0);
            deployment.environment = environment(&format!("env-{n}"));
            let mut commit = desk.creation(deployment);
            commit.transitions[0].key = Some(command_key("once"));
            commit
        })
        .collect();
    one_is_made(&desks, creations, ErrorKind::AlreadyExists).await;
    let all = desk.deployments(&DeploymentFilter::default()).await;
    assert_eq!(all.len(), 1);
    let done = desk.transition_of_key("once").await.unwrap();
    assert_eq!(done.deployment, all[0].id);
}

/// The same candidate proposed by many at once is on its way once.
pub async fn racing_proposals_of_one_candidate_have_one_winner(harness: &dyn Harness) {
    let desks = Desk::open_two(harness).await;
    let desk = &desks[0];
    let versions = desk.contenders("triage").await;
    let creations: Vec<_> = (0..8)
        .map(|n| desk.creation(desk.deployment_of(&format!("dep-{n}"), &versions[1], 1)))
        .collect();
    one_is_made(&desks, creations, ErrorKind::AlreadyExists).await;
}

/// A hold and an automatic rollback at once, both decided on the same slot: one of them happens.
pub async fn racing_hold_and_rollback_exclude_each_other(harness: &dyn Harness) {
    let desks = Desk::open_two(harness).await;
    let desk = &desks[0];
    for n in 0..6 {
        let prompt = format!("prompt-{n}");
        let (deployment, versions) = desk.propose(&format!("dep-{n}"), &prompt).await;
        let ship = desk.shipping(&deployment, &versions[1], 1, 0);
        let shipped = ship.changed[0].clone();
        desk.do_commit(ship).await;
        let hold = DeploymentCommit {
            slot: Some(desk.slot_at(&shipped, 2)),
            ..desk.commit()
        };
        let mut pointer = desk.promotion(&versions[0], "production", 2);
        pointer.kind = MoveKind::Rollback;
        let back = DeploymentCommit {
            slot: Some(desk.slot_at(&shipped, 2)),
            pointer: Some(pointer),
            ..desk.taking(
                &shipped,
                Step::RollBack,
                State::RolledBack,
                Some(MonitorOutcome::Open),
            )
        };
        let made = one_is_made(&desks, vec![hold, back], ErrorKind::Conflict).await;
        assert_eq!(desk.slot_control(&prompt, "production").await.revision, 2);
        let state = desk.deployment(shipped.id.as_str()).await.unwrap().state;
        assert_eq!(state == State::RolledBack, made == 1);
    }
}
