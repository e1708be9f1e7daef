//! What is said of traces after they were recorded.

use crate::conformance::Harness;
use crate::conformance::fixture::*;
use crate::observation::{
    Annotation, AnnotationEntry, Omitted, Resolution, TraceError, TraceFilter, TraceRecord, TraceScore,
    TraceVerdict,
};

use TraceVerdict::{Unknown, Written};

fn score(value_millionths: u32, reason: Option<&str>) -> TraceScore {
    TraceScore {
        value_millionths,
        reason: reason.map(Into::into),
    }
}

/// What can be said of an answer, differently each time.
fn annotation(n: u32) -> Annotation {
    Annotation {
        success: (!n.is_multiple_of(3)).then_some(n % 3 == 1),
        rating_millionths: n.is_multiple_of(2).then_some(n * 100_000 % 1_000_001),
        corrected_output: n.is_multiple_of(4).then(|| format!("it's {n} \u{0} \u{1f984}")),
        comment: n.is_multiple_of(5).then(|| format!("\"comment\" {n}\n\\ \u{e9}")),
        scores: (0..n % 3)
            .map(|i| {
                (
                    score_name(&format!("score {i}")),
                    score((n * 7 + i) % 1_000_001, (i == 0).then_some("why \u{0}")),
                )
            })
            .collect(),
    }
}

/// What is said is added to the trace, field by field, and its counts follow, in the times that it is of.
pub async fn annotated_trace_is_counted_anew(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    let mut traces = vec![trace(1), trace(70), trace(7_200)];
    traces[1].error = Some(TraceError {
        kind: "timeout".into(),
        message: "too late".into(),
    });
    traces[1].stamp.assignment = Some(assignment("exp-1", "a"));
    traces[2].success = Some(true);
    traces[2].scores = [
        (score_name("score 0"), score(1, None)),
        (score_name("other"), score(2, None)),
    ]
    .into();
    desk.record_traces(&traces).await;
    // Whatever is not said stays.
    desk.annotate(traces[0].id, Annotation::default()).await;
    desk.counts_are_of("triage", &traces).await;
    for n in 0..24 {
        let at = n as usize % traces.len();
        annotation(n).apply(&mut traces[at]);
        desk.annotate(traces[at].id, annotation(n)).await;
        assert_eq!(
            desk.trace(traces[at].id).await.as_ref(),
            Some(&traces[at]),
            "annotation {n}"
        );
        desk.counts_are_of("triage", &traces).await;
    }
    let desk = desk.reopen(harness).await;
    let mut found = desk.all_traces().await;
    found.reverse();
    assert_eq!(found, traces);
    desk.counts_are_of("triage", &traces).await;
    assert_eq!(
        desk.audited().await,
        0,
        "an annotation is no change to be audited"
    );
}

/// What is said later of a trace that sampling left without content is kept whole, and changes success rate and rating.
pub async fn late_feedback_on_a_trace_without_content_counts(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    let mut traces: Vec<_> = (0..4).map(|n| left_out(trace(n))).collect();
    traces[3].error = Some(TraceError {
        kind: "timeout".into(),
        message: String::new(),
    });
    desk.record_traces(&traces).await;
    let gate = async |desk: &Desk| {
        let all = desk.metrics("triage", &closure("one"), Some("production")).await;
        (all.success_rate(), all.average_rating())
    };
    assert_eq!(
        gate(&desk).await,
        (Some(0.0), None),
        "but for the error nobody knows"
    );
    for (n, success) in [(0, true), (1, true), (2, false), (3, true)] {
        let said = Annotation {
            success: Some(success),
            rating_millionths: (n < 2).then_some(500_000 + 500_000 * n),
            corrected_output: Some(format!("better {n}")),
            comment: Some("as it should be".into()),
            scores: [(score_name("exact"), score(n, Some("for a reason")))].into(),
        };
        let trace = &mut traces[n as usize];
        said.apply(trace);
        desk.annotate(trace.id, said).await;
    }
    let desk = desk.reopen(harness).await;
    assert_eq!(gate(&desk).await, (Some(0.75), Some(0.75)));
    desk.counts_are_of("triage", &traces).await;
    traces.reverse();
    assert_eq!(desk.all_traces().await, traces);
    assert!(traces.iter().all(|trace| trace.omitted == Some(Omitted::Sampled)));
    let corrected = TraceFilter {
        has_correction: true,
        success: Some(true),
        min_rating_millionths: Some(1_000_000),
        ..TraceFilter::default()
    };
    assert_eq!(desk.traces(&corrected).await, traces[2..3]);
}

/// What is said of one trace is added in the order of the batch.
pub async fn annotations_are_added_in_the_order_of_the_batch(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    let mut traces = [trace(1), trace(2)];
    desk.record_traces(&traces).await;
    let mut batch = Vec::new();
    for n in [2, 5, 1, 20, 4, 10, 8, 7, 11, 13] {
        let at = n as usize % 2;
        annotation(n).apply(&mut traces[at]);
        batch.push((traces[at].id, annotation(n)));
    }
    let verdicts = desk.try_annotate(&batch).await.unwrap();
    assert_eq!(verdicts, vec![Written; batch.len()]);
    for trace in &traces {
        assert_eq!(desk.trace(trace.id).await.as_ref(), Some(trace));
    }
    desk.counts_are_of("triage", &traces).await;
}

