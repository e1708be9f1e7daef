//! Replays of candidates, where they are not simple.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::Ordering;

use promptops_core::ErrorKind;
use promptops_core::MemoryBackend;
use promptops_core::base::Clock;
use promptops_core::deployment::{DeploymentSettings, State, Verdict};
use promptops_core::evaluation::Evaluation;
use promptops_core::improvement::proposer::LlmProposer;
use promptops_core::improvement::replay::Likeness;
use promptops_core::improvement::{DailyBudget, ReplayRecord, day_of};
use promptops_core::observation::Trace;
use promptops_core::prompt::Draft;

use super::stand_ins::*;
use super::world::{BASE, ENVIRONMENT, PROMPT, REFUNDS, World, mo, model, olga, proposing, right_queue};

#[tokio::test]
async fn a_candidate_without_anything_to_replay_is_replayed_once_there_is() {
    let world = World::new().await;
    let better = world.save(REFUNDS).await;
    let deployments = world.acme.deployments();
    let proposed = deployments.propose(&better, ENVIRONMENT, &mo()).await.unwrap();
    let improver = world.improver();
    world.pass(&improver).await;
    let evidence = deployments.get(&proposed.id).await.unwrap().evidence.unwrap();
    assert_eq!((evidence.verdict, evidence.number), (Verdict::Inconclusive, 1));
    world.traffic(300).await;
    world.pass(&improver).await;
    let again = deployments.get(&proposed.id).await.unwrap();
    assert_eq!(
        (again.state, again.evidence.unwrap().number),
        (State::AbPassed, 2)
    );
}

#[tokio::test]
async fn the_switch_is_heard_between_two_replays() {
    let world = World::new().await;
    world.traffic(300).await;
    let deployments = world.acme.deployments();
    for rule in [REFUNDS, "Be brief."] {
        let version = world.save(rule).await;
        deployments.propose(&version, ENVIRONMENT, &mo()).await.unwrap();
    }
    let meddling =
        Evaluation::new(model(world.weather.clone())).criterion(Meddling::new(&world, Meddle::Stop));
    let improver = world.improver_by(world.plan_by(meddling));
    improver.run_once().await.unwrap();
    let replayed = world.deployments().await;
    let replayed = replayed.iter().filter(|deployment| deployment.evidence.is_some());
    assert_eq!(
        replayed.count(),
        1,
        "what was under way was finished, and no more was begun"
    );
}

#[tokio::test]
async fn when_a_snippet_of_a_candidate_changes_it_is_replayed_again() {
    let world = World::new().await;
    world.traffic(600).await;
    let prompts = world.acme.prompts();
    let snippet = |text: &str| prompts.save("house", Draft::text(text).by("ana"));
    let kind = snippet("Be kind.").await.unwrap();
    prompts.activate(&kind, &olga()).await.unwrap();
    let text = format!("{BASE} {REFUNDS} {{% include \"house\" %}}\n[{{{{ kind }}}}] {{{{ ticket }}}}");
    let better = prompts.save(PROMPT, Draft::text(text).by("ana")).await.unwrap();
    let deployments = world.acme.deployments();
    let proposed = deployments.propose(&better, ENVIRONMENT, &mo()).await.unwrap();
    let improver = world.improver();
    world.pass(&improver).await;
    assert_eq!(
        deployments.get(&proposed.id).await.unwrap().state,
        State::AbPassed
    );
    let changed = snippet("Be kind and quick.").await.unwrap();
    prompts.activate(&changed, &olga()).await.unwrap();
    let refused = deployments.approve(&proposed.id, &olga()).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Refused, "{refused}");
    world.pass(&improver).await;
    let again = deployments.get(&proposed.id).await.unwrap();
    assert_eq!(again.evidence.unwrap().number, 2);
    deployments.approve(&proposed.id, &olga()).await.unwrap();
}

#[tokio::test]
async fn what_is_alike_to_what_a_proposer_was_shown_decides_nothing_later() {
    let world = World::new().await;
    let scored = |n: u64| {
        move |trace: Trace, _: &str| {
            let inputs = ticket(n);
            let is_refund = right_queue(inputs.as_object().unwrap()) == "billing";
            trace.score_because(
                "correctness",
                f64::from(u8::from(!is_refund)),
                "wrong queue for a refund",
            )
        }
    };
    for n in 0..400 {
        call(&world, &ticket(n), scored(n)).await;
    }
    let remembering = Arc::new(Remembering {
        inner: LlmProposer::new(proposing()),
        shown: Mutex::default(),
    });
    let improver = world.improver_by(world.plan().proposer(remembering.clone()));
    world.pass(&improver).await;
    assert_eq!(world.deployments().await.len(), 1);
    let shown = remembering.shown.lock().unwrap().clone();
    assert!(!shown.is_empty());
    // The same tickets come again, before the replay.
    for n in 0..400 {
        call(&world, &ticket(n), scored(n)).await;
    }
    world.pass(&improver).await;
    let candidate = world.deployments().await.remove(0);
    let document = world
        .acme
        .deployments()
        .document(&candidate.evidence.unwrap().report)
        .await
        .unwrap();
    let decided = ReplayRecord::read(&document).unwrap().traces();
    assert!(decided.len() > 50);
    let mut alike = 0;
    for trace in decided.keys() {
        let trace = world.acme.traces().get(*trace).await.unwrap();
        alike += usize::from(shown.contains(&Likeness::of(&trace.inputs.unwrap())));
    }
    assert_eq!(alike, 0, "of {} traces", decided.len());
}

