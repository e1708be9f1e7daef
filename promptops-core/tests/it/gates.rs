//! Gates that rest on evaluations.

use std::sync::Arc;

use promptops_core::base::{Actor, PageRequest};
use promptops_core::environment::{EvaluationGate, Policy};
use promptops_core::evaluation::scorer::{ExactMatch, MatchMode};
use promptops_core::evaluation::{DatasetDraft, Entry, Evaluation};
use promptops_core::llm::ScriptedLlm;
use promptops_core::prompt::{Draft, Version, user};
use promptops_core::{ErrorKind, MemoryBackend, PromptOps, Tenant};
use serde_json::{Map, json};

fn ana() -> Actor {
    Actor::owner("ana")
}

fn entries(count: usize) -> DatasetDraft {
    DatasetDraft::new((0..count).map(|i| {
        let input = Map::from_iter([("question".to_owned(), json!(i))]);
        Entry::new(format!("e{i}"), input).expecting(format!("{i}"))
    }))
}

struct Desk {
    acme: Tenant,
    model: ScriptedLlm,
}

impl Desk {
    async fn new(entries_count: usize) -> Self {
        let acme = PromptOps::builder(MemoryBackend::new())
            .build()
            .tenant("acme")
            .unwrap();
        acme.datasets()
            .save("golden", entries(entries_count), &ana())
            .await
            .unwrap();
        // `{n} wrong {m}`: right but for every m-th.
        let model = ScriptedLlm::new(|request| {
            let text = request.messages[0].text();
            let (question, wrong) = text.split_once(" wrong ").unwrap();
            let is_wrong = question.parse::<u32>().unwrap() % wrong.parse::<u32>().unwrap() == 0;
            Ok(ScriptedLlm::answer(if is_wrong { "?" } else { question }))
        });
        Self { acme, model }
    }

    /// A version whose answers are wrong for every so manieth entry.
    async fn save(&self, wrong: u32) -> Version {
        let draft = Draft::chat([user(format!("{{{{ question }}}} wrong {wrong}"))]).by(ana());
        self.acme.prompts().save("quiz", draft).await.unwrap()
    }

    fn evaluation(&self) -> Evaluation {
        Evaluation::new(Arc::new(self.model.clone())).criterion(ExactMatch::new(MatchMode::Exact))
    }

    async fn evaluate(&self, version: &Version) {
        let evaluations = self.acme.evaluations();
        let report = evaluations
            .evaluate(version, "golden", &self.evaluation(), &ana())
            .await;
        assert!(report.unwrap().is_complete());
    }

    async fn gate(&self, gate: EvaluationGate) {
        let policy = Policy::open().require(gate);
        let environments = self.acme.environments();
        environments
            .set_policy("production", policy, &ana())
            .await
            .unwrap();
    }

    /// What is not met, or nothing when it is live now.
    async fn refusal(&self, version: &Version) -> Vec<String> {
        match self
            .acme
            .environments()
            .promote(version, "production", &ana())
            .await
        {
            Ok(_) => Vec::new(),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Refused, "{error}");
                error.unmet().iter().map(ToString::to_string).collect()
            }
        }
    }

    async fn last_reason(&self) -> String {
        let environments = self.acme.environments();
        let history = environments
            .history("quiz", "production", &PageRequest::default())
            .await
            .unwrap();
        history.items[0].reason.clone()
    }
}

#[tokio::test]
async fn a_promotion_rests_on_a_run_of_exactly_what_goes_live() {
    let desk = Desk::new(100).await;
    desk.gate(
        EvaluationGate::new("golden", 0.9)
            .unwrap()
            .floor("correctness", 0.9),
    )
    .await;
    let v1 = desk.save(10).await;
    let refusal = desk.refusal(&v1).await;
    assert!(
        refusal[0].contains("no evaluation of") && refusal[0].contains("golden v1"),
        "{refusal:?}"
    );
    desk.evaluate(&v1).await;
    assert_eq!(desk.refusal(&v1).await, [""; 0]);
    assert!(
        desk.last_reason()
            .await
            .starts_with("evaluation: found 0.9 (90 of 100 passed in run ")
    );

    let v2 = desk.save(5).await;
    desk.evaluate(&v2).await;
    let refusal = desk.refusal(&v2).await;
    assert!(
        refusal[0].starts_with("evaluation: found 0.8 (80 of 100 passed"),
        "{refusal:?}"
    );
    assert!(
        refusal[1].starts_with("evaluation_floor correctness: found 0.8, needed at least 0.9"),
        "{refusal:?}"
    );

    // Another version of the dataset makes what was found on the old one stale, unless that is pinned.
    let v3 = desk.save(20).await;
    desk.evaluate(&v3).await;
    desk.acme
        .datasets()
        .save("golden", entries(200), &ana())
        .await
        .unwrap();
    let refusal = desk.refusal(&v3).await;
    assert!(
        refusal[0].contains("on it, but on v1") && refusal[0].contains("golden v2"),
        "{refusal:?}"
    );
    desk.gate(EvaluationGate::new("golden@v1", 0.9).unwrap()).await;
    assert_eq!(desk.refusal(&v3).await, [""; 0]);
}

