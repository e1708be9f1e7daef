//! How much is kept of what is said.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::base::ScoreName;
use crate::conformance::Harness;
use crate::conformance::fixture::*;
use crate::observation::{Annotation, Metrics, Resolution, TraceRecord, TraceScore, TraceVerdict};

use TraceVerdict::{Full, Unknown, Written};

fn scores(names: Range<usize>, value_millionths: u32) -> BTreeMap<ScoreName, TraceScore> {
    let score = |n| {
        let score = TraceScore {
            value_millionths,
            reason: None,
        };
        (score_name(&format!("score {n}")), score)
    };
    names.map(score).collect()
}

fn scored(names: Range<usize>, value_millionths: u32) -> Annotation {
    Annotation {
        scores: scores(names, value_millionths),
        ..Annotation::default()
    }
}

/// A trace takes scores of 64 names; an annotation with further ones changes nothing of it, and nothing of others.
pub async fn trace_takes_scores_of_64_names(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    let mut traces = [trace(1), trace(2)];
    desk.record_traces(&traces).await;
    let too_many = Annotation {
        success: Some(false),
        ..scored(63..65, 1)
    };
    let (one, two) = (traces[0].id, traces[1].id);
    let batch = [
        (one, scored(0..40, 1)),
        (one, scored(0..65, 2)),
        (two, scored(0..65, 2)),
        (trace(3).id, scored(0..65, 2)),
        (one, scored(24..64, 3)),
        (one, too_many.clone()),
        (two, judged(true)),
    ];
    let verdicts = desk.try_annotate(&batch).await.unwrap();
    assert_eq!(verdicts, [Written, Full, Full, Unknown, Written, Full, Written]);
    // What it has is replaced, in another batch too.
    let batch = [(one, too_many), (one, scored(0..64, 4)), (two, scored(0..1, 5))];
    let verdicts = desk.try_annotate(&batch).await.unwrap();
    assert_eq!(verdicts, [Full, Written, Written]);
    traces[0].scores = scores(0..64, 4);
    traces[1].scores = scores(0..1, 5);
    traces[1].success = Some(true);
    let desk = desk.reopen(harness).await;
    for trace in &traces {
        assert_eq!(desk.trace(trace.id).await.as_ref(), Some(trace));
    }
    desk.counts_are_of("triage", &traces).await;
}

/// Scores of 256 names are counted in a roll-up, and those of further names are not; everything else of such traces is.
pub async fn rollup_counts_scores_of_256_names(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    let scored_trace = |n: u32, names| TraceRecord {
        scores: scores(names, n),
        ..trace(n)
    };
    // One batch with all names that there is room for, and one with as many again.
    let known: Vec<_> = (0..4)
        .map(|n| scored_trace(n, n as usize * 64..(n as usize + 1) * 64))
        .collect();
    let unknown: Vec<_> = (10..20)
        .map(|n| scored_trace(n, n as usize * 64..(n as usize + 1) * 64))
        .collect();
    let both = scored_trace(30, 224..288);
    desk.record_traces(&known).await;
    desk.record_traces(&[&unknown[..], std::slice::from_ref(&both)].concat())
        .await;
    // What was not counted is not taken out, and what was counted is counted anew.
    desk.annotate(unknown[0].id, scored(640..704, 900_000)).await;
    desk.annotate(both.id, scored(250..260, 50)).await;
    desk.annotate(trace(30).id, judged(true)).await;
    let desk = desk.reopen(harness).await;
    let mut expected = Metrics::default();
    for trace in &known {
        expected.merge(&trace.contribution());
    }
    let mut last = TraceRecord {
        success: Some(true),
        ..both
    };
    last.scores = scores(224..256, 30);
    last.scores.extend(scores(250..256, 50));
    expected.merge(&last.contribution());
    for mut trace in unknown {
        trace.scores.clear();
        expected.merge(&trace.contribution());
    }
    for resolution in [
        Resolution::Total,
        Resolution::Day,
        Resolution::Hour,
        Resolution::Minute,
    ] {
        let found = desk.rollups("triage", resolution).await;
        let found: Vec<_> = found.into_iter().map(|rollup| rollup.metrics).collect();
        assert_eq!(found, [expected.clone()], "by {resolution}");
    }
    assert_eq!(
        desk.trace(last.id).await.map(|trace| trace.scores.len()),
        Some(64)
    );
}
