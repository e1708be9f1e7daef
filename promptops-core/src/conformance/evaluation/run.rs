//! Runs as a whole: created, listed, and brought from one state into another.

use serde_json::json;

use crate::base::{Actor, DatasetName, ErrorKind, PageRequest, PromptName};
use crate::conformance::Harness;
use crate::conformance::fixture::*;
use crate::evaluation::run::{CriterionRecord, RunChange, RunFilter, StopCause};
use crate::evaluation::{Run, RunState, refusal};

fn ids(runs: &[Run]) -> Vec<&str> {
    runs.iter().map(|run| run.id.as_str()).collect()
}

/// A run with `entries` entries of which each has its result.
async fn done(desk: &Desk, id: &str, entries: usize) -> Run {
    let golden = desk
        .save_dataset(&format!("of/{}", id.to_lowercase()), entries)
        .await;
    let run = desk.start_run(id, &golden, 1).await;
    desk.record(id, results(0..entries as u64)).await.unwrap();
    run
}

/// A completion with evidence for the run's prompt, closure and dataset.
fn completing(desk: &Desk, run: &Run) -> RunChange {
    let mut evidence = desk
        .evidence("triage", "one", run.dataset.as_str(), run.id.as_str())
        .evidence;
    evidence.entries = run.entries;
    evidence.passed = 1;
    evidence.dimensions = [
        ("correctness \u{e9}".to_owned(), 0.1),
        ("format".to_owned(), 1.0 / 3.0),
    ]
    .into();
    evidence.judges = [("judge \u{0} 'x'".to_owned(), true), ("other".to_owned(), false)].into();
    RunChange {
        evidence: Some(evidence),
        ..desk.run_change(run.id.as_str(), completed())
    }
}

/// A run comes back as created, with its audit record, at once, from another handle and after reopening.
pub async fn run_is_kept_as_created(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    let another = Desk::open(harness).await;
    desk.save_dataset("golden/1", 1).await;
    let golden = desk.save_dataset("golden/1", 3).await;
    let mut run = desk.new_run("Run-1:a.b_C", &golden, u32::MAX);
    run.version = number(u32::MAX);
    run.prompt = name("support/triage");
    run.evaluator.provider = "p \u{0} \u{1f984}".into();
    run.evaluator.criteria.push(CriterionRecord {
        scorer: "judge O'Neil".into(),
        dimension: "\u{e9}".into(),
        pass_mark: 0.30000000000000004,
        configuration: json!({ "text": "\u{0}", "n": [u64::MAX, -0.5, 1e308] }),
        calibrated: Some(false),
    });
    run.started_by = Actor::owner("olga \u{1f984}");
    run.started_at = at(999_999);
    desk.create_run(run.clone()).await.unwrap();
    assert_eq!(desk.audit().await.last().unwrap().entry.subject, "Run-1:a.b_C");
    for desk in [desk.clone(), another, desk.reopen(harness).await] {
        assert_eq!(desk.run("Run-1:a.b_C").await.unwrap(), run);
        assert_eq!(desk.runs(&RunFilter::default()).await, std::slice::from_ref(&run));
        assert_eq!(desk.count("Run-1:a.b_C").await.unwrap(), 0);
        assert_eq!(desk.results("Run-1:a.b_C").await, []);
        assert_eq!(desk.audited().await, 3);
        fails(
            desk.run("run-1:a.b_c").await,
            ErrorKind::NotFound,
            "an id in other letters",
        );
    }
}

