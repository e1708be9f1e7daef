//! What sampling leaves out keeps a line of its own: counted once, found, annotated, and small.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use promptops_core::base::{Page, PageRequest, TenantId, Timestamp, TraceId};
use promptops_core::llm::{Cost, Usage};
use promptops_core::observation::otel::{ImportOptions, SkipReason, stamp_attributes};
use promptops_core::observation::{
    Annotate, AnnotationEntry, Assignment, AssignmentReason, Omitted, Stamp, Trace, TraceEntry, TraceFilter,
    TraceRecord, TraceSettings, TraceStore, TraceVerdict, UnitKey, Verdict,
};
use promptops_core::{Error, ErrorKind, MemoryBackend, Result, Stores};
use serde_json::{Value, json};

use crate::recording::{World, masked};

const SECOND: Duration = Duration::from_secs(1);

/// Of no trace the content is kept.
fn none() -> TraceSettings {
    let mut settings = TraceSettings::default();
    settings.sample = 0.0;
    settings.keep_errors = false;
    settings
}

/// A trace in which everything is said that one can say.
fn told(world: &World) -> Trace {
    world
        .trace()
        .error("timeout", "said to ana@example.org")
        .success(true)
        .rating(0.75)
        .score_because("tone", 0.5, "curt to ana@example.org")
        .latency(Duration::from_millis(1_500))
        .usage(Usage::new(100, 20))
        .cost(Cost::from_nano_usd(7_000))
        .model("m-1")
        .session("s-1")
        .tag("beta")
}

#[tokio::test]
async fn a_sample_keeps_the_content_of_whole_sessions_and_errors_and_counts_and_finds_everything() {
    let mut settings = TraceSettings::default();
    settings.sample = 0.25;
    let world = World::new(settings).await;
    let traces = world.acme.traces();
    for n in 0..2_000 {
        let trace = world.trace().session(format!("session {}", n / 4));
        traces.record(if n % 100 == 0 {
            trace.error("timeout", "late")
        } else {
            trace
        });
    }
    traces.flush(5 * SECOND).await.unwrap();
    assert_eq!(world.metrics().await.usage_count, 2_000);
    let (mut sessions, mut errors, mut all) = (BTreeMap::new(), 0, 0);
    let mut page = PageRequest::first(1_000);
    loop {
        let found = traces.list(&TraceFilter::default(), &page).await.unwrap();
        for trace in found.items {
            all += 1;
            let has_content = trace.inputs.is_some();
            assert_eq!(trace.output.is_some(), has_content);
            assert_eq!(trace.omitted, (!has_content).then_some(Omitted::Sampled));
            if let Some(error) = &trace.error {
                errors += 1;
                assert_eq!(error.message, "late");
            }
            *sessions.entry(trace.session.unwrap()).or_insert(0) += u32::from(has_content);
        }
        let Some(next) = found.next else { break };
        page = page.after(next);
    }
    assert_eq!((all, errors, sessions.len()), (2_000, 20, 500));
    let whole = sessions.values().filter(|count| **count == 4).count();
    assert!((90..160).contains(&whole), "{whole} of 500 sessions");
    assert!(
        sessions.values().all(|count| [0, 1, 4].contains(count)),
        "{sessions:?}"
    );
}

#[tokio::test]
async fn what_a_trace_is_found_and_counted_by_stays_and_what_was_said_with_it_goes() {
    let whole = World::new(TraceSettings::default()).await;
    let world = World::new(none()).await;
    let full = whole.kept(told(&whole)).await;
    let id = full.id;
    let left = world.kept(told(&world).id(id).at(full.at)).await;
    let mut expected = full.clone();
    expected.inputs = None;
    expected.output = None;
    expected.omitted = Some(Omitted::Sampled);
    expected.error.as_mut().unwrap().message.clear();
    expected.scores.values_mut().for_each(|score| score.reason = None);
    assert_eq!(left, expected);
    assert_eq!(left.contribution(), full.contribution());
    assert_eq!(world.metrics().await, whole.metrics().await);
    // One without content says too that it is none of the share.
    let bare = world.kept(Trace::of(&world.stamp)).await;
    assert_eq!(bare.omitted, Some(Omitted::Sampled));
    // What is said later is kept whole.
    let late = Annotate::new()
        .success(false)
        .rating(0.25)
        .comment("no")
        .corrected_output("yes")
        .score_because("tone", 1.0, "kind");
    world.acme.traces().annotate_durable(id, late).await.unwrap();
    let said = world.acme.traces().get(id).await.unwrap();
    assert_eq!(
        (said.comment.as_deref(), said.corrected_output.as_deref()),
        (Some("no"), Some("yes"))
    );
    assert_eq!(
        said.scores.values().next().unwrap().reason.as_deref(),
        Some("kind")
    );
    assert_eq!((said.inputs, said.omitted), (None, Some(Omitted::Sampled)));
    let metrics = world.metrics().await;
    assert_eq!(
        (
            metrics.usage_count,
            metrics.success_rate(),
            metrics.average_rating()
        ),
        (2, Some(0.0), Some(0.25))
    );
}

