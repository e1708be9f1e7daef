//! What one caller can say is bounded, so that nobody else's figures, memory or time are taken by it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use promptops_core::base::{
    ClosureHash, EnvironmentName, ManualClock, PromptName, TenantId, Timestamp, VersionNumber,
};
use promptops_core::observation::{
    Annotate, Dimensions, Feedback, Grouping, Metrics, MetricsFilter, MetricsService, MetricsStore, Period,
    Rollup, RollupKey, RollupQuery, SeriesQuery, Step, Trace, TraceFilter,
};
use promptops_core::prompt::Draft;
use promptops_core::{ErrorKind, MemoryBackend, PromptOps, Result, Tenant};

const DAY: Duration = Duration::from_secs(86_400);

async fn acme() -> (Tenant, Trace) {
    let ops = PromptOps::builder(MemoryBackend::new()).build();
    let acme = ops.tenant("acme").unwrap();
    let draft = Draft::text("Sort {{ ticket }}.").by("mo").active();
    acme.prompts().save("triage", draft).await.unwrap();
    let trace = Trace::of(acme.resolve("triage").await.unwrap().stamp());
    (acme, trace)
}

async fn metrics(acme: &Tenant) -> Metrics {
    let filter = MetricsFilter::of(PromptName::new("triage").unwrap());
    let mut totals = acme.metrics().totals(&filter, None, Grouping::All).await.unwrap();
    totals.remove(0).metrics
}

#[tokio::test]
async fn a_latency_longer_than_a_day_is_invalid_and_spoils_no_mean() {
    let (acme, trace) = acme().await;
    for latency in [
        DAY + Duration::from_nanos(1),
        Duration::from_micros(u64::MAX),
        Duration::MAX,
    ] {
        let error = acme
            .traces()
            .record_durable(trace.clone().latency(latency))
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(error.message().contains("expected 86400 at most"), "{error}");
    }
    for latency in [DAY, Duration::ZERO] {
        acme.traces()
            .record_durable(trace.clone().latency(latency))
            .await
            .unwrap();
    }
    assert_eq!(metrics(&acme).await.mean_latency(), Some(DAY / 2));
}

/// Scores of these numbers.
fn scores(names: std::ops::Range<usize>) -> Annotate {
    names.fold(Annotate::new(), |annotate, n| {
        annotate.score(&format!("score {n}"), 0.5)
    })
}

#[tokio::test]
async fn a_trace_takes_64_scores_however_often_it_is_annotated() {
    let (acme, trace) = acme().await;
    let traces = acme.traces();
    let (id, _) = traces.record_durable(trace).await.unwrap();
    traces.annotate_durable(id, scores(0..40)).await.unwrap();
    traces.annotate_durable(id, scores(20..64)).await.unwrap();
    let error = traces
        .annotate_durable(id, scores(63..65).success(true))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(
        error.message().contains("scores of 64 names, and can have 64"),
        "{error}"
    );
    traces.annotate(id, scores(64..65));
    let stats = traces.flush(DAY).await.unwrap();
    assert_eq!(stats.invalid, 2);
    let found = traces.get(id).await.unwrap();
    assert_eq!((found.scores.len(), found.success), (64, None));
    // What it has can be replaced.
    traces
        .annotate_durable(id, scores(0..64).success(true))
        .await
        .unwrap();
    assert_eq!(metrics(&acme).await.scores.len(), 64);
}

#[test]
fn a_filter_tells_neither_session_nor_tags() {
    let filter = TraceFilter {
        session: Some("ana@example.org".into()),
        tags: ["gold customer".to_owned()].into(),
        model: Some("gpt".into()),
        ..TraceFilter::default()
    };
    for shown in [format!("{filter:?}"), format!("{filter:#?}")] {
        assert!(!shown.contains("ana@") && !shown.contains("gold"), "{shown}");
        assert!(
            shown.contains("has_session: true") && shown.contains("tag_count: 1"),
            "{shown}"
        );
        assert!(shown.contains("gpt"), "{shown}");
    }
}

/// Has an answer of each of 100 versions in every minute there is.
#[derive(Default)]
struct Endless {
    handed_out: Mutex<Vec<usize>>,
}

#[async_trait]
impl MetricsStore for Endless {
    async fn record_feedback(&self, _: &[Feedback]) -> Result<()> {
        Ok(())
    }

    async fn metrics(
        &self,
        _: &TenantId,
        _: &PromptName,
        _: &ClosureHash,
        _: Option<&EnvironmentName>,
    ) -> Result<Metrics> {
        Ok(Metrics::default())
    }

    async fn rollups(&self, _: &TenantId, query: &RollupQuery) -> Result<Vec<Rollup>> {
        let length = query.resolution.length().unwrap().as_secs() as i64;
        let starts = (query.from.timestamp()..query.to.timestamp()).step_by(length as usize);
        let mut metrics = Metrics::default();
        metrics.add(Some(true), None);
        let rollups = starts.flat_map(|start| {
            let metrics = metrics.clone();
            (1..=100).map(move |version| Rollup {
                key: RollupKey {
                    dimensions: Dimensions {
                        prompt: query.prompt.clone(),
                        version: Some(VersionNumber::new(version).unwrap()),
                        closure_hash: ClosureHash::from_bytes([1; 32]),
                        environment: None,
                        variant: None,
                    },
                    resolution: query.resolution,
                    start: Timestamp::from_timestamp(start, 0).unwrap(),
                },
                metrics: metrics.clone(),
            })
        });
        let rollups: Vec<_> = rollups.collect();
        self.handed_out.lock().unwrap().push(rollups.len());
        Ok(rollups)
    }

    async fn prune_minutes(&self, _: &TenantId, _: Timestamp, _: usize) -> Result<usize> {
        Ok(0)
    }
}

#[tokio::test]
async fn counts_are_read_a_part_at_a_time_and_no_further_than_points_are_allowed() {
    const PART: usize = 512 * 100;
    let store = Arc::new(Endless::default());
    let tenant = TenantId::new("acme").unwrap();
    let service = MetricsService::new(store.clone(), Arc::new(ManualClock::default()), tenant);
    let period = |minutes: i64| {
        let from: Timestamp = "2026-01-01T00:01:00Z".parse().unwrap();
        Period::new(from, from + chrono::TimeDelta::minutes(minutes), Step::Minute).unwrap()
    };
    let handed_out = || std::mem::take(&mut *store.handed_out.lock().unwrap());
    let prompt = PromptName::new("triage").unwrap();
    let query = SeriesQuery::new(prompt.clone(), period(5_000)).by(Grouping::Version);
    let error = service.series(&query).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert_eq!(handed_out(), [PART], "one part, of which it is seen");
    let query = SeriesQuery::new(prompt.clone(), period(1_100));
    let series = service.series(&query).await.unwrap();
    assert!(
        series.lines[0]
            .points
            .iter()
            .all(|point| point.metrics.usage_count == 100)
    );
    assert_eq!(handed_out(), [PART, PART, 76 * 100]);
    // Days of 30 years, and what is left at both ends.
    let filter = MetricsFilter::of(prompt);
    let years = period(30 * 366 * 1_440);
    let totals = service
        .totals(&filter, Some(&years), Grouping::All)
        .await
        .unwrap();
    let parts = handed_out();
    assert!(parts.iter().all(|part| *part <= PART), "{parts:?}");
    assert_eq!(totals[0].metrics.usage_count, parts.iter().sum::<usize>() as u64);
    // 59 minutes, 23 hours, the days between, and a minute.
    assert_eq!(parts.iter().sum::<usize>(), (59 + 23 + (30 * 366 - 1) + 1) * 100);
}