/// Another run of the same id is refused first of all; one whose dataset is not there as it says is not found.
pub async fn run_is_refused_for_its_first_reason(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    let refused = async |run: Run, expected: crate::Error| {
        let error = fails(desk.create_run(run).await, expected.kind(), expected.message());
        assert_eq!(error.message(), expected.message());
    };
    let golden = desk.of("other").save_dataset("golden", 2).await;
    let run = desk.new_run("run-1", &golden, 1);
    let unknown = || refusal::unknown_dataset(&run.dataset, Some(run.dataset_version));
    refused(run.clone(), unknown()).await;
    desk.save_dataset("golden", 3).await;
    refused(run.clone(), refusal::other_entries(&run, 3)).await;
    let golden = desk.save_dataset("golden", 2).await;
    desk.start_run("run-1", &golden, 1).await;
    let before = desk.everything().await;
    for dataset in ["golden", "unknown"] {
        let mut again = desk.new_run("run-1", &golden, 2);
        again.dataset = DatasetName::new(dataset).unwrap();
        let expected = refusal::run_exists(&again.id);
        refused(again, expected).await;
    }
    let mut third = desk.new_run("run-2", &golden, 1);
    third.dataset_version = number(3);
    let expected = refusal::unknown_dataset(&third.dataset, Some(number(3)));
    refused(third, expected).await;
    assert_eq!(desk.everything().await, before, "nothing changes");
    desk.start_run("Run-1", &golden, 1).await;
}

/// Of racing runs of one id exactly one is created.
pub async fn racing_runs_of_one_id_have_one_winner(harness: &dyn Harness) {
    let desks = Desk::open_two(harness).await;
    let golden = desks[0].save_dataset("golden", 2).await;
    let created = race(8, |i| {
        let (desk, golden) = (desks[i % 2].clone(), golden.clone());
        async move {
            let run = desk.new_run("run-1", &golden, i as u32 + 1);
            (i as u32 + 1, desk.create_run(run).await)
        }
    })
    .await;
    let mut winner = None;
    for (repeats, result) in created {
        match result {
            Ok(()) => assert_eq!(winner.replace(repeats), None, "two runs of one id"),
            Err(error) => assert_eq!(error.kind(), ErrorKind::AlreadyExists, "{error}"),
        }
    }
    assert_eq!(
        Some(desks[0].run("run-1").await.unwrap().evaluator.repeats),
        winner
    );
    assert_eq!(desks[1].audited().await, 2);
    race(8, |i| {
        let (desk, golden) = (desks[i % 2].clone(), golden.clone());
        async move { desk.start_run(&format!("own-{i}"), &golden, 1).await }
    })
    .await;
    assert_eq!(desks[0].runs(&RunFilter::default()).await.len(), 9);
}

/// A run that the tenant does not have is not found, whatever is asked of it.
pub async fn unknown_runs_are_not_found(harness: &dyn Harness) {
    let acme = Desk::open(harness).await;
    let other = acme.of("other");
    let golden = acme.save_dataset("golden", 2).await;
    acme.start_run("run-1", &golden, 1).await;
    let before = acme.everything().await;
    for (desk, id) in [(&acme, "run-2"), (&acme, "RUN-1"), (&other, "run-1")] {
        let expected = refusal::unknown_run(&run_id(id));
        let check = |error: crate::Error| assert_eq!(error.message(), expected.message());
        let kind = ErrorKind::NotFound;
        check(fails(desk.run(id).await, kind, "the run"));
        check(fails(desk.count(id).await, kind, "a count"));
        check(fails(desk.renew(id, "w", 50).await, kind, "renewing"));
        check(fails(desk.release(id, "w").await, kind, "releasing"));
        check(fails(desk.record(id, results([0])).await, kind, "results"));
        check(fails(
            desk.record(id, results([7])).await,
            kind,
            "results of no task",
        ));
        check(fails(desk.record(id, Vec::new()).await, kind, "no results"));
        for to in [RunState::Running, stopped("enough"), completed()] {
            check(fails(desk.change_run(id, to).await, kind, "a change"));
        }
        let evaluations = &desk.stores.evaluations;
        let read = evaluations.results(&desk.tenant, &run_id(id), &page(5)).await;
        check(fails(read, kind, "the list of results"));
        let claim = desk.claim(id, "w", 1, at(0), at(1));
        check(fails(evaluations.claim_tasks(claim).await, kind, "a claim"));
    }
    assert_eq!(acme.everything().await, before, "nothing changes");
    assert_eq!(other.audited().await, 0);
}

