//! Replays under a lease.

use super::*;
use crate::ErrorKind;

#[tokio::test]
async fn one_worker_replays_at_a_time_and_a_lost_lease_is_taken_over() {
    let world = World::new().await;
    let deployments = world.deployments();
    let proposed = world.propose(2).await;
    let begun = deployments
        .start_replay(&proposed.id, "w1", LEASE, &robot())
        .await
        .unwrap();
    is(&begun, State::AbRunning);
    let error = deployments
        .start_replay(&proposed.id, "w2", LEASE, &robot())
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::IllegalTransition);
    let error = deployments
        .lease_replay(&proposed.id, "w2", LEASE)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    deployments
        .lease_replay(&proposed.id, "w1", LEASE * 2)
        .await
        .unwrap();
    world.clock.advance(LEASE);
    let error = deployments
        .lease_replay(&proposed.id, "w2", LEASE)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict, "it was prolonged");
    world.clock.advance(LEASE);
    deployments.lease_replay(&proposed.id, "w2", LEASE).await.unwrap();
    // The first one comes to its end too late.
    let finding = world.finding(&begun, Verdict::Passed).await;
    let error = deployments
        .finish_replay(&proposed.id, "w1", finding.clone(), &robot())
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    let passed = deployments
        .finish_replay(&proposed.id, "w2", finding, &robot())
        .await
        .unwrap();
    is(&passed, State::AbPassed);
    assert_eq!(passed.lease, None);
    assert_eq!(passed.evidence.unwrap().number, 1);
}

#[tokio::test]
async fn a_replay_is_given_back_and_begun_again() {
    let world = World::new().await;
    let deployments = world.deployments();
    let proposed = world.propose(2).await;
    deployments
        .start_replay(&proposed.id, "w1", LEASE, &robot())
        .await
        .unwrap();
    let back = deployments
        .return_replay(&proposed.id, "the model is down", &robot())
        .await
        .unwrap();
    is(&back, State::Proposed);
    assert_eq!((&back.lease, &back.evidence), (&None, &None));
    let failed = world.replay(&proposed.id, Verdict::Failed).await;
    is(&failed, State::AbFailed);
    let passed = world.replay(&proposed.id, Verdict::Passed).await;
    assert_eq!(passed.evidence.unwrap().number, 2);
    world.steps(&proposed.id).await;
}

#[tokio::test]
async fn a_rejection_while_it_is_replayed_stands() {
    let world = World::new().await;
    let deployments = world.deployments();
    let proposed = world.propose(2).await;
    let begun = deployments
        .start_replay(&proposed.id, "w1", LEASE, &robot())
        .await
        .unwrap();
    deployments.reject(&proposed.id, "no", &olga()).await.unwrap();
    let finding = world.finding(&begun, Verdict::Passed).await;
    let error = deployments
        .finish_replay(&proposed.id, "w1", finding, &robot())
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::IllegalTransition);
    is(&world.get(&proposed.id).await, State::Rejected);
}
