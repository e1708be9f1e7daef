//! A candidate's whole life.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use promptops_core::ErrorKind;
use promptops_core::base::PageRequest;
use promptops_core::deployment::{MonitorOutcome, State};
use promptops_core::improvement::proposer::LlmProposer;
use promptops_core::improvement::{ClusterFilter, Done, PassState, ReplayRecord, WatchPurpose, WatchStatus};

use super::world::{CONFUSING, REFUNDS, World, mo, olga, proposing};

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
    let purposes: Vec<(WatchPurpose, WatchStatus)> = watches
        .iter()
        .map(|watch| (watch.purpose, watch.status))
        .collect();
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
    assert!(
        did.iter().any(|done| matches!(done, Done::Drift { .. })),
        "{did:?}"
    );
    assert_eq!(world.live().await, 2);
    let drifted = deployments.get(&proposed.id).await.unwrap();
    assert_eq!(drifted.monitor, Some(MonitorOutcome::Drift));
}

#[tokio::test]
async fn failures_become_a_cluster_a_candidate_and_a_better_prompt() {
    let world = World::new().await;
    let plan = world.plan().proposer(Arc::new(LlmProposer::new(proposing())));
    let improver = world.improver_by(plan);
    world.traffic(600).await;
    let first = world.pass(&improver).await;
    let improvements = world.acme.improvements();
    let clusters = improvements
        .clusters(&ClusterFilter::default(), &PageRequest::default())
        .await
        .unwrap()
        .items;
    assert_eq!(clusters.len(), 1, "{clusters:?}");
    assert_eq!(clusters[0].size, 240);
    let attempts = improvements
        .attempts(None, &PageRequest::default())
        .await
        .unwrap()
        .items;
    let said: Vec<(&str, bool, Option<f64>)> = attempts[0]
        .candidates
        .iter()
        .map(|candidate| {
            (
                candidate.strategy.as_str(),
                candidate.refused.is_none(),
                candidate.score,
            )
        })
        .collect();
    assert_eq!(said.len(), 4, "{attempts:?}");
    assert_eq!(said[1].0, "add_rule");
    assert_eq!(said[1].2, Some(1.0), "{:?}", attempts[0]);
    assert!(said[0].2.unwrap() < 0.7);
    assert!(!said[2].1 && !said[3].1);
    assert!(first.did.iter().any(|done| matches!(
        done,
        Done::Attempted {
            deployment: Some(_),
            ..
        }
    )));
    // Proposed in one pass, replayed in the next.
    world.pass(&improver).await;
    let deployments = world.deployments().await;
    assert_eq!(deployments.len(), 1);
    let candidate = &deployments[0];
    assert_eq!(candidate.state, State::AbPassed, "{:?}", candidate.evidence);
    let document = world
        .acme
        .deployments()
        .document(&candidate.evidence.as_ref().unwrap().report)
        .await
        .unwrap();
    let report = ReplayRecord::read(&document).unwrap().report.unwrap();
    assert!(report.metrics[0].target.delta > 0.99, "{report}");
    assert!(candidate.rationale.starts_with("Refunds are sorted"));
    world
        .acme
        .deployments()
        .approve(&candidate.id, &olga())
        .await
        .unwrap();
    assert_eq!(world.live().await, candidate.candidate.version.get());
    // Nothing fails any more, so that nothing more is looked for.
    world.traffic(100).await;
    world.clock.advance(Duration::from_secs(2 * 86_400));
    let asked = world.weather.asked.load(Ordering::Relaxed);
    world.pass(&improver).await;
    assert_eq!(world.weather.asked.load(Ordering::Relaxed), asked);
    assert_eq!(world.deployments().await.len(), 1);
}
