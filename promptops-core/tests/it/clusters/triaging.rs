use std::collections::BTreeMap;

use chrono::DateTime;
use promptops_core::base::{ClosureHash, PromptName, ScoreName, TraceId};
use promptops_core::improvement::triage::{
    ErrorMeaning, InfrastructureKind, OutcomeClass, TriageSettings, Triaged, triage,
};
use promptops_core::observation::{Stamp, TraceError, TraceRecord, TraceScore};
use serde_json::json;

fn trace() -> TraceRecord {
    let at = DateTime::from_timestamp(1_790_000_000, 0).unwrap();
    TraceRecord {
        id: TraceId::new(at, 1),
        stamp: Stamp {
            prompt: PromptName::new("support/triage").unwrap(),
            version: None,
            closure_hash: ClosureHash::from_bytes([7; 32]),
            environment: None,
            assignment: None,
        },
        at,
        inputs: Some(json!({"ticket": "Where is my parcel?", "n": 3, "more": ["now"]})),
        output: Some("It arrives.".into()),
        omitted: None,
        error: None,
        success: None,
        rating_millionths: None,
        corrected_output: None,
        comment: None,
        scores: BTreeMap::new(),
        latency: None,
        usage: None,
        cost: None,
        model: None,
        session: None,
        tags: Default::default(),
    }
}

fn score(trace: &mut TraceRecord, name: &str, value: f64, reason: Option<&str>) {
    let score = TraceScore {
        value_millionths: (value * 1e6) as u32,
        reason: reason.map(str::to_owned),
    };
    trace.scores.insert(ScoreName::new(name).unwrap(), score);
}

fn error(trace: &mut TraceRecord, kind: &str) {
    trace.error = Some(TraceError {
        kind: kind.into(),
        message: "it broke".into(),
    });
}

fn shown(trace: &TraceRecord, settings: &TriageSettings) -> String {
    match triage(trace, settings) {
        Triaged::Healthy => "healthy".into(),
        Triaged::Infrastructure(kind) => format!("infrastructure {kind}"),
        Triaged::Behaviour(failure) => {
            format!("{} {} {:?}", failure.dimension, failure.class, failure.message)
        }
    }
}

fn plain(trace: &TraceRecord) -> String {
    shown(trace, &TriageSettings::default())
}

#[test]
fn a_trace_that_nothing_speaks_against_is_healthy() {
    let mut trace = trace();
    assert_eq!(plain(&trace), "healthy");
    score(&mut trace, "helpful", 0.5, Some("just so"));
    trace.rating_millionths = Some(500_000);
    trace.corrected_output = Some(" It arrives.\n".into());
    trace.comment = Some("fine".into());
    assert_eq!(plain(&trace), "healthy");
}

#[test]
fn errors_are_infrastructure_or_behaviour_by_their_kind() {
    let mut trace = trace();
    score(&mut trace, "helpful", 0.0, Some("no answer"));
    trace.success = Some(false);
    for (kind, expected) in [
        ("timeout", "infrastructure timeout"),
        ("rate_limit", "infrastructure rate_limit"),
        ("503", "infrastructure server"),
        ("cancelled", "infrastructure cancelled"),
        ("tool_error", "infrastructure tool_outage"),
        ("schema_violation", "format invalid_schema \"it broke\""),
        ("invalid_format", "format invalid_format \"it broke\""),
        ("content_filter", "safety content_filtered \"it broke\""),
        ("context_length", "length context_length \"it broke\""),
        // Unknown, but a score and a person speak for behaviour.
        ("oops", "helpful failed_score \"no answer\""),
    ] {
        error(&mut trace, kind);
        assert_eq!(plain(&trace), expected, "{kind}");
    }
    let settings =
        TriageSettings::default().kind("oops", ErrorMeaning::Infrastructure(InfrastructureKind::Internal));
    assert_eq!(shown(&trace, &settings), "infrastructure internal");
}

#[test]
fn an_unknown_error_alone_is_no_behaviour_and_not_healthy() {
    let mut trace = trace();
    error(&mut trace, "oops");
    assert_eq!(plain(&trace), "infrastructure unknown");
    trace.success = Some(true);
    assert_eq!(plain(&trace), "healthy");
    error(&mut trace, "timeout");
    assert_eq!(plain(&trace), "healthy");
}

#[test]
fn of_several_scores_one_tells() {
    let mut trace = trace();
    score(&mut trace, "b", 0.25, Some("b is low"));
    score(&mut trace, "a", 0.4, Some("a is low"));
    score(&mut trace, "c", 0.25, Some("c is low"));
    score(&mut trace, "z", 0.9, None);
    assert_eq!(plain(&trace), "b failed_score \"b is low\"");
    let name = |text: &str| ScoreName::new(text).unwrap();
    let settings = TriageSettings::default().first([name("z"), name("c"), name("a")]);
    assert_eq!(shown(&trace, &settings), "c failed_score \"c is low\"");
    // Half of 0.5 lacks to b and c, two thirds of 0.99 would to none: 0.9 of it does to z.
    let strict = TriageSettings::default()
        .threshold("z", 1.0)
        .unwrap()
        .threshold("a", 0.9)
        .unwrap();
    assert_eq!(shown(&trace, &strict), "a failed_score \"a is low\"");
    let lax = TriageSettings::default().default_threshold(0.0).unwrap();
    assert_eq!(shown(&trace, &lax), "healthy");
    // A score speaks also where somebody said that the answer served its purpose.
    trace.success = Some(true);
    assert_eq!(plain(&trace), "b failed_score \"b is low\"");
}

#[test]
fn people_are_heard_where_no_score_speaks() {
    let mut trace = trace();
    trace.rating_millionths = Some(499_999);
    trace.comment = Some(" too curt ".into());
    assert_eq!(plain(&trace), "feedback low_rating \"too curt\"");
    trace.success = Some(false);
    assert_eq!(plain(&trace), "feedback rejected \"too curt\"");
    trace.corrected_output = Some("It arrives on Monday.".into());
    assert_eq!(plain(&trace), "feedback corrected \"too curt\"");
    trace.success = Some(true);
    assert_eq!(plain(&trace), "healthy");
}

#[test]
fn where_nothing_was_said_the_content_goes_along_in_bounds() {
    let mut trace = trace();
    trace.success = Some(false);
    let Triaged::Behaviour(failure) = triage(&trace, &TriageSettings::default()) else {
        panic!("it was rejected")
    };
    assert_eq!(
        (failure.class, failure.message.as_str()),
        (OutcomeClass::Rejected, "")
    );
    assert_eq!(failure.content, "now\nWhere is my parcel?\nIt arrives.");
    trace.inputs = Some(json!({"a": vec![1; 100_000], "b": "é".repeat(100_000)}));
    trace.output = Some("x".repeat(1 << 20));
    let Triaged::Behaviour(failure) = triage(&trace, &TriageSettings::default()) else {
        panic!("it was rejected")
    };
    assert!(failure.content.len() <= 810);
    assert!(!format!("{failure:?}").contains("xxx"));
}

#[test]
fn settings_out_of_range_are_refused() {
    for wrong in [-0.1, 1.1, f64::NAN] {
        assert!(TriageSettings::default().default_threshold(wrong).is_err());
        assert!(TriageSettings::default().threshold("a", wrong).is_err());
        assert!(TriageSettings::default().min_rating(wrong).is_err());
    }
    assert!(TriageSettings::default().threshold("", 0.5).is_err());
}
