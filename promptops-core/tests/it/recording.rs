//! Traces: recorded without making anybody wait, redacted, counted, and removed when they are old.

use std::sync::Arc;
use std::time::Duration;

use promptops_core::base::{Actor, ManualClock, Page, PageRequest, TenantId, Timestamp, TraceId};
use promptops_core::environment::Policy;
use promptops_core::llm::{Cost, Usage};
use promptops_core::observation::{
    Annotate, Annotation, AnnotationEntry, Content, Metrics, Omitted, Recorded, Redact, RedactTexts,
    Resolution, RollupQuery, Stamp, Trace, TraceEntry, TraceFilter, TraceRecord, TraceSettings, TraceStore,
    TraceVerdict, Verdict,
};
use promptops_core::prompt::Draft;
use promptops_core::{Error, ErrorKind, MemoryBackend, PromptOps, Result, Stores, Tenant};
use serde_json::json;

const SECOND: Duration = Duration::from_secs(1);
const DAY: Duration = Duration::from_secs(86_400);

pub struct World {
    ops: PromptOps,
    pub acme: Tenant,
    pub clock: Arc<ManualClock>,
    stores: Stores,
    pub stamp: Stamp,
}

impl World {
    pub async fn new(settings: TraceSettings) -> Self {
        Self::on(MemoryBackend::new().into(), settings).await
    }

    pub async fn on(stores: Stores, settings: TraceSettings) -> Self {
        let clock = Arc::new(ManualClock::default());
        let ops = PromptOps::builder(stores.clone())
            .clock(clock.clone())
            .trace_settings(settings)
            .build();
        let acme = ops.tenant("acme").unwrap();
        let draft = Draft::text("Sort {{ ticket }}.").by("mo").active();
        acme.prompts().save("triage", draft).await.unwrap();
        let stamp = acme.resolve("triage").await.unwrap().stamp();
        Self {
            ops,
            acme,
            clock,
            stores,
            stamp,
        }
    }

    pub fn trace(&self) -> Trace {
        Trace::of(&self.stamp)
            .inputs(&json!({"ticket": "mail me at ana@example.org", "n": [1, {"deep": "bo@example.org"}]}))
            .output("Sorted, ana@example.org.")
    }

    pub async fn kept(&self, trace: Trace) -> TraceRecord {
        let (id, verdict) = self.acme.traces().record_durable(trace).await.unwrap();
        assert_eq!(verdict, Verdict::Written);
        self.acme.traces().get(id).await.unwrap()
    }

    pub async fn metrics(&self) -> Metrics {
        let hash = &self.stamp.closure_hash;
        self.acme
            .metrics()
            .get(&self.stamp.prompt, hash, None)
            .await
            .unwrap()
    }

    pub async fn all(&self) -> Vec<TraceRecord> {
        let page = PageRequest::first(1_000);
        self.acme
            .traces()
            .list(&TraceFilter::default(), &page)
            .await
            .unwrap()
            .items
    }
}

pub fn masked() -> TraceSettings {
    let mask = |text: &mut String| {
        let words = text
            .split(' ')
            .map(|word| if word.contains('@') { "[address]" } else { word });
        *text = words.collect::<Vec<_>>().join(" ");
    };
    let mut settings = TraceSettings::default();
    settings.redact = Some(Arc::new(RedactTexts(mask)));
    settings
}

#[tokio::test]
async fn a_trace_is_kept_as_it_was_told_and_counted() {
    let world = World::new(TraceSettings::default()).await;
    let trace = world
        .trace()
        .error("timeout", "no answer")
        .success(true)
        .rating(0.75)
        .score_because("tone", 0.5, "curt")
        .latency(Duration::from_millis(1_500))
        .usage(Usage::new(100, 20))
        .cost(Cost::from_nano_usd(7_000))
        .model("m-1")
        .session("s-1")
        .tag("beta");
    let before = world.clock_now();
    let kept = world.kept(trace).await;
    assert_eq!(kept.at, before - chrono::TimeDelta::milliseconds(1_500));
    assert_eq!(kept.id.at().timestamp_millis(), kept.at.timestamp_millis());
    assert_eq!(kept.inputs.as_ref().unwrap()["n"][1]["deep"], "bo@example.org");
    assert_eq!((kept.rating(), kept.is_success()), (Some(0.75), Some(true)));
    assert_eq!(
        kept.scores.values().next().unwrap().reason.as_deref(),
        Some("curt")
    );
    let metrics = world.metrics().await;
    assert_eq!(
        (
            metrics.usage_count,
            metrics.judged_count,
            metrics.success_count,
            metrics.error_count
        ),
        (1, 1, 1, 1)
    );
    assert_eq!(
        (
            metrics.input_tokens,
            metrics.output_tokens,
            metrics.cost.nano_usd()
        ),
        (100, 20, 7_000)
    );
    assert_eq!(metrics.mean_latency(), Some(Duration::from_millis(1_500)));
    assert!(format!("{kept:?}").find("example.org").is_none());
}

