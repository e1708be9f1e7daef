//! The contract of [`MetricsStore`](crate::observation::MetricsStore).

use std::collections::BTreeMap;

use super::Harness;
use super::fixture::*;
use crate::base::Timestamp;
use crate::observation::{Feedback, Metrics, Resolution, RollupQuery, TraceRecord};

fn counts(usage: u64, success: u64, rated: u64, sum: u64) -> Metrics {
    Metrics {
        usage_count: usage,
        judged_count: usage,
        success_count: success,
        rated_count: rated,
        rating_sum_millionths: sum,
        ..Metrics::default()
    }
}

/// Without feedback all counts are zero.
pub async fn metrics_without_feedback_are_zero(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    assert_eq!(
        desk.metrics("triage", &closure("one"), None).await,
        Metrics::default()
    );
    assert_eq!(
        desk.metrics("triage", &closure("one"), Some("dev")).await,
        Metrics::default()
    );
}

/// Feedback is counted by success and rating, per environment; without an environment, over all and none.
pub async fn feedback_is_counted_per_environment_and_over_all(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    let given = |of, success, rating| Feedback {
        success,
        rating_millionths: rating,
        ..desk.feedback("triage", "one", of)
    };
    let batches = [
        vec![
            given(Some("dev"), true, Some(1_000_000)),
            given(Some("production"), false, Some(0)),
        ],
        vec![given(None, true, Some(333_333))],
        Vec::new(),
        vec![
            given(Some("dev"), false, None),
            given(Some("dev"), true, Some(1)),
            given(Some("dev"), true, Some(1)),
        ],
    ];
    for batch in &batches {
        desk.stores.metrics.record_feedback(batch).await.unwrap();
    }
    let desk = desk.reopen(harness).await;
    let hash = closure("one");
    assert_eq!(
        desk.metrics("triage", &hash, Some("dev")).await,
        counts(4, 3, 3, 1_000_002)
    );
    assert_eq!(
        desk.metrics("triage", &hash, Some("production")).await,
        counts(1, 0, 1, 0)
    );
    assert_eq!(
        desk.metrics("triage", &hash, Some("staging")).await,
        counts(0, 0, 0, 0)
    );
    assert_eq!(
        desk.metrics("triage", &hash, None).await,
        counts(6, 4, 5, 1_333_335)
    );
    assert_eq!(desk.audited().await, 0, "feedback is no change to be audited");
}

/// Feedback on one closure hash counts for its own prompt and tenant alone, even within one batch.
pub async fn feedback_counts_for_its_own_prompt_closure_and_tenant(harness: &dyn Harness) {
    let acme = Desk::open(harness).await;
    let other = acme.of("other");
    let batch = [
        acme.feedback("triage", "one", None),
        acme.feedback("triage", "one", None),
        acme.feedback("triage", "two", None),
        acme.feedback("greeting", "one", Some("dev")),
        other.feedback("triage", "one", Some("dev")),
        other.feedback("triage", "one", None),
        other.feedback("triage", "one", None),
    ];
    acme.stores.metrics.record_feedback(&batch).await.unwrap();
    for (desk, prompt, text, expected) in [
        (&acme, "triage", "one", 2),
        (&acme, "triage", "two", 1),
        (&acme, "greeting", "one", 1),
        (&acme, "greeting", "two", 0),
        (&other, "triage", "one", 3),
        (&other, "triage", "two", 0),
        (&acme.of("third"), "triage", "one", 0),
    ] {
        let metrics = desk.metrics(prompt, &closure(text), None).await;
        assert_eq!(
            metrics.usage_count, expected,
            "{prompt} {text} of {}",
            desk.tenant
        );
    }
}