#[tokio::test]
async fn a_rebased_candidate_is_asked_to_mend_what_it_was_written_for() {
    let world = World::new().await;
    let improver = world.improver_by(world.plan().proposer(Arc::new(LlmProposer::new(proposing()))));
    // Two kinds of failures, of which the candidate is to mend one.
    let scored = |n: u64| {
        move |trace: Trace, _: &str| match n % 5 {
            0 | 2 => trace.score_because("correctness", 0.0, "refund ticket sorted into the wrong queue"),
            1 => trace.score_because("politeness", 0.0, "curt"),
            _ => trace.score("correctness", 1.0),
        }
    };
    for n in 0..600 {
        call(&world, &ticket(n), scored(n)).await;
    }
    world.pass(&improver).await;
    let deployments = world.acme.deployments();
    let first = world.deployments().await.remove(0);
    let again = deployments.rebase(&first.id, &mo()).await.unwrap();
    world.pass(&improver).await;
    let again = deployments.get(&again.id).await.unwrap();
    let document = deployments
        .document(&again.evidence.unwrap().report)
        .await
        .unwrap();
    for (trace, stratum) in ReplayRecord::read(&document).unwrap().traces() {
        let trace = world.acme.traces().get(trace).await.unwrap();
        let is_refund = trace.inputs.unwrap()["kind"] == "refund";
        let is_target = stratum == promptops_core::improvement::replay::Stratum::Target;
        assert_eq!(is_target, is_refund);
    }
}

#[tokio::test]
async fn what_was_set_aside_for_a_replay_that_did_not_begin_is_given_back() {
    let backend = MemoryBackend::new();
    let mut stores = promptops_core::Stores::from(backend.clone());
    let rejecting = Arc::new(Rejecting {
        backend,
        acme: Mutex::new(None),
    });
    stores.improvement = rejecting.clone();
    let world = World::on(stores, DeploymentSettings::default()).await;
    world.traffic(300).await;
    let better = world.save(REFUNDS).await;
    let deployments = world.acme.deployments();
    deployments.propose(&better, ENVIRONMENT, &mo()).await.unwrap();
    *rejecting.acme.lock().unwrap() = Some(world.acme.clone());
    world.improver().run_once().await.unwrap();
    assert_eq!(world.deployments().await[0].state, State::Rejected);
    let spent = world
        .acme
        .improvements()
        .spending(day_of(world.clock.now()))
        .await
        .unwrap();
    assert_eq!(spent.calls, world.weather.asked.load(Ordering::Relaxed));
}

#[tokio::test]
async fn a_candidate_for_where_nothing_is_live_is_told_so() {
    let world = World::new().await;
    let better = world.save(REFUNDS).await;
    let deployments = world.acme.deployments();
    let proposed = deployments.propose(&better, "staging", &mo()).await.unwrap();
    let improvements = world.acme.improvements();
    let improver = improvements.improver(PROMPT, "staging", world.plan()).unwrap();
    world.pass(&improver).await;
    let told = deployments.get(&proposed.id).await.unwrap();
    let reason = told.evidence.map(|evidence| evidence.reason).unwrap_or_default();
    assert!(reason.contains("nothing is live"), "{reason}");
}

#[tokio::test]
async fn what_never_fits_into_a_days_budget_is_said_to() {
    let world = World::new().await;
    world.traffic(300).await;
    let better = world.save(REFUNDS).await;
    world
        .acme
        .deployments()
        .propose(&better, ENVIRONMENT, &mo())
        .await
        .unwrap();
    let budget = DailyBudget {
        calls: Some(10),
        ..DailyBudget::default()
    };
    let pass = world
        .improver_by(world.plan().budget(budget))
        .run_once()
        .await
        .unwrap();
    assert!(
        pass.problems[0]
            .1
            .message()
            .contains("more than a whole day's budget"),
        "{:?}",
        pass.problems
    );
}
