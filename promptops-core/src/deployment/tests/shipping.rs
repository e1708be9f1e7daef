//! Shipping: what it asks, what it commits, who may.

use super::*;
use crate::ErrorKind;
use crate::deployment::{MonitorOutcome, Origin};
use crate::environment::Policy;

#[tokio::test]
async fn an_approved_candidate_is_live_at_once_and_watched() {
    let world = World::new().await;
    let passed = world.replayed(2, Verdict::Passed).await;
    is(&passed, State::AbPassed);
    assert_eq!(world.live().await, (1, 1));
    let shipped = world.deployments().approve(&passed.id, &olga()).await.unwrap();
    is(&shipped, State::Monitoring);
    assert_eq!(shipped.monitor, Some(MonitorOutcome::Open));
    assert_eq!(world.live().await, (2, 2));
    assert_eq!(world.served().await, "triage v2");
    let record = shipped.shipped.clone().unwrap();
    assert_eq!((record.revision, record.restores.unwrap().get()), (2, 1));
    assert_eq!(record.by, olga());
    assert_eq!(record.waiver, None);
    use Step::{PassReplay, Propose, Ship, StartReplay, Watch};
    assert_eq!(
        world.steps(&shipped.id).await,
        [Propose, StartReplay, PassReplay, Ship, Watch]
    );
    let page = crate::base::PageRequest::default();
    let history = world
        .acme
        .environments()
        .history("triage", "production", &page)
        .await
        .unwrap();
    assert_eq!(history.items[0].reason, "passed on 230 traces");
    world.acme.audit().verify().await.unwrap();
    let report = shipped.evidence.as_ref().unwrap().report;
    let document = world.deployments().document(&report).await.unwrap();
    assert!(document.json().contains("passed"));
}

#[tokio::test]
async fn only_an_owner_approves() {
    let world = World::new().await;
    let passed = world.replayed(2, Verdict::Passed).await;
    for actor in [mo(), Actor::viewer("vic"), robot()] {
        let error = world.deployments().approve(&passed.id, &actor).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Forbidden, "{error}");
    }
    assert_eq!(world.live().await, (1, 1));
    is(&world.get(&passed.id).await, State::AbPassed);
}

#[tokio::test]
async fn what_was_not_replayed_ships_only_with_an_owners_waiver() {
    let world = World::new().await;
    let proposed = world.propose(2).await;
    let deployments = world.deployments();
    let error = deployments.approve(&proposed.id, &olga()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
    let unmet: Vec<_> = error
        .unmet()
        .iter()
        .map(|unmet| unmet.condition.as_str())
        .collect();
    assert_eq!(unmet, ["replay"]);
    let error = deployments
        .approve(&proposed.id, &olga())
        .waive(" ")
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    let shipped = deployments
        .approve(&proposed.id, &olga())
        .waive("a legal text must change today")
        .await
        .unwrap();
    let waiver = shipped.shipped.unwrap().waiver.unwrap();
    assert_eq!(waiver.reason, "a legal text must change today");
    assert_eq!(waiver.unmet[0].condition, "replay");
}

#[tokio::test]
async fn a_candidate_that_failed_does_not_ship_even_with_a_waiver() {
    let world = World::new().await;
    for verdict in [Verdict::Failed, Verdict::Inconclusive] {
        let n = if verdict == Verdict::Failed { 2 } else { 3 };
        let failed = world.replayed(n, verdict).await;
        is(&failed, State::AbFailed);
        let error = world
            .deployments()
            .approve(&failed.id, &olga())
            .waive("I like it")
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::IllegalTransition, "{error}");
    }
}