#[tokio::test]
async fn a_changed_snippet_makes_an_evaluation_stale() {
    let desk = Desk::new(50).await;
    desk.gate(EvaluationGate::new("golden", 0.9).unwrap()).await;
    let prompts = desk.acme.prompts();
    let save = async |wrong: &str| {
        let draft = Draft::text(wrong).by(ana()).active();
        prompts.save("rule", draft).await.unwrap();
    };
    save("wrong 1000").await;
    let draft = Draft::chat([user("{{ question }} {% include \"rule\" %}")]).by(ana());
    let version = prompts.save("quiz", draft).await.unwrap();
    desk.evaluate(&version).await;
    save("wrong 10").await;
    let refusal = desk.refusal(&version).await;
    assert!(refusal[0].contains("no evaluation of"), "{refusal:?}");
}

#[tokio::test]
async fn a_gate_starts_the_runs_that_it_lacks() {
    let desk = Desk::new(100).await;
    let (environments, owner) = (desk.acme.environments(), ana());
    let evaluation = desk.evaluation();
    let v1 = desk.save(10).await;
    environments.promote(&v1, "production", &owner).await.unwrap();
    desk.gate(EvaluationGate::new("golden", 0.9).unwrap().no_regression(0.02))
        .await;

    // Better than what is live, of which there is no run either: both are made.
    let v2 = desk.save(50).await;
    let promotion = environments
        .promote(&v2, "production", &owner)
        .evaluate_missing(&evaluation);
    promotion.await.unwrap();
    assert_eq!(desk.model.counts().asked, 200);
    let reason = desk.last_reason().await;
    assert!(
        reason.contains("no_regression: found Pass rate 90.0 % -> 98.0 %"),
        "{reason}"
    );

    // Above the threshold, and yet worse than what is live.
    let v3 = desk.save(11).await;
    let promotion = environments
        .promote(&v3, "production", &owner)
        .evaluate_missing(&evaluation);
    let error = promotion.await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
    assert_eq!(error.unmet().len(), 1);
    let unmet = error.unmet()[0].to_string();
    assert!(
        unmet.contains("no_regression: found Pass rate 98.0 % -> 90.0 %") && unmet.contains("regression. "),
        "{unmet}"
    );
    assert_eq!(
        desk.model.counts().asked,
        300,
        "what is live was evaluated before"
    );

    // What is there is not made again; an owner can still set it aside.
    let promotion = environments
        .promote(&v3, "production", &owner)
        .evaluate_missing(&evaluation);
    promotion.waive("the customer asks for it").await.unwrap();
    assert_eq!(desk.model.counts().asked, 300);
    assert!(desk.last_reason().await.contains("evaluation: found 0.9"));
}

#[tokio::test]
async fn what_cannot_be_compared_does_not_pass() {
    let desk = Desk::new(100).await;
    let v1 = desk.save(10).await;
    desk.evaluate(&v1).await;
    desk.acme
        .environments()
        .promote(&v1, "production", &ana())
        .await
        .unwrap();
    desk.gate(EvaluationGate::new("golden", 0.5).unwrap().no_regression(0.02))
        .await;
    let v2 = desk.save(50).await;
    let evaluations = desk.acme.evaluations();
    let otherwise = Evaluation::new(Arc::new(desk.model.clone())).criterion(ExactMatch::new(MatchMode::Trim));
    evaluations
        .evaluate(&v2, "golden", &otherwise, &ana())
        .await
        .unwrap();
    let refusal = desk.refusal(&v2).await;
    assert_eq!(refusal.len(), 1);
    assert!(refusal[0].contains("have other scorers"), "{refusal:?}");
}

#[tokio::test]
async fn a_changelog_says_what_evaluations_showed() {
    let desk = Desk::new(100).await;
    for wrong in [10, 50, 1_000] {
        let version = desk.save(wrong).await;
        if wrong != 1_000 {
            desk.evaluate(&version).await;
        }
    }
    let page = PageRequest::default();
    let mut versions = desk
        .acme
        .prompts()
        .versions("quiz", &Default::default(), &page)
        .await
        .unwrap()
        .items;
    versions.reverse();
    let mut changelog = promptops_core::prompt::Changelog::between(&versions);
    let evaluations = desk.acme.evaluations();
    evaluations
        .add_to_changelog(&mut changelog, "golden")
        .await
        .unwrap();
    let texts: Vec<_> = changelog
        .entries
        .iter()
        .map(|entry| entry.evaluations.len())
        .collect();
    assert_eq!(texts, [0, 1, 0]);
    let text = changelog.to_string();
    assert!(
        text.contains("\nOn golden v1: Pass rate 90.0 % -> 98.0 % (+8.0 points"),
        "{text}"
    );
}
