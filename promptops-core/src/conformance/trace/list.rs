//! Lists of traces.

use crate::base::{ErrorKind, PageRequest, TraceId};
use crate::conformance::Harness;
use crate::conformance::fixture::*;
use crate::observation::{
    AssignmentReason, Omitted, TraceError, TraceFilter, TraceRecord, TraceScore, VariantOf,
};

fn ids(traces: &[TraceRecord]) -> Vec<TraceId> {
    traces.iter().map(|trace| trace.id).collect()
}

/// Traces come in descending order of their ids, in whatever order they were recorded.
pub async fn traces_are_listed_newest_first_in_pages_of_any_size(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    let mut traces: Vec<_> = [5, 3, 9, 1, 7, 7_000, 2, 80, 4]
        .into_iter()
        .flat_map(|n| [trace_at((1 << 70) + u128::from(n), 2), trace(n)])
        .collect();
    // Ids whose bytes a signed comparison would put elsewhere, and that differ in one bit.
    for bytes in [[0; 16], [0x7f; 16], [0x80; 16], [0xff; 16]] {
        let mut other = trace(1);
        other.id = TraceId::from_bytes(bytes);
        traces.push(other);
    }
    for byte in [0x7f, 0x80] {
        let mut bytes = trace(3).id.to_bytes();
        bytes[8] = byte;
        let mut other = trace(3);
        other.id = TraceId::from_bytes(bytes);
        traces.push(other);
    }
    desk.record_traces(&traces).await;
    desk.of("other").record_traces(&traces[..4]).await;
    traces.sort_by_key(|trace| std::cmp::Reverse(trace.id));
    let filter = TraceFilter::default();
    for limit in (1..=25).chain([PageRequest::MAX_LIMIT]) {
        assert_eq!(
            desk.traces_by(limit, &filter).await,
            traces,
            "in pages of {limit}"
        );
    }
}

/// Paging to the end meets every trace once that was there at the beginning and is there at the end.
pub async fn traces_that_come_and_go_do_not_move_pages(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    let traces: Vec<_> = (0..40).map(|n| trace(10 + 10 * n)).collect();
    desk.record_traces(&traces).await;
    let filter = TraceFilter::default();
    let (mut met, mut request) = (Vec::new(), page(4));
    for n in 0_u32.. {
        let page = desk
            .stores
            .traces
            .traces(&desk.tenant, &filter, &request)
            .await
            .unwrap();
        met.extend(ids(&page.items));
        let Some(cursor) = page.next else { break };
        request = request.after(cursor);
        // New ones everywhere, and old ones gone, among them the last one met.
        let new =
            [1 + n, 1_000 + n, 11 + 20 * n].map(|at| trace_at((1 << 70) + u128::from(n), i64::from(at)));
        desk.record_traces(&new).await;
        desk.prune_traces(second(15 + i64::from(n) * 10), 1).await;
        if let Some(last) = met.last() {
            desk.annotate(*last, judged(true)).await;
        }
    }
    assert!(met.is_sorted_by(|a, b| a > b), "each once, newest first");
    let left = ids(&desk.all_traces().await);
    for trace in &traces {
        assert!(
            met.contains(&trace.id) || !left.contains(&trace.id),
            "{} was left out",
            trace.id
        );
    }
}

/// Racing readers meet every trace once that was there at the beginning, while others are recorded.
pub async fn racing_readers_meet_every_trace_once(harness: &dyn Harness) {
    let desks = Desk::open_two(harness).await;
    let traces: Vec<_> = (0..60).map(|n| trace(10 * n)).collect();
    desks[0].record_traces(&traces).await;
    race(4, |i| {
        let desk = desks[i % 2].clone();
        let wanted = ids(&traces);
        async move {
            if i == 0 {
                for n in 0..60 {
                    desk.record_traces(&[trace(10 * n + 3)]).await;
                }
                return;
            }
            for limit in [1, 7] {
                let met = ids(&desk.traces_by(limit, &TraceFilter::default()).await);
                assert!(met.is_sorted_by(|a, b| a > b), "each once, newest first");
                assert!(wanted.iter().all(|id| met.contains(id)));
            }
        }
    })
    .await;
}

/// A cursor that no list of traces returned is invalid.
pub async fn foreign_cursors_of_traces_are_invalid(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    desk.record_traces(&[trace(1)]).await;
    for cursor in [
        "",
        "1",
        "x",
        "exp-1",
        "\u{0}",
        "0190163d-8694-739b-aea5-966c26f8ad9",
        "z190163d-8694-739b-aea5-966c26f8ad91",
    ] {
        for desk in [&desk, &desk.of("nobody")] {
            let (filter, request) = (TraceFilter::default(), page(5).after(cursor));
            let result = desk.stores.traces.traces(&desk.tenant, &filter, &request).await;
            fails(result, ErrorKind::Invalid, &format!("the cursor {cursor:?}"));
        }
    }
    // Any id is a place in the list, also one that is nobody's.
    let (filter, request) = (TraceFilter::default(), page(5).after(trace(2).id.to_string()));
    let page = desk
        .stores
        .traces
        .traces(&desk.tenant, &filter, &request)
        .await
        .unwrap();
    assert_eq!(page.items, [trace(1)]);
}

