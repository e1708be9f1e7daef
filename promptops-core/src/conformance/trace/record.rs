//! Traces that are recorded, kept and counted.

use std::time::Duration;

use serde_json::json;

use crate::base::{Timestamp, TraceId};
use crate::conformance::Harness;
use crate::conformance::fixture::*;
use crate::llm::{Cost, Usage};
use crate::observation::{
    AssignmentReason, Omitted, Resolution, TraceError, TraceFilter, TraceRecord, TraceScore, TraceVerdict,
    UnitKey,
};

use TraceVerdict::{Duplicate, Written};

fn score(value_millionths: u32, reason: Option<&str>) -> TraceScore {
    TraceScore {
        value_millionths,
        reason: reason.map(Into::into),
    }
}

/// A trace in which everything is used that one can have, and one in which nothing is.
fn awkward() -> [TraceRecord; 2] {
    let text = "it's \"a\" \u{0} t\u{e4}xt \u{1f984}\n100%\\";
    let mut full = trace(1);
    full.id = TraceId::from_bytes([0xff; 16]);
    full.at = at(999_999);
    full.stamp = stamp("support/triage", "one", Some("production"));
    full.stamp.version = Some(number(u32::MAX));
    full.stamp.assignment = Some(assignment("Exp:1", "0.variant_-"));
    if let Some(assignment) = &mut full.stamp.assignment {
        assignment.epoch = u32::MAX;
        assignment.unit = Some(UnitKey::new(u64::MAX));
        assignment.hash_version = u8::MAX;
        assignment.reason = AssignmentReason::Forced;
    }
    full.inputs = Some(json!({
        "text": text,
        "": [null, true, -0.0, 0.1 + 0.2, 5e-324, f64::MAX, u64::MAX, i64::MIN, { "b": 1, "a": 2 }],
    }));
    full.output = Some(text.into());
    full.omitted = Some(Omitted::TooLarge);
    full.error = Some(TraceError {
        kind: text.into(),
        message: text.into(),
    });
    full.success = Some(true);
    full.rating_millionths = Some(1_000_000);
    full.corrected_output = Some(text.into());
    full.comment = Some(text.into());
    full.scores = [
        (score_name("it's \u{e9} \u{1f984}"), score(0, Some(text))),
        (score_name("exact"), score(1_000_000, None)),
        (score_name("Exact"), score(1, Some(""))),
    ]
    .into();
    full.latency = Some(Duration::new(1 << 40, 999_999_999));
    full.usage = Some(Usage {
        input_tokens: 1 << 62,
        output_tokens: 1 << 61,
        cached_input_tokens: 1 << 60,
        cache_write_tokens: 1 << 59,
        reasoning_tokens: 1,
    });
    full.cost = Some(Cost::from_nano_usd(1 << 62));
    full.model = Some(text.into());
    full.session = Some(text.into());
    full.tags = [text, "", "a", "A"].map(Into::into).into();
    let empty = TraceRecord {
        id: TraceId::from_bytes([0; 16]),
        stamp: crate::observation::Stamp {
            version: None,
            ..stamp("support/triage", "fallback", None)
        },
        at: timestamp(-1),
        inputs: None,
        output: Some(String::new()),
        latency: None,
        usage: None,
        cost: None,
        model: None,
        ..trace(2)
    };
    [full, empty]
}

/// A trace comes back as recorded, at once, from another handle and after reopening.
pub async fn trace_is_kept_as_recorded(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    let another = Desk::open(harness).await;
    let [full, empty] = awkward();
    let mut null = trace(3);
    null.inputs = Some(json!(null));
    null.omitted = Some(Omitted::BySetting);
    null.stamp.assignment = Some(crate::observation::Assignment {
        unit: None,
        ..assignment("exp", "variant")
    });
    let traces = [full, null, empty];
    desk.record_traces(&traces).await;
    for desk in [desk.clone(), another, desk.reopen(harness).await] {
        for trace in &traces {
            assert_eq!(desk.trace(trace.id).await.as_ref(), Some(trace));
        }
        let found = desk.all_traces().await;
        assert_eq!(found, traces);
        // Numbers in inputs too.
        let text = |traces: &[TraceRecord]| serde_json::to_string(traces).unwrap();
        assert_eq!(text(&found), text(&traces));
        assert_eq!(desk.trace(TraceId::first_at(at(5))).await, None);
        desk.counts_are_of("support/triage", &traces).await;
        desk.counts_are_of("triage", &traces).await;
        assert_eq!(desk.audited().await, 0, "a trace is no change to be audited");
    }
}