/// Concurrent calls lose no count.
pub async fn racing_feedback_loses_no_count(harness: &dyn Harness) {
    let desks = Desk::open_two(harness).await;
    race(8, |i| {
        let desk = desks[i % 2].clone();
        async move {
            for n in 0..25 {
                let feedback = Feedback {
                    success: n % 5 != 0,
                    rating_millionths: Some(i as u32),
                    ..desk.feedback("triage", "one", Some(["dev", "staging"][n % 2]))
                };
                desk.stores.metrics.record_feedback(&[feedback]).await.unwrap();
            }
        }
    })
    .await;
    let metrics = desks[1].metrics("triage", &closure("one"), None).await;
    assert_eq!(metrics, counts(200, 160, 200, 25 * (1 + 2 + 3 + 4 + 5 + 6 + 7)));
    assert_eq!(
        desks[0]
            .metrics("triage", &closure("one"), Some("dev"))
            .await
            .usage_count,
        8 * 13
    );
}

/// A batch is counted at once: no reader sees a part of it.
pub async fn batch_is_counted_as_a_whole(harness: &dyn Harness) {
    // Large enough for readers to come in the middle of one.
    const BATCH: u64 = 300;
    let desks = Desk::open_two(harness).await;
    race(4, |i| {
        let desk = desks[i % 2].clone();
        async move {
            let of = [Some("dev"), Some("staging"), None];
            let batch: Vec<_> = (0..BATCH as usize)
                .map(|n| desk.feedback("triage", "one", of[n % 3]))
                .collect();
            if i < 2 {
                for _ in 0..10 {
                    desk.stores.metrics.record_feedback(&batch).await.unwrap();
                }
                return;
            }
            loop {
                let metrics = desk.metrics("triage", &closure("one"), None).await;
                assert_eq!(metrics.usage_count % BATCH, 0, "part of a batch was counted");
                if metrics.usage_count == 20 * BATCH {
                    break;
                }
                tokio::task::yield_now().await;
            }
        }
    })
    .await;
}

/// A batch can hold thousands.
pub async fn thousands_are_counted_in_one_batch(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    let batch: Vec<_> = (0..5_000)
        .map(|n| Feedback {
            rating_millionths: Some(1_000_000),
            ..desk.feedback("triage", &format!("text {}", n % 50), Some("dev"))
        })
        .collect();
    desk.stores.metrics.record_feedback(&batch).await.unwrap();
    for n in 0..50 {
        let metrics = desk
            .metrics("triage", &closure(&format!("text {n}")), Some("dev"))
            .await;
        assert_eq!(metrics, counts(100, 100, 100, 100_000_000));
    }
}

/// Feedback is counted by its own time, in every resolution, beside traces.
pub async fn feedback_is_counted_by_its_time(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    let mut dimensions = Vec::new();
    for of in [None, Some("dev")] {
        for text in ["one", "two"] {
            for version in [None, Some(number(1)), Some(number(u32::MAX))] {
                let mut of = desk.dimensions("triage", closure(text), of);
                of.version = version;
                dimensions.push(of);
            }
        }
    }
    dimensions[3].variant = trace_of_variant().dimensions().variant;
    // Both sides of a minute, an hour and a day, of 1970, and of the years that texts have four digits for.
    let times = [
        second(0),
        second(-1),
        second(59),
        second(60),
        second(-5 * 3_600),
        second(-5 * 3_600) - chrono::TimeDelta::microseconds(1),
        timestamp(0),
        timestamp(-1),
        timestamp(-60_000_000),
        timestamp(-60_000_001),
        timestamp(-86_400_000_001),
        timestamp(-62_135_596_800_000_001),
        timestamp(253_402_300_799_999_999),
    ];
    let mut batch = Vec::new();
    for (n, of) in dimensions.iter().enumerate() {
        for (m, at) in times.into_iter().enumerate() {
            batch.push(Feedback {
                dimensions: of.clone(),
                success: (n + m) % 3 == 0,
                rating_millionths: (m % 2 == 0).then_some((n * m) as u32),
                at,
                ..desk.feedback("triage", "", None)
            });
        }
    }
    let mut late = batch.clone();
    late.reverse();
    for part in late.chunks(30) {
        desk.stores.metrics.record_feedback(part).await.unwrap();
    }
    let desk = desk.reopen(harness).await;
    for resolution in Resolution::ALL {
        let mut expected: BTreeMap<_, Metrics> = BTreeMap::new();
        for feedback in &batch {
            let key = (resolution.start(feedback.at), feedback.dimensions.clone());
            expected.entry(key).or_default().merge(&feedback.contribution());
        }
        let found = desk.rollups("triage", resolution).await;
        let found: BTreeMap<_, _> = found
            .into_iter()
            .map(|rollup| ((rollup.key.start, rollup.key.dimensions), rollup.metrics))
            .collect();
        assert_eq!(found, expected, "by {resolution}");
    }
    let before_1970 = desk.rollups("triage", Resolution::Minute).await;
    assert!(
        before_1970
            .iter()
            .any(|rollup| rollup.key.start == timestamp(-120_000_000))
    );
}

