//! Runs under what the world does to them: clocks that jump, budgets at their edges, settings without end, evidence that
//! somebody else has recorded.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use promptops_core::base::audit::{AuditAction, AuditEntry};
use promptops_core::base::{Actor, Clock as _, DatasetName, ManualClock, SequentialIds, Timestamp};
use promptops_core::environment::{EvaluationGate, Policy};
use promptops_core::evaluation::judge::{Form, JudgeModel, LlmJudge, Scale};
use promptops_core::evaluation::scorer::{All, ExactMatch, Latency, MatchMode, Weighted};
use promptops_core::evaluation::{
    ComparisonOptions, Criterion, DatasetDraft, Entry, Evaluation, EvaluationStore as _, Evidence,
    EvidenceRecord, Report, Score, Scorer, ScorerInput, Verdict,
};
use promptops_core::llm::{Cost, Price, PriceTable, ScriptedLlm, Usage};
use promptops_core::prompt::{Draft, Version, user};
use promptops_core::{ErrorKind, MemoryBackend, PromptOps, Result, Tenant};
use serde_json::{Map, Value, json};

fn ana() -> Actor {
    Actor::owner("ana")
}

fn question(text: impl Into<String>) -> Map<String, Value> {
    Map::from_iter([("question".to_owned(), json!(text.into()))])
}

fn entries(count: usize) -> Vec<Entry> {
    let entry = |i| Entry::new(format!("e{i}"), question(format!("q{i}"))).expecting(format!("q{i}"));
    (0..count).map(entry).collect()
}

/// A model that answers what it is asked, for a thousandth of a dollar.
fn echo() -> ScriptedLlm {
    ScriptedLlm::new(|request| {
        Ok(ScriptedLlm::answer(request.messages[0].text()).with_usage(Usage::new(1_000, 0)))
    })
}

fn exact(model: &ScriptedLlm) -> Evaluation {
    let prices = PriceTable::new()
        .with("scripted", "scripted", Price::per_million(1.0, 0.0))
        .unwrap();
    Evaluation::new(Arc::new(model.clone()))
        .prices(prices)
        .criterion(ExactMatch::new(MatchMode::Exact))
}

struct Desk {
    backend: MemoryBackend,
    acme: Tenant,
    version: Version,
    clock: Arc<ManualClock>,
}

impl Desk {
    async fn with(entries: Vec<Entry>) -> Self {
        let clock = Arc::new(ManualClock::at(Timestamp::default()));
        let backend = MemoryBackend::new();
        let ops = PromptOps::builder(backend.clone())
            .ids(Arc::new(SequentialIds::default()))
            .clock(clock.clone())
            .build();
        let acme = ops.tenant("acme").unwrap();
        let draft = Draft::chat([user("{{ question }}")]);
        let version = acme.prompts().save("quiz", draft.by(ana())).await.unwrap();
        acme.datasets()
            .save("golden", DatasetDraft::new(entries), &ana())
            .await
            .unwrap();
        Self {
            backend,
            acme,
            version,
            clock,
        }
    }

    async fn evaluate(&self, evaluation: &Evaluation) -> Result<Report> {
        let evaluations = self.acme.evaluations();
        let ana = ana();
        let work = evaluations.evaluate(&self.version, "golden", evaluation, &ana);
        tokio::time::timeout(Duration::from_secs(20), work).await.unwrap()
    }
}

impl Desk {
    /// Keeps evidence without the service's checks.
    async fn keep(&self, evidence: Evidence) {
        let (tenant, at) = (self.acme.id().clone(), self.clock.now());
        let audit = AuditEntry::new(
            &tenant,
            at,
            &ana(),
            AuditAction::RecordEvidence,
            "by hand",
            &json!({}),
        );
        let record = EvidenceRecord {
            tenant,
            evidence,
            recorded_by: ana(),
            recorded_at: at,
            audit,
        };
        self.backend.record_evidence(record).await.unwrap();
    }
}

/// A scorer that gives every output the same score.
struct Always(f64);

#[promptops_core::conformance::async_trait]
impl Scorer for Always {
    fn name(&self) -> &str {
        "always"
    }
    fn configuration(&self) -> Value {
        json!({ "score": self.0 })
    }
    fn pass_mark(&self) -> f64 {
        self.0
    }
    async fn score(&self, _: &ScorerInput<'_>) -> Result<Score> {
        Ok(Score::new(self.0, "always"))
    }
}

/// Holds the first entry's answer back, and sets the clock on by hours once the others are asked.
struct Slow {
    scripted: ScriptedLlm,
    clock: Arc<ManualClock>,
    asked: AtomicU32,
}

