//! Rejecting, rolling back, keeping; twice, at once, and by whom not.

use super::*;
use crate::ErrorKind;
use crate::base::{CommandKey, PageRequest};
use crate::deployment::{DeploymentFilter, MonitorOutcome};

fn key(text: &str) -> CommandKey {
    CommandKey::new(text).unwrap()
}

#[tokio::test]
async fn rejecting_and_rolling_back_ask_for_an_owner_and_a_reason() {
    let world = World::new().await;
    let deployments = world.deployments();
    let proposed = world.propose(2).await;
    let shipped = world.shipped(3).await;
    for actor in [mo(), Actor::viewer("vic"), robot()] {
        for command in [
            deployments.reject(&proposed.id, "no", &actor),
            deployments.roll_back(&shipped.id, "no", &actor),
            deployments.override_regression(&shipped.id, "no", &actor),
        ] {
            assert_eq!(command.await.unwrap_err().kind(), ErrorKind::Forbidden);
        }
        let hold = deployments.hold("triage", "production", "no", &actor).await;
        assert_eq!(hold.unwrap_err().kind(), ErrorKind::Forbidden);
    }
    let olga = olga();
    for command in [
        deployments.reject(&proposed.id, " \n", &olga),
        deployments.roll_back(&shipped.id, "", &olga),
        deployments.override_regression(&shipped.id, "", &olga),
    ] {
        let error = command.await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(error.message().contains("needs a reason"), "{error}");
    }
    let rejected = deployments.reject(&proposed.id, "too long", &olga).await.unwrap();
    is(&rejected, State::Rejected);
    let ended = rejected.ended.unwrap();
    assert_eq!((ended.by, ended.reason.as_str()), (olga.clone(), "too long"));
    let back = deployments
        .roll_back(&shipped.id, "complaints", &olga)
        .await
        .unwrap();
    is(&back, State::RolledBack);
    assert_eq!(back.shipped.unwrap().by, olga);
    assert_eq!(world.live().await, (1, 3));
    assert_eq!(world.served().await, "triage v1");
    world.acme.audit().verify().await.unwrap();
}

#[tokio::test]
async fn what_is_final_stays() {
    let world = World::new().await;
    let deployments = world.deployments();
    let shipped = world.shipped(2).await;
    let olga = olga();
    deployments.roll_back(&shipped.id, "no", &olga).await.unwrap();
    for error in [
        deployments.approve(&shipped.id, &olga).await.unwrap_err(),
        deployments.reject(&shipped.id, "no", &olga).await.unwrap_err(),
        deployments.roll_back(&shipped.id, "no", &olga).await.unwrap_err(),
        deployments.rebase(&shipped.id, &olga).await.unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::IllegalTransition, "{error}");
        assert!(error.message().contains("nothing follows that"), "{error}");
    }
}

#[tokio::test]
async fn a_rollback_while_another_version_is_live_is_refused() {
    let world = World::new().await;
    let shipped = world.shipped(2).await;
    let environments = world.acme.environments();
    environments
        .promote(&world.versions[2], "production", &mo())
        .await
        .unwrap();
    let error = world
        .deployments()
        .roll_back(&shipped.id, "worse", &olga())
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotLive, "{error}");
    assert_eq!(world.live().await, (3, 3));
}

#[tokio::test]
async fn a_command_sent_twice_is_done_once() {
    let world = World::new().await;
    let deployments = world.deployments();
    let (propose, approve, back) = (key("p-1"), key("a-1"), key("r-1"));
    let olga = olga();
    let first = deployments
        .propose(&world.versions[1], "production", &olga)
        .key(&propose)
        .await
        .unwrap();
    let again = deployments
        .propose(&world.versions[1], "production", &olga)
        .key(&propose)
        .await
        .unwrap();
    assert_eq!(again.id, first.id);
    world.replay(&first.id, Verdict::Passed).await;
    let once = deployments.approve(&first.id, &olga).key(&approve).await.unwrap();
    let twice = deployments.approve(&first.id, &olga).key(&approve).await.unwrap();
    assert_eq!(once, twice);
    // Without the key it is another approval, which comes too late.
    let error = deployments.approve(&first.id, &olga).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::IllegalTransition);
    let error = deployments
        .roll_back(&first.id, "no", &olga)
        .key(&approve)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists);
    for _ in 0..2 {
        let done = deployments
            .roll_back(&first.id, "no", &olga)
            .key(&back)
            .await
            .unwrap();
        is(&done, State::RolledBack);
    }
    assert_eq!(world.live().await, (1, 3));
}