fn trace_of_variant() -> TraceRecord {
    let mut trace = trace(1);
    trace.stamp.assignment = Some(assignment("exp-1", "a"));
    trace
}

/// A query gets what it asks for and nothing else: each condition is one, and conditions hold together.
pub async fn rollups_are_those_that_are_asked_for(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    let mut traces = Vec::new();
    for n in 0..72_u32 {
        let mut trace = trace_at(u128::from(n), i64::from(n / 2) * 30);
        trace.stamp = stamp(
            ["triage", "triage/short"][n as usize % 2],
            ["one", "two"][n as usize / 2 % 2],
            [None, Some("dev"), Some("production")][n as usize / 4 % 3],
        );
        trace.stamp.version = [None, Some(number(1)), Some(number(2))][n as usize / 2 % 3];
        traces.push(trace);
    }
    desk.record_traces(&traces).await;
    desk.of("other").record_traces(&traces[..7]).await;
    let micro = chrono::TimeDelta::microseconds(1);
    let spans = [
        (Timestamp::MIN_UTC, Timestamp::MAX_UTC),
        (second(0), second(0)),
        (second(0), second(0) + micro),
        (second(0) + micro, second(60)),
        (second(60), second(600)),
        (second(60) - micro, second(600) + micro),
        (second(600), second(60)),
        (timestamp(-5), timestamp(5)),
    ];
    for resolution in Resolution::ALL {
        for prompt in ["triage", "triage/short", "unknown"] {
            let of: Vec<_> = traces
                .iter()
                .filter(|trace| trace.stamp.prompt.as_str() == prompt)
                .collect();
            let all = rolled(resolution, of);
            for (from, to) in spans {
                for version in [None, Some(number(1)), Some(number(3))] {
                    for closure_hash in [None, Some(closure("one")), Some(closure("three"))] {
                        for of in [None, Some("dev"), Some("staging")] {
                            let query = RollupQuery {
                                from,
                                to,
                                version,
                                closure_hash,
                                environment: of.map(environment),
                                ..rollup_query(prompt, resolution)
                            };
                            let mut expected = all.clone();
                            expected.retain(|rollup| query.matches(&rollup.key));
                            assert_eq!(desk.rollups_of(&query).await, expected, "{query:?}");
                        }
                    }
                }
            }
        }
    }
    assert_eq!(desk.of("nobody").rollups("triage", Resolution::Total).await, []);
}

