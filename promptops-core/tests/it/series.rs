//! Metrics over time: series, totals, and two versions compared.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use promptops_core::base::{
    Clock, ClosureHash, EnvironmentName, ExperimentId, ManualClock, PromptName, TenantId, Timestamp,
    VariantName, VersionNumber,
};
use promptops_core::llm::Cost;
use promptops_core::observation::{
    Dimensions, Feedback, Group, Grouping, Metrics, MetricsFilter, MetricsService, MetricsStore, Period,
    Rollup, RollupKey, ScoreSum, Series, SeriesQuery, Step, VariantOf,
};
use promptops_core::statistics::{Confidence, Counts, rate_difference};
use promptops_core::{ErrorKind, MemoryBackend};
use proptest::prelude::*;
use serde_json::json;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn prompt() -> PromptName {
    PromptName::new("support/triage").unwrap()
}

fn version(number: u32) -> VersionNumber {
    VersionNumber::new(number).unwrap()
}

fn environment(name: &str) -> EnvironmentName {
    EnvironmentName::new(name).unwrap()
}

fn variant(name: &str) -> VariantOf {
    VariantOf {
        experiment: ExperimentId::new("e").unwrap(),
        variant: VariantName::new(name).unwrap(),
    }
}

fn dimensions(number: u32, environment_name: &str) -> Dimensions {
    Dimensions {
        prompt: prompt(),
        version: Some(version(number)),
        closure_hash: ClosureHash::from_bytes([number as u8; 32]),
        environment: Some(environment(environment_name)),
        variant: None,
    }
}

fn answers(count: u64, success: u64) -> Metrics {
    let mut metrics = Metrics::default();
    for n in 0..count {
        metrics.add(Some(n < success), None);
        metrics.latencies.add(Duration::from_millis(100 + n));
    }
    metrics
}

fn rollup(dimensions: &Dimensions, step: Step, start: Timestamp, metrics: Metrics) -> Rollup {
    Rollup {
        key: RollupKey {
            dimensions: dimensions.clone(),
            resolution: step.resolution(),
            start,
        },
        metrics,
    }
}

/// What was counted, by time and group: only where something was.
fn counted(series: &Series) -> Vec<(String, String, u64)> {
    let points = series.lines.iter().flat_map(|line| {
        line.points.iter().map(move |point| {
            (
                point.start.to_rfc3339(),
                line.of.to_string(),
                point.metrics.usage_count,
            )
        })
    });
    points.filter(|(_, _, count)| *count > 0).collect()
}

/// A tenant's metrics, and a way to put answers into them.
struct Desk {
    store: Arc<MemoryBackend>,
    metrics: MetricsService,
}

impl Desk {
    fn open() -> Self {
        let store = Arc::new(MemoryBackend::new());
        let clock: Arc<dyn Clock> = Arc::new(ManualClock::default());
        let metrics = MetricsService::new(store.clone(), clock, TenantId::new("acme").unwrap());
        Self { store, metrics }
    }

    async fn put(&self, dimensions: &Dimensions, time: &str, success: bool) {
        let feedback = Feedback {
            tenant: TenantId::new("acme").unwrap(),
            dimensions: dimensions.clone(),
            success,
            rating_millionths: None,
            at: at(time),
        };
        self.store.record_feedback(&[feedback]).await.unwrap();
    }
}

