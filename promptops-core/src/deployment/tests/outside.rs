//! Pointers that somebody moves past their deployments.

use super::*;
use crate::deployment::MonitorOutcome;

#[tokio::test]
async fn a_promotion_by_hand_supersedes_the_watch() {
    let world = World::new().await;
    let shipped = world.shipped(2).await;
    let deployments = world.deployments();
    assert!(deployments.reconcile().await.unwrap().is_empty());
    let environments = world.acme.environments();
    for n in [2, 3] {
        environments
            .promote(&world.versions[n], "production", &mo())
            .await
            .unwrap();
    }
    let changed = deployments.reconcile().await.unwrap();
    assert_eq!(changed.len(), 1);
    assert_eq!(changed[0].id, shipped.id);
    assert_eq!(changed[0].monitor, Some(MonitorOutcome::Superseded));
    let last = deployments.transitions(&shipped.id).await.unwrap().pop().unwrap();
    assert_eq!(last.reason, "v3 went live in revision 3, moved by mo (member)");
    assert!(deployments.reconcile().await.unwrap().is_empty());
    world.steps(&shipped.id).await;
}

#[tokio::test]
async fn a_rollback_by_hand_is_the_deployments_rollback() {
    let world = World::new().await;
    let regressed = world.regressed(2).await;
    let environments = world.acme.environments();
    environments
        .rollback("triage", "production", &mo(), "customers call")
        .await
        .unwrap();
    let changed = world.deployments().reconcile().await.unwrap();
    is(&changed[0], State::RolledBack);
    let ended = changed[0].ended.clone().unwrap();
    assert_eq!((ended.by, ended.reason.as_str()), (mo(), "customers call"));
    world.steps(&regressed.id).await;
    // Its text is known to automation now.
    assert!(
        world
            .deployments()
            .propose(&world.versions[1], "production", &robot())
            .await
            .is_err()
    );
}

#[tokio::test]
async fn who_ships_next_finds_the_slot_free() {
    let world = World::new().await;
    let first = world.shipped(2).await;
    let environments = world.acme.environments();
    environments
        .promote(&world.versions[3], "production", &mo())
        .await
        .unwrap();
    let second = world.shipped(3).await;
    let first = world.get(&first.id).await;
    assert_eq!(first.monitor, Some(MonitorOutcome::Superseded));
    assert_eq!(second.shipped.unwrap().restores.unwrap().get(), 4);
}