impl World {
    pub fn clock_now(&self) -> Timestamp {
        use promptops_core::base::Clock;
        self.clock.now()
    }
}

#[tokio::test]
async fn what_is_said_later_replaces_what_was_said_and_is_counted_in_the_traces_own_time() {
    let world = World::new(TraceSettings::default()).await;
    let traces = world.acme.traces();
    let id = traces.record(world.trace().rating(0.2));
    // It is written in one batch with its trace, and in the order in which it was said.
    assert!(
        traces
            .annotate(id, Annotate::new().rating(0.4).success(true))
            .is_queued()
    );
    assert!(
        traces
            .annotate(id, Annotate::new().rating(1.0).score("tone", 0.5))
            .is_queued()
    );
    traces.flush(5 * SECOND).await.unwrap();
    world.clock.advance(2 * DAY);
    let late = Annotate::new()
        .success(false)
        .corrected_output("billing")
        .comment("wrong box")
        .score("tone", 0.0);
    traces.annotate_durable(id, late).await.unwrap();
    let trace = traces.get(id).await.unwrap();
    assert_eq!((trace.rating(), trace.success), (Some(1.0), Some(false)));
    assert_eq!(trace.corrected_output.as_deref(), Some("billing"));
    let metrics = world.metrics().await;
    assert_eq!(
        (metrics.usage_count, metrics.judged_count, metrics.success_count),
        (1, 1, 0)
    );
    assert_eq!(
        (metrics.rated_count, metrics.rating_sum_millionths),
        (1, 1_000_000)
    );
    assert_eq!(metrics.scores.values().next().unwrap().sum_millionths, 0);
    let days = world
        .stores
        .metrics
        .rollups(world.acme.id(), &world.query(Resolution::Day))
        .await
        .unwrap();
    assert_eq!(days.len(), 1);
    assert_eq!(days[0].key.start, Resolution::Day.start(trace.at));

    let unknown = TraceId::new(trace.at, 7);
    let error = traces
        .annotate_durable(unknown, Annotate::new().rating(0.5))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    let error = traces
        .annotate_durable(id, Annotate::new().score("tone", f64::NAN))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    let other = world.ops.tenant("other").unwrap().traces();
    assert!(other.get(id).await.unwrap_err().is_not_found());
    assert!(
        other
            .annotate_durable(id, Annotate::new().rating(0.0))
            .await
            .unwrap_err()
            .is_not_found()
    );
}

impl World {
    fn query(&self, resolution: Resolution) -> RollupQuery {
        RollupQuery {
            prompt: self.stamp.prompt.clone(),
            resolution,
            from: Timestamp::UNIX_EPOCH,
            to: Timestamp::MAX_UTC,
            version: None,
            closure_hash: None,
            environment: None,
        }
    }
}