#[tokio::test]
async fn a_series_has_a_point_for_each_step_and_answers_lie_in_theirs() {
    let desk = Desk::open();
    let (one, two) = (dimensions(1, "production"), dimensions(2, "staging"));
    for (dimensions, time) in [
        (&one, "2025-12-31T23:59:59.999999Z"),
        (&one, "2026-01-01T00:00:00Z"),
        (&one, "2026-01-01T00:59:59.999999Z"),
        (&two, "2026-01-01T01:00:00Z"),
        (&one, "2026-01-01T03:59:59.999999Z"),
        (&one, "2026-01-01T04:00:00Z"),
    ] {
        desk.put(dimensions, time, true).await;
    }
    let period = Period::new(at("2026-01-01T00:00:00Z"), at("2026-01-01T04:00:00Z"), Step::Hour).unwrap();
    let query = SeriesQuery::new(prompt(), period);
    let series = desk.metrics.series(&query).await.unwrap();
    let counts = |series: &Series| -> Vec<Vec<u64>> {
        let line = |line: &promptops_core::observation::Line| {
            line.points
                .iter()
                .map(|point| point.metrics.usage_count)
                .collect()
        };
        series.lines.iter().map(line).collect()
    };
    assert_eq!(counts(&series), [[2, 1, 0, 1]]);
    assert_eq!(series.lines[0].points[2].metrics, Metrics::default());
    assert_eq!(series.lines[0].points[2].start, at("2026-01-01T02:00:00Z"));
    // Grouped, every line has all points.
    let series = desk
        .metrics
        .series(&query.clone().by(Grouping::Version))
        .await
        .unwrap();
    assert_eq!(counts(&series), [[2, 0, 0, 1], [0, 1, 0, 0]]);
    let names: Vec<String> = series.lines.iter().map(|line| line.of.to_string()).collect();
    assert_eq!(names, ["v1", "v2"]);
    // Filtered.
    for (filter, expected) in [
        (MetricsFilter::of(prompt()).version(version(2)), [0, 1, 0, 0]),
        (
            MetricsFilter::of(prompt()).environment(environment("production")),
            [2, 0, 0, 1],
        ),
        (
            MetricsFilter::of(prompt()).closure_hash(two.closure_hash),
            [0, 1, 0, 0],
        ),
        (MetricsFilter::of(prompt()).variant(variant("blue")), [0, 0, 0, 0]),
        (MetricsFilter::of(PromptName::new("other").unwrap()), [0, 0, 0, 0]),
    ] {
        let series = desk
            .metrics
            .series(&SeriesQuery::new(filter.clone(), period))
            .await
            .unwrap();
        assert_eq!(counts(&series), [expected], "{filter:?}");
    }
    // No group without an answer.
    let other = SeriesQuery::new(PromptName::new("other").unwrap(), period).by(Grouping::Version);
    assert!(desk.metrics.series(&other).await.unwrap().lines.is_empty());
}

#[tokio::test]
async fn series_go_back_before_1970_and_by_any_step() {
    let desk = Desk::open();
    let of = dimensions(1, "production");
    for time in [
        "1969-12-31T23:59:59.999999Z",
        "1970-01-01T00:00:00Z",
        "1900-02-28T12:30:30Z",
    ] {
        desk.put(&of, time, true).await;
    }
    for (from, to, step, expected) in [
        (
            "1969-12-31T23:00:00Z",
            "1970-01-01T01:00:00Z",
            Step::Hour,
            ["1969-12-31T23:00:00+00:00", "1970-01-01T00:00:00+00:00"].as_slice(),
        ),
        (
            "1969-12-31T23:58:30Z",
            "1970-01-01T00:00:30Z",
            Step::Minute,
            &["1969-12-31T23:59:00+00:00", "1970-01-01T00:00:00+00:00"],
        ),
        (
            "1900-02-27T00:00:00Z",
            "1900-03-02T00:00:00Z",
            Step::Day,
            &["1900-02-28T00:00:00+00:00"],
        ),
    ] {
        let period = Period::new(at(from), at(to), step).unwrap();
        let series = desk
            .metrics
            .series(&SeriesQuery::new(prompt(), period))
            .await
            .unwrap();
        assert_eq!(series.lines[0].points.len() as u64, period.steps());
        let starts: Vec<String> = counted(&series).into_iter().map(|(start, _, _)| start).collect();
        assert_eq!(starts, expected, "{period}");
    }
}

#[tokio::test]
async fn too_many_points_are_refused_before_anything_is_read_and_after() {
    let desk = Desk::open();
    let week = Period::new(
        at("2026-01-01T00:00:00Z"),
        at("2026-01-08T00:00:00Z"),
        Step::Minute,
    )
    .unwrap();
    let query = SeriesQuery::new(prompt(), week);
    let error = desk.metrics.series(&query).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(
        error
            .message()
            .contains("10080 points, one for each of 10080 times of one minute; at most 10000"),
        "{error}"
    );
    assert!(desk.metrics.series(&query.clone().at_most(10_080)).await.is_ok());
    for number in 1..=2 {
        desk.put(&dimensions(number, "dev"), "2026-01-02T00:00:00Z", true)
            .await;
    }
    let grouped = query.at_most(20_160).by(Grouping::Version);
    assert_eq!(desk.metrics.series(&grouped).await.unwrap().lines.len(), 2);
    let error = desk.metrics.series(&grouped.at_most(20_159)).await.unwrap_err();
    assert!(
        error
            .message()
            .contains("for each of 2 groups or more; at most 20159"),
        "{error}"
    );
    // The longest period of all is refused as quickly.
    let ages = Period::new(
        at("0001-01-01T00:00:00Z"),
        at("9999-12-31T00:00:00Z"),
        Step::Minute,
    )
    .unwrap();
    assert!(
        desk.metrics
            .series(&SeriesQuery::new(prompt(), ages))
            .await
            .is_err()
    );
}

