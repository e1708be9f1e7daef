//! Old traces that are removed.

use crate::base::{Timestamp, TraceId};
use crate::conformance::Harness;
use crate::conformance::fixture::*;
use crate::observation::{TraceFilter, TraceRecord, TraceVerdict};

fn ids(traces: &[TraceRecord]) -> Vec<TraceId> {
    traces.iter().map(|trace| trace.id).collect()
}

/// The oldest are removed first, at most so many, and none that began at the time or later; what was counted stays.
pub async fn oldest_traces_are_removed_first(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    let other = desk.of("other");
    let traces: Vec<_> = (0..12).map(|n| trace(n * 7 % 12)).collect();
    desk.record_traces(&traces).await;
    other.record_traces(&traces).await;
    let left = async |desk: &Desk| {
        desk.all_traces()
            .await
            .iter()
            .map(|trace| trace.at)
            .collect::<Vec<_>>()
    };
    assert_eq!(desk.prune_traces(second(0), 100).await, 0);
    assert_eq!(desk.prune_traces(second(12), 0).await, 0);
    assert_eq!(desk.prune_traces(second(12), 3).await, 3);
    assert_eq!(left(&desk).await, (3..12).rev().map(second).collect::<Vec<_>>());
    assert_eq!(desk.prune_traces(second(5), 100).await, 2);
    assert_eq!(desk.prune_traces(second(5), 100).await, 0);
    let desk = desk.reopen(harness).await;
    assert_eq!(left(&desk).await, (5..12).rev().map(second).collect::<Vec<_>>());
    desk.counts_are_of("triage", &traces).await;
    assert_eq!(desk.trace(trace(4).id).await, None);
    let annotated = desk.try_annotate(&[(trace(4).id, judged(true))]).await;
    assert_eq!(annotated.unwrap(), [TraceVerdict::Unknown]);
    desk.counts_are_of("triage", &traces).await;
    // All there are.
    assert_eq!(desk.prune_traces(Timestamp::MAX_UTC, usize::MAX).await, 7);
    assert_eq!(desk.prune_traces(Timestamp::MAX_UTC, usize::MAX).await, 0);
    assert_eq!(desk.prune_traces(Timestamp::MIN_UTC, usize::MAX).await, 0);
    assert_eq!(desk.all_traces().await, []);
    desk.counts_are_of("triage", &traces).await;
    assert_eq!(other.all_traces().await.len(), 12, "another tenant's stay");
    assert_eq!(desk.of("nobody").prune_traces(Timestamp::MAX_UTC, 5).await, 0);
    assert_eq!(desk.audited().await, 0, "it is no change to be audited");
}

/// Traces of one millisecond go together, those of the time asked for stay.
pub async fn traces_are_removed_to_the_millisecond(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    let at = |micros: i64| hour() + chrono::TimeDelta::microseconds(micros);
    let traces: Vec<_> = [0, 999, 1_000, 1_999, 2_000]
        .into_iter()
        .enumerate()
        .map(|(n, micros)| TraceRecord {
            id: TraceId::new(at(micros), 99 - n as u128),
            at: at(micros),
            ..trace(0)
        })
        .collect();
    desk.record_traces(&traces).await;
    assert_eq!(
        desk.prune_traces(at(999), 10).await,
        0,
        "it began in this millisecond"
    );
    assert_eq!(desk.prune_traces(at(1_999), 10).await, 2);
    let left: Vec<_> = traces[2..].iter().map(|trace| trace.id).collect();
    let mut found = ids(&desk.all_traces().await);
    found.sort();
    let mut expected = left;
    expected.sort();
    assert_eq!(found, expected);
}

/// Many are removed in chunks while others are recorded and annotated: each once, none that is young, and no count is lost.
pub async fn traces_are_removed_while_others_come(harness: &dyn Harness) {
    const OLD: u32 = 600;
    const NEW: u32 = 120;
    let desks = Desk::open_two(harness).await;
    let old: Vec<_> = (0..OLD).map(trace).collect();
    desks[0].record_traces(&old).await;
    let removed = race(6, |i| {
        let desk = desks[i % 2].clone();
        async move {
            let mut removed = 0;
            match i {
                0 | 1 => {
                    for n in (i as u32..NEW).step_by(2) {
                        desk.record_traces(&[trace(10_000 + n)]).await;
                    }
                }
                2 | 3 => {
                    for n in 0..30 {
                        let batch = [
                            (trace(10_000 + n).id, judged(true)),
                            (trace(n * 20).id, judged(false)),
                        ];
                        drop(desk.try_annotate(&batch).await.unwrap());
                    }
                }
                _ => loop {
                    let now = desk.prune_traces(second(10_000), 50).await;
                    assert!(now <= 50);
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
    let left = desks[1].all_traces().await;
    let expected: Vec<_> = (0..NEW).rev().map(|n| trace(10_000 + n).id).collect();
    assert_eq!(ids(&left), expected);
    let counts = desks[0].metrics("triage", &closure("one"), None).await;
    assert_eq!(counts.usage_count, u64::from(OLD + NEW));
    let good = TraceFilter {
        success: Some(true),
        ..TraceFilter::default()
    };
    assert_eq!(counts.success_count, desks[0].traces(&good).await.len() as u64);
}
