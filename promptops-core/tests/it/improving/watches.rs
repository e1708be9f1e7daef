//! The watch over what is live, where it is not simple.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use promptops_core::MemoryBackend;
use promptops_core::deployment::{DeploymentSettings, MonitorOutcome, State};
use promptops_core::evaluation::Evaluation;
use promptops_core::improvement::{Blame, Done, WatchPurpose, WatchStatus};
use promptops_core::llm::{Blueprint, ScriptedLlm};
use promptops_core::observation::Trace;

use super::stand_ins::*;
use super::world::{CONFUSING, ENVIRONMENT, PROMPT, REFUNDS, World, mo, olga, right_queue};

#[tokio::test]
async fn who_is_to_blame_is_asked_in_the_metric_that_raised_the_alarm() {
    let world = World::new().await;
    let shouting = ScriptedLlm::new(|blueprint: &Blueprint| {
        let text: Vec<String> = blueprint.messages.iter().map(|message| message.text()).collect();
        let is_loud = text.join("\n").contains(SHOUT);
        Ok(ScriptedLlm::answer(if is_loud { "billing!" } else { "billing" }))
    });
    let evaluation = Evaluation::new(Arc::new(shouting))
        .criterion(Anything)
        .criterion(Calm);
    let plan = world.plan_by(evaluation).target("correctness".parse().unwrap());
    let improver = world.improver_by(plan);
    let scored = |trace: Trace, text: &str| {
        let calm = f64::from(u8::from(!text.contains(SHOUT)));
        trace.score("correctness", 1.0).score("tone", calm)
    };
    for n in 0..300 {
        call(&world, &ticket(n), scored).await;
    }
    let loud = world.save(SHOUT).await;
    let deployments = world.acme.deployments();
    let harmful = deployments.propose(&loud, ENVIRONMENT, &mo()).await.unwrap();
    deployments
        .approve(&harmful.id, &olga())
        .waive("to see")
        .await
        .unwrap();
    for n in 300..340 {
        call(&world, &ticket(n), scored).await;
    }
    let pass = world.pass(&improver).await;
    let ended = deployments.get(&harmful.id).await.unwrap();
    assert_eq!(ended.state, State::RolledBack, "{:?}", pass.did);
}

#[tokio::test]
async fn errors_without_a_word_on_success_keep_no_watch_open_for_ever() {
    let world = World::new().await;
    // Nobody says what served its purpose: of all calls the scores are known, and of some that they failed.
    let scored = |n: u64| {
        move |trace: Trace, _: &str| match n % 3 {
            0 => trace.score("correctness", 1.0).error("invalid_json", "no JSON"),
            _ => trace.score("correctness", 1.0),
        }
    };
    for n in 0..600 {
        call(&world, &ticket(n), scored(n)).await;
    }
    let better = world.save(REFUNDS).await;
    let deployments = world.acme.deployments();
    let proposed = deployments.propose(&better, ENVIRONMENT, &mo()).await.unwrap();
    deployments
        .approve(&proposed.id, &olga())
        .waive("to see")
        .await
        .unwrap();
    for n in 600..1_300 {
        call(&world, &ticket(n), scored(n)).await;
    }
    world.pass(&world.improver()).await;
    let watched = deployments.get(&proposed.id).await.unwrap();
    assert_eq!(watched.monitor, Some(MonitorOutcome::Cleared));
}

#[tokio::test]
async fn an_attribution_that_fails_is_tried_for_an_hour_from_its_first_try_on() {
    let world = World::new().await;
    world.traffic(300).await;
    let worse = world.save(CONFUSING).await;
    let deployments = world.acme.deployments();
    let harmful = deployments.propose(&worse, ENVIRONMENT, &mo()).await.unwrap();
    deployments
        .approve(&harmful.id, &olga())
        .waive("to see")
        .await
        .unwrap();
    // Nobody looked for hours: the alarm is old when it is found, and the model is out just then.
    world.traffic(200).await;
    world.weather.is_out.store(true, Ordering::Relaxed);
    let improver = world.improver();
    improver.run_once().await.unwrap();
    let watched = deployments.get(&harmful.id).await.unwrap();
    assert_eq!(
        watched.state,
        State::Monitoring,
        "nobody is blamed for the first failure"
    );
    world.weather.is_out.store(false, Ordering::Relaxed);
    world.clock.advance(Duration::from_secs(300));
    world.pass(&improver).await;
    assert_eq!(
        deployments.get(&harmful.id).await.unwrap().state,
        State::RolledBack
    );
}