#[test]
fn groups_are_what_their_answers_have_in_common() {
    let start = at("2026-01-01T00:00:00Z");
    let period = Period::new(start, at("2026-01-01T01:00:00Z"), Step::Hour).unwrap();
    let mut fallback = dimensions(1, "production");
    (fallback.version, fallback.environment) = (None, None);
    let mut blue = dimensions(2, "production");
    blue.variant = Some(variant("blue"));
    let all = [
        dimensions(1, "production"),
        dimensions(1, "staging"),
        fallback,
        blue,
    ];
    let rollups = |resolution: Step| -> Vec<Rollup> {
        all.iter()
            .zip(1..)
            .map(|(of, n)| rollup(of, resolution, start, answers(n, n)))
            .collect()
    };
    for (by, expected) in [
        (Grouping::All, vec![("all", 10)]),
        (Grouping::Version, vec![("fallback", 3), ("v1", 3), ("v2", 4)]),
        (
            Grouping::ClosureHash,
            vec![("010101010101", 6), ("020202020202", 4)],
        ),
        (
            Grouping::Environment,
            vec![("no environment", 3), ("production", 5), ("staging", 2)],
        ),
        (
            Grouping::Variant,
            vec![("no variant", 6), ("variant blue of e", 4)],
        ),
    ] {
        let series = SeriesQuery::new(prompt(), period)
            .by(by)
            .fold(rollups(Step::Hour))
            .unwrap();
        let found: Vec<_> = counted(&series)
            .into_iter()
            .map(|(_, name, count)| (name, count))
            .collect();
        let expected: Vec<_> = expected
            .into_iter()
            .map(|(name, count)| (name.to_owned(), count))
            .collect();
        assert_eq!(found, expected, "{by:?}");
    }
    let days = SeriesQuery::new(prompt(), period)
        .fold(rollups(Step::Day))
        .unwrap();
    assert!(counted(&days).is_empty(), "of another resolution");
    let staging = MetricsFilter::of(prompt()).environment(environment("staging"));
    let series = SeriesQuery::new(staging, period)
        .fold(rollups(Step::Hour))
        .unwrap();
    assert_eq!(series.lines[0].points[0].metrics.usage_count, 2);
    let only_blue = MetricsFilter::of(prompt()).variant(variant("blue"));
    let series = SeriesQuery::new(only_blue, period)
        .fold(rollups(Step::Hour))
        .unwrap();
    assert_eq!(series.lines[0].points[0].metrics.usage_count, 4);
}

proptest! {
    /// However answers are spread, the points of all lines add up to what there is, in any order.
    #[test]
    fn points_add_up_to_what_was_counted(
        spread in prop::collection::vec((0_i64..50, 1_u32..4, 1_u64..5), 0..40),
        by in prop::sample::select(vec![Grouping::All, Grouping::Version, Grouping::Environment]),
    ) {
        let start = at("1969-12-31T00:00:00Z");
        let period = Period::new(start, start + chrono::TimeDelta::hours(40), Step::Hour).unwrap();
        let rollups: Vec<Rollup> = spread.iter().map(|(hour, number, count)| {
            let name = ["dev", "staging"][*number as usize % 2];
            let begun = start + chrono::TimeDelta::hours(*hour);
            rollup(&dimensions(*number, name), Step::Hour, begun, answers(*count, count / 2))
        }).collect();
        let mut expected = Metrics::default();
        for rollup in rollups.iter().filter(|rollup| rollup.key.start < period.to()) {
            expected.merge(&rollup.metrics);
        }
        let query = SeriesQuery::new(prompt(), period).by(by);
        let mut reversed = rollups.clone();
        reversed.reverse();
        let series = query.fold(rollups).unwrap();
        prop_assert_eq!(&query.fold(reversed).unwrap(), &series);
        let mut found = Metrics::default();
        for line in &series.lines {
            prop_assert_eq!(line.points.len(), 40);
            line.points.iter().for_each(|point| found.merge(&point.metrics));
        }
        prop_assert_eq!(found, expected);
    }
}