/// Runs come in the order of their creation, the last first, whatever their times and ids.
pub async fn runs_are_listed_newest_first_in_pages_of_any_size(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    let golden = desk.save_dataset("golden", 1).await;
    let created = ["m", "a", "z", "B", "0", "q", "c", "r-2", "r-10", "r-1", "x", "d"];
    for (i, id) in created.into_iter().enumerate() {
        let mut run = desk.new_run(id, &golden, 1);
        run.started_at = at((i as i64 * 7) % 5);
        desk.create_run(run).await.unwrap();
        // Another tenant's runs are not counted.
        let other = desk.of("other");
        if i == 3 {
            let golden = other.save_dataset("golden", 1).await;
            other.start_run("o", &golden, 1).await;
        }
    }
    let evaluations = &desk.stores.evaluations;
    let mut expected = created;
    expected.reverse();
    for limit in (1..=13).chain([PageRequest::MAX_LIMIT]) {
        let listed = pages(limit, async |request| {
            let filter = RunFilter::default();
            evaluations.runs(&desk.tenant, &filter, &request).await
        })
        .await;
        assert_eq!(ids(&listed), expected, "in pages of {limit}");
    }
    let first = evaluations
        .runs(&desk.tenant, &RunFilter::default(), &page(5))
        .await;
    let cursor = first.unwrap().next.unwrap();
    // What is created meanwhile does not move the pages that follow.
    desk.start_run("late", &golden, 1).await;
    let request = page(100).after(&cursor);
    let rest = evaluations
        .runs(&desk.tenant, &RunFilter::default(), &request)
        .await;
    assert_eq!(ids(&rest.unwrap().items), expected[5..]);
    for cursor in [
        "",
        "run-1",
        "-1",
        "1.0",
        "9223372036854775808",
        "99999999999999999999",
    ] {
        let request = page(5).after(cursor);
        let result = evaluations
            .runs(&desk.tenant, &RunFilter::default(), &request)
            .await;
        fails(result, ErrorKind::Invalid, &format!("the cursor {cursor:?}"));
    }
}

/// Each condition of a filter is one, and conditions hold together.
pub async fn run_filters_hold_together(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    let mut all = Vec::new();
    for on in ["golden", "golden/more"] {
        desk.save_dataset(on, 1).await;
        let dataset = desk.save_dataset(on, 2).await;
        for prompt in ["triage", "triage/short"] {
            for of in ["one", "two"] {
                let mut run = desk.new_run(&format!("run-{}", all.len()), &dataset, 1);
                run.dataset_version = number(1 + all.len() as u32 % 2);
                run.entries = u64::from(run.dataset_version.get());
                run.prompt = name(prompt);
                run.closure_hash = closure(of);
                desk.create_run(run.clone()).await.unwrap();
                all.insert(0, run);
            }
        }
    }
    let prompts = [None, Some("triage"), Some("triage/short"), Some("triag")];
    let closures = [None, Some("one"), Some("two"), Some("three")];
    for prompt in prompts.map(|prompt| prompt.map(|name| PromptName::new(name).unwrap())) {
        for closure_hash in closures.map(|of| of.map(closure)) {
            for on in [None, Some("golden"), Some("golden/more"), Some("gold")] {
                let filter = RunFilter {
                    prompt: prompt.clone(),
                    closure_hash,
                    dataset: on.map(dataset),
                };
                let wanted = |run: &&Run| {
                    filter.prompt.as_ref().is_none_or(|prompt| run.prompt == *prompt)
                        && filter.closure_hash.is_none_or(|hash| run.closure_hash == hash)
                        && filter.dataset.as_ref().is_none_or(|on| run.dataset == *on)
                };
                let expected: Vec<_> = all.iter().filter(wanted).cloned().collect();
                assert_eq!(desk.runs(&filter).await, expected, "{filter:?}");
                let evaluations = &desk.stores.evaluations;
                let listed = pages(1, async |request| {
                    evaluations.runs(&desk.tenant, &filter, &request).await
                })
                .await;
                assert_eq!(listed, expected, "{filter:?} in pages of one");
            }
        }
    }
}

