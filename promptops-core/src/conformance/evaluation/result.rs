//! Results: kept once, and listed.

use std::time::Duration;

use crate::base::{ErrorKind, PageRequest};
use crate::conformance::Harness;
use crate::conformance::fixture::*;
use crate::evaluation::run::{EntryError, EntryErrorKind, ScoreResult};
use crate::evaluation::{EntryResult, RunState, refusal};
use crate::llm::{Cost, FinishReason, LlmErrorKind, Usage};

fn awkward() -> Vec<EntryResult> {
    let text = "\u{0} O'Neil \u{1f984}\u{10ffff} \"100%\"\r\n\\u0000 $1 ?1";
    let error = |kind| EntryError {
        kind,
        message: text.into(),
    };
    let score = |score| ScoreResult {
        scorer: text.into(),
        score,
        reason: text.into(),
        usage: Usage {
            input_tokens: u64::MAX,
            output_tokens: 9_007_199_254_740_993,
            ..Usage::default()
        },
        cost: None,
    };
    let scores = [
        Ok(0.30000000000000004),
        Ok(-0.0),
        Ok(5e-324),
        Ok(1e308),
        Err(error(EntryErrorKind::Panic)),
    ];
    let full = EntryResult {
        output: Some(text.into()),
        finish: Some(FinishReason::Other(text.into())),
        scores: scores.into_iter().map(score).collect(),
        latency: Duration::from_micros(u64::MAX),
        cost: Some(Cost::from_nano_usd(u64::MAX)),
        cached: true,
        model: Some(text.into()),
        at: at(999_999),
        ..result(0, 1)
    };
    let bare = EntryResult {
        output: None,
        finish: None,
        error: Some(error(EntryErrorKind::Model(LlmErrorKind::Timeout))),
        scores: Vec::new(),
        latency: Duration::ZERO,
        cost: None,
        ..result(1, 1)
    };
    let large = EntryResult {
        output: Some("\u{e9}\n".repeat(300_000)),
        ..result(2, 1)
    };
    let empty = EntryResult {
        output: Some(String::new()),
        ..result(3, 1)
    };
    vec![full, bare, large, empty]
}

/// Results come back as they were handed in, at once, from another handle and after reopening.
pub async fn results_are_kept_as_recorded(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    let another = Desk::open(harness).await;
    let golden = desk.save_dataset("golden", 4).await;
    desk.start_run("run-1", &golden, 1).await;
    let recorded = desk.record("run-1", awkward()).await.unwrap();
    assert_eq!(recorded.accepted, [0, 1, 2, 3]);
    assert_eq!(recorded.state, RunState::Running);
    for desk in [desk.clone(), another, desk.reopen(harness).await] {
        let read = desk.results("run-1").await;
        assert_eq!(read, awkward());
        let text = |results: &[EntryResult]| serde_json::to_string(results).unwrap();
        assert_eq!(text(&read), text(&awkward()), "to the sign of a zero");
        assert_eq!(desk.count("run-1").await.unwrap(), 4);
        assert_eq!(desk.audited().await, 2, "results are not on record");
    }
}

/// The first result of a task stays, whoever holds its lease, and its lease ends.
pub async fn first_result_stays(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    let golden = desk.save_dataset("golden", 5).await;
    desk.start_run("run-1", &golden, 1).await;
    desk.take("run-1", "a", 3).await;
    let later = |ordinal| EntryResult {
        output: Some("later".into()),
        ..result(ordinal, 1)
    };
    // Handed in in any order; the answer is in ascending order.
    let recorded = desk.record("run-1", results([4, 2, 0])).await.unwrap();
    assert_eq!(recorded.accepted, [0, 2, 4]);
    assert_eq!(desk.renew("run-1", "a", 100).await.unwrap(), 1);
    let recorded = desk
        .record("run-1", (0..4).rev().map(later).collect())
        .await
        .unwrap();
    assert_eq!(recorded.accepted, [1, 3]);
    assert_eq!(desk.renew("run-1", "a", 100).await.unwrap(), 0);
    let recorded = desk.record("run-1", (0..5).map(later).collect()).await.unwrap();
    assert_eq!(recorded.accepted, [] as [u64; 0]);
    assert_eq!(
        desk.record("run-1", Vec::new()).await.unwrap().accepted,
        [] as [u64; 0]
    );
    let expected = vec![result(0, 1), later(1), result(2, 1), later(3), result(4, 1)];
    assert_eq!(desk.results("run-1").await, expected);
    assert_eq!(desk.count("run-1").await.unwrap(), 5);
}

/// Of racing results of one task exactly one is kept.
pub async fn racing_results_of_one_task_have_one_winner(harness: &dyn Harness) {
    let desks = Desk::open_two(harness).await;
    let golden = desks[0].save_dataset("golden", 20).await;
    desks[0].start_run("run-1", &golden, 1).await;
    let accepted = race(8, |i| {
        let desk = desks[i % 2].clone();
        let own = |ordinal| EntryResult {
            output: Some(format!("by {i}")),
            ..result(ordinal, 1)
        };
        // Each in another order, so that none may wait for another in a circle.
        let mut batch: Vec<_> = (0..20).map(own).collect();
        batch.rotate_left(i * 2);
        async move { desk.record("run-1", batch).await.unwrap().accepted }
    })
    .await;
    let mut outputs = vec![None; 20];
    for (i, ordinals) in accepted.into_iter().enumerate() {
        assert!(ordinals.is_sorted());
        for ordinal in ordinals {
            let before = outputs[ordinal as usize].replace(format!("by {i}"));
            assert_eq!(before, None, "two results of {ordinal} were accepted");
        }
    }
    let kept = desks[0].results("run-1").await;
    let kept: Vec<_> = kept.into_iter().map(|result| result.output).collect();
    assert_eq!(kept, outputs);
    assert_eq!(desks[1].count("run-1").await.unwrap(), 20);
}