#[tokio::test]
async fn what_is_out_of_range_is_invalid_and_everything_ends_as_one_count() {
    let world = World::new(TraceSettings::default()).await;
    let traces = world.acme.traces();
    let long = "x".repeat(201);
    let bad = [
        world.trace().rating(1.01),
        world.trace().rating(f64::NAN),
        world.trace().score("tone", -0.1),
        world.trace().score("", 0.5),
        world.trace().model(&long),
        world.trace().session("a\0b"),
        world.trace().tag(""),
        (0..65).fold(world.trace(), |trace, n| trace.tag(format!("tag {n}"))),
        world.trace().inputs(&json!(["no", "map"])),
        world.trace().error(long.clone(), "no"),
        world.trace().at(world.clock_now() + chrono::TimeDelta::days(2)),
        world
            .trace()
            .id("6f1c2a34-9d0e-4b5f-8a7c-2b1d3e4f5a6b".parse().unwrap()),
        world
            .trace()
            .inputs(&json!({"deep": (0..120).fold(json!(1), |inner, _| json!([inner]))})),
    ];
    let count = bad.len() as u64;
    for trace in bad.clone() {
        traces.record(trace);
    }
    for trace in bad {
        let error = traces.record_durable(trace).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
    }
    let id = traces.record(world.trace());
    traces.record(world.trace().id(id));
    traces.annotate(TraceId::new(id.at(), 9), Annotate::new().rating(0.5));
    let report = world.ops.shutdown(5 * SECOND).await.traces;
    assert_eq!(
        (
            report.enqueued,
            report.written,
            report.duplicate,
            report.invalid,
            report.queued
        ),
        (count + 3, 1, 1, count + 1, 0),
        "{report:?}"
    );
    let (_, late) = traces.try_record(world.trace());
    assert_eq!(late, Recorded::ShutDown);
    assert_eq!(world.all().await.len(), 1);
}

#[tokio::test]
async fn nothing_is_stored_that_was_not_redacted() {
    let world = World::new(masked()).await;
    let trace = world
        .trace()
        .error("refused", "for ana@example.org")
        .score_because("tone", 0.5, "to ana@example.org")
        .session("ana@example.org")
        .tag("ana@example.org");
    let kept = world.kept(trace).await;
    let comment = Annotate::new()
        .comment("ask ana@example.org")
        .corrected_output("to ana@example.org");
    world
        .acme
        .traces()
        .annotate_durable(kept.id, comment)
        .await
        .unwrap();
    let stored = serde_json::to_string(&world.all().await).unwrap();
    assert!(!stored.contains("example.org"), "{stored}");
    assert!(stored.contains("mail me at [address]"), "{stored}");

    /// Fails on what it does not know.
    struct Panics;
    impl Redact for Panics {
        fn trace(&self, trace: &mut TraceRecord) {
            assert!(trace.output.as_deref() == Some("known"), "not known");
        }
        fn annotation(&self, _: &mut Annotation) {
            panic!("not known");
        }
    }
    let mut settings = TraceSettings::default();
    settings.redact = Some(Arc::new(Panics));
    let world = World::new(settings).await;
    let known = world.kept(Trace::of(&world.stamp).output("known")).await;
    let (_, verdict) = world.acme.traces().record_durable(world.trace()).await.unwrap();
    assert_eq!(verdict, Verdict::Invalid);
    let said = Annotate::new().comment("mine");
    world
        .acme
        .traces()
        .annotate_durable(known.id, said)
        .await
        .unwrap_err();
    let all = world.all().await;
    assert_eq!((all.len(), all[0].comment.as_deref()), (1, None));
}

#[tokio::test]
async fn content_is_left_out_by_setting_and_by_size() {
    let mut settings = TraceSettings::default();
    settings.content = Content::Omitted;
    let world = World::new(settings).await;
    let kept = world
        .kept(world.trace().error("refused", "because of ana@example.org"))
        .await;
    assert_eq!(
        (kept.inputs, kept.output, kept.omitted),
        (None, None, Some(Omitted::BySetting))
    );
    let error = kept.error.unwrap();
    assert_eq!((error.kind.as_str(), error.message.as_str()), ("refused", ""));

    let mut settings = TraceSettings::default();
    settings.max_content_bytes = 2_000;
    let world = World::new(settings).await;
    let kept = world
        .kept(Trace::of(&world.stamp).output("x".repeat(3_000)).latency(SECOND))
        .await;
    assert_eq!((kept.output, kept.omitted), (None, Some(Omitted::TooLarge)));
    assert_eq!(kept.latency, Some(SECOND));
}