/// The oldest minutes are removed first, at most so many counts, and none that began at the time or later; all other counts
/// stay.
pub async fn oldest_minutes_are_removed_first(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    let other = desk.of("other");
    // Two counts of each of six minutes, and of one before 1970.
    let mut traces: Vec<_> = (0..6)
        .flat_map(|n| {
            let mut second = trace_at(100 + n as u128, n * 60 + 30);
            second.stamp.environment = None;
            [
                trace_at(n as u128, n * 60),
                trace_at(200 + n as u128, n * 60 + 59),
                second,
            ]
        })
        .collect();
    let ancient = TraceRecord {
        at: timestamp(-100_000_000),
        ..trace(1_000)
    };
    traces.push(ancient);
    desk.record_traces(&traces).await;
    other.record_traces(&traces).await;
    let starts = async |desk: &Desk| -> Vec<_> {
        let minutes = desk.rollups("triage", Resolution::Minute).await;
        minutes.iter().map(|rollup| rollup.key.start).collect()
    };
    let all = starts(&desk).await;
    assert_eq!(all.len(), 13);
    assert_eq!(desk.prune_minutes(Timestamp::MIN_UTC, 100).await, 0);
    assert_eq!(desk.prune_minutes(all[0], 100).await, 0);
    assert_eq!(desk.prune_minutes(second(600), 0).await, 0);
    assert_eq!(desk.prune_minutes(second(600), 2).await, 2);
    assert_eq!(starts(&desk).await, all[2..]);
    assert_eq!(desk.prune_minutes(second(60), 100).await, 1);
    assert_eq!(desk.prune_minutes(second(60), 100).await, 0);
    let within = second(60) + chrono::TimeDelta::microseconds(1);
    assert_eq!(
        desk.prune_minutes(within, 100).await,
        2,
        "they began before the time"
    );
    let desk = desk.reopen(harness).await;
    assert_eq!(starts(&desk).await, all[5..]);
    let left: Vec<_> = traces.iter().filter(|trace| trace.at >= second(120)).collect();
    assert_eq!(
        desk.rollups("triage", Resolution::Minute).await,
        rolled(Resolution::Minute, left)
    );
    assert_eq!(desk.prune_minutes(Timestamp::MAX_UTC, usize::MAX).await, 8);
    assert_eq!(desk.prune_minutes(Timestamp::MAX_UTC, usize::MAX).await, 0);
    for resolution in [Resolution::Total, Resolution::Day, Resolution::Hour] {
        assert_eq!(
            desk.rollups("triage", resolution).await,
            rolled(resolution, &traces),
            "by {resolution}"
        );
    }
    assert!(starts(&desk).await.is_empty());
    other.counts_are_of("triage", &traces).await;
    assert_eq!(desk.all_traces().await.len(), 19, "traces stay");
    assert_eq!(desk.of("nobody").prune_minutes(Timestamp::MAX_UTC, 5).await, 0);
    // What comes late for a time that was removed is counted all the same.
    desk.record_traces(&[trace(5)]).await;
    assert_eq!(starts(&desk).await, [second(0)]);
}

/// Minutes are removed in chunks while others are counted: each once, and no other count is lost.
pub async fn minutes_are_removed_while_others_are_counted(harness: &dyn Harness) {
    const OLD: u32 = 400;
    const NEW: u32 = 60;
    let desks = Desk::open_two(harness).await;
    let at_minute = |n: u32| trace_at(u128::from(n), i64::from(n) * 60);
    let old: Vec<_> = (0..OLD).map(at_minute).collect();
    desks[0].record_traces(&old).await;
    let removed = race(6, |i| {
        let desk = desks[i % 2].clone();
        async move {
            let mut removed = 0;
            match i {
                0 | 1 => {
                    for n in (i as u32..NEW).step_by(2) {
                        desk.record_traces(&[at_minute(10_000 + n)]).await;
                    }
                }
                2 | 3 => {
                    for n in 0..30 {
                        let feedback = Feedback {
                            at: second(600_000 + 60 * (n % 5)),
                            ..desk.feedback("triage", "one", Some("dev"))
                        };
                        desk.stores.metrics.record_feedback(&[feedback]).await.unwrap();
                    }
                }
                _ => loop {
                    let now = desk.prune_minutes(second(600_000), 30).await;
                    assert!(now <= 30);
                    removed += now;
                    if now == 0 {
                        break;
                    }
                },
            }
            removed
        }
    })
    .await;
    assert_eq!(
        removed.into_iter().sum::<usize>(),
        OLD as usize,
        "each is removed once"
    );
    let minutes = desks[1].rollups("triage", Resolution::Minute).await;
    assert_eq!(minutes.len(), (NEW + 5) as usize);
    for resolution in [Resolution::Total, Resolution::Day, Resolution::Hour] {
        let rollups = desks[1].rollups("triage", resolution).await;
        let count: u64 = rollups.iter().map(|rollup| rollup.metrics.usage_count).sum();
        assert_eq!(count, u64::from(OLD + NEW + 60), "by {resolution}");
    }
}
