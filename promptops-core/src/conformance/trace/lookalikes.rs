//! What reads like a tag or a score, and is none.

use serde_json::json;

use crate::conformance::Harness;
use crate::conformance::fixture::*;
use crate::observation::{TraceFilter, TraceRecord, TraceScore};

fn score(value_millionths: u32, reason: &str) -> TraceScore {
    TraceScore {
        value_millionths,
        reason: Some(reason.into()),
    }
}

/// A tag is one of the trace's tags, and a score one of its scores, whatever else of it reads like them.
pub async fn what_a_trace_says_elsewhere_is_no_tag_and_no_score(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    let awkward = "a \"tag\" \\ \u{0} \u{e9}\u{1f984}\n\u{7f}\u{2028} %_";
    let forms = [
        json!({"exact": {"value_millionths": 0}}),
        json!({"scores": {"exact": {"value_millionths": 0, "reason": awkward}}, "tags": ["tag", awkward]}),
        json!({"exact": {"value_millionths": "99999999999999999999999"}, "tag": "tag"}),
        json!({"exact": {"value_millionths": u64::MAX}}),
        json!({"n": "\"exact\":{\"value_millionths\":0}"}),
    ];
    let says = r#""exact":{"value_millionths":0},"tags":["tag"]"#;
    let traces: Vec<_> = (0..60_u32)
        .map(|n| {
            let mut trace = trace(n);
            trace.inputs = Some(forms[n as usize % 5].clone());
            trace.output = Some(says.into());
            trace.comment = Some(says.into());
            if n % 2 == 0 {
                trace.scores = [("exact", n * 10), ("inexact", 0), ("exactly", 0)]
                    .map(|(name, value)| (score_name(name), score(value, says)))
                    .into();
            }
            trace.session = Some(says[..n as usize % 40 + 1].into());
            trace.tags = [&says[..1], awkward, "tag", "\"tag\"", "ta", "tag\\"][n as usize % 6..]
                .iter()
                .map(|tag| (*tag).to_owned())
                .collect();
            trace
        })
        .collect();
    desk.record_traces(&traces).await;
    let desk = desk.reopen(harness).await;
    let tags = |tags: &[&str]| TraceFilter {
        tags: tags.iter().map(|tag| (*tag).to_owned()).collect(),
        ..TraceFilter::default()
    };
    let at_most = |name: &str, most| TraceFilter {
        max_score: Some((score_name(name), most)),
        ..TraceFilter::default()
    };
    let filters = [
        tags(&["tag"]),
        tags(&[awkward]),
        tags(&[awkward, "tag", "ta"]),
        tags(&["tag\\", "\"tag\""]),
        tags(&["g"]),
        at_most("exact", 0),
        at_most("exact", 200),
        at_most("inexact", 0),
        at_most("act", u32::MAX),
        TraceFilter {
            tags: tags(&["tag"]).tags,
            ..at_most("exact", 300)
        },
    ];
    for filter in filters {
        let wanted: Vec<TraceRecord> = traces
            .iter()
            .rev()
            .filter(|trace| filter.matches(trace))
            .cloned()
            .collect();
        for limit in [1, 7, 500] {
            assert_eq!(desk.traces_by(limit, &filter).await, wanted, "{filter:?}");
        }
    }
}