#[promptops_core::conformance::async_trait]
impl promptops_core::llm::LlmClient for Slow {
    fn provider(&self) -> &str {
        "scripted"
    }
    fn model(&self) -> Option<&str> {
        Some("scripted")
    }
    async fn complete(
        &self,
        request: &promptops_core::llm::Blueprint,
    ) -> Result<promptops_core::llm::Completion, promptops_core::llm::LlmError> {
        if self.asked.fetch_add(1, Ordering::SeqCst) == 1 {
            self.clock.advance(Duration::from_secs(3 * 3_600));
        }
        if request.messages[0].text() == "q0" {
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        self.scripted.complete(request).await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_whose_leases_have_ended_asks_nothing_twice() {
    let desk = Desk::with(entries(20)).await;
    let model = echo();
    let slow = Slow {
        scripted: model.clone(),
        clock: desk.clock.clone(),
        asked: AtomicU32::new(0),
    };
    let evaluation = Evaluation::new(Arc::new(slow))
        .concurrency(2)
        .criterion(ExactMatch::new(MatchMode::Exact));
    let report = desk.evaluate(&evaluation).await.unwrap();
    assert_eq!((report.passed, model.counts().asked), (20, 20));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_budget_holds_although_the_first_entry_cost_nothing() {
    let mut all = entries(20);
    all[0] = Entry::new("e0", Map::new()).expecting("nothing");
    let desk = Desk::with(all).await;
    let model = echo();
    // Enough for one answer and a half.
    let budget = Cost::from_usd(0.0015).unwrap();
    let report = desk.evaluate(&exact(&model).budget(budget)).await.unwrap();
    assert_eq!(report.progress.errors, 1, "the first cannot be rendered");
    assert!(report.progress.cost <= budget, "{}", report.progress);
    assert_eq!(model.counts().asked, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_budget_holds_although_the_first_answer_is_a_kept_one() {
    let desk = Desk::with(entries(1)).await;
    let model = echo();
    let reusing = exact(&model).reuse_answers();
    desk.evaluate(&reusing).await.unwrap();
    desk.acme
        .datasets()
        .save("golden", DatasetDraft::new(entries(20)), &ana())
        .await
        .unwrap();
    let budget = Cost::from_usd(0.0015).unwrap();
    let report = desk.evaluate(&reusing.budget(budget)).await.unwrap();
    assert!(report.progress.cost <= budget, "{}", report.progress);
    assert_eq!(report.progress.cached, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn times_without_end_are_refused_before_the_run_begins() {
    let desk = Desk::with(entries(1)).await;
    let model = echo();
    for endless in [
        exact(&model).entry_timeout(Duration::MAX),
        exact(&model).lease(Duration::MAX),
    ] {
        let error = desk.evaluate(&endless).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn evidence_by_hand_cannot_be_that_of_a_run() {
    let desk = Desk::with(entries(3)).await;
    let evaluations = desk.acme.evaluations();
    let handle = evaluations
        .start(&desk.version, "golden", &exact(&echo()), &ana())
        .await
        .unwrap();
    let id = handle.id().clone();
    // Nothing has been asked yet, or some of it has: a run that is not complete has no evidence.
    let mut evidence = evaluations
        .report(&id, &promptops_core::evaluation::ReportOptions::default())
        .await
        .unwrap()
        .evidence();
    evidence.passed = 3;
    let error = evaluations.record_evidence(evidence, &ana()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists, "{error}");
    assert!(handle.finish().await.unwrap().run.state.is_completed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mean_of_equal_scores_meets_a_floor_of_that_score() {
    let desk = Desk::with(entries(10)).await;
    for score in [0.1, 0.3, 0.6, 0.7, 0.8, 0.9, 0.95] {
        let evaluation = Evaluation::new(Arc::new(echo())).criterion(Always(score));
        let evidence = desk.evaluate(&evaluation).await.unwrap().evidence();
        let gate = EvaluationGate::new("golden", 1.0)
            .unwrap()
            .floor("correctness", score);
        let mut policy = Policy::default();
        policy.gate.evaluation = Some(gate);
        let environments = desk.acme.environments();
        environments
            .set_policy("production", policy, &ana())
            .await
            .unwrap();
        let promoted = environments.promote(&desk.version, "production", &ana()).await;
        assert!(promoted.is_ok(), "{score}: {evidence:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_weighted_mean_of_equal_scores_is_that_score() {
    let desk = Desk::with(entries(1)).await;
    for score in [0.1, 0.3, 0.6, 0.7, 0.8, 0.9, 0.95] {
        for weights in [[1.0, 1.0, 1.0], [1.0, 2.0, 3.0], [0.7, 0.2, 0.1]] {
            let weighted = Weighted::new(weights.map(|weight| (weight, Always(score)))).unwrap();
            let evaluation =
                Evaluation::new(Arc::new(echo())).criterion(Criterion::from(weighted).pass_mark(score));
            let report = desk.evaluate(&evaluation).await.unwrap();
            assert_eq!(report.passed, 1, "{score} {weights:?}: {report}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kept_answer_is_not_in_time_because_nobody_waited() {
    let desk = Desk::with(entries(1)).await;
    let slow = ScriptedLlm::new(|_| {
        std::thread::sleep(Duration::from_millis(30));
        Ok(ScriptedLlm::answer("x"))
    });
    let evaluation = Evaluation::new(Arc::new(slow))
        .reuse_answers()
        .criterion(Latency::at_most(Duration::from_millis(10)).unwrap());
    assert_eq!(desk.evaluate(&evaluation).await.unwrap().passed, 0);
    let again = desk.evaluate(&evaluation).await.unwrap();
    assert_eq!(
        (again.progress.cached, again.passed, again.errors),
        (1, 0, 1),
        "nobody knows"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_group_says_as_much_as_one_entry() {
    let in_one_group = entries(200)
        .into_iter()
        .map(|entry| entry.in_group("ticket"))
        .collect();
    let desk = Desk::with(in_one_group).await;
    let before = desk.evaluate(&exact(&echo())).await.unwrap();
    let after = desk.evaluate(&exact(&echo())).await.unwrap();
    let comparison = desk
        .acme
        .evaluations()
        .compare(&before.run.id, &after.run.id, &ComparisonOptions::default())
        .await
        .unwrap();
    assert_eq!(comparison.verdict, Verdict::Inconclusive, "{comparison}");
    let interval = before.pass_rate.unwrap().interval.unwrap();
    assert!(interval.low < 0.5, "one of one passed: {interval:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn repeats_of_ten_entries_say_no_more_than_ten_entries() {
    let desk = Desk::with(entries(10)).await;
    let report = desk.evaluate(&exact(&echo()).repeats(100)).await.unwrap();
    let interval = report.pass_rate.unwrap().interval.unwrap();
    assert!(interval.low < 0.8, "ten of ten passed: {interval:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shares_that_are_all_equal_have_an_interval_with_a_width() {
    let desk = Desk::with(entries(10)).await;
    let asked = AtomicU32::new(0);
    // Two of three repeats are right.
    let model = ScriptedLlm::new(move |request| {
        let text = request.messages[0].text();
        let wrong = asked.fetch_add(1, Ordering::SeqCst).is_multiple_of(3);
        Ok(ScriptedLlm::answer(if wrong { "?".into() } else { text }))
    });
    let evaluation = exact(&model).repeats(3).concurrency(1);
    let report = desk.evaluate(&evaluation).await.unwrap();
    let rate = report.pass_rate.unwrap();
    assert_eq!((rate.count, rate.of), (20, 30));
    let interval = rate.interval.unwrap();
    assert!(interval.high - interval.low > 0.1, "{interval:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_regression_rests_on_runs_of_the_gates_dataset() {
    let desk = Desk::with(entries(200)).await;
    let acme = &desk.acme;
    let easy = DatasetDraft::new(entries(200));
    acme.datasets().save("easy", easy, &ana()).await.unwrap();
    let next = Draft::chat([user("{{ question }}"), user("?")]);
    let next = acme.prompts().save("quiz", next.by(ana())).await.unwrap();
    acme.environments()
        .promote(&desk.version, "production", &ana())
        .await
        .unwrap();
    let gate = EvaluationGate::new("golden", 0.0).unwrap().no_regression(0.02);
    let mut policy = Policy::default();
    policy.gate.evaluation = Some(gate);
    acme.environments()
        .set_policy("production", policy, &ana())
        .await
        .unwrap();
    for version in [&desk.version, &next] {
        let evaluations = acme.evaluations();
        let report = evaluations
            .evaluate(version, "easy", &exact(&echo()), &ana())
            .await
            .unwrap();
        let mut evidence = report.evidence();
        evidence.dataset = DatasetName::new("golden").unwrap();
        // In the name of a run on another dataset, as it may be from before a backend knew the run.
        desk.keep(evidence).await;
    }
    let refused = acme.environments().promote(&next, "production", &ana()).await;
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::Refused);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_judges_before_an_unreadable_one_have_cost_counts() {
    let desk = Desk::with(entries(1)).await;
    let prices = PriceTable::new()
        .with("another", "scripted", Price::per_million(1.0, 0.0))
        .unwrap();
    let judge = |reply: &str| {
        let reply = reply.to_owned();
        let client =
            ScriptedLlm::new(move |_| Ok(ScriptedLlm::answer(reply.clone()).with_usage(Usage::new(500, 0))));
        let model = JudgeModel::new(client.with_provider("another")).prices(prices.clone());
        LlmJudge::builder(model, Form::rubric("It is right.", Scale::default()))
            .build()
            .unwrap()
    };
    let both = All::new([
        judge(r#"{"reasoning": "r", "verdict": "excellent"}"#),
        judge("I would rather not say."),
    ]);
    let report = desk
        .evaluate(&exact(&echo()).criterion(both.unwrap()))
        .await
        .unwrap();
    assert_eq!((report.errors, report.progress.unknown_costs), (1, 0));
    // The answer, a verdict, and two replies that cannot be read.
    assert_eq!(
        report.progress.cost,
        Cost::from_usd(0.001 + 3.0 * 0.000_5).unwrap()
    );
    assert_eq!(report.scorers[1].usage.input_tokens, 1_500);
}