#[tokio::test]
async fn of_an_approval_and_a_rejection_at_once_one_wins() {
    for first_approves in [true, false] {
        let world = World::new().await;
        let deployments = world.deployments();
        let passed = world.replayed(2, Verdict::Passed).await;
        let olga = olga();
        let approve = async { deployments.approve(&passed.id, &olga).await };
        let reject = async { deployments.reject(&passed.id, "no", &olga).await };
        let (approved, rejected) = match first_approves {
            true => tokio::join!(approve, reject),
            false => {
                let (rejected, approved) = tokio::join!(reject, approve);
                (approved, rejected)
            }
        };
        assert!(approved.is_ok() != rejected.is_ok(), "{approved:?} {rejected:?}");
        let lost = approved.as_ref().err().or(rejected.as_ref().err()).unwrap();
        assert!(
            matches!(lost.kind(), ErrorKind::Conflict | ErrorKind::IllegalTransition),
            "{lost}"
        );
        let live = if approved.is_ok() { (2, 2) } else { (1, 1) };
        assert_eq!(world.live().await, live);
        world.steps(&passed.id).await;
    }
}

#[tokio::test]
async fn a_candidate_is_on_its_way_once() {
    let world = World::new().await;
    let deployments = world.deployments();
    let olga = olga();
    let live = deployments
        .propose(&world.versions[0], "production", &olga)
        .await
        .unwrap_err();
    assert_eq!(live.kind(), ErrorKind::AlreadyExists, "{live}");
    let first = world.propose(2).await;
    let error = deployments
        .propose(&world.versions[1], "production", &olga)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists);
    assert!(error.message().contains(first.id.as_str()), "{error}");
    deployments.reject(&first.id, "no", &olga).await.unwrap();
    // Automation does not come again with what was rejected; a person may.
    let error = deployments
        .propose(&world.versions[1], "production", &robot())
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists);
    assert!(world.propose(2).await.is_quarantined);
    // Another environment is another slot.
    deployments
        .propose(&world.versions[1], "staging", &mo())
        .await
        .unwrap();
}

#[tokio::test]
async fn a_foreign_tenant_sees_nothing() {
    let world = World::new().await;
    let shipped = world.shipped(2).await;
    let other = world.ops.tenant("other").unwrap().deployments();
    let filter = DeploymentFilter::default();
    assert!(
        other
            .list(&filter, &PageRequest::default())
            .await
            .unwrap()
            .items
            .is_empty()
    );
    let olga = olga();
    for error in [
        other.get(&shipped.id).await.unwrap_err(),
        other.transitions(&shipped.id).await.unwrap_err(),
        other.roll_back(&shipped.id, "no", &olga).await.unwrap_err(),
        other
            .document(&shipped.evidence.as_ref().unwrap().report)
            .await
            .unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    }
}

#[tokio::test]
async fn keeping_what_has_regressed_watches_it_anew() {
    let world = World::new().await;
    let regressed = world.regressed(2).await;
    is(&regressed, State::Regressed);
    let deployments = world.deployments();
    let open = deployments.open_regressions().await.unwrap();
    assert_eq!(open.len(), 1);
    assert!(open[0].is_open_regression());
    world.clock.advance(LEASE);
    let kept = deployments
        .override_regression(&regressed.id, "the judge was wrong", &olga())
        .await
        .unwrap();
    is(&kept, State::Monitoring);
    assert_eq!(
        (kept.monitor, kept.monitor_epoch),
        (Some(MonitorOutcome::Open), 2)
    );
    assert!(kept.watched_since > regressed.watched_since);
    assert!(deployments.open_regressions().await.unwrap().is_empty());
}