#[tokio::test]
async fn what_cannot_be_rolled_back_since_its_predecessor_is_archived_is_left_to_people() {
    let world = World::new().await;
    world.traffic(300).await;
    let first = world.acme.prompts().get(format!("{PROMPT}@v1")).await.unwrap();
    let worse = world.save(CONFUSING).await;
    let deployments = world.acme.deployments();
    let harmful = deployments.propose(&worse, ENVIRONMENT, &mo()).await.unwrap();
    deployments
        .approve(&harmful.id, &olga())
        .waive("to see")
        .await
        .unwrap();
    world.acme.prompts().archive(&first, &olga()).await.unwrap();
    world.traffic(60).await;
    let pass = world.pass(&world.improver()).await;
    assert_eq!(
        deployments.get(&harmful.id).await.unwrap().state,
        State::Regressed
    );
    let left = pass.did.iter().find_map(|done| match done {
        Done::LeftToPeople { reason, .. } => Some(reason.clone()),
        _ => None,
    });
    assert!(
        left.is_some_and(|reason| reason.contains("archived")),
        "{:?}",
        pass.did
    );
}

#[tokio::test]
async fn the_watch_of_what_was_superseded_or_rolled_back_by_hand_ends() {
    let world = World::new().await;
    let improver = world.improver();
    world.traffic(300).await;
    let deployments = world.acme.deployments();
    let better = world.save(REFUNDS).await;
    let proposed = deployments.propose(&better, ENVIRONMENT, &mo()).await.unwrap();
    deployments
        .approve(&proposed.id, &olga())
        .waive("to see")
        .await
        .unwrap();
    world.traffic(30).await;
    world.pass(&improver).await;
    let other = world.save("Be brief.").await;
    world
        .acme
        .environments()
        .promote(&other, ENVIRONMENT, &olga())
        .await
        .unwrap();
    world.pass(&improver).await;
    let ended = deployments.get(&proposed.id).await.unwrap();
    assert_eq!(ended.monitor, Some(MonitorOutcome::Superseded));
    let watches = world.acme.improvements().watches(&proposed.id).await.unwrap();
    assert_eq!(watches[0].status, WatchStatus::Ended);
    assert!(watches[0].end.is_some());
}

#[tokio::test]
async fn what_an_older_deployments_rollback_restored_is_watched_too() {
    let world = World::new().await;
    let improver = world.improver();
    world.traffic(300).await;
    let deployments = world.acme.deployments();
    let (one, two) = (world.save(REFUNDS).await, world.save("Be brief.").await);
    let older = deployments.propose(&one, ENVIRONMENT, &mo()).await.unwrap();
    let newer = deployments.propose(&two, ENVIRONMENT, &mo()).await.unwrap();
    for id in [&newer.id, &older.id] {
        deployments.approve(id, &olga()).waive("to see").await.unwrap();
        world.traffic(10).await;
        deployments.roll_back(id, "no", &olga()).await.unwrap();
    }
    world.pass(&improver).await;
    let watches = world.acme.improvements().watches(&older.id).await.unwrap();
    assert!(
        watches
            .iter()
            .any(|watch| watch.purpose == WatchPurpose::Restored),
        "{watches:?}"
    );
}

#[tokio::test]
async fn what_nobody_watches_does_not_keep_the_next_one_out() {
    let mut settings = DeploymentSettings::default();
    settings.watch = false;
    let world = World::on(MemoryBackend::new(), settings).await;
    let improver = world.improver();
    world.traffic(300).await;
    let deployments = world.acme.deployments();
    let other = world.save("Answer in one word.").await;
    let one = deployments.propose(&other, ENVIRONMENT, &mo()).await.unwrap();
    deployments
        .approve(&one.id, &olga())
        .waive("to see")
        .await
        .unwrap();
    world.traffic(300).await;
    let better = world.save(REFUNDS).await;
    let two = deployments.propose(&better, ENVIRONMENT, &mo()).await.unwrap();
    world.pass(&improver).await;
    assert_eq!(deployments.get(&two.id).await.unwrap().state, State::AbPassed);
    let shipped = deployments.approve(&two.id, &olga()).await.unwrap();
    assert_eq!(shipped.shipped.unwrap().restores, Some(other.number));
    let first = deployments.get(&one.id).await.unwrap();
    assert_eq!(first.monitor, Some(MonitorOutcome::Superseded));
}