/// Traces that differ in everything that a filter can ask for.
fn various() -> Vec<TraceRecord> {
    let texts = ["it's \u{e9} %", "It's \u{e9} %", "_", ""];
    (0..96_u32)
        .map(|n| {
            let mut trace = trace(n * 20);
            trace.stamp = stamp(
                ["triage", "triage/short"][n as usize % 2],
                ["one", "two"][n as usize / 2 % 2],
                None,
            );
            trace.stamp.version = [Some(number(1)), Some(number(2)), None][n as usize % 3];
            trace.stamp.environment =
                [None, Some(environment("dev")), Some(environment("production"))][n as usize / 3 % 3].clone();
            trace.stamp.assignment = [
                None,
                Some(assignment("exp-1", "a")),
                Some(assignment("exp-1", "b")),
                Some(assignment("exp-2", "a")),
            ][n as usize / 2 % 4]
                .clone();
            if let Some(assignment) = &mut trace.stamp.assignment
                && n % 8 == 7
            {
                assignment.reason = AssignmentReason::Forced;
            }
            trace.error = (n % 5 == 0).then(|| TraceError {
                kind: "timeout".into(),
                message: String::new(),
            });
            trace.success = [None, Some(true), Some(false)][n as usize / 5 % 3];
            trace.rating_millionths = [None, Some(0), Some(500_000), Some(1_000_000)][n as usize / 7 % 4];
            trace.scores = [("exact", n * 10_000), ("Exact", 1_000_000)]
                .into_iter()
                .skip(n as usize % 3)
                .map(|(name, value_millionths)| {
                    let score = TraceScore {
                        value_millionths,
                        reason: None,
                    };
                    (score_name(name), score)
                })
                .collect();
            trace.model =
                [None, Some("model-1".into()), Some("it's \u{e9}".into())][n as usize / 4 % 3].clone();
            trace.session =
                [None, Some("session".into()), Some("Session".into())][n as usize / 8 % 3].clone();
            trace.tags = texts[..n as usize % 5]
                .iter()
                .map(|tag| (*tag).to_owned())
                .collect();
            if n % 4 == 1 {
                trace.inputs = None;
                trace.omitted = Some(Omitted::BySetting);
            }
            trace.corrected_output = (n % 6 == 2).then(|| "better".into());
            trace
        })
        .collect()
}

fn one_by_one() -> Vec<TraceFilter> {
    let base = TraceFilter::default;
    let variant = |experiment, variant| {
        Some(VariantOf {
            experiment: experiment_id(experiment),
            variant: variant_name(variant),
        })
    };
    let tags = |tags: &[&str]| tags.iter().map(|tag| (*tag).to_owned()).collect();
    let mut filters = vec![base()];
    filters.extend(["triage", "triage/short", "triag"].map(|prompt| TraceFilter {
        prompt: Some(name(prompt)),
        ..base()
    }));
    filters.extend([1, 2, 3].map(|n| TraceFilter {
        version: Some(number(n)),
        ..base()
    }));
    filters.extend(["one", "two", "three"].map(|of| TraceFilter {
        closure_hash: Some(closure(of)),
        ..base()
    }));
    filters.extend(["dev", "production", "prod"].map(|of| TraceFilter {
        environment: Some(environment(of)),
        ..base()
    }));
    filters.extend(
        [("exp-1", "a"), ("exp-1", "b"), ("exp-2", "a"), ("exp-2", "b")].map(|(experiment, of)| {
            TraceFilter {
                variant: variant(experiment, of),
                ..base()
            }
        }),
    );
    filters.extend([true, false].map(|is| TraceFilter {
        is_error: Some(is),
        ..base()
    }));
    filters.extend([true, false].map(|is| TraceFilter {
        success: Some(is),
        ..base()
    }));
    filters.extend([0, 499_999, 500_000, 1_000_000].map(|rating| TraceFilter {
        max_rating_millionths: Some(rating),
        ..base()
    }));
    filters.extend([0, 500_000, 500_001, 1_000_000].map(|rating| TraceFilter {
        min_rating_millionths: Some(rating),
        ..base()
    }));
    filters.extend(
        [
            ("exact", 0),
            ("exact", 300_000),
            ("Exact", 999_999),
            ("Exact", 1_000_000),
            ("exac", 1_000_000),
        ]
        .map(|(of, most)| TraceFilter {
            max_score: Some((score_name(of), most)),
            ..base()
        }),
    );
    filters.extend(["model-1", "it's \u{e9}", "model", ""].map(|model| TraceFilter {
        model: Some(model.into()),
        ..base()
    }));
    filters.extend(["session", "Session", "session%"].map(|session| TraceFilter {
        session: Some(session.into()),
        ..base()
    }));
    filters.extend(
        [
            &["it's \u{e9} %"][..],
            &["_", "It's \u{e9} %"],
            &[""],
            &["_", "%"],
            &["it"],
        ]
        .map(|of| TraceFilter {
            tags: tags(of),
            ..base()
        }),
    );
    filters.push(TraceFilter {
        has_inputs: true,
        ..base()
    });
    filters.push(TraceFilter {
        has_correction: true,
        ..base()
    });
    filters
}