#[test]
fn a_series_as_json_has_figures_and_no_histogram() {
    let start = at("2026-01-01T00:00:00Z");
    let period = Period::new(start, at("2026-01-01T02:00:00Z"), Step::Hour).unwrap();
    let mut metrics = answers(4, 3);
    metrics.latencies = promptops_core::observation::Latencies::default();
    metrics.scores = BTreeMap::from([(
        "helpful".parse().unwrap(),
        ScoreSum {
            count: 2,
            sum_millionths: 1_500_000,
        },
    )]);
    metrics.priced_count = 2;
    metrics.cost = Cost::from_nano_usd(5_000);
    let series = SeriesQuery::new(prompt(), period)
        .by(Grouping::Version)
        .fold(vec![rollup(&dimensions(3, "dev"), Step::Hour, start, metrics)])
        .unwrap();
    let nothing = json!({
        "answers": 0, "judged": 0, "success_rate": null, "rated": 0, "average_rating": null, "errors": 0,
        "error_rate": null, "latency": null, "input_tokens": 0, "output_tokens": 0, "priced": 0,
        "cost_nano_usd": 0, "scores": {},
    });
    assert_eq!(
        serde_json::to_value(&series).unwrap(),
        json!({
            "prompt": "support/triage",
            "period": {"from": "2026-01-01T00:00:00Z", "to": "2026-01-01T02:00:00Z", "step": "hour"},
            "by": "version",
            "lines": [{
                "of": {"by": "version", "is": 3},
                "points": [
                    {"start": "2026-01-01T00:00:00Z", "figures": {
                        "answers": 4, "judged": 4, "success_rate": 0.75, "rated": 0, "average_rating": null,
                        "errors": 0, "error_rate": 0.0, "latency": null, "input_tokens": 0, "output_tokens": 0,
                        "priced": 2, "cost_nano_usd": 5_000, "scores": {"helpful": 0.75},
                    }},
                    {"start": "2026-01-01T01:00:00Z", "figures": nothing},
                ],
            }],
        })
    );
    let latency = serde_json::to_value(answers(1, 1).figures()).unwrap();
    assert_eq!(latency["latency"]["p50_ms"], json!(99.328));
}

#[tokio::test]
async fn totals_of_a_period_are_the_same_whatever_counts_they_are_made_of() {
    let desk = Desk::open();
    let (one, two) = (dimensions(1, "production"), dimensions(2, "production"));
    for hours in 0..80 {
        let time = at("2026-01-01T00:30:00Z") + chrono::TimeDelta::hours(hours);
        let of = if hours % 3 == 0 { &one } else { &two };
        desk.put(of, &time.to_rfc3339(), hours % 2 == 0).await;
    }
    let all = MetricsFilter::of(prompt());
    let usage = async |period: Option<&Period>, by| -> Vec<(String, u64)> {
        let totals = desk.metrics.totals(&all, period, by).await.unwrap();
        totals
            .into_iter()
            .map(|total| (total.of.to_string(), total.metrics.usage_count))
            .collect()
    };
    assert_eq!(usage(None, Grouping::All).await, [("all".to_owned(), 80)]);
    assert_eq!(
        usage(None, Grouping::Version).await,
        [("v1".to_owned(), 27), ("v2".to_owned(), 53)]
    );
    // From 10:00 on the first day to 05:00 on the fourth: 14 + 48 + 5 hours.
    let period = Period::new(at("2026-01-01T10:00:00Z"), at("2026-01-04T05:00:00Z"), Step::Hour).unwrap();
    assert_eq!(
        usage(Some(&period), Grouping::All).await,
        [("all".to_owned(), 67)]
    );
    let by_minute = Period::new(period.from(), period.to(), Step::Minute).unwrap();
    assert_eq!(
        usage(Some(&by_minute), Grouping::All).await,
        [("all".to_owned(), 67)]
    );
    // An answer of 10:30 is in the minute that begins then, and not in the minutes before.
    let until = Period::new(
        at("2026-01-01T10:00:00Z"),
        at("2026-01-01T10:30:00Z"),
        Step::Minute,
    )
    .unwrap();
    assert_eq!(usage(Some(&until), Grouping::All).await, [("all".to_owned(), 0)]);
    let series = desk
        .metrics
        .series(&SeriesQuery::new(prompt(), period))
        .await
        .unwrap();
    let mut sum = Metrics::default();
    series.lines[0]
        .points
        .iter()
        .for_each(|point| sum.merge(&point.metrics));
    let total = desk
        .metrics
        .totals(&all, Some(&period), Grouping::All)
        .await
        .unwrap();
    assert_eq!(total[0].metrics, sum);
    assert_eq!(total[0].of, Group::All);
}

