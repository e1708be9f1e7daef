//! A candidate's whole life.

use std::sync::atomic::Ordering;

use promptops_core::ErrorKind;
use promptops_core::deployment::{MonitorOutcome, State};
use promptops_core::improvement::{Done, PassState, WatchPurpose, WatchStatus};

use super::world::{CONFUSING, REFUNDS, World, mo, olga};

#[tokio::test]
async fn a_persons_edit_is_replayed_approved_watched_and_rolled_back_when_it_does_harm() {
    let world = World::new().await;
    let improver = world.improver();
    world.traffic(600).await;
    let better = world.save(REFUNDS).await;
    let deployments = world.acme.deployments();
    let proposed = deployments.propose(&better, "production", &mo()).await.unwrap();
    let pass = world.pass(&improver).await;
    assert_eq!(pass.state, PassState::Worked);
    let replayed = deployments.get(&proposed.id).await.unwrap();
    assert_eq!(replayed.state, State::AbPassed, "{:?}", replayed.evidence);

    let refused = deployments.approve(&proposed.id, &mo()).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Forbidden);
    deployments.approve(&proposed.id, &olga()).await.unwrap();
    assert_eq!(world.live().await, 2);
    world.traffic(600).await;
    world.pass(&improver).await;
    let watched = deployments.get(&proposed.id).await.unwrap();
    assert_eq!(watched.monitor, Some(MonitorOutcome::Cleared));

    let worse = world.save(CONFUSING).await;
    let harmful = deployments.propose(&worse, "production", &mo()).await.unwrap();
    world.pass(&improver).await;
    let failed = deployments.get(&harmful.id).await.unwrap();
    assert_eq!(failed.state, State::AbFailed, "{:?}", failed.evidence);
    assert_eq!(world.live().await, 2);
}

#[tokio::test]
async fn what_does_harm_is_found_out_and_rolled_back_and_what_was_restored_is_watched() {
    let world = World::new().await;
    let improver = world.improver();
    world.traffic(300).await;
    let deployments = world.acme.deployments();
    let worse = world.save(CONFUSING).await;
    let proposed = deployments.propose(&worse, "production", &mo()).await.unwrap();
    deployments
        .approve(&proposed.id, &olga())
        .waive("the customer asks for it")
        .await
        .unwrap();
    assert_eq!(world.live().await, 2);
    let mut did = Vec::new();
    for _ in 0..6 {
        world.traffic(30).await;
        did.extend(world.pass(&improver).await.did);
    }
    let kinds: Vec<&str> = did
        .iter()
        .filter_map(|done| match done {
            Done::Alarm { .. } => Some("alarm"),
            Done::Regressed { .. } => Some("regressed"),
            Done::RolledBack { .. } => Some("rolled back"),
            Done::Drift { .. } => Some("drift"),
            _ => None,
        })
        .collect();
    assert_eq!(kinds, ["alarm", "regressed", "rolled back"], "{did:?}");
    assert_eq!(world.live().await, 1);
    let ended = deployments.get(&proposed.id).await.unwrap();
    assert_eq!(ended.state, State::RolledBack);
    assert_eq!(ended.ended.unwrap().by.id, "auto_rollback");
    let watches = world.acme.improvements().watches(&proposed.id).await.unwrap();
    let purposes: Vec<(WatchPurpose, WatchStatus)> =
        watches.iter().map(|watch| (watch.purpose, watch.status)).collect();
    assert_eq!(
        purposes,
        [
            (WatchPurpose::Deployment, WatchStatus::Ended),
            (WatchPurpose::Restored, WatchStatus::Watching)
        ]
    );
    assert!(!watches[0].charts(None).is_empty());
}

#[tokio::test]
async fn when_the_world_gets_worse_for_both_versions_nothing_is_rolled_back() {
    let world = World::new().await;
    let improver = world.improver();
    world.traffic(600).await;
    let better = world.save(REFUNDS).await;
    let deployments = world.acme.deployments();
    let proposed = deployments.propose(&better, "production", &mo()).await.unwrap();
    world.pass(&improver).await;
    deployments.approve(&proposed.id, &olga()).await.unwrap();
    world.weather.is_confused.store(true, Ordering::Relaxed);
    let mut did = Vec::new();
    for _ in 0..6 {
        world.traffic(30).await;
        did.extend(world.pass(&improver).await.did);
    }
    assert!(did.iter().any(|done| matches!(done, Done::Drift { .. })), "{did:?}");
    assert_eq!(world.live().await, 2);
    let drifted = deployments.get(&proposed.id).await.unwrap();
    assert_eq!(drifted.monitor, Some(MonitorOutcome::Drift));
}