#[tokio::test]
async fn what_is_older_than_the_retention_goes_and_its_counts_by_hour_and_day_stay() {
    let mut settings = TraceSettings::default();
    settings.retention = 30 * DAY;
    let world = World::new(settings).await;
    let traces = world.acme.traces();
    // All but the last hour of what is kept.
    let old = world.clock_now() - chrono::TimeDelta::days(30) + chrono::TimeDelta::hours(1);
    for n in 0..2_500 {
        traces.record(Trace::of(&world.stamp).at(old + chrono::TimeDelta::minutes(n % 60)));
    }
    traces.flush(5 * SECOND).await.unwrap();
    assert_eq!(world.all().await.len(), 1_000, "a page of them");
    world.clock.advance(Duration::from_secs(2 * 3_600));
    let young = world.kept(world.trace()).await;
    traces.flush(5 * SECOND).await.unwrap();
    let left = world.all().await;
    assert_eq!(left.iter().map(|trace| trace.id).collect::<Vec<_>>(), [young.id]);
    let count = async |resolution| {
        let rollups = world
            .stores
            .metrics
            .rollups(world.acme.id(), &world.query(resolution))
            .await
            .unwrap();
        rollups
            .iter()
            .map(|rollup| rollup.metrics.usage_count)
            .sum::<u64>()
    };
    assert_eq!(count(Resolution::Minute).await, 1);
    for resolution in [Resolution::Hour, Resolution::Day, Resolution::Total] {
        assert_eq!(count(resolution).await, 2_501, "{resolution}");
    }
    assert_eq!(traces.remove_before(Timestamp::MAX_UTC).await.unwrap(), 1);
}

#[tokio::test]
async fn traces_feed_the_gate_and_those_that_nobody_judged_are_no_evidence_of_success() {
    let world = World::new(TraceSettings::default()).await;
    let policy = Policy::open().min_usage_count(3).min_success_rate(0.6);
    let environments = world.acme.environments();
    environments
        .set_policy("production", policy, &Actor::owner("olga"))
        .await
        .unwrap();
    let version = world
        .acme
        .resolve("triage")
        .await
        .unwrap()
        .version()
        .unwrap()
        .clone();
    let traces = world.acme.traces();
    for _ in 0..10 {
        traces.record(world.trace());
    }
    traces.record(world.trace().success(true));
    traces.record(world.trace().error("timeout", "late"));
    let judged = traces.record(world.trace());
    traces.flush(5 * SECOND).await.unwrap();
    let mo = Actor::member("mo");
    let refused = environments
        .promote(&version, "production", &mo)
        .await
        .unwrap_err();
    let unmet: Vec<_> = refused.unmet().iter().map(ToString::to_string).collect();
    assert_eq!(
        unmet,
        [
            "min_usage_count: found 2, needed at least 3 with a known success",
            "min_success_rate: found 0.5, needed at least 0.6"
        ]
    );
    traces
        .annotate_durable(judged, Annotate::new().success(true))
        .await
        .unwrap();
    environments.promote(&version, "production", &mo).await.unwrap();
}

/// A store whose annotations fail once, after the traces of the same batch were written.
struct FailsOnce {
    inner: MemoryBackend,
    has_failed: std::sync::atomic::AtomicBool,
}

#[async_trait::async_trait]
impl TraceStore for FailsOnce {
    async fn record_traces(&self, batch: &[TraceEntry]) -> Result<Vec<TraceVerdict>> {
        self.inner.record_traces(batch).await
    }

