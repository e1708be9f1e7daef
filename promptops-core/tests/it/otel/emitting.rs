//! What is told to `tracing` of traces that are recorded, and of those that are lost.

use std::time::Duration;

use promptops_core::llm::{Cost, Usage};
use promptops_core::observation::otel::ImportOptions;
use promptops_core::observation::{
    Assignment, AssignmentReason, Content, RecordingSettings, Stamp, Trace, TraceRecord, TraceSettings,
    UnitKey,
};
use promptops_core::{MemoryBackend, PromptOps};
use serde_json::{Value, json};
use tracing::Level;
use tracing::subscriber::set_default;

use super::listener::{Fields, Listener};
use super::{acme, import, tenant};

const CANARY: &str = "c4n4ry";

fn stamp() -> Stamp {
    Stamp {
        prompt: "support/triage".parse().unwrap(),
        version: Some(7.try_into().unwrap()),
        closure_hash: format!("sha256:{}", "0a".repeat(32)).parse().unwrap(),
        environment: Some("production".parse().unwrap()),
        assignment: Some(Assignment {
            experiment: "exp-1".parse().unwrap(),
            variant: "shorter".parse().unwrap(),
            epoch: 2,
            unit: Some(UnitKey::new(0x0123_4567_89ab_cdef)),
            hash_version: Assignment::HASH_VERSION,
            reason: AssignmentReason::Bucket,
        }),
    }
}

fn trace() -> Trace {
    let usage = Usage {
        cached_input_tokens: 100,
        cache_write_tokens: 10,
        reasoning_tokens: 5,
        ..Usage::new(412, 9)
    };
    Trace::of(stamp())
        .latency(Duration::from_micros(840_123))
        .usage(usage)
        .cost(Cost::from_nano_usd(123_456))
        .model("gpt-5-mini")
        .error("timeout", CANARY)
}

/// The span as an exporter writes it.
fn exported(fields: &Fields) -> String {
    let attributes: Vec<Value> = fields
        .iter()
        .map(|(name, value)| {
            let value = match value {
                Value::String(text) => json!({"stringValue": text}),
                Value::Bool(truth) => json!({"boolValue": truth}),
                number => json!({"intValue": number.to_string()}),
            };
            json!({"key": name, "value": value})
        })
        .collect();
    let span = json!({
        "traceId": "5b8efff798038103d269b633813fc60c", "spanId": "eee19b7ec3c1b174",
        "startTimeUnixNano": "1767225600000000000", "endTimeUnixNano": "1767225600000001000",
        "attributes": attributes,
    });
    json!({"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}).to_string()
}

#[tokio::test]
async fn a_recorded_trace_comes_back_from_its_span() {
    let acme = acme().await;
    let listener = Listener::default();
    let (id, _) = {
        let _listening = set_default(listener.clone());
        acme.traces().record_durable(trace()).await.unwrap()
    };
    let told = listener.told("promptops::trace");
    assert_eq!(told.len(), 1);
    let (level, fields) = &told[0];
    assert_eq!(*level, Level::INFO);
    assert_eq!(fields["gen_ai.prompt.name"], "support/triage");
    assert_eq!(fields["gen_ai.usage.cache_read.input_tokens"], 100);
    assert_eq!(fields["promptops.tenant"], "acme");
    let text = exported(fields);

    // Where it is, it is not counted again.
    let report = import(&acme, &text, &ImportOptions::new()).await.unwrap();
    assert_eq!((report.spans, report.duplicates), (1, 1), "{report}");

    // Elsewhere it is what it was, but for what was said.
    let elsewhere = super::acme().await;
    let report = import(&elsewhere, &text, &ImportOptions::new()).await.unwrap();
    assert_eq!(report.imported, 1, "{report}");
    let (recorded, imported) = (
        acme.traces().get(id).await.unwrap(),
        elsewhere.traces().get(id).await.unwrap(),
    );
    let mut expected = TraceRecord {
        at: imported.at,
        success: Some(false),
        ..recorded.clone()
    };
    expected.error.as_mut().unwrap().message.clear();
    assert_eq!(imported, expected);
    // A trace's id has its time in milliseconds.
    assert!((recorded.at - imported.at).num_milliseconds().abs() < 1);

    let other = PromptOps::builder(MemoryBackend::new())
        .build()
        .tenant("globex")
        .unwrap();
    let report = import(&other, &text, &ImportOptions::new()).await.unwrap();
    assert_eq!(report.imported, 0, "{report}");
}

#[tokio::test]
async fn nothing_that_is_said_is_told() {
    let listener = Listener::default();
    let _listening = set_default(listener.clone());
    let acme = acme().await;
    let said = trace()
        .inputs(&json!({"ticket": CANARY}))
        .output(CANARY)
        .session(CANARY)
        .tag(CANARY)
        .score_because("helpful", 0.5, CANARY);
    acme.traces().record(said);
    acme.traces().record(Trace::of(stamp()).model(CANARY.repeat(100)));
    acme.traces().flush(Duration::from_secs(9)).await.unwrap();
    let told = listener.told("promptops::trace");
    assert_eq!(told.len(), 1, "what is no trace is none");
    let warned = listener.told("promptops::recording");
    assert_eq!(warned.len(), 1);
    assert_eq!(warned[0].0, Level::WARN);
    assert_eq!(warned[0].1["invalid"], 1);
    for (_, fields) in told.iter().chain(&warned) {
        for (name, value) in fields {
            assert!(!value.to_string().contains(CANARY), "{name}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_dropped_is_warned_of_once_in_ten_seconds() {
    let listener = Listener::default();
    let _listening = set_default(listener.clone());
    let mut settings = TraceSettings::default();
    settings.content = Content::Kept;
    settings.recording = RecordingSettings::default();
    settings.recording.capacity = 1;
    settings.recording.interval = Duration::from_secs(60);
    let acme = tenant(settings).await;
    let warned = || listener.told("promptops::recording");
    for _ in 0..100 {
        acme.traces().record(trace());
    }
    assert_eq!(warned().len(), 1);
    let (level, fields) = &warned()[0];
    assert_eq!(*level, Level::WARN);
    assert_eq!(
        (&fields["what"], &fields["why"]),
        (&json!("traces"), &json!("full"))
    );
    assert_eq!((&fields["dropped"], &fields["queued"]), (&json!(1), &json!(1)));
    acme.traces().flush(Duration::from_secs(9)).await.unwrap();
    tokio::time::advance(Duration::from_millis(9_999)).await;
    for _ in 0..3 {
        acme.traces().record(trace());
    }
    assert_eq!(warned().len(), 1);
    tokio::time::advance(Duration::from_millis(1)).await;
    acme.traces().record(trace());
    acme.traces().record(trace());
    assert_eq!(warned().len(), 2);
}
