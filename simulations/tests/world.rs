//! The library's evaluations on the simulated world, through its interfaces alone.
#![allow(clippy::unwrap_used, reason = "tests, which clippy.toml cannot know here")]

use std::sync::Arc;

use promptops_core::base::Actor;
use promptops_core::evaluation::scorer::{Contains, ContainsKind};
use promptops_core::evaluation::{ComparisonOptions, DatasetDraft, Evaluation, Report, Verdict};
use promptops_core::prompt::{Content, Draft};
use promptops_core::{MemoryBackend, PromptOps, Tenant};
use simulations::world::{Call, Label, Proposer, Schedule, World, WorldModel, WorldSettings, model};

const ENTRIES: u64 = 300;

async fn evaluated(acme: &Tenant, model: &WorldModel, content: &Content) -> Report {
    let bo = Actor::member("bo");
    let draft = Draft::new(content.clone()).by(&bo).message("another text");
    let version = acme.prompts().save("answer", draft).await.unwrap();
    let evaluation =
        Evaluation::new(Arc::new(model.clone())).criterion(Contains::expected_output(ContainsKind::Text));
    let evaluations = acme.evaluations();
    let run = evaluations
        .start(&version, "tickets", &evaluation, &bo)
        .await
        .unwrap();
    run.finish().await.unwrap()
}

#[test]
fn runs_find_what_is_true_in_the_world() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    runtime.block_on(async {
        let settings = WorldSettings {
            churn: 0.02,
            schedule: Schedule::default(),
            ..WorldSettings::default()
        };
        let world = Arc::new(World::new(settings, 9).unwrap());
        let client = WorldModel::new(Arc::clone(&world));
        let acme = PromptOps::builder(MemoryBackend::new())
            .build()
            .tenant("acme")
            .unwrap();
        let entries = (0..ENTRIES).map(|number| model::entry(&world, number));
        let draft = DatasetDraft::new(entries).message("one day");
        acme.datasets()
            .save("tickets", draft, &Actor::member("bo"))
            .await
            .unwrap();

        let proposed =
            Proposer::new(&world, world.target(), Vec::new()).propose(&[Label::Right, Label::Harmful]);
        let mut reports = Vec::new();
        for content in std::iter::once(world.live()).chain(proposed.iter().map(|one| &one.content)) {
            let report = evaluated(&acme, &client, content).await;
            let reading = world.read(content).unwrap();
            let right = (0..ENTRIES).filter(|item| {
                let call = Call {
                    item: *item,
                    repeat: 0,
                    now: *item,
                };
                world.answer(&reading, call).unwrap().correct
            });
            assert_eq!(report.passed, right.count() as u64);
            assert_eq!((report.entries, report.errors), (ENTRIES, 0));
            reports.push(report);
        }
        assert_eq!(client.asked(), 3 * ENTRIES);

        let verdict = async |candidate: usize| {
            let runs = (&reports[0].run.id, &reports[candidate].run.id);
            let options = ComparisonOptions::default();
            let evaluations = acme.evaluations();
            evaluations
                .compare(runs.0, runs.1, &options)
                .await
                .unwrap()
                .verdict
        };
        assert_eq!(verdict(1).await, Verdict::NoRegression);
        assert_eq!(verdict(2).await, Verdict::Regression);
    });
}