    async fn annotate_traces(&self, batch: &[AnnotationEntry]) -> Result<Vec<TraceVerdict>> {
        if !self.has_failed.swap(true, std::sync::atomic::Ordering::Relaxed) {
            return Err(Error::new(ErrorKind::Unavailable, "the store is away"));
        }
        self.inner.annotate_traces(batch).await
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
async fn a_batch_that_failed_half_way_is_finished_and_each_of_it_counted_once() {
    let inner = MemoryBackend::new();
    let traces = FailsOnce {
        inner: inner.clone(),
        has_failed: false.into(),
    };
    let stores = Stores {
        traces: Arc::new(traces),
        ..inner.into()
    };
    let ops = PromptOps::builder(stores).trace_settings(masked()).build();
    let acme = ops.tenant("acme").unwrap();
    let draft = Draft::text("Sort.").by("mo").active();
    acme.prompts().save("triage", draft).await.unwrap();
    let stamp = acme.resolve("triage").await.unwrap().stamp();
    let id = acme
        .traces()
        .record(Trace::of(&stamp).output("to ana@example.org"));
    acme.traces()
        .annotate(id, Annotate::new().comment("ask bo@example.org").success(true));
    let stats = acme.traces().flush(20 * SECOND).await.unwrap();
    assert_eq!(
        (stats.written, stats.duplicate, stats.invalid, stats.retries),
        (2, 0, 0, 1)
    );
    let trace = acme.traces().get(id).await.unwrap();
    assert_eq!(trace.output.as_deref(), Some("to [address]"));
    assert_eq!(trace.comment.as_deref(), Some("ask [address]"));
    let metrics = acme
        .metrics()
        .get(&stamp.prompt, &stamp.closure_hash, None)
        .await
        .unwrap();
    assert_eq!((metrics.usage_count, metrics.success_count), (1, 1));
}

/// A store with old traces to remove, of which only the number matters.
struct Backlog {
    inner: MemoryBackend,
    left: Arc<std::sync::atomic::AtomicUsize>,
}

#[async_trait::async_trait]
impl TraceStore for Backlog {
    async fn record_traces(&self, batch: &[TraceEntry]) -> Result<Vec<TraceVerdict>> {
        self.inner.record_traces(batch).await
    }

    async fn annotate_traces(&self, batch: &[AnnotationEntry]) -> Result<Vec<TraceVerdict>> {
        self.inner.annotate_traces(batch).await
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

    async fn prune_traces(&self, _: &TenantId, _: Timestamp, at_most: usize) -> Result<usize> {
        use std::sync::atomic::Ordering::Relaxed;
        let left = self.left.load(Relaxed);
        let removed = left.min(at_most);
        self.left.store(left - removed, Relaxed);
        Ok(removed)
    }
}

#[tokio::test]
async fn however_much_is_old_the_removal_comes_to_its_end_before_the_next_hour() {
    use std::sync::atomic::Ordering::Relaxed;
    let inner = MemoryBackend::new();
    let left = Arc::new(std::sync::atomic::AtomicUsize::new(120_000));
    let traces = Backlog {
        inner: inner.clone(),
        left: left.clone(),
    };
    let stores = Stores {
        traces: Arc::new(traces),
        ..inner.into()
    };
    let ops = PromptOps::builder(stores).build();
    let acme = ops.tenant("acme").unwrap();
    let draft = Draft::text("Sort.").by("mo").active();
    acme.prompts().save("triage", draft).await.unwrap();
    let stamp = acme.resolve("triage").await.unwrap().stamp();
    let one_more = async || {
        acme.traces().record(Trace::of(&stamp));
        acme.traces().flush(5 * SECOND).await.unwrap();
        left.load(Relaxed)
    };
    // A turn removes so many, so that what is recorded has its own.
    assert_eq!(one_more().await, 70_000);
    assert_eq!(one_more().await, 20_000);
    assert_eq!(one_more().await, 0);
    // Then it has its time.
    left.store(5, Relaxed);
    assert_eq!(one_more().await, 5);
}

#[tokio::test]
async fn what_a_redactor_nests_too_deeply_to_be_read_again_is_not_stored() {
    struct Deep(u32);
    impl Redact for Deep {
        fn trace(&self, trace: &mut TraceRecord) {
            let nested = (0..self.0).fold(json!(1), |inner, _| json!([inner]));
            trace.inputs = Some(json!({ "n": nested }));
        }
        fn annotation(&self, _: &mut Annotation) {}
    }
    for (levels, verdict) in [(98, Verdict::Written), (99, Verdict::Invalid)] {
        let mut settings = TraceSettings::default();
        settings.redact = Some(Arc::new(Deep(levels)));
        let world = World::new(settings).await;
        let traces = world.acme.traces();
        let (_, found) = traces.record_durable(world.trace()).await.unwrap();
        assert_eq!(found, verdict, "{levels}");
        assert_eq!(world.all().await.len(), usize::from(verdict == Verdict::Written));
    }
}

#[test]
fn a_trace_of_any_time_is_read_again_as_it_was_written() {
    for at in [
        Timestamp::MIN_UTC,
        Timestamp::MAX_UTC,
        Timestamp::UNIX_EPOCH,
        TraceId::from_bytes([0xff; 16]).at(),
        "2016-12-31T23:59:60.5Z".parse().unwrap(),
    ] {
        let trace = crate::curating::trace(1, |trace| {
            trace.at = at;
            trace.latency = Some(Duration::MAX);
            trace.inputs = Some(json!({ "n": [u64::MAX, i64::MIN, 0.1 + 0.2, f64::MIN_POSITIVE, -0.0] }));
        });
        let text = serde_json::to_string(&trace).unwrap();
        let read: TraceRecord = serde_json::from_str(&text).unwrap();
        assert_eq!(read, trace, "{text}");
    }
}
