//! A better text from a dataset, without any traffic.

use std::sync::Arc;

use promptops_core::ErrorKind;
use promptops_core::deployment::{Origin, State, Verdict};
use promptops_core::evaluation::{DatasetDraft, Entry};
use promptops_core::improvement::proposer::LlmProposer;
use promptops_core::llm::ScriptedLlm;
use serde_json::{Map, json};

use super::world::{World, olga, proposing, ticket};

async fn tickets(world: &World, count: u64) {
    let entries = (0..count).map(|n| {
        let input: Map<_, _> = ticket(n).as_object().unwrap().clone();
        Entry::new(format!("ticket-{n}"), input)
    });
    world
        .acme
        .datasets()
        .save("tickets", DatasetDraft::new(entries), &olga())
        .await
        .unwrap();
}

#[tokio::test]
async fn a_dataset_is_enough_to_find_choose_and_prove_a_better_text() {
    let world = World::new().await;
    tickets(&world, 600).await;
    let improver = world.improver_by(world.plan().proposer(Arc::new(LlmProposer::new(proposing()))));
    let improved = improver.improve_on("tickets").await.unwrap();
    assert!(improved.has_passed(), "{}", improved.reason);
    assert_eq!(improved.baseline_score, Some(0.6));
    assert!(
        improved.reason.starts_with("Improvement of "),
        "{}",
        improved.reason
    );
    let deployment = improved.deployment.unwrap();
    assert!(matches!(&deployment.origin, Origin::Dataset { strategy, .. } if strategy == "add_rule"));
    let report = improved.report.unwrap();
    // By the dice of hashing, not by what had failed: four of ten tickets are refunds in each half.
    assert!((0.3..0.5).contains(&report.metrics[0].target.delta), "{report}");
    assert_eq!(world.live().await, 1);
    world
        .acme
        .deployments()
        .approve(&deployment.id, &olga())
        .await
        .unwrap();
    assert_eq!(world.live().await, deployment.candidate.version.get());
    // What is live is as good as it gets, and the pass of the loop leaves all of it alone.
    let again = improver.improve_on("tickets").await.unwrap();
    assert!(again.deployment.is_none());
    assert!(again.reason.starts_with("nothing failed"), "{}", again.reason);
    world.pass(&improver).await;
}

#[tokio::test]
async fn a_dataset_that_decides_again_is_held_against_less() {
    let world = World::new().await;
    tickets(&world, 600).await;
    let plan = || world.plan().proposer(Arc::new(LlmProposer::new(proposing())));
    let first = world.improver_by(plan()).improve_on("tickets").await.unwrap();
    let rejected = first.deployment.unwrap();
    world
        .acme
        .deployments()
        .reject(&rejected.id, "not now", &olga())
        .await
        .unwrap();
    let useless = ScriptedLlm::saying(
        json!({
            "rationale": "it reads better",
            "edits": [{ "message": 0, "old": "without a greeting", "new": "without greetings" }],
        })
        .to_string(),
    );
    let plan = world.plan().proposer(Arc::new(LlmProposer::new(useless)));
    let second = world.improver_by(plan).improve_on("tickets").await.unwrap();
    let (first, second) = (first.report.unwrap(), second.report.unwrap());
    assert_eq!((first.uses, second.uses), (1, 2));
    assert!(second.level < first.level / 3.9);
    assert_eq!(second.verdict, Verdict::Failed);
}

#[tokio::test]
async fn what_improving_on_a_dataset_lacks_is_said() {
    let world = World::new().await;
    tickets(&world, 100).await;
    let without = world.improver().improve_on("tickets").await.unwrap_err();
    assert_eq!(without.kind(), ErrorKind::Invalid);
    assert!(without.message().contains("no proposer"), "{without}");
    let improver = world.improver_by(world.plan().proposer(Arc::new(LlmProposer::new(proposing()))));
    let unknown = improver.improve_on("nobody/has-this").await.unwrap_err();
    assert_eq!(unknown.kind(), ErrorKind::NotFound);
    world.acme.improvements().stop("the bill", &olga()).await.unwrap();
    let stopped = improver.improve_on("tickets").await.unwrap_err();
    assert_eq!(stopped.kind(), ErrorKind::Refused);
    world.acme.improvements().resume(&olga()).await.unwrap();
    let mute = world
        .plan()
        .proposer(Arc::new(LlmProposer::new(ScriptedLlm::saying("hm"))));
    let nothing = world.improver_by(mute).improve_on("tickets").await.unwrap();
    assert!(
        nothing.reason.contains("the reply cannot be read"),
        "{}",
        nothing.reason
    );
    // Of few entries the evidence says how many more it takes, and the candidate is not let in.
    let few = improver.improve_on("tickets").await.unwrap();
    let deployment = few.deployment.unwrap();
    assert_eq!(deployment.state, State::AbFailed);
    assert!(few.reason.contains("more"), "{}", few.reason);
}

#[tokio::test]
async fn a_pass_of_a_clone_waits_until_a_dataset_is_done_with() {
    let world = World::new().await;
    tickets(&world, 600).await;
    let plan = world.plan().proposer(Arc::new(LlmProposer::new(proposing())));
    let improver = world.improver_by(plan);
    let clone = improver.clone();
    let (improved, pass) = tokio::join!(improver.improve_on("tickets"), async {
        let pass = clone.run_once().await.unwrap();
        (pass, world.deployments().await.len())
    });
    assert!(improved.unwrap().has_passed());
    // What it saw when it was its turn was whole.
    assert_eq!((pass.1, pass.0.did.len()), (1, 0), "{:?}", pass.0.did);
}