#[tokio::test]
async fn what_is_left_of_a_trace_is_redacted_like_any_other() {
    let mut settings = masked();
    settings.sample = 0.0;
    let world = World::new(settings).await;
    let left = world
        .kept(world.trace().session("ana@example.org").tag("to bo@example.org"))
        .await;
    assert_eq!(left.omitted, Some(Omitted::Sampled));
    let stored = serde_json::to_string(&left).unwrap();
    assert!(stored.contains("to [address]"), "{stored}");
    assert!(!stored.contains("example.org"), "{stored}");
}

/// A store whose calls are made, and the first answer to each kind lost.
struct Loses {
    inner: MemoryBackend,
    traces: AtomicBool,
    annotations: AtomicBool,
}

impl Loses {
    fn answer<T>(is_lost: &AtomicBool, answer: T) -> Result<T> {
        match is_lost.swap(true, Ordering::Relaxed) {
            true => Ok(answer),
            false => Err(Error::new(ErrorKind::OutcomeUnknown, "no answer came")),
        }
    }
}

#[async_trait::async_trait]
impl TraceStore for Loses {
    async fn record_traces(&self, batch: &[TraceEntry]) -> Result<Vec<TraceVerdict>> {
        Self::answer(&self.traces, self.inner.record_traces(batch).await?)
    }

    async fn annotate_traces(&self, batch: &[AnnotationEntry]) -> Result<Vec<TraceVerdict>> {
        Self::answer(&self.annotations, self.inner.annotate_traces(batch).await?)
    }

    async fn trace(&self, tenant: &TenantId, id: TraceId) -> Result<Option<TraceRecord>> {
        self.inner.trace(tenant, id).await
    }

    async fn traces(
        &self,
        tenant: &TenantId,
        filter: &TraceFilter,
        page: &PageRequest,
    ) -> Result<Page<TraceRecord>> {
        self.inner.traces(tenant, filter, page).await
    }

    async fn prune_traces(&self, tenant: &TenantId, before: Timestamp, at_most: usize) -> Result<usize> {
        self.inner.prune_traces(tenant, before, at_most).await
    }
}

#[tokio::test]
async fn a_batch_that_was_written_though_its_answer_was_lost_is_counted_once() {
    for settings in [none(), TraceSettings::default()] {
        let inner = MemoryBackend::new();
        let traces = Loses {
            inner: inner.clone(),
            traces: false.into(),
            annotations: false.into(),
        };
        let stores = Stores {
            traces: Arc::new(traces),
            ..inner.into()
        };
        let world = World::on(stores, settings).await;
        let traces = world.acme.traces();
        let id = traces.record(world.trace());
        traces.record(world.trace().error("timeout", "late"));
        traces.annotate(id, Annotate::new().success(true).rating(0.5));
        let stats = traces.flush(20 * SECOND).await.unwrap();
        assert_eq!(
            (stats.retries, stats.failed, stats.invalid),
            (2, 0, 0),
            "{stats:?}"
        );
        let metrics = world.metrics().await;
        assert_eq!(
            (metrics.usage_count, metrics.error_count, metrics.judged_count),
            (2, 1, 2)
        );
        assert_eq!((metrics.success_count, metrics.rated_count), (1, 1));
        assert_eq!(world.all().await.len(), 2);
    }
}

/// A span that says which trace of ours it is, and what was asked.
fn span(stamp: &Stamp, id: TraceId, at: Timestamp) -> String {
    let text = |(key, value): (&str, String)| json!({"key": key, "value": {"stringValue": value}});
    let nanos = at.timestamp_nanos_opt().unwrap();
    let own = [
        ("gen_ai.operation.name", "chat".to_owned()),
        ("promptops.trace_id", id.to_string()),
        ("input.value", "what was asked".to_owned()),
    ];
    let attributes: Vec<Value> = own.into_iter().chain(stamp_attributes(stamp)).map(text).collect();
    json!({"resourceSpans": [{"scopeSpans": [{"spans": [{
        "traceId": "5b8efff798038103d269b633813fc60c", "spanId": "eee19b7ec3c1b174",
        "startTimeUnixNano": nanos.to_string(), "endTimeUnixNano": (nanos + 1_000_000).to_string(),
        "attributes": attributes,
    }]}]}]})
    .to_string()
}

#[tokio::test]
async fn what_was_recorded_without_content_and_is_imported_twice_is_counted_once() {
    let world = World::new(none()).await;
    let traces = world.acme.traces();
    let left = world.kept(world.trace()).await;
    let text = span(&world.stamp, left.id, left.at);
    for _ in 0..2 {
        let report = traces
            .import_otlp(text.as_bytes(), &ImportOptions::new())
            .await
            .unwrap();
        assert_eq!((report.imported, report.duplicates), (0, 1), "{report}");
    }
    assert_eq!(world.metrics().await.usage_count, 1);
    assert_eq!(world.all().await, [left], "it stays as it is");
    // What was made elsewhere keeps its content, and is a duplicate as well.
    let at = world.clock_now() - chrono::TimeDelta::hours(1);
    let text = span(&world.stamp, TraceId::new(at, 7), at);
    for imported in [1, 0] {
        let report = traces
            .import_otlp(text.as_bytes(), &ImportOptions::new())
            .await
            .unwrap();
        assert_eq!(
            (report.imported, report.duplicates),
            (imported, 1 - imported),
            "{report}"
        );
    }
    assert_eq!(world.metrics().await.usage_count, 2);
}