#[tokio::test]
async fn two_versions_are_compared_with_what_is_known_of_their_difference() {
    let desk = Desk::open();
    let (one, two) = (dimensions(1, "production"), dimensions(2, "production"));
    for n in 0..40 {
        desk.put(&one, "2026-01-01T10:00:00Z", n < 24).await;
        desk.put(&two, "2026-01-01T11:00:00Z", n < 36).await;
        // Of no concern: elsewhere, later, another version.
        desk.put(&dimensions(1, "dev"), "2026-01-01T10:00:00Z", true)
            .await;
        desk.put(&one, "2026-01-02T00:00:00Z", true).await;
        desk.put(&dimensions(3, "production"), "2026-01-01T10:00:00Z", true)
            .await;
    }
    let period = Period::new(at("2026-01-01T00:00:00Z"), at("2026-01-02T00:00:00Z"), Step::Hour).unwrap();
    let production = environment("production");
    let found = desk
        .metrics
        .compare(
            &prompt(),
            version(1),
            version(2),
            Some(&period),
            Some(&production),
        )
        .await
        .unwrap();
    assert_eq!(
        (found.first.figures.answers, found.second.figures.answers),
        (40, 40)
    );
    assert_eq!(found.first.figures.success_rate, Some(0.6));
    let difference = found.success_rate.unwrap();
    let expected = rate_difference(
        &Counts::new(24, 40).unwrap(),
        &Counts::new(36, 40).unwrap(),
        Confidence::P95,
    );
    assert_eq!(Some(difference.interval), expected);
    assert!((difference.difference - 0.3).abs() < 1e-12);
    assert_eq!(found.error_rate.unwrap().difference, 0.0);
    assert!(serde_json::to_value(&found).unwrap()["success_rate"]["interval"]["low"].is_number());
    // A version without answers has figures that are not known, and no difference.
    let found = desk
        .metrics
        .compare(&prompt(), version(9), version(2), None, None)
        .await
        .unwrap();
    assert_eq!((found.success_rate, found.error_rate), (None, None));
    assert_eq!(found.first.figures.success_rate, None);
    assert!(found.to_string().contains("since the beginning"), "{found}");
    let error = desk
        .metrics
        .compare(&prompt(), version(2), version(2), None, None)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
}

#[tokio::test]
async fn a_comparison_reads_as_a_small_table() {
    use promptops_core::observation::{TraceEntry, TraceStore};
    let desk = Desk::open();
    for number in 1..=2_u32 {
        let batch: Vec<TraceEntry> = (0..100_u32)
            .map(|n| TraceEntry {
                tenant: TenantId::new("acme").unwrap(),
                trace: crate::curating::trace(u64::from(number * 1_000 + n), |trace| {
                    trace.stamp.version = Some(version(number));
                    trace.success = Some(n % (4 * number) != 0);
                    trace.rating_millionths = Some(250_000 * number);
                    trace.latency = Some(Duration::from_millis(u64::from(400 / number + n)));
                    trace.usage = Some(promptops_core::llm::Usage::new(300, u64::from(10 * number)));
                    trace.cost = Some(Cost::from_nano_usd(u64::from(50_000 * number)));
                }),
            })
            .collect();
        desk.store.record_traces(&batch).await.unwrap();
    }
    let found = desk
        .metrics
        .compare(&prompt(), version(1), version(2), None, None)
        .await
        .unwrap();
    insta::assert_snapshot!(found.to_string());
    assert_eq!(
        found.first.figures.latency.unwrap().p50,
        Duration::from_micros(446_464)
    );
    let total = desk
        .metrics
        .totals(&prompt().into(), None, Grouping::All)
        .await
        .unwrap();
    assert_eq!(total[0].metrics.usage_count, 200);
}