/// Each condition of a filter is one.
pub async fn every_condition_of_a_trace_filter_counts(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    let traces = various();
    desk.record_traces(&traces).await;
    let mut none = 0;
    for filter in one_by_one() {
        let expected: Vec<_> = traces
            .iter()
            .rev()
            .filter(|trace| filter.matches(trace))
            .cloned()
            .collect();
        none += usize::from(expected.is_empty());
        assert_eq!(desk.traces(&filter).await, expected, "{filter:?}");
        for limit in [1, 9] {
            let listed = desk.traces_by(limit, &filter).await;
            assert_eq!(listed, expected, "{filter:?} in pages of {limit}");
        }
    }
    assert!(none < 15, "most filters want something");
}

/// Conditions hold together.
pub async fn conditions_of_a_trace_filter_hold_together(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    let traces = various();
    desk.record_traces(&traces).await;
    let filters = one_by_one();
    let mut some = 0;
    for (n, of) in filters.iter().enumerate() {
        // Two or three of the others each, so that every pair of fields meets.
        for step in [1, 5, 11, 17, 23, 29] {
            let (other, third) = (
                &filters[(n + step) % filters.len()],
                &filters[(n + step * 2) % filters.len()],
            );
            let mut filter = of.clone();
            for with in [other, third].into_iter().take(1 + step % 2) {
                filter.prompt = filter.prompt.or(with.prompt.clone());
                filter.version = filter.version.or(with.version);
                filter.closure_hash = filter.closure_hash.or(with.closure_hash);
                filter.environment = filter.environment.or(with.environment.clone());
                filter.variant = filter.variant.or(with.variant.clone());
                filter.is_error = filter.is_error.or(with.is_error);
                filter.success = filter.success.or(with.success);
                filter.max_rating_millionths = filter.max_rating_millionths.or(with.max_rating_millionths);
                filter.min_rating_millionths = filter.min_rating_millionths.or(with.min_rating_millionths);
                filter.max_score = filter.max_score.or(with.max_score.clone());
                filter.model = filter.model.or(with.model.clone());
                filter.session = filter.session.or(with.session.clone());
                filter.tags.extend(with.tags.clone());
                filter.has_inputs |= with.has_inputs;
                filter.has_correction |= with.has_correction;
            }
            let expected: Vec<_> = traces
                .iter()
                .rev()
                .filter(|trace| filter.matches(trace))
                .cloned()
                .collect();
            some += usize::from(!expected.is_empty());
            assert_eq!(desk.traces(&filter).await, expected, "{filter:?}");
        }
    }
    assert!(some > 100, "many filters want something");
}

/// Times are asked for to the millisecond: the first is wanted, the last is not.
pub async fn traces_are_found_by_their_time(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    let millis = |millis: i64| hour() + chrono::TimeDelta::milliseconds(millis);
    let micros = |micros: i64| hour() + chrono::TimeDelta::microseconds(micros);
    let traces: Vec<_> = (0..6_i64)
        .map(|n| {
            let mut trace = trace_at(7, 0);
            // The last microsecond of its millisecond.
            trace.at = micros(n * 1_000 + 999);
            trace.id = TraceId::new(trace.at, 1_000 - n as u128);
            trace
        })
        .collect();
    desk.record_traces(&traces).await;
    let old = TraceRecord {
        at: timestamp(-5_000),
        id: TraceId::new(timestamp(-5_000), 1),
        ..trace(1)
    };
    desk.record_traces(std::slice::from_ref(&old)).await;
    let times = [
        None,
        Some(chrono::DateTime::<chrono::Utc>::MIN_UTC),
        Some(timestamp(-10_000)),
        Some(timestamp(0)),
        Some(timestamp(1_000)),
        Some(millis(0)),
        Some(micros(1_500)),
        Some(millis(2)),
        Some(micros(5_999)),
        Some(millis(6)),
        Some(chrono::DateTime::<chrono::Utc>::MAX_UTC),
    ];
    let all: Vec<_> = traces.iter().rev().chain([&old]).cloned().collect();
    for from in times {
        for to in times {
            let filter = TraceFilter {
                from,
                to,
                ..TraceFilter::default()
            };
            let expected: Vec<_> = all
                .iter()
                .filter(|trace| filter.matches(trace))
                .cloned()
                .collect();
            assert_eq!(
                desk.traces_by(2, &filter).await,
                expected,
                "from {from:?} to {to:?}"
            );
        }
    }
    let filter = TraceFilter {
        from: Some(millis(1)),
        to: Some(millis(3)),
        ..TraceFilter::default()
    };
    assert_eq!(ids(&desk.traces(&filter).await), [traces[2].id, traces[1].id]);
}
