//! Evaluation runs, from a dataset to evidence, on the memory backend.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use promptops_core::base::{Actor, PageRequest, RunId, SequentialIds};
use promptops_core::evaluation::run::{Outcome, RunState, StopCause};
use promptops_core::evaluation::scorer::{ExactMatch, MatchMode};
use promptops_core::evaluation::{
    ComparisonOptions, Criterion, DatasetDraft, Entry, EntryResult, Evaluation, JudgeStanding, Report,
    ReportOptions, Score, Scorer, ScorerInput, Verdict,
};
use promptops_core::llm::{Cost, LlmError, LlmErrorKind, Price, PriceTable, ScriptedLlm, Usage};
use promptops_core::prompt::{Draft, Version, system, user};
use promptops_core::{Error, ErrorKind, MemoryBackend, PromptOps, Result, Tenant};
use serde_json::{Map, Value, json};

fn ana() -> Actor {
    Actor::owner("ana")
}

/// `q0`, `q1`, …, whose right answers are `a0`, `a1`, …
fn entries(count: usize) -> Vec<Entry> {
    let entry = |i| {
        let input = Map::from_iter([("question".to_owned(), json!(format!("q{i}")))]);
        Entry::new(format!("e{i}"), input)
            .expecting(format!("a{i}"))
            .with("kind", if i % 2 == 0 { "even" } else { "odd" })
    };
    (0..count).map(entry).collect()
}

/// A model that answers `q…` by `a…`, and each answer costs a thousandth of a dollar.
fn model() -> ScriptedLlm {
    ScriptedLlm::new(|request| {
        let question = request
            .messages
            .last()
            .map(|message| message.text())
            .unwrap_or_default();
        Ok(ScriptedLlm::answer(question.replace('q', "a")).with_usage(Usage::new(1_000, 0)))
    })
}

fn prices() -> PriceTable {
    PriceTable::new()
        .with("scripted", "scripted", Price::per_million(1.0, 0.0))
        .unwrap()
}

fn exact(model: &ScriptedLlm) -> Evaluation {
    Evaluation::new(Arc::new(model.clone()))
        .prices(prices())
        .criterion(ExactMatch::new(MatchMode::Exact))
}

struct Desk {
    acme: Tenant,
    version: Version,
}

impl Desk {
    async fn with(count: usize) -> Self {
        let ops = PromptOps::builder(MemoryBackend::new())
            .ids(Arc::new(SequentialIds::default()))
            .build();
        let acme = ops.tenant("acme").unwrap();
        let draft = Draft::chat([system("Answer."), user("{{ question }}")]);
        let version = acme.prompts().save("quiz", draft.by(ana())).await.unwrap();
        let dataset = DatasetDraft::new(entries(count));
        acme.datasets().save("golden", dataset, &ana()).await.unwrap();
        Self { acme, version }
    }

    async fn evaluate(&self, evaluation: &Evaluation) -> Result<Report> {
        let evaluations = self.acme.evaluations();
        evaluations
            .evaluate(&self.version, "golden", evaluation, &ana())
            .await
    }

    async fn results(&self, run: &RunId) -> Vec<EntryResult> {
        let page = PageRequest::first(1_000);
        self.acme.evaluations().results(run, &page).await.unwrap().items
    }

    async fn audited(&self) -> Vec<String> {
        let records = self.acme.audit().list(&PageRequest::first(1_000)).await.unwrap();
        records
            .items
            .iter()
            .map(|record| record.entry.action.to_string())
            .collect()
    }
}

