//! Automatic rollback, its cooldown, and a person's hold.

use super::*;
use crate::ErrorKind;
use crate::deployment::MonitorOutcome;

#[tokio::test]
async fn what_has_regressed_is_rolled_back_by_itself() {
    let world = World::new().await;
    let regressed = world.regressed(2).await;
    let back = world
        .deployments()
        .roll_back_by_itself(&regressed.id, "evidence 52 of 50")
        .await
        .unwrap();
    is(&back, State::RolledBack);
    let ended = back.ended.unwrap();
    assert_eq!(ended.by, Actor::system("auto_rollback"));
    assert_eq!(back.shipped.unwrap().by, olga(), "who shipped it is kept");
    assert_eq!(world.live().await, (1, 3));
}

#[tokio::test]
async fn automation_rolls_back_nothing_that_has_not_regressed() {
    let world = World::new().await;
    let shipped = world.shipped(2).await;
    let error = world
        .deployments()
        .roll_back_by_itself(&shipped.id, "a feeling")
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Forbidden);
    assert_eq!(world.live().await, (2, 2));
}

#[tokio::test]
async fn a_second_rollback_within_the_cooldown_holds_the_slot_instead() {
    let world = World::new().await;
    let deployments = world.deployments();
    let first = world.regressed(2).await;
    deployments.roll_back_by_itself(&first.id, "worse").await.unwrap();
    let second = world.regressed(3).await;
    let error = deployments
        .roll_back_by_itself(&second.id, "worse")
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
    is(&world.get(&second.id).await, State::Regressed);
    let slot = deployments.slot("triage", "production").await.unwrap();
    assert_eq!(slot.hold.unwrap().by, Actor::system("auto_rollback"));
    // Released, and after the cooldown, it is rolled back.
    deployments
        .release("triage", "production", &olga())
        .await
        .unwrap();
    world.clock.advance(Duration::from_secs(24 * 3_600));
    deployments
        .roll_back_by_itself(&second.id, "worse")
        .await
        .unwrap();
    assert_eq!(world.live().await.0, 1);
}

#[tokio::test]
async fn a_persons_hold_keeps_automation_from_rolling_back() {
    let world = World::new().await;
    let deployments = world.deployments();
    let regressed = world.regressed(2).await;
    deployments
        .hold("triage", "production", "let me look", &olga())
        .await
        .unwrap();
    let error = deployments
        .roll_back_by_itself(&regressed.id, "worse")
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
    assert!(error.to_string().contains("let me look"), "{error}");
    // A person is not kept from it.
    deployments
        .roll_back(&regressed.id, "worse", &olga())
        .await
        .unwrap();
    assert_eq!(world.live().await.0, 1);
}

#[tokio::test]
async fn an_automatic_command_that_was_decided_before_a_hold_comes_too_late() {
    let world = World::new().await;
    let deployments = world.deployments();
    let regressed = world.regressed(2).await;
    let slot = deployments.slot_of(&regressed).await.unwrap();
    deployments
        .hold("triage", "production", "let me look", &olga())
        .await
        .unwrap();
    let late = deployments
        .take_back(
            regressed.clone(),
            slot,
            Step::RollBack,
            "worse",
            &Actor::system("auto_rollback"),
            None,
        )
        .await;
    assert_eq!(late.unwrap_err().kind(), ErrorKind::Conflict);
    is(&world.get(&regressed.id).await, State::Regressed);
}

#[tokio::test]
async fn rolling_back_by_itself_can_be_switched_off() {
    let settings = DeploymentSettings {
        auto_rollback: false,
        ..DeploymentSettings::default()
    };
    let world = World::with(settings).await;
    let regressed = world.regressed(2).await;
    let error = world
        .deployments()
        .roll_back_by_itself(&regressed.id, "worse")
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
}

#[tokio::test]
async fn a_watch_that_ended_frees_the_slot_and_can_begin_anew() {
    let world = World::new().await;
    for (n, step, outcome) in [
        (2, Step::Clear, MonitorOutcome::Cleared),
        (3, Step::FindDrift, MonitorOutcome::Drift),
        (4, Step::FindNoData, MonitorOutcome::NoData),
    ] {
        let shipped = world.shipped(n).await;
        let ended = world.observe(&shipped.id, step).await;
        assert_eq!((ended.state, ended.monitor), (State::Monitoring, Some(outcome)));
        assert!(!ended.has_slot());
    }
    let last = world
        .deployments()
        .list(
            &super::super::DeploymentFilter::default(),
            &crate::base::PageRequest::first(1),
        )
        .await
        .unwrap()
        .items
        .remove(0);
    let again = world.observe(&last.id, Step::Watch).await;
    assert_eq!(
        (again.monitor, again.monitor_epoch),
        (Some(MonitorOutcome::Open), 2)
    );
}

#[tokio::test]
async fn without_a_watch_it_stays_shipped() {
    let settings = DeploymentSettings {
        watch: false,
        ..DeploymentSettings::default()
    };
    let world = World::with(settings).await;
    let shipped = world.shipped(2).await;
    is(&shipped, State::Shipped);
    assert!(shipped.has_slot());
    assert_eq!((shipped.monitor, shipped.watched_since), (None, None));
    world
        .deployments()
        .roll_back(&shipped.id, "no", &olga())
        .await
        .unwrap();
    assert_eq!(world.live().await.0, 1);
}