/// A run is stopped and resumed as often as need be; each change is on record.
pub async fn stopped_run_can_be_resumed(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    let golden = desk.save_dataset("golden", 2).await;
    let mut run = desk.start_run("run-1", &golden, 1).await;
    for (i, cause) in [StopCause::Cancelled, StopCause::Budget, StopCause::Failed]
        .into_iter()
        .enumerate()
    {
        for to in [
            RunState::Stopped {
                cause,
                reason: "why \u{0} \u{1f984}".into(),
                at: at(i as i64),
            },
            RunState::Running,
        ] {
            run.state = to.clone();
            assert_eq!(desk.change_run("run-1", to).await.unwrap(), run);
            let another = Desk::open(harness).await;
            assert_eq!(another.run("run-1").await.unwrap(), run);
        }
    }
    let actions: Vec<_> = desk
        .audit()
        .await
        .iter()
        .map(|record| record.entry.action.as_str())
        .collect();
    let changes = ["stop_run", "resume_run"].repeat(3);
    assert_eq!(actions[2..], changes);
}

/// A run that is in a state of this name stays as it is, and nothing goes on record.
pub async fn present_run_state_is_kept_without_a_record(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    let run = done(&desk, "run-1", 2).await;
    let other = done(&desk, "run-2", 2).await;
    assert_eq!(desk.change_run("run-1", RunState::Running).await.unwrap(), run);
    assert_eq!(desk.audited().await, 4);
    let first = desk.change_run("run-1", stopped("first")).await.unwrap();
    let again = RunState::Stopped {
        cause: StopCause::Budget,
        reason: "second".into(),
        at: at(99),
    };
    assert_eq!(desk.change_run("run-1", again).await.unwrap(), first);
    desk.change_run("run-1", RunState::Running).await.unwrap();
    let first = desk.change_run("run-1", completed()).await.unwrap();
    assert_eq!(desk.audited().await, 7);
    let mut again = completing(&desk, &run);
    again.to = RunState::Completed { at: at(99) };
    let again = desk.stores.evaluations.change_run(again).await.unwrap();
    assert_eq!(again, first);
    let latest = desk
        .latest_evidence("triage", &closure("one"), run.dataset.as_str())
        .await;
    assert_eq!(latest, None, "no evidence either");
    assert_eq!(desk.run("run-2").await.unwrap(), other);
    assert_eq!(desk.audited().await, 7);
}

/// What no run may become is refused before anything else is looked at.
pub async fn illegal_run_states_are_refused(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    let golden = desk.save_dataset("golden", 2).await;
    desk.start_run("run-1", &golden, 1).await;
    desk.change_run("run-1", stopped("enough")).await.unwrap();
    done(&desk, "run-2", 2).await;
    desk.change_run("run-2", completed()).await.unwrap();
    let before = desk.everything().await;
    for (id, to) in [
        ("run-1", completed()),
        ("run-2", RunState::Running),
        ("run-2", stopped("late")),
    ] {
        let run = desk.run(id).await.unwrap();
        let expected = refusal::illegal_state(&run.id, &run.state, &to);
        let error = fails(desk.change_run(id, to).await, ErrorKind::IllegalTransition, id);
        assert_eq!(error.message(), expected.message());
    }
    assert_eq!(desk.everything().await, before, "nothing changes");
}

/// A run is completed when every task has its result, and not before.
pub async fn run_without_all_results_is_not_completed(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    let golden = desk.save_dataset("golden", 2).await;
    let run = desk.start_run("run-1", &golden, 2).await;
    for ordinal in 0..4 {
        let expected = refusal::run_lacks_results(&run.id, ordinal, 4);
        let result = desk.stores.evaluations.change_run(completing(&desk, &run)).await;
        let error = fails(result, ErrorKind::Conflict, "completing too early");
        assert_eq!(error.message(), expected.message());
        desk.record("run-1", vec![result_of(ordinal)]).await.unwrap();
    }
    let latest = desk.latest_evidence("triage", &closure("one"), "golden").await;
    assert_eq!(latest, None);
    assert_eq!(desk.audited().await, 2);
    let change = desk.stores.evaluations.change_run(completing(&desk, &run)).await;
    assert_eq!(change.unwrap().state, completed());
}