/// What is said of a trace that the tenant does not have is dropped; what is said of others is added.
pub async fn annotations_of_unknown_traces_are_dropped(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    let other = desk.of("other");
    desk.record_traces(&[trace(1), trace(2)]).await;
    other.record_traces(&[trace(2), trace(3)]).await;
    let entry = |desk: &Desk, n: u32| AnnotationEntry {
        tenant: desk.tenant.clone(),
        trace: trace(n).id,
        annotation: judged(true),
    };
    let batch = [
        entry(&desk, 9),
        entry(&desk, 1),
        entry(&desk, 3),
        entry(&other, 1),
        entry(&other, 3),
        entry(&desk.of("nobody"), 1),
        entry(&desk, 1),
    ];
    let verdicts = desk.stores.traces.annotate_traces(&batch).await.unwrap();
    assert_eq!(
        verdicts,
        [Unknown, Written, Unknown, Unknown, Written, Unknown, Written]
    );
    let good = |n| TraceRecord {
        success: Some(true),
        ..trace(n)
    };
    assert_eq!(desk.all_traces().await, [trace(2), good(1)]);
    assert_eq!(other.all_traces().await, [good(3), trace(2)]);
    desk.counts_are_of("triage", &[good(1), trace(2)]).await;
    other.counts_are_of("triage", &[trace(2), good(3)]).await;
    assert_eq!(
        desk.of("nobody").observed().await,
        desk.of("no-one").observed().await
    );
    assert_eq!(desk.try_annotate(&[]).await.unwrap(), []);
}

/// What racing calls say of one trace is all added, and counted as it is in the end.
pub async fn racing_annotations_lose_nothing(harness: &dyn Harness) {
    let desks = Desk::open_two(harness).await;
    let traces = [trace(1), trace(2), trace(100)];
    desks[0].record_traces(&traces).await;
    race(8, |i| {
        let desk = desks[i % 2].clone();
        async move {
            for n in 0..6 {
                let mut batch: Vec<_> = [trace(1), trace(2), trace(100)]
                    .map(|trace| {
                        let annotation = Annotation {
                            success: Some((i + n) % 2 == 0),
                            rating_millionths: (i % 4 == 0).then_some((i * 10 + n) as u32),
                            scores: [(score_name(&format!("score {i}")), score(n as u32, None))].into(),
                            ..Annotation::default()
                        };
                        (trace.id, annotation)
                    })
                    .into();
                batch.rotate_left((i + n) % 3);
                let verdicts = desk.try_annotate(&batch).await.unwrap();
                assert_eq!(verdicts, [Written; 3]);
            }
        }
    })
    .await;
    let found = desks[1].all_traces().await;
    assert_eq!(found.len(), 3);
    for trace in &found {
        assert_eq!(trace.scores.len(), 8, "everybody's score is there");
        let last = trace.scores.values().all(|score| score.value_millionths == 5);
        assert!(last, "each one's last score is: {:?}", trace.scores);
        assert!(trace.success.is_some() && trace.rating_millionths.is_some());
    }
    desks[0].counts_are_of("triage", &found).await;
}

/// Traces that are recorded and annotated at once are counted as they are in the end.
pub async fn racing_annotations_and_traces_are_counted(harness: &dyn Harness) {
    let desks = Desk::open_two(harness).await;
    race(6, |i| {
        let desk = desks[i % 2].clone();
        async move {
            for n in 0..30 {
                match i {
                    0 | 1 => {
                        drop(desk.try_record_traces(&[trace(n), trace(n + 1)]).await.unwrap());
                    }
                    _ => {
                        let batch = [
                            (trace(n).id, annotation(n + i as u32)),
                            (trace(30 - n).id, judged(n % 2 == 0)),
                        ];
                        drop(desk.try_annotate(&batch).await.unwrap());
                    }
                }
            }
        }
    })
    .await;
    let found = desks[1].all_traces().await;
    assert_eq!(found.len(), 31);
    desks[0].counts_are_of("triage", &found).await;
}

/// A trace whose minute was removed is counted anew in what is left, and its minute stays removed.
pub async fn annotation_does_not_bring_back_a_removed_minute(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    let mut traces = [trace(1), trace(61)];
    traces[0].success = Some(true);
    desk.record_traces(&traces).await;
    assert_eq!(desk.prune_minutes(second(60), 10).await, 1);
    desk.annotate(traces[0].id, annotation(20)).await;
    annotation(20).apply(&mut traces[0]);
    desk.annotate(traces[0].id, judged(false)).await;
    judged(false).apply(&mut traces[0]);
    for resolution in [Resolution::Total, Resolution::Day, Resolution::Hour] {
        assert_eq!(
            desk.rollups("triage", resolution).await,
            rolled(resolution, &traces)
        );
    }
    let minutes = desk.rollups("triage", Resolution::Minute).await;
    assert_eq!(minutes, rolled(Resolution::Minute, &traces[1..]));
}