/// A scorer that does what a function says.
struct Odd<F>(&'static str, F);

#[promptops_core::conformance::async_trait]
impl<F: Fn(&ScorerInput<'_>) -> Result<Score> + Send + Sync> Scorer for Odd<F> {
    fn name(&self) -> &str {
        self.0
    }
    fn configuration(&self) -> Value {
        json!({})
    }
    async fn score(&self, input: &ScorerInput<'_>) -> Result<Score> {
        (self.1)(input)
    }
}

fn odd<F>(name: &'static str, score: F) -> Odd<F>
where
    F: Fn(&ScorerInput<'_>) -> Result<Score> + Send + Sync + 'static,
{
    Odd(name, score)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_asks_every_entry_once_and_leaves_evidence() {
    let desk = Desk::with(500).await;
    let model = model();
    let report = desk.evaluate(&exact(&model)).await.unwrap();
    assert_eq!(model.counts().asked, 500);
    assert!(model.counts().most_in_flight <= 10);
    assert!(report.is_complete() && report.run.state.is_completed());
    assert_eq!((report.entries, report.passed, report.errors), (500, 500, 0));
    assert_eq!(report.progress.cost, Cost::from_usd(0.5).unwrap());
    let rate = report.pass_rate.unwrap();
    assert_eq!((rate.count, rate.of), (500, 500));
    assert!(rate.interval.unwrap().low > 0.99 && rate.interval.unwrap().low < 1.0);

    let results = desk.results(&report.run.id).await;
    assert!(
        results
            .iter()
            .enumerate()
            .all(|(i, result)| result.ordinal == i as u64)
    );
    assert_eq!(results[7].output.as_deref(), Some("a7"));
    let dataset = report.run.dataset.clone();
    let evidence = desk
        .acme
        .evaluations()
        .latest_evidence(&report.run.prompt, &report.run.closure_hash, &dataset, None)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(evidence, report.evidence());
    assert_eq!((evidence.entries, evidence.passed), (500, 500));
    assert_eq!(evidence.dimensions["correctness"], 1.0);
    assert_eq!(
        desk.audited().await,
        ["save_version", "save_dataset", "start_run", "complete_run"]
    );
    // The report is the same whenever it is computed.
    let again = desk
        .acme
        .evaluations()
        .report(&report.run.id, &ReportOptions::default())
        .await;
    assert_eq!(again.unwrap(), report);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_scorer_that_misbehaves_is_an_error_of_the_entry_and_never_a_pass() {
    let desk = Desk::with(8).await;
    let evaluation = exact(&model())
        .entry_timeout(Duration::from_millis(200))
        .lease(Duration::from_secs(1))
        .criterion(odd("moody", |input| match input.output {
            "a0" => panic!("no mood"),
            "a1" => Ok(Score::new(f64::NAN, "")),
            "a2" => Ok(Score::new(1.2, "")),
            "a3" => Err(Error::new(ErrorKind::Invalid, "cannot tell")),
            "a4" => Ok(Score::new(-0.0001, "")),
            // Blocks its thread, which no timeout can end.
            "a5" => {
                std::thread::sleep(Duration::from_secs(2));
                Ok(Score::pass(true, "late"))
            }
            _ => Ok(Score::pass(true, "fine")),
        }));
    let report = desk.evaluate(&evaluation).await.unwrap();
    assert_eq!((report.passed, report.errors), (2, 6));
    let kinds: Vec<_> = report
        .error_kinds
        .iter()
        .map(|(kind, n)| format!("{kind} {n}"))
        .collect();
    assert_eq!(kinds, ["out_of_range 3", "panic 1", "scorer 1", "timeout 1"]);
    assert_eq!(report.pass_rate.unwrap().rate, 0.25);
    assert_eq!(report.scored_pass_rate.unwrap().rate, 1.0);
    let moody = &report.scorers[1];
    assert_eq!((moody.scored, moody.errors, moody.mean), (2, 5, Some(1.0)));
    // What was not scored does not lift a dimension for a gate.
    assert_eq!(report.evidence().dimensions["correctness"], 0.25);
}

#[tokio::test(start_paused = true)]
async fn a_model_or_scorer_that_hangs_ends_with_the_entrys_time() {
    struct Hanging;
    #[promptops_core::conformance::async_trait]
    impl Scorer for Hanging {
        fn name(&self) -> &str {
            "hanging"
        }
        fn configuration(&self) -> Value {
            Value::Null
        }
        async fn score(&self, _: &ScorerInput<'_>) -> Result<Score> {
            std::future::pending().await
        }
    }
    let desk = Desk::with(3).await;
    let report = desk.evaluate(&exact(&model()).criterion(Hanging)).await.unwrap();
    let results = desk.results(&report.run.id).await;
    assert!(
        results
            .iter()
            .all(|one| one.outcome(&report.run.evaluator) == Outcome::Error)
    );
    assert_eq!(
        results[0].scores[0].value(),
        Some(1.0),
        "the other scorer's word is kept"
    );
    assert_eq!(report.error_kinds["timeout"], 3);

    let slow = model().with_delay(Duration::from_secs(1_000));
    let report = desk.evaluate(&exact(&slow)).await.unwrap();
    assert_eq!(report.error_kinds["timeout"], 3);
    assert!(
        report.worst[0].reason.contains("within 300 s"),
        "{}",
        report.worst[0].reason
    );
}

#[tokio::test]
async fn a_wrong_key_stops_the_run_and_what_is_done_is_kept() {
    let desk = Desk::with(50).await;
    let asked = Arc::new(AtomicU32::new(0));
    let counting = Arc::clone(&asked);
    let broken = ScriptedLlm::new(move |request| {
        if counting.fetch_add(1, Ordering::Relaxed) >= 20 {
            return Err(
                LlmError::new(LlmErrorKind::Auth, "scripted", "the key was withdrawn").with_status(401),
            );
        }
        let question = request
            .messages
            .last()
            .map(|message| message.text())
            .unwrap_or_default();
        Ok(ScriptedLlm::answer(question.replace('q', "a")))
    });
    let evaluations = desk.acme.evaluations();
    let handle = evaluations
        .start(&desk.version, "golden", &exact(&broken), &ana())
        .await
        .unwrap();
    let id = handle.id().clone();
    let error = handle.finish().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Forbidden);
    assert!(
        error.to_string().contains("the key was withdrawn") && error.to_string().contains(id.as_str()),
        "{error}"
    );
    let run = evaluations.get(&id).await.unwrap();
    assert!(
        matches!(
            run.state,
            RunState::Stopped {
                cause: StopCause::Failed,
                ..
            }
        ),
        "{:?}",
        run.state
    );
    let done = desk.results(&id).await.len();
    assert_eq!(done, 20, "the error is nobody's result");

    let model = model();
    let report = evaluations
        .resume(&id, &exact(&model), &ana())
        .await
        .unwrap()
        .finish()
        .await
        .unwrap();
    assert_eq!((model.counts().asked, report.passed), (30, 50));
    assert_eq!(
        desk.audited().await[2..],
        ["start_run", "stop_run", "resume_run", "complete_run"]
    );
}

#[tokio::test]
async fn a_budget_is_not_overdrawn_and_a_larger_one_goes_on() {
    let desk = Desk::with(50).await;
    let model = model();
    let budget = |usd| exact(&model).budget(Cost::from_usd(usd).unwrap());
    let report = desk.evaluate(&budget(0.0205)).await.unwrap();
    assert!(!report.is_complete());
    assert_eq!(report.progress.cost, Cost::from_usd(0.020).unwrap());
    let RunState::Stopped { cause, reason, .. } = &report.run.state else {
        panic!("{:?}", report.run.state)
    };
    assert_eq!(*cause, StopCause::Budget);
    assert_eq!(
        reason,
        "$0.02 of $0.0205 are spent, and the next entry may cost $0.001"
    );
    let evaluations = desk.acme.evaluations();
    let evidence = evaluations.latest_evidence(
        &report.run.prompt,
        &report.run.closure_hash,
        &report.run.dataset,
        None,
    );
    assert_eq!(evidence.await.unwrap(), None, "half a run is no evidence");

    let resumed = evaluations
        .resume(&report.run.id, &budget(0.05), &ana())
        .await
        .unwrap();
    assert_eq!(resumed.progress().done, 20);
    assert_eq!(resumed.finish().await.unwrap().passed, 50);
    assert_eq!(model.counts().asked, 50, "nothing is paid twice");

    let unknown = Evaluation::new(Arc::new(model.clone()))
        .criterion(ExactMatch::new(MatchMode::Exact))
        .budget(Cost::from_usd(1.0).unwrap());
    let error = desk.evaluate(&unknown).await.unwrap_err();
    assert!(
        error
            .to_string()
            .contains("price of scripted \"scripted\" is not known"),
        "{error}"
    );
}

#[tokio::test]
async fn a_run_can_be_cancelled_here_and_from_elsewhere_and_taken_up_again() {
    let desk = Desk::with(400).await;
    let evaluations = desk.acme.evaluations();
    let slow = model().with_delay(Duration::from_millis(5));
    let mut handle = evaluations
        .start(&desk.version, "golden", &exact(&slow), &ana())
        .await
        .unwrap();
    let id = handle.id().clone();
    let progress = handle.next_progress().await.unwrap();
    assert!(progress.done > 0 && progress.done < 400 && progress.passed == progress.done);
    handle.cancel();
    let report = handle.finish().await.unwrap();
    assert!(matches!(
        report.run.state,
        RunState::Stopped {
            cause: StopCause::Cancelled,
            ..
        }
    ));
    let first = slow.counts().asked;
    assert_eq!(report.progress.done, first, "what was under way is kept");

    let mut handle = evaluations.resume(&id, &exact(&slow), &ana()).await.unwrap();
    handle.next_progress().await.unwrap();
    let run = evaluations.cancel(&id, &ana(), "too dear").await.unwrap();
    assert!(run.state.to_string().contains("too dear"));
    let report = handle.finish().await.unwrap();
    assert!(!report.is_complete());

    // Dropped: the run stays as it is, and nobody holds its entries.
    let mut handle = evaluations.resume(&id, &exact(&slow), &ana()).await.unwrap();
    handle.next_progress().await.unwrap();
    drop(handle);
    let report = evaluations
        .resume(&id, &exact(&slow), &ana())
        .await
        .unwrap()
        .finish()
        .await
        .unwrap();
    assert_eq!(report.passed, 400);
    assert_eq!(slow.counts().asked, 400, "no entry is asked twice");
    let error = evaluations.cancel(&id, &ana(), "late").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::IllegalTransition);
    let error = evaluations
        .cancel(&id, &Actor::viewer("vi"), "no")
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Forbidden);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn workers_share_a_run_and_take_over_from_one_that_died() {
    let desk = Desk::with(60).await;
    let evaluations = desk.acme.evaluations();
    let slow = model().with_delay(Duration::from_millis(5));
    let evaluation = exact(&slow).concurrency(3).lease(Duration::from_secs(1));
    let first = evaluations
        .start(&desk.version, "golden", &evaluation, &ana())
        .await
        .unwrap();
    let id = first.id().clone();
    let second = evaluations.resume(&id, &evaluation, &ana()).await.unwrap();
    let (first, second) = tokio::join!(first.finish(), second.finish());
    assert_eq!(first.unwrap(), second.unwrap());
    assert_eq!(slow.counts().asked, 60);
    assert_eq!(slow.counts().most_in_flight, 6, "both have worked");
    assert_eq!(
        desk.audited()
            .await
            .iter()
            .filter(|action| *action == "complete_run")
            .count(),
        1
    );
}

#[tokio::test]
async fn an_evaluation_that_would_say_nothing_is_refused_before_it_begins() {
    let desk = Desk::with(2).await;
    let model = model();
    let plain = || Evaluation::new(Arc::new(model.clone()));
    let judged = |standing: JudgeStanding| {
        struct Judge(JudgeStanding);
        #[promptops_core::conformance::async_trait]
        impl Scorer for Judge {
            fn name(&self) -> &str {
                "judge"
            }
            fn configuration(&self) -> Value {
                Value::Null
            }
            fn judges(&self) -> Vec<JudgeStanding> {
                vec![self.0.clone()]
            }
            async fn score(&self, _: &ScorerInput<'_>) -> Result<Score> {
                Ok(Score::pass(true, "mine are best"))
            }
        }
        plain().criterion(Judge(standing))
    };
    let itself = JudgeStanding {
        provider: "scripted".into(),
        model: "scripted".into(),
        calibrated: true,
        may_judge_itself: false,
    };
    let fine = || ExactMatch::new(MatchMode::Exact);
    for (evaluation, words) in [
        (plain(), "no criterion"),
        (exact(&model).criterion(fine()), "two scorers are named"),
        (exact(&model).repeats(0), "repeats is 0"),
        (exact(&model).concurrency(0), "concurrency is 0"),
        (
            plain().criterion(Criterion::from(fine()).pass_mark(1.5)),
            "pass mark",
        ),
        (
            plain().criterion(Criterion::from(fine()).dimension("")),
            "a dimension has 0 bytes",
        ),
        (judged(itself.clone()), "favour their own"),
    ] {
        let error = desk.evaluate(&evaluation).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(error.to_string().contains(words), "{words}: {error}");
    }
    assert_eq!(model.counts().asked, 0);
    let allowed = JudgeStanding {
        may_judge_itself: true,
        ..itself
    };
    let report = desk.evaluate(&judged(allowed)).await.unwrap();
    assert!(report.evidence().judges["judge"]);

    let evaluations = desk.acme.evaluations();
    let started = evaluations
        .start(&desk.version, "silver", &exact(&model), &ana())
        .await;
    assert_eq!(started.unwrap_err().kind(), ErrorKind::NotFound);
    let started = evaluations
        .start(&desk.version, "golden", &exact(&model), &Actor::viewer("vi"))
        .await;
    assert_eq!(started.unwrap_err().kind(), ErrorKind::Forbidden);
    let bound = DatasetDraft::new(entries(1)).prompt("other".parse().unwrap());
    desk.acme.datasets().save("bound", bound, &ana()).await.unwrap();
    let started = evaluations
        .start(&desk.version, "bound", &exact(&model), &ana())
        .await;
    assert!(
        started
            .unwrap_err()
            .to_string()
            .contains("is for the prompt other")
    );
}

#[tokio::test]
async fn a_run_goes_on_only_as_it_was_begun() {
    let desk = Desk::with(5).await;
    let evaluations = desk.acme.evaluations();
    let model = model();
    let handle = evaluations
        .start(&desk.version, "golden", &exact(&model).repeats(2), &ana())
        .await
        .unwrap();
    let id = handle.id().clone();
    handle.cancel();
    let _ = handle.finish().await.unwrap();
    let other = odd("other", |_| Ok(Score::pass(true, "")));
    for (evaluation, words) in [
        (exact(&model), "2 repeats, not 1"),
        (exact(&model).repeats(2).model("gpt"), "not scripted gpt"),
        (
            exact(&model).repeats(2).criterion(other),
            "the scorers exact_match, not exact_match, other",
        ),
    ] {
        let error = evaluations.resume(&id, &evaluation, &ana()).await.unwrap_err();
        assert!(error.to_string().contains(words), "{words}: {error}");
    }
}

#[tokio::test]
async fn a_changed_snippet_is_another_evaluation() {
    let desk = Desk::with(30).await;
    let prompts = desk.acme.prompts();
    let save = async |text: &str| {
        let draft = Draft::text(text).by(ana()).active();
        prompts.save("style", draft).await.unwrap();
    };
    save("Be brief.").await;
    let draft = Draft::chat([system("{% include \"style\" %}"), user("{{ question }}")]);
    let version = prompts.save("quiz", draft.by(ana())).await.unwrap();
    let evaluations = desk.acme.evaluations();
    let handle = evaluations
        .start(&version, "golden", &exact(&model()), &ana())
        .await
        .unwrap();
    let id = handle.id().clone();
    handle.cancel();
    let _ = handle.finish().await.unwrap();
    save("Be very brief.").await;
    let error = evaluations
        .resume(&id, &exact(&model()), &ana())
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert!(
        error.to_string().contains("a snippet of quiz v2 was changed"),
        "{error}"
    );
}

#[tokio::test]
async fn answers_are_used_again_where_the_caller_allows_it() {
    let desk = Desk::with(10).await;
    let model = model();
    let reusing = exact(&model).reuse_answers();
    let first = desk.evaluate(&reusing).await.unwrap();
    assert_eq!((model.counts().asked, first.progress.cached), (10, 0));
    let second = desk.evaluate(&reusing).await.unwrap();
    assert_eq!((model.counts().asked, second.progress.cached), (10, 10));
    assert_eq!(second.progress.cost, Cost::ZERO, "nothing was paid");
    assert_eq!(second.progress.tokens, first.progress.tokens);
    assert_eq!(second.latency, None);
    // The first repetition is known; the second is another answer.
    let twice = desk.evaluate(&reusing.clone().repeats(2)).await.unwrap();
    assert_eq!((model.counts().asked, twice.progress.cached), (20, 10));
    desk.evaluate(&exact(&model)).await.unwrap();
    assert_eq!(model.counts().asked, 30, "only where it is allowed");
}

#[tokio::test]
async fn repeats_are_summed_up_over_entries() {
    let desk = Desk::with(10).await;
    let asked = AtomicU32::new(0);
    // e0 is right every other time, the rest always.
    let fickle = ScriptedLlm::new(move |request| {
        let question = request
            .messages
            .last()
            .map(|message| message.text())
            .unwrap_or_default();
        let is_wrong = question == "q0" && asked.fetch_add(1, Ordering::Relaxed) % 2 == 1;
        Ok(ScriptedLlm::answer(if is_wrong {
            "?".into()
        } else {
            question.replace('q', "a")
        }))
    });
    let report = desk.evaluate(&exact(&fickle).repeats(4)).await.unwrap();
    assert_eq!((report.progress.passed, report.passed), (38, 9));
    let repeats = report.repeats.clone().unwrap();
    assert_eq!((repeats.all_passed.rate, repeats.any_passed.rate), (0.9, 1.0));
    assert_eq!(report.worst.len(), 1);
    assert_eq!(
        (report.worst[0].entry.as_str(), report.worst[0].passed),
        ("e0", 2)
    );
    assert_eq!(report.evidence().passed, 9);
}

#[tokio::test]
async fn an_input_that_cannot_be_rendered_is_an_error_of_its_entry() {
    let desk = Desk::with(2).await;
    let mut broken = entries(3);
    broken[1].input = Map::from_iter([("qestion".to_owned(), json!("q1"))]);
    desk.acme
        .datasets()
        .save("golden", DatasetDraft::new(broken), &ana())
        .await
        .unwrap();
    let model = model();
    let report = desk.evaluate(&exact(&model)).await.unwrap();
    assert_eq!((report.passed, report.errors, model.counts().asked), (2, 1, 2));
    assert!(
        report.worst[0].reason.starts_with("render: "),
        "{}",
        report.worst[0].reason
    );
    assert!(
        report.worst[0].reason.contains("question"),
        "{}",
        report.worst[0].reason
    );
    assert!(report.to_string().contains("error        render: 1"), "{report}");
}

#[tokio::test]
async fn two_runs_are_compared_entry_by_entry() {
    let desk = Desk::with(200).await;
    // Right but for every tenth, and then but for every twentieth and one more.
    let wrong_at = |wrong: fn(usize) -> bool| {
        ScriptedLlm::new(move |request| {
            let question = request
                .messages
                .last()
                .map(|message| message.text())
                .unwrap_or_default();
            let number: usize = question.trim_start_matches('q').parse().unwrap();
            Ok(ScriptedLlm::answer(if wrong(number) {
                "?".into()
            } else {
                question.replace('q', "a")
            }))
        })
    };
    let baseline = desk.evaluate(&exact(&wrong_at(|n| n % 10 == 0))).await.unwrap();
    let better = desk
        .evaluate(&exact(&wrong_at(|n| n % 20 == 0 || n == 7)))
        .await
        .unwrap();
    let worse = desk.evaluate(&exact(&wrong_at(|n| n % 4 == 0))).await.unwrap();
    let evaluations = desk.acme.evaluations();
    let compare = async |before: &Report, after: &Report| {
        let options = ComparisonOptions::default();
        evaluations
            .compare(&before.run.id, &after.run.id, &options)
            .await
            .unwrap()
    };
    let comparison = compare(&baseline, &better).await;
    assert_eq!((comparison.passing.won, comparison.passing.lost), (10, 1));
    assert_eq!(comparison.lost[0].entry, "e7");
    assert!(
        (comparison.passing.p_value - 0.011_718_75).abs() < 1e-9,
        "{}",
        comparison.passing.p_value
    );
    assert_eq!(comparison.verdict, Verdict::NoRegression);
    let summary = comparison.summary();
    assert!(
        summary.starts_with("Pass rate 90.0 % -> 94.5 % (+4.5 points, 95 % interval +1.2 to +7.8; 10 entries won, 1 lost, p = 0.012): no regression."),
        "{summary}"
    );
    let comparison = compare(&baseline, &worse).await;
    assert_eq!(comparison.verdict, Verdict::Regression);
    assert_eq!(comparison.passing.lost, 40);
    let comparison = compare(&baseline, &baseline).await;
    assert_eq!(comparison.verdict, Verdict::NoRegression);
    assert_eq!(comparison.passing.p_value, 1.0);

    let twice = desk.evaluate(&exact(&model()).repeats(2)).await.unwrap();
    let refused = evaluations
        .compare(&baseline.run.id, &twice.run.id, &ComparisonOptions::default())
        .await
        .unwrap_err();
    assert!(refused.to_string().contains("have 1 and 2 repeats"), "{refused}");
    let refused = evaluations
        .compare(
            &baseline.run.id,
            &better.run.id,
            &ComparisonOptions::default().margin(f64::NAN),
        )
        .await
        .unwrap_err();
    assert!(refused.to_string().contains("margin"), "{refused}");
}

#[tokio::test]
async fn slices_show_where_it_fails() {
    let desk = Desk::with(40).await;
    let even = ScriptedLlm::new(|request| {
        let question = request
            .messages
            .last()
            .map(|message| message.text())
            .unwrap_or_default();
        let number: usize = question.trim_start_matches('q').parse().unwrap();
        Ok(ScriptedLlm::answer(if number % 2 == 1 {
            "?".into()
        } else {
            question.replace('q', "a")
        }))
    });
    let run = desk.evaluate(&exact(&even)).await.unwrap().run;
    let options = ReportOptions::default().slice_by("kind").slice_by("language");
    let report = desk.acme.evaluations().report(&run.id, &options).await.unwrap();
    let slices: Vec<_> = report
        .slices
        .iter()
        .map(|slice| {
            (
                slice.key.as_str(),
                slice.value.as_deref(),
                slice.pass_rate.rate,
                slice.pass_rate.of,
            )
        })
        .collect();
    assert_eq!(
        slices,
        [
            ("kind", Some("even"), 1.0, 20),
            ("kind", Some("odd"), 0.0, 20),
            ("language", None, 0.5, 40)
        ]
    );
}

#[tokio::test]
async fn a_judge_in_a_run_is_paid_for_and_what_it_does_not_say_is_no_score() {
    use promptops_core::evaluation::judge::{Form, JudgeModel, LlmJudge, Scale};
    let desk = Desk::with(4).await;
    // e0 is judged well, e1 badly; of e2 it says nothing that can be read, and e3 has it fail.
    let judging = ScriptedLlm::new(|request| {
        let asked: String = request.messages.iter().map(|message| message.text()).collect();
        let verdict = |label: &str| json!({ "reasoning": "seen", "verdict": label }).to_string();
        let text = if asked.contains("q0") {
            verdict("excellent")
        } else if asked.contains("q1") {
            verdict("poor")
        } else if asked.contains("q2") {
            "I would rather not say.".to_owned()
        } else {
            return Err(LlmError::new(LlmErrorKind::Overloaded, "scripted", "busy"));
        };
        Ok(ScriptedLlm::answer(text).with_usage(Usage::new(500, 0)))
    });
    let judge = |client: ScriptedLlm| {
        let model = JudgeModel::new(Arc::new(client)).prices(prices());
        LlmJudge::builder(model, Form::rubric("The answer is right.", Scale::default()))
            .build()
            .unwrap()
    };
    let error = desk
        .evaluate(&exact(&model()).criterion(judge(judging.clone())))
        .await
        .unwrap_err();
    assert!(
        error.to_string().contains("favour their own"),
        "the same model: {error}"
    );

    let other = judging.with_provider("another");
    let evaluation = exact(&model()).criterion(judge(other));
    let report = desk.evaluate(&evaluation).await.unwrap();
    assert_eq!((report.passed, report.errors), (1, 2));
    let judged = &report.scorers[1];
    assert_eq!(
        (
            judged.scorer.as_str(),
            judged.scored,
            judged.errors,
            judged.passed
        ),
        ("llm_judge", 2, 2, 1)
    );
    // Two verdicts, and two replies that could not be read.
    assert_eq!(judged.usage.input_tokens, 2_000);
    assert!(!report.evidence().judges["llm_judge"], "it is not calibrated");
}

#[tokio::test]
async fn expecting_null_is_refused_since_it_could_not_be_told_from_expecting_nothing() {
    let desk = Desk::with(1).await;
    let mut odd = entries(1);
    odd[0].expected_output = Some(Value::Null);
    let error = desk
        .acme
        .datasets()
        .save("odd", DatasetDraft::new(odd), &ana())
        .await
        .unwrap_err();
    assert!(error.to_string().contains("expects JSON null"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn an_open_breaker_is_waited_for_and_uses_up_no_entry() {
    let desk = Desk::with(20).await;
    let asked = Arc::new(AtomicU32::new(0));
    let counting = Arc::clone(&asked);
    let flaky = ScriptedLlm::new(move |request| {
        if counting.fetch_add(1, Ordering::Relaxed).is_multiple_of(3) {
            let error = LlmError::new(LlmErrorKind::CircuitOpen, "scripted", "not asked");
            return Err(error.with_retry_after(Duration::from_secs(5)));
        }
        let question = request
            .messages
            .last()
            .map(|message| message.text())
            .unwrap_or_default();
        Ok(ScriptedLlm::answer(question.replace('q', "a")))
    });
    assert_eq!(desk.evaluate(&exact(&flaky)).await.unwrap().passed, 20);

    // As long as the entry's time lasts.
    let open = ScriptedLlm::new(|_| Err(LlmError::new(LlmErrorKind::CircuitOpen, "scripted", "not asked")));
    let report = desk.evaluate(&exact(&open)).await.unwrap();
    assert_eq!(report.error_kinds["model_circuit_open"], 20);
    assert_eq!(report.progress.unknown_costs, 0, "nobody was asked");
}

#[tokio::test(start_paused = true)]
async fn a_call_that_may_have_been_billed_counts_for_the_budget_and_does_not_end_it() {
    let desk = Desk::with(20).await;
    let asked = AtomicU32::new(0);
    // Every other answer is lost on the way.
    let lossy = ScriptedLlm::new(move |request| {
        if asked.fetch_add(1, Ordering::Relaxed) % 2 == 1 {
            return Err(LlmError::new(
                LlmErrorKind::Network,
                "scripted",
                "connection reset",
            ));
        }
        let question = request
            .messages
            .last()
            .map(|message| message.text())
            .unwrap_or_default();
        Ok(ScriptedLlm::answer(question.replace('q', "a")).with_usage(Usage::new(1_000, 0)))
    });
    let plenty = desk
        .evaluate(&exact(&lossy).budget(Cost::from_usd(1.0).unwrap()))
        .await
        .unwrap();
    assert!(plenty.is_complete());
    assert_eq!(
        (plenty.passed, plenty.errors, plenty.progress.unknown_costs),
        (10, 10, 10)
    );
    assert_eq!(plenty.progress.cost, Cost::from_usd(0.010).unwrap());
    let scarce = desk
        .evaluate(&exact(&lossy).budget(Cost::from_usd(0.010).unwrap()))
        .await
        .unwrap();
    assert!(!scarce.is_complete());
    assert_eq!(
        scarce.progress.done, 10,
        "what was lost counts as the dearest answer"
    );
}