fn result_of(ordinal: u64) -> crate::evaluation::EntryResult {
    result(ordinal, 2)
}

/// The evidence of a completed run is recorded with it, once, without a record of its own.
pub async fn completed_run_has_its_evidence(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    let run = done(&desk, "run-1", 3).await;
    let change = completing(&desk, &run);
    let (evidence, audit) = (change.evidence.clone(), change.audit.clone());
    let after = desk.stores.evaluations.change_run(change).await.unwrap();
    let expected = Run {
        state: completed(),
        ..run.clone()
    };
    assert_eq!(after, expected);
    for desk in [desk.clone(), desk.clone().reopen(harness).await] {
        assert_eq!(desk.run("run-1").await.unwrap(), expected);
        let latest = desk
            .latest_evidence("triage", &closure("one"), run.dataset.as_str())
            .await;
        assert_eq!(latest, evidence);
    }
    let records = desk.audit().await;
    assert_eq!(records.len(), 3);
    assert_eq!(records[2].entry, audit);
    // Without evidence it is completed all the same.
    let other = done(&desk, "run-2", 1).await;
    desk.change_run("run-2", completed()).await.unwrap();
    let latest = desk
        .latest_evidence("triage", &closure("one"), other.dataset.as_str())
        .await;
    assert_eq!(latest, None);
}

/// Evidence of the run on record keeps it from being completed.
pub async fn run_whose_evidence_is_on_record_is_not_completed(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    let run = done(&desk, "run-1", 1).await;
    let on = run.dataset.as_str();
    let record = desk.evidence("triage", "one", on, "run-1");
    desk.record_evidence(record.clone()).await.unwrap();
    let before = desk.everything().await;
    let change = completing(&desk, &run);
    let expected = refusal::run_on_record(change.evidence.as_ref().unwrap());
    let result = desk.stores.evaluations.change_run(change).await;
    let error = fails(result, ErrorKind::AlreadyExists, "evidence on record");
    assert_eq!(error.message(), expected.message());
    assert_eq!(desk.everything().await, before, "nothing changes");
    let latest = desk.latest_evidence("triage", &closure("one"), on).await;
    assert_eq!(latest, Some(record.evidence));
}

/// Racing completions of a run record its evidence once.
pub async fn racing_completions_record_evidence_once(harness: &dyn Harness) {
    let desks = Desk::open_two(harness).await;
    let run = done(&desks[0], "run-1", 2).await;
    let changed = race(8, |i| {
        let (desk, run) = (desks[i % 2].clone(), run.clone());
        async move {
            let mut change = completing(&desk, &run);
            change.to = RunState::Completed { at: at(i as i64) };
            desk.stores.evaluations.change_run(change).await.unwrap()
        }
    })
    .await;
    assert!(
        changed.iter().all(|run| *run == changed[0]),
        "the first one counts"
    );
    assert_eq!(desks[1].audited().await, 3);
    let latest = desks[1]
        .latest_evidence("triage", &closure("one"), run.dataset.as_str())
        .await;
    assert!(latest.is_some());
}

/// A run that is stopped and completed at once is one of them.
pub async fn racing_stops_and_completions_have_one_winner(harness: &dyn Harness) {
    let desks = Desk::open_two(harness).await;
    for round in 0..8 {
        let id = format!("run-{round}");
        done(&desks[0], &id, 1).await;
        let before = desks[0].audited().await;
        let results = race(2, |i| {
            let (desk, id) = (desks[i].clone(), id.clone());
            let to = if i == 0 { stopped("enough") } else { completed() };
            async move { desk.change_run(&id, to).await }
        })
        .await;
        let won: Vec<_> = results.into_iter().filter_map(Result::ok).collect();
        assert_eq!(won.len(), 1, "exactly one of them");
        assert_eq!(desks[1].run(&id).await.unwrap(), won[0]);
        assert_eq!(desks[0].audited().await, before + 1);
    }
}