/// A trace whose id is there already is a duplicate, whatever it says: it is neither kept nor counted.
pub async fn recorded_trace_is_a_duplicate(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    let other = |n: u32| TraceRecord {
        id: trace(n).id,
        output: Some("another".into()),
        stamp: stamp("triage", "two", None),
        ..trace(n + 500)
    };
    let first = desk
        .try_record_traces(&[trace(1), other(1), trace(2), trace(1)])
        .await;
    assert_eq!(first.unwrap(), [Written, Duplicate, Written, Duplicate]);
    let desk = desk.reopen(harness).await;
    let again = desk.try_record_traces(&[other(2), trace(2), trace(3)]).await;
    assert_eq!(again.unwrap(), [Duplicate, Duplicate, Written]);
    assert_eq!(desk.all_traces().await, [trace(3), trace(2), trace(1)]);
    desk.counts_are_of("triage", &[trace(1), trace(2), trace(3)])
        .await;
    assert_eq!(desk.try_record_traces(&[]).await.unwrap(), []);
    // The same id is another tenant's own, within one batch too.
    let other = desk.of("other");
    let batch = [
        desk.trace_entry(trace(4)),
        other.trace_entry(trace(4)),
        other.trace_entry(trace(1)),
    ];
    assert_eq!(
        desk.stores.traces.record_traces(&batch).await.unwrap(),
        [Written; 3]
    );
    assert_eq!(other.all_traces().await, [trace(4), trace(1)]);
    other.counts_are_of("triage", &[trace(1), trace(4)]).await;
}

/// A trace that sampling leaves without content is kept, counted and a duplicate like any other.
pub async fn traces_without_content_are_kept_and_counted(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    let mut full = trace(1);
    full.stamp.assignment = Some(assignment("exp-1", "a"));
    full.error = Some(TraceError {
        kind: "timeout".into(),
        message: String::new(),
    });
    full.success = Some(false);
    full.rating_millionths = Some(250_000);
    full.scores = [(score_name("exact"), score(500_000, None))].into();
    full.session = Some("s-1".into());
    full.tags = ["beta".to_owned()].into();
    let traces = [full, trace(2), trace(3)].map(left_out);
    let [first, second, third] = &traces;
    // Whichever of one id comes first stays as it is.
    let with_content = |of: &TraceRecord| TraceRecord {
        output: Some("later".into()),
        omitted: None,
        ..of.clone()
    };
    let batch = [first.clone(), first.clone(), with_content(first), second.clone()];
    let verdicts = desk.try_record_traces(&batch).await.unwrap();
    assert_eq!(verdicts, [Written, Duplicate, Duplicate, Written]);
    let desk = desk.reopen(harness).await;
    let again = [with_content(second), first.clone(), third.clone(), trace(4)];
    let verdicts = desk.try_record_traces(&again).await.unwrap();
    assert_eq!(verdicts, [Duplicate, Duplicate, Written, Written]);
    let verdicts = desk.try_record_traces(&[left_out(trace(4))]).await.unwrap();
    assert_eq!(verdicts, [Duplicate]);
    for trace in &traces {
        assert_eq!(desk.trace(trace.id).await.as_ref(), Some(trace));
    }
    let all = [trace(4), third.clone(), second.clone(), first.clone()];
    assert_eq!(desk.all_traces().await, all);
    desk.counts_are_of("triage", &all).await;
    let found = async |filter| desk.traces(&filter).await;
    let with_inputs = TraceFilter {
        has_inputs: true,
        ..TraceFilter::default()
    };
    assert_eq!(found(with_inputs).await, [trace(4)]);
    let in_session = TraceFilter {
        session: Some("s-1".into()),
        is_error: Some(true),
        ..TraceFilter::default()
    };
    assert_eq!(found(in_session).await, traces[..1]);
    assert_eq!(desk.prune_traces(third.at, 5).await, 2);
    assert_eq!(desk.all_traces().await, all[..2]);
    desk.counts_are_of("triage", &all).await;
}

/// Traces are counted by what was served and by their own time, however late they are recorded.
pub async fn traces_are_counted_in_their_own_time(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    let mut traces = Vec::new();
    // On both sides of minutes, hours and days, before 1970 too, and in no order.
    let days = [0, -3 * 86_400, 40 * 86_400, -60 * 365 * 86_400];
    for (n, offset) in [0, -1, 59, 60, 3_599, 3_600, -18_000, -18_001]
        .into_iter()
        .enumerate()
    {
        for (m, day) in days.into_iter().enumerate() {
            let mut trace = trace_at((n * 10 + m) as u128, offset + day);
            if n % 3 == 1 {
                trace.stamp.environment = None;
            }
            if m == 1 {
                trace.stamp.assignment = Some(assignment("exp-1", ["a", "b"][n % 2]));
            }
            trace.success = [None, Some(true), Some(false)][(n + m) % 3];
            traces.push(trace);
        }
    }
    for batch in traces.chunks(5) {
        desk.record_traces(batch).await;
    }
    let desk = desk.reopen(harness).await;
    desk.counts_are_of("triage", &traces).await;
    let minutes = desk.rollups("triage", Resolution::Minute).await;
    assert!(
        minutes
            .iter()
            .all(|rollup| rollup.key.start.timestamp() % 60 == 0)
    );
    assert!(minutes[0].key.start < Timestamp::UNIX_EPOCH);
}