/// A result of no task of the run is invalid, and none of its batch is kept.
pub async fn foreign_results_are_invalid(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    let golden = desk.save_dataset("golden", 3).await;
    // The entries after the dataset's are another's.
    desk.save_dataset("silver", 9).await;
    desk.start_run("run-1", &golden, 2).await;
    desk.take("run-1", "a", 2).await;
    let with = |ordinal, entry: &str, repeat| EntryResult {
        ordinal,
        entry: entry.into(),
        repeat,
        ..result(0, 2)
    };
    for foreign in [
        with(6, "e3", 0),
        with(6, "e0", 0),
        with(0, "e1", 0),
        with(0, "E0", 0),
        with(0, "e0 ", 0),
        with(0, "", 0),
        with(0, "e0", 1),
        with(1, "e0", 0),
        with(1, "e0", 3),
        with(5, "e1", 1),
        with(u64::MAX, "e0", 1),
        with(1 << 63, "e0", 0),
    ] {
        let expected = refusal::foreign_result(&run_id("run-1"), foreign.ordinal, &foreign.entry);
        for batch in [
            vec![foreign.clone()],
            vec![result(0, 2), foreign.clone(), result(1, 2)],
            vec![foreign.clone(), with(99, "x", 0)],
        ] {
            let error = fails(
                desk.record("run-1", batch).await,
                ErrorKind::Invalid,
                "a foreign result",
            );
            assert_eq!(error.message(), expected.message());
        }
    }
    assert_eq!(desk.count("run-1").await.unwrap(), 0);
    assert_eq!(
        desk.renew("run-1", "a", 100).await.unwrap(),
        2,
        "leases are as they were"
    );
    desk.record("run-1", vec![with(5, "e2", 1)]).await.unwrap();
}

/// A stopped run still takes what was under way; a completed one has all it can have.
pub async fn stopped_run_takes_what_was_under_way(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    let golden = desk.save_dataset("golden", 2).await;
    desk.start_run("run-1", &golden, 1).await;
    desk.take("run-1", "a", 2).await;
    let state = desk.change_run("run-1", stopped("enough")).await.unwrap().state;
    let recorded = desk.record("run-1", results([1, 0])).await.unwrap();
    assert_eq!((recorded.accepted, recorded.state), (vec![0, 1], state));
    desk.change_run("run-1", RunState::Running).await.unwrap();
    let state = desk.change_run("run-1", completed()).await.unwrap().state;
    let recorded = desk.record("run-1", results([1, 0])).await.unwrap();
    assert_eq!((recorded.accepted, recorded.state), (Vec::new(), state));
}

/// Results come in the order of their ordinals, in pages of any size; a cursor of another list is invalid.
pub async fn results_are_listed_in_order_in_pages_of_any_size(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    let golden = desk.save_dataset("golden", 20).await;
    desk.start_run("run-1", &golden, 1).await;
    let recorded = [0, 1, 4, 5, 7, 8, 9, 13, 16, 17, 18, 19];
    for chunk in [[19, 4, 0], [7, 17, 1], [5, 16, 9], [13, 8, 18]] {
        desk.record("run-1", results(chunk)).await.unwrap();
    }
    let evaluations = &desk.stores.evaluations;
    for limit in (1..=13).chain([PageRequest::MAX_LIMIT]) {
        let listed = pages(limit, async |request| {
            evaluations
                .results(&desk.tenant, &run_id("run-1"), &request)
                .await
        })
        .await;
        assert_eq!(ordinals(&listed), recorded, "in pages of {limit}");
    }
    let read = |request: PageRequest| {
        let (evaluations, tenant) = (evaluations.clone(), desk.tenant.clone());
        async move { evaluations.results(&tenant, &run_id("run-1"), &request).await }
    };
    let first = read(page(3)).await.unwrap();
    assert_eq!(first.next.as_deref(), Some("4"), "the cursor is the last ordinal");
    for (cursor, expected) in [
        ("0", &[1, 4][..]),
        ("10", &[13, 16]),
        ("18", &[19]),
        ("19", &[]),
        ("99", &[]),
    ] {
        let page = read(page(2).after(cursor)).await.unwrap();
        assert_eq!(ordinals(&page.items), expected, "after {cursor}");
    }
    assert_eq!(read(page(2).after(i64::MAX.to_string())).await.unwrap().items, []);
    for cursor in [
        "",
        "run-1",
        "-1",
        "1.0",
        "9223372036854775808",
        "99999999999999999999",
    ] {
        let result = read(page(5).after(cursor)).await;
        fails(result, ErrorKind::Invalid, &format!("the cursor {cursor:?}"));
    }
}

/// Thousands of results are recorded in batches, counted and listed.
pub async fn thousands_of_results_are_kept(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    let golden = desk.save_dataset("golden", 3_000).await;
    desk.start_run("run-1", &golden, 1).await;
    let mut done = 0;
    loop {
        let tasks = desk.take("run-1", "a", 500).await;
        if tasks.is_empty() {
            break;
        }
        done += tasks.len() as u64;
        desk.record("run-1", results(tasks)).await.unwrap();
        assert_eq!(desk.count("run-1").await.unwrap(), done);
    }
    assert_eq!(desk.results("run-1").await, results(0..3_000));
    desk.change_run("run-1", completed()).await.unwrap();
}