#[tokio::test]
async fn a_trace_that_the_next_removal_takes_is_refused_so_that_nothing_counts_it_again() {
    let mut settings = none();
    settings.retention = Duration::from_secs(30 * 86_400);
    let world = World::new(settings).await;
    let traces = world.acme.traces();
    let millisecond = chrono::TimeDelta::milliseconds(1);
    let oldest = world.clock_now() - chrono::TimeDelta::days(30);
    let young = world.kept(world.trace().at(oldest)).await;
    let old = world.trace().at(oldest - millisecond);
    let by_id = world
        .trace()
        .id(TraceId::new(oldest - millisecond, 1))
        .at(world.clock_now());
    for trace in [old.clone(), by_id] {
        let error = traces.record_durable(trace).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        let text = error.to_string();
        assert!(text.contains("longer ago than the 720 hours"), "{text}");
        assert!(text.contains("`retention`"), "{text}");
    }
    traces.record(old);
    assert_eq!(traces.flush(5 * SECOND).await.unwrap().invalid, 1);
    // What was removed is not counted again, whether it is recorded or imported.
    world.clock.advance(Duration::from_secs(2 * 3_600));
    let (_, verdict) = traces.record_durable(world.trace()).await.unwrap();
    assert_eq!(verdict, Verdict::Written);
    traces.flush(5 * SECOND).await.unwrap();
    assert!(traces.get(young.id).await.unwrap_err().is_not_found());
    let again = world.trace().id(young.id).at(young.at);
    traces.record_durable(again).await.unwrap_err();
    for at in [young.at, world.clock_now()] {
        let text = span(&world.stamp, young.id, at);
        let report = traces
            .import_otlp(text.as_bytes(), &ImportOptions::new())
            .await
            .unwrap();
        assert_eq!(report.skipped(SkipReason::TooOld), 1, "{report}");
    }
    assert_eq!(world.metrics().await.usage_count, 2);
}

/// What a store writes of a trace.
fn body(trace: &TraceRecord) -> String {
    serde_json::to_string(trace).unwrap()
}

#[tokio::test]
async fn what_is_left_of_a_trace_is_below_500_bytes() {
    let world = World::new(none()).await;
    let mut stamp = world.stamp.clone();
    stamp.environment = Some("production".parse().unwrap());
    let trace = |stamp: &Stamp| {
        Trace::of(stamp)
            .inputs(&json!({"ticket": "x".repeat(5_000)}))
            .output("y".repeat(5_000))
            .success(true)
            .latency(Duration::from_millis(840))
            .usage(Usage::new(1_412, 196))
            .cost(Cost::from_nano_usd(2_345_678))
            .model("gpt-5-mini-2025-08-07")
            .session("user-42")
    };
    let typical = body(&world.kept(trace(&stamp)).await);
    assert!(typical.len() < 500, "{} bytes: {typical}", typical.len());
    assert!(!typical.contains("null"), "{typical}");
    stamp.assignment = Some(Assignment {
        experiment: "triage-2026-01".parse().unwrap(),
        variant: "control".parse().unwrap(),
        epoch: 1,
        unit: Some(UnitKey::new(u64::MAX)),
        hash_version: Assignment::HASH_VERSION,
        reason: AssignmentReason::Bucket,
    });
    let assigned = body(&world.kept(trace(&stamp)).await);
    assert!(assigned.len() < 640, "{} bytes: {assigned}", assigned.len());
}

#[tokio::test]
async fn a_record_that_was_written_with_all_its_fields_is_read_as_before() {
    let world = World::new(none()).await;
    let lean = world.kept(Trace::of(&world.stamp)).await;
    let mut old: Value = serde_json::from_str(&body(&lean)).unwrap();
    let fields = [
        "inputs",
        "output",
        "error",
        "success",
        "rating_millionths",
        "corrected_output",
        "comment",
        "latency",
        "usage",
        "cost",
        "model",
        "session",
    ];
    for field in fields {
        assert!(old.get(field).is_none(), "{field} is written");
        old[field] = Value::Null;
    }
    old["scores"] = json!({});
    old["tags"] = json!([]);
    assert_eq!(serde_json::from_value::<TraceRecord>(old.clone()).unwrap(), lean);
    old["error"] = json!({"kind": "timeout", "message": ""});
    let read: TraceRecord = serde_json::from_value(old).unwrap();
    assert_eq!(read.error.as_ref().unwrap().message, "");
    assert!(body(&read).contains(r#""error":{"kind":"timeout"}"#));
    assert_eq!(serde_json::from_str::<TraceRecord>(&body(&read)).unwrap(), read);
}