/// A variant is counted apart where its outcomes count, and nowhere else.
pub async fn variants_are_counted_apart(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    let mut traces = Vec::new();
    for (n, (experiment, variant, reason)) in [
        ("exp-1", "a", AssignmentReason::Bucket),
        ("exp-1", "b", AssignmentReason::Bucket),
        ("exp-2", "a", AssignmentReason::Bucket),
        ("exp-1", "a", AssignmentReason::Forced),
        ("exp-1", "b", AssignmentReason::Paused),
    ]
    .into_iter()
    .enumerate()
    {
        for again in [0, 10] {
            let mut trace = trace(n as u32 + again);
            trace.stamp.assignment = Some(crate::observation::Assignment {
                reason,
                ..assignment(experiment, variant)
            });
            traces.push(trace);
        }
    }
    traces.push(trace(30));
    desk.record_traces(&traces).await;
    desk.counts_are_of("triage", &traces).await;
    let totals = desk.rollups("triage", Resolution::Total).await;
    let counts: Vec<_> = totals.iter().map(|rollup| rollup.metrics.usage_count).collect();
    assert_eq!(counts, [5, 2, 2, 2], "without a variant first");
    let all = desk.metrics("triage", &closure("one"), Some("production")).await;
    assert_eq!(all, sum(&traces), "gates read the sum");
}

/// Racing traces of one id are recorded once, racing batches lose no count.
pub async fn racing_traces_lose_no_count(harness: &dyn Harness) {
    let desks = Desk::open_two(harness).await;
    let verdicts = race(8, |i| {
        let desk = desks[i % 2].clone();
        async move {
            let mut verdicts = Vec::new();
            for round in 0..6_u32 {
                // Of each batch a half is everybody's.
                let mut batch: Vec<_> = (0..20)
                    .map(|n| match n % 2 {
                        0 => trace(1_000 * round + n),
                        _ => trace(1_000 * (round + 10 * (i as u32 + 1)) + n),
                    })
                    .collect();
                if i % 3 == 0 {
                    batch.reverse();
                }
                verdicts.extend(desk.try_record_traces(&batch).await.unwrap());
            }
            verdicts
        }
    })
    .await;
    let written = verdicts
        .iter()
        .flatten()
        .filter(|verdict| **verdict == Written)
        .count();
    assert_eq!(written, 6 * 10 + 8 * 6 * 10);
    let traces = desks[1].all_traces().await;
    assert_eq!(traces.len(), written);
    desks[0].counts_are_of("triage", &traces).await;
}

/// A batch counts as a whole: no reader sees a part of it, in any resolution.
pub async fn batch_of_traces_is_counted_as_a_whole(harness: &dyn Harness) {
    const BATCH: u32 = 200;
    const BATCHES: u32 = 8;
    let desks = Desk::open_two(harness).await;
    race(4, |i| {
        let desk = desks[i % 2].clone();
        async move {
            if i == 0 {
                for n in 0..BATCHES {
                    let batch: Vec<_> = (n * BATCH..(n + 1) * BATCH).map(trace).collect();
                    desk.record_traces(&batch).await;
                }
                return;
            }
            loop {
                let resolution = Resolution::ALL[i];
                let rollups = desk.rollups("triage", resolution).await;
                let count: u64 = rollups.iter().map(|rollup| rollup.metrics.usage_count).sum();
                assert_eq!(
                    count % u64::from(BATCH),
                    0,
                    "part of a batch was counted by {resolution}"
                );
                if count == u64::from(BATCHES * BATCH) {
                    break;
                }
                tokio::task::yield_now().await;
            }
        }
    })
    .await;
}

/// A batch can hold thousands, of many kinds.
pub async fn thousands_of_traces_are_one_batch(harness: &dyn Harness) {
    const COUNT: u32 = 5_000;
    let desk = Desk::open(harness).await;
    let traces: Vec<_> = (0..COUNT)
        .map(|n| {
            let mut trace = trace(n);
            trace.stamp = stamp(
                "triage",
                &format!("text {}", n % 7),
                [Some("dev"), Some("production")][n as usize % 2],
            );
            trace.success = Some(n % 3 == 0);
            trace.latency = Some(Duration::from_micros(u64::from(n * n)));
            trace.scores = [(score_name("exact"), score(n, None))].into();
            trace
        })
        .collect();
    desk.record_traces(&traces).await;
    desk.counts_are_of("triage", &traces).await;
    let mut found = desk.all_traces().await;
    found.reverse();
    assert_eq!(found, traces);
    let annotations: Vec<_> = traces.iter().map(|trace| (trace.id, judged(true))).collect();
    let verdicts = desk.try_annotate(&annotations).await.unwrap();
    assert_eq!(verdicts, vec![Written; traces.len()]);
    let all_good: Vec<_> = traces
        .into_iter()
        .map(|trace| TraceRecord {
            success: Some(true),
            ..trace
        })
        .collect();
    desk.counts_are_of("triage", &all_good).await;
}