#[tokio::test]
async fn the_environments_policy_is_asked_too() {
    let world = World::new().await;
    let environments = world.acme.environments();
    let policy = Policy::open().min_usage_count(1_000);
    environments
        .set_policy("production", policy, &olga())
        .await
        .unwrap();
    let passed = world.replayed(2, Verdict::Passed).await;
    let deployments = world.deployments();
    let error = deployments.approve(&passed.id, &olga()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
    assert_eq!(error.unmet()[0].condition, "min_usage_count");
    let shipped = deployments
        .approve(&passed.id, &olga())
        .waive("new prompt")
        .await
        .unwrap();
    assert_eq!(
        shipped.shipped.unwrap().waiver.unwrap().unmet[0].condition,
        "min_usage_count"
    );
}

#[tokio::test]
async fn the_second_of_two_candidates_is_stale_and_goes_on_rebased() {
    let world = World::new().await;
    let deployments = world.deployments();
    let first = world.replayed(2, Verdict::Passed).await;
    let second = world.replayed(3, Verdict::Passed).await;
    let first = deployments.approve(&first.id, &olga()).await.unwrap();
    let error = deployments.approve(&second.id, &olga()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::StaleBase, "{error}");
    assert_eq!(error.current_revision(), Some(2));
    let rebased = deployments.rebase(&second.id, &mo()).await.unwrap();
    is(&rebased, State::Proposed);
    assert_eq!(
        rebased.origin,
        Origin::Rebase {
            of: second.id.clone()
        }
    );
    assert_eq!(rebased.base.revision, 2);
    let old = world.get(&second.id).await;
    is(&old, State::Rejected);
    assert_eq!(old.rebased_as, Some(rebased.id.clone()));
    world.steps(&old.id).await;
    let passed = world.replay(&rebased.id, Verdict::Passed).await;
    // The first one is watched still.
    let error = deployments.approve(&passed.id, &olga()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
    assert_eq!(error.unmet()[0].condition, "slot");
    world.observe(&first.id, Step::Clear).await;
    let shipped = deployments.approve(&passed.id, &olga()).await.unwrap();
    assert_eq!(world.live().await, (3, 3));
    // The first one is known to be good.
    assert_eq!(shipped.shipped.unwrap().restores.unwrap().get(), 2);
}

#[tokio::test]
async fn a_ship_over_an_open_watch_supersedes_it_and_goes_back_to_what_was_good() {
    let world = World::new().await;
    let deployments = world.deployments();
    let first = world.shipped(2).await;
    let second = world.replayed(3, Verdict::Passed).await;
    let second = deployments
        .approve(&second.id, &olga())
        .waive("the first is worse than we thought")
        .await
        .unwrap();
    let first = world.get(&first.id).await;
    assert_eq!(first.monitor, Some(MonitorOutcome::Superseded));
    is(&first, State::Monitoring);
    assert_eq!(second.shipped.as_ref().unwrap().restores.unwrap().get(), 1);
    let back = deployments
        .roll_back(&second.id, "worse still", &olga())
        .await
        .unwrap();
    is(&back, State::RolledBack);
    assert_eq!(world.live().await, (1, 4));
}

#[tokio::test]
async fn a_base_moved_by_hand_makes_the_evidence_stale() {
    let world = World::new().await;
    let passed = world.replayed(2, Verdict::Passed).await;
    world
        .acme
        .environments()
        .promote(&world.versions[3], "production", &mo())
        .await
        .unwrap();
    let deployments = world.deployments();
    let error = deployments.approve(&passed.id, &olga()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::StaleBase);
    // Replayed again against what is live now, it ships.
    world.replay(&passed.id, Verdict::Passed).await;
    let shipped = deployments.approve(&passed.id, &olga()).await.unwrap();
    assert_eq!(shipped.shipped.unwrap().restores.unwrap().get(), 4);
}

#[tokio::test]
async fn automation_ships_only_where_that_is_switched_on_and_the_text_is_not_quarantined() {
    let settings = DeploymentSettings {
        auto_ship: true,
        ..DeploymentSettings::default()
    };
    let world = World::with(settings).await;
    let deployments = world.deployments();
    let passed = world.replayed(2, Verdict::Passed).await;
    let robot = Actor::system("autoship");
    let held = deployments
        .hold("triage", "production", "sales day", &olga())
        .await
        .unwrap();
    assert_eq!(held.revision, 1);
    let error = deployments.approve(&passed.id, &robot).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused, "{error}");
    deployments
        .release("triage", "production", &olga())
        .await
        .unwrap();
    let shipped = deployments.approve(&passed.id, &robot).await.unwrap();
    assert_eq!(shipped.shipped.as_ref().unwrap().by, robot);
    deployments.roll_back(&shipped.id, "no", &olga()).await.unwrap();
    // The same text once more, by a person.
    let again = world.replayed(2, Verdict::Passed).await;
    assert!(again.is_quarantined);
    let error = deployments.approve(&again.id, &robot).await.unwrap_err();
    assert_eq!(error.unmet()[0].condition, "quarantine");
    deployments.approve(&again.id, &olga()).await.unwrap();
    // A waiver is not automation's.
    let third = world.propose(3).await;
    let error = deployments
        .approve(&third.id, &robot)
        .waive("because")
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Forbidden);
}

#[tokio::test]
async fn a_snippet_that_changed_after_the_replay_stops_the_ship() {
    let world = World::new().await;
    let prompts = world.acme.prompts();
    let kindly = prompts
        .save("tone", Draft::text("kindly").by("ana"))
        .await
        .unwrap();
    prompts.activate(&kindly, &mo()).await.unwrap();
    let draft = Draft::text("answer {% include \"tone\" %} {{ who }}").by("ana");
    let version = prompts.save("triage", draft).await.unwrap();
    let deployments = world.deployments();
    let proposed = deployments.propose(&version, "production", &mo()).await.unwrap();
    let passed = world.replay(&proposed.id, Verdict::Passed).await;
    let rudely = prompts
        .save("tone", Draft::text("rudely").by("ana"))
        .await
        .unwrap();
    prompts.activate(&rudely, &mo()).await.unwrap();
    let error = deployments.approve(&passed.id, &olga()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
    assert_eq!(error.unmet()[0].condition, "candidate");
}