#[tokio::test]
async fn a_few_inputs_on_which_both_do_as_well_acquit_nobody() {
    let world = World::new().await;
    world.traffic(300).await;
    let worse = world.save(CONFUSING).await;
    let deployments = world.acme.deployments();
    let harmful = deployments.propose(&worse, ENVIRONMENT, &mo()).await.unwrap();
    deployments
        .approve(&harmful.id, &olga())
        .waive("to see")
        .await
        .unwrap();
    // Of one call in five the inputs are kept, and on those it does no harm.
    for n in 300..345 {
        let inputs = ticket(n);
        let is_refund = right_queue(inputs.as_object().unwrap()) == "billing";
        let score = |trace: Trace, _: &str| trace.score("correctness", 0.0);
        call_kept(&world, &inputs, is_refund && n % 5 == 0, score).await;
    }
    let pass = world.pass(&world.improver()).await;
    let watched = deployments.get(&harmful.id).await.unwrap();
    assert_eq!(watched.state, State::Regressed, "{:?}", pass.did);
    let watches = world.acme.improvements().watches(&harmful.id).await.unwrap();
    assert_eq!(watches[0].blame, Some(Blame::Unknown));
    assert_eq!(world.live().await, 2, "a person decides");
}

#[tokio::test]
async fn what_an_owner_kept_is_not_rolled_back_by_itself_later() {
    let world = World::new().await;
    let improver = world.improver();
    world.traffic(300).await;
    let deployments = world.acme.deployments();
    let worse = world.save(CONFUSING).await;
    let harmful = deployments.propose(&worse, ENVIRONMENT, &mo()).await.unwrap();
    deployments
        .approve(&harmful.id, &olga())
        .waive("to see")
        .await
        .unwrap();
    deployments
        .hold(PROMPT, ENVIRONMENT, "a launch", &olga())
        .await
        .unwrap();
    world.traffic(200).await;
    world.pass(&improver).await;
    let state = async || deployments.get(&harmful.id).await.unwrap().state;
    assert_eq!(state().await, State::Regressed);
    deployments
        .override_regression(&harmful.id, "the launch is worth it", &olga())
        .await
        .unwrap();
    deployments.release(PROMPT, ENVIRONMENT, &olga()).await.unwrap();
    // And then it gets worse still.
    world.weather.is_confused.store(true, Ordering::Relaxed);
    let mut did = Vec::new();
    for _ in 0..6 {
        world.traffic(40).await;
        did.extend(world.pass(&improver).await.did);
    }
    assert!(
        did.iter().all(|done| !matches!(done, Done::RolledBack { .. })),
        "{did:?}"
    );
    assert_eq!(world.live().await, 2);
}

#[tokio::test]
async fn without_scores_from_before_a_version_is_held_against_its_own_first_ones() {
    let world = World::new().await;
    let improver = world.improver();
    world.traffic(30).await;
    let deployments = world.acme.deployments();
    let better = world.save(REFUNDS).await;
    let shipped = deployments.propose(&better, ENVIRONMENT, &mo()).await.unwrap();
    deployments
        .approve(&shipped.id, &olga())
        .waive("new shop")
        .await
        .unwrap();
    world.traffic(150).await;
    world.pass(&improver).await;
    let watches = world.acme.improvements().watches(&shipped.id).await.unwrap();
    let figures = watches[0].figures.as_ref().unwrap();
    assert!(figures.monitor.metrics()[0].reference.unwrap().mean > 0.99);
    // Another one that nobody ever asks ends without data, and is not in anybody's way.
    let other = world.save("Be brief.").await;
    let silent = deployments.propose(&other, ENVIRONMENT, &mo()).await.unwrap();
    deployments
        .approve(&silent.id, &olga())
        .waive("new shop")
        .await
        .unwrap();
    world.clock.advance(Duration::from_secs(2 * 86_400));
    world.pass(&improver).await;
    assert_eq!(
        deployments.get(&silent.id).await.unwrap().monitor,
        Some(MonitorOutcome::NoData)
    );
}
