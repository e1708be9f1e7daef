//! Attempts at a better text that do not go well, and passes that meet.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use promptops_core::evaluation::Evaluation;
use promptops_core::improvement::cluster::ClusterStatus;
use promptops_core::improvement::proposer::{Brief, Ledger, LlmProposer, Proposed, Proposer};
use promptops_core::improvement::{AttemptOutcome, AttemptStage, DailyBudget};
use promptops_core::llm::{Blueprint, LlmError, LlmErrorKind, ScriptedLlm};

use super::stand_ins::*;
use super::world::{World, mo, model, olga, proposal, proposing};

#[tokio::test]
async fn the_switch_is_heard_before_a_finalist_is_proposed() {
    let world = World::new().await;
    world.traffic(300).await;
    let meddling =
        Evaluation::new(model(world.weather.clone())).criterion(Meddling::new(&world, Meddle::Stop));
    let plan = world
        .plan_by(meddling)
        .proposer(Arc::new(LlmProposer::new(proposing())));
    let improver = world.improver_by(plan);
    improver.run_once().await.unwrap();
    assert!(
        world
            .acme
            .improvements()
            .control()
            .await
            .unwrap()
            .stopped
            .is_some()
    );
    assert!(world.deployments().await.is_empty());
    world.acme.improvements().resume(&olga()).await.unwrap();
    world.pass(&improver).await;
    assert_eq!(world.deployments().await.len(), 1, "nothing is lost by it");
}

#[tokio::test]
async fn a_proposer_that_fails_is_not_asked_with_every_pass_and_the_attempt_ends() {
    let world = World::new().await;
    world.traffic(300).await;
    let failing = Arc::new(Failing::default());
    let improver = world.improver_by(world.plan().proposer(failing.clone()));
    for _ in 0..20 {
        improver.run_once().await.unwrap();
        world.clock.advance(Duration::from_secs(10));
    }
    assert!(
        failing.asked.load(Ordering::Relaxed) <= 4,
        "asked {} times in 200 seconds",
        failing.asked.load(Ordering::Relaxed)
    );
    for _ in 0..20 {
        world.clock.advance(Duration::from_secs(1_800));
        improver.run_once().await.unwrap();
    }
    let attempt = attempts(&world).await.remove(0);
    assert_eq!(attempt.stage, AttemptStage::Ended);
    let Some(AttemptOutcome::Nothing { reason }) = attempt.outcome else {
        panic!("{attempt:?}");
    };
    assert!(reason.contains("no such tool"), "{reason}");
}

#[tokio::test]
async fn an_attempt_whose_drafts_somebody_archived_ends() {
    let world = World::new().await;
    world.traffic(300).await;
    let meddling =
        Evaluation::new(model(world.weather.clone())).criterion(Meddling::new(&world, Meddle::ArchiveDrafts));
    let plan = world
        .plan_by(meddling)
        .proposer(Arc::new(LlmProposer::new(proposing())));
    let improver = world.improver_by(plan);
    world.pass(&improver).await;
    let attempt = attempts(&world).await.remove(0);
    assert_eq!(attempt.stage, AttemptStage::Ended);
    let Some(AttemptOutcome::Nothing { reason }) = attempt.outcome else {
        panic!("{attempt:?}");
    };
    assert!(reason.contains("archived"), "{reason}");
}

#[tokio::test]
async fn without_tokens_left_no_attempt_is_used_up() {
    let world = World::new().await;
    world.traffic(300).await;
    for budget in [
        DailyBudget {
            tokens: Some(0),
            ..DailyBudget::UNLIMITED
        },
        DailyBudget {
            cost: Some(promptops_core::llm::Cost::ZERO),
            ..DailyBudget::UNLIMITED
        },
    ] {
        let plan = world
            .plan()
            .budget(budget)
            .proposer(Arc::new(LlmProposer::new(proposing())));
        let improver = world.improver_by(plan);
        for _ in 0..3 {
            improver.run_once().await.unwrap();
        }
        let ended = attempts(&world).await;
        let ended = ended
            .iter()
            .filter(|attempt| attempt.stage == AttemptStage::Ended);
        assert_eq!(ended.count(), 0);
    }
}

#[tokio::test]
async fn clones_of_an_improver_do_not_work_at_once() {
    let world = World::new().await;
    world.traffic(300).await;
    let asked = Arc::new(AtomicU64::new(0));
    struct Slow(Arc<AtomicU64>, LlmProposer);
    #[async_trait]
    impl Proposer for Slow {
        fn name(&self) -> String {
            self.1.name()
        }
        async fn propose(&self, brief: &Brief<'_>, ledger: &mut Ledger) -> promptops_core::Result<Proposed> {
            self.0.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(Duration::from_millis(50)).await;
            self.1.propose(brief, ledger).await
        }
    }
    let slow = Slow(asked.clone(), LlmProposer::new(proposing()));
    let improver = world.improver_by(world.plan().proposer(Arc::new(slow)));
    let clone = improver.clone();
    let (one, other) = tokio::join!(improver.run_once(), clone.run_once());
    for pass in [one.unwrap(), other.unwrap()] {
        assert!(pass.problems.is_empty(), "{:?}", pass.problems);
    }
    assert_eq!(asked.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_proposer_whose_model_is_out_is_asked_again_and_uses_up_no_attempt() {
    let world = World::new().await;
    world.traffic(300).await;
    let out = Arc::new(AtomicBool::new(true));
    let is_out = out.clone();
    let model = ScriptedLlm::new(move |blueprint: &Blueprint| {
        if is_out.load(Ordering::Relaxed) {
            return Err(LlmError::new(
                LlmErrorKind::Overloaded,
                "scripted",
                "come back later",
            ));
        }
        proposal(blueprint)
    });
    let improver = world.improver_by(world.plan().proposer(Arc::new(LlmProposer::new(model))));
    improver.run_once().await.unwrap();
    assert_eq!(attempts(&world).await[0].stage, AttemptStage::Proposing);
    out.store(false, Ordering::Relaxed);
    world.clock.advance(Duration::from_secs(300));
    world.pass(&improver).await;
    assert_eq!(attempts(&world).await.len(), 1);
    assert_eq!(world.deployments().await.len(), 1);
}

#[tokio::test]
async fn an_attempt_ends_when_somebody_resolves_its_cluster() {
    let world = World::new().await;
    world.traffic(300).await;
    let meddling =
        Evaluation::new(model(world.weather.clone())).criterion(Meddling::new(&world, Meddle::Stop));
    let plan = world
        .plan_by(meddling)
        .proposer(Arc::new(LlmProposer::new(proposing())));
    let improver = world.improver_by(plan);
    improver.run_once().await.unwrap();
    let attempt = attempts(&world).await.remove(0);
    assert_eq!(attempt.stage, AttemptStage::Selecting);
    let improvements = world.acme.improvements();
    improvements
        .set_status(&attempt.cluster, ClusterStatus::Resolved, &mo())
        .await
        .unwrap();
    improvements.resume(&olga()).await.unwrap();
    world.pass(&improver).await;
    assert!(world.deployments().await.is_empty());
    assert_eq!(attempts(&world).await[0].stage, AttemptStage::Ended);
}

#[tokio::test]
async fn a_panic_in_a_pass_does_not_end_the_background() {
    let world = World::new().await;
    world.traffic(300).await;
    let improver = world.improver_by(world.plan().proposer(Arc::new(Panicking)));
    let handle = improver.spawn(Duration::from_millis(100)).unwrap();
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(
        handle.stop(Duration::from_secs(10)).await,
        "it goes on until it is stopped"
    );
}
