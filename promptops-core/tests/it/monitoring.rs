//! The watch over a shipped version: what it says, that it is the same however it is cut, and what it refuses.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, TimeDelta};
use promptops_core::ErrorKind;
use promptops_core::base::{ScoreName, Timestamp};
use promptops_core::improvement::monitor::{
    AlarmBy, Baseline, Chart, Incumbent, Missing, Monitor, MonitorSettings, MonitorState, NoReference, Rule,
    Scored, Series, Verdict,
};
use promptops_core::statistics::{BelowMean, FromTheStart, Random, SinceSomeTime};
use proptest::prelude::*;

fn name(text: &str) -> ScoreName {
    ScoreName::new(text).unwrap()
}

fn minute(minutes: i64) -> Timestamp {
    DateTime::UNIX_EPOCH + TimeDelta::minutes(minutes)
}

fn hours(hours: u64) -> Duration {
    Duration::from_secs(hours * 3_600)
}

fn passes(passed: u64, total: u64) -> Baseline {
    Incumbent::Passes { passed, total }.into()
}

fn watch(settings: MonitorSettings, metrics: &[(&str, Baseline)]) -> Monitor {
    let metrics = metrics.iter().map(|(metric, baseline)| (name(metric), *baseline));
    Monitor::new(settings, metrics.collect()).unwrap()
}

fn scored(at: Timestamp, scores: &[(&str, f64)]) -> Scored {
    Scored {
        at,
        scores: scores
            .iter()
            .map(|(metric, score)| (name(metric), *score))
            .collect(),
    }
}

/// Passes at this rate, one a minute from the first minute on.
fn stream(seed: u64, rate: f64, minutes: std::ops::Range<i64>) -> Vec<Scored> {
    let mut random = Random::seeded(seed);
    minutes
        .map(|at| {
            let passed = (random.bits() >> 11) as f64 / ((1_u64 << 53) as f64) < rate;
            scored(minute(at), &[("faithful", f64::from(u8::from(passed)))])
        })
        .collect()
}

fn after(monitor: &Monitor, traces: &[Scored]) -> MonitorState {
    let mut state = MonitorState::new(monitor, minute(0));
    monitor.fold_all(&mut state, traces).unwrap();
    state
}

fn small() -> MonitorSettings {
    MonitorSettings {
        horizon: 1_500,
        ..MonitorSettings::default()
    }
}

#[test]
fn a_fall_from_the_start_raises_an_alarm_with_its_evidence() {
    let monitor = watch(small(), &[("faithful", passes(1_800, 2_000))]);
    let traces = stream(1, 0.6, 1..400);
    let state = after(&monitor, &traces);
    let verdict = monitor.verdict(&state, minute(400)).unwrap();
    let Verdict::Alarm(alarm) = &verdict else {
        panic!("{verdict}");
    };
    assert_eq!(alarm.by, AlarmBy::FromTheStart);
    assert_eq!(alarm.needed, 50_f64.ln());
    assert!(alarm.evidence >= alarm.needed && alarm.traces < 60, "{alarm}");
    assert_eq!(alarm.at, minute(alarm.traces as i64));
    // Not at the trace before, and as it was then whatever comes after.
    let before = after(&monitor, &traces[..alarm.traces as usize - 1]);
    assert_eq!(before.alarm(), None);
    let at = after(&monitor, &traces[..alarm.traces as usize]);
    assert_eq!(at.alarm(), Some(alarm));
    assert_eq!(at.metrics()[0].from_the_start(), alarm.evidence);
    assert!(
        verdict
            .to_string()
            .starts_with("alarm: faithful is worse from the start: ln E ")
    );
}

#[test]
fn a_late_fall_raises_an_alarm_that_says_so() {
    let monitor = watch(small(), &[("faithful", passes(1_800, 2_000))]);
    let mut traces = stream(2, 0.9, 1..1_000);
    traces.extend(stream(3, 0.5, 1_000..1_200));
    let alarm = after(&monitor, &traces).alarm().cloned().unwrap();
    assert_eq!(alarm.by, AlarmBy::Late);
    assert!((1_000..1_080).contains(&alarm.traces), "{alarm}");
    // Evidence from the start alone needs far longer: what went well before counts against it.
    let state = after(&monitor, &traces);
    assert!(state.metrics()[0].from_the_start() < alarm.needed);
}

#[test]
fn a_good_version_is_cleared_once_traces_time_and_certainty_suffice() {
    let monitor = watch(small(), &[("faithful", passes(4_500, 5_000))]);
    let traces = stream(4, 0.9, 1..1_600);
    let missing = |traces: &[Scored], now| match monitor.verdict(&after(&monitor, traces), now).unwrap() {
        Verdict::Watching { missing } => missing,
        other => panic!("{other}"),
    };
    let few = missing(&traces[..1_440], minute(1_440));
    assert!(
        matches!(
            few[..],
            [Missing::Traces {
                found: 1_440,
                needed: 1_500,
                ..
            }]
        ),
        "{few:?}"
    );
    assert_eq!(
        monitor
            .verdict(&after(&monitor, &traces[..1_500]), minute(1_500))
            .unwrap(),
        Verdict::Cleared
    );
    // Cleared by what was seen: later silence does not take it back.
    let state = after(&monitor, &traces);
    assert_eq!(
        monitor.verdict(&state, minute(100_000)).unwrap(),
        Verdict::Cleared
    );

    // The same traces in less time.
    let mut quick = traces.clone();
    quick
        .iter_mut()
        .for_each(|trace| trace.at = minute(trace.at.timestamp() / 600));
    let short = missing(&quick, minute(160));
    assert!(matches!(short[..], [Missing::Time { .. }]), "{short:?}");
    // Waiting does not help.
    let waited = after(&monitor, &quick);
    let verdict = monitor.verdict(&waited, minute(159 + 24 * 60)).unwrap();
    assert!(matches!(verdict, Verdict::NoData { .. }), "{verdict}");

    // A reference of few traces leaves open what the incumbent was.
    let unsure = watch(small(), &[("faithful", passes(90, 100))]);
    let verdict = unsure.verdict(&after(&unsure, &traces), minute(1_600)).unwrap();
    let Verdict::Watching { missing } = &verdict else {
        panic!("{verdict}");
    };
    assert!(matches!(missing[..], [Missing::Harm { at_most, tolerance: 0.05, .. }] if at_most > 0.05));
}

#[test]
fn a_version_worse_by_the_tolerance_is_not_cleared() {
    let monitor = watch(small(), &[("faithful", passes(4_500, 5_000))]);
    let state = after(&monitor, &stream(5, 0.85, 1..3_000));
    assert!(monitor.harm_at_most(&state.metrics()[0]).unwrap() > 0.05);
    let verdict = monitor.verdict(&state, minute(3_000)).unwrap();
    assert!(matches!(verdict, Verdict::Watching { .. }), "{verdict}");
}

#[test]
fn no_traffic_is_no_data_and_never_cleared() {
    let monitor = watch(
        MonitorSettings {
            horizon: 20,
            min_time: Duration::ZERO,
            ..MonitorSettings::default()
        },
        &[("faithful", passes(900, 1_000)), ("polite", passes(900, 1_000))],
    );
    let mut state = MonitorState::new(&monitor, minute(0));
    let day = minute(24 * 60);
    assert!(matches!(
        monitor.verdict(&state, minute(24 * 60 - 1)).unwrap(),
        Verdict::Watching { .. }
    ));
    let verdict = monitor.verdict(&state, day).unwrap();
    assert_eq!(
        verdict.to_string(),
        "no data: no score of faithful, polite for 24.0 h"
    );
    // One metric alone is not enough.
    monitor
        .fold(&mut state, &scored(day, &[("faithful", 1.0), ("else", 7.0)]))
        .unwrap();
    let verdict = monitor.verdict(&state, day).unwrap();
    assert_eq!(verdict.to_string(), "no data: no score of polite for 24.0 h");
    monitor
        .fold(&mut state, &scored(day, &[("polite", 1.0)]))
        .unwrap();
    assert_eq!((state.traces(), state.metrics()[0].count()), (2, 1));
    assert!(matches!(
        monitor.verdict(&state, day).unwrap(),
        Verdict::Watching { .. }
    ));
    // A clock that went back is no reason.
    assert!(matches!(
        monitor.verdict(&state, minute(-9)).unwrap(),
        Verdict::Watching { .. }
    ));
}

#[test]
fn without_a_reference_nothing_is_alarmed_and_nothing_cleared() {
    let settings = MonitorSettings {
        horizon: 100,
        min_time: Duration::ZERO,
        ..MonitorSettings::default()
    };
    let monitor = watch(settings, &[("faithful", passes(50, 50))]);
    let state = after(&monitor, &stream(6, 0.1, 1..500));
    let verdict = monitor.verdict(&state, minute(500)).unwrap();
    let Verdict::Watching { missing } = &verdict else {
        panic!("{verdict}");
    };
    assert_eq!(
        missing[..],
        [Missing::NoReference {
            metric: name("faithful"),
            reason: NoReference::TooFew {
                found: 50,
                needed: 100
            }
        }]
    );
    assert_eq!(
        verdict.to_string(),
        "watching: faithful has no reference: the incumbent has 50 scored traces, needed 100"
    );
    // What was seen is kept for the chart.
    assert!(state.metrics()[0].rolling_mean().unwrap() < 0.3);
}

#[test]
fn metrics_share_the_error() {
    let one = watch(small(), &[("faithful", passes(900, 1_000))]);
    let both = watch(
        small(),
        &[("faithful", passes(900, 1_000)), ("polite", passes(3, 3))],
    );
    assert_eq!(one.needed(), (5.0_f64 / (2.0 * 0.05)).ln());
    assert_eq!(both.needed(), (5.0_f64 / (2.0 * 0.025)).ln());
    let null = |monitor: &Monitor| monitor.metrics()[0].reference.unwrap().null;
    assert!(null(&both) < null(&one));
}

#[test]
fn nothing_is_said_before_the_minimum_of_traces() {
    for min_traces in [20, 35] {
        let settings = MonitorSettings {
            min_traces,
            ..small()
        };
        let monitor = watch(settings, &[("faithful", passes(990, 1_000))]);
        let alarm = after(&monitor, &stream(7, 0.0, 1..100)).alarm().cloned().unwrap();
        assert_eq!(alarm.traces, min_traces);
    }
}

#[test]
fn a_rolling_window_waits_until_it_is_full() {
    let settings = MonitorSettings {
        rule: Rule::ROLLING_WINDOW,
        ..small()
    };
    let monitor = watch(settings, &[("faithful", passes(900, 1_000))]);
    let alarm = after(&monitor, &stream(8, 0.0, 1..100)).alarm().cloned().unwrap();
    assert_eq!((alarm.by, alarm.traces), (AlarmBy::RollingWindow, 50));
    assert_eq!((alarm.evidence, alarm.needed), (0.0, 0.9 - 0.05));
    // At the limit is not below it: 0.9 − 0.1, and ten failures of fifty.
    let settings = MonitorSettings {
        rule: Rule::RollingWindow {
            window: 50,
            threshold: 0.1,
        },
        ..small()
    };
    let monitor = watch(settings, &[("faithful", passes(900, 1_000))]);
    let alarmed = |every: usize| {
        let scores = (0..100).map(|i| f64::from(u8::from(i % every > 0)));
        let traces: Vec<Scored> = scores
            .map(|score| scored(minute(1), &[("faithful", score)]))
            .collect();
        after(&monitor, &traces).alarm().is_some()
    };
    assert!(!alarmed(5) && alarmed(4));
}

#[test]
fn scores_out_of_range_are_refused_before_they_touch_the_state() {
    let monitor = watch(
        small(),
        &[("faithful", passes(900, 1_000)), ("polite", passes(900, 1_000))],
    );
    let mut state = after(&monitor, &stream(9, 0.9, 1..30));
    let untouched = state.clone();
    for wrong in [-1e-9, 1.000_001, 5.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let error = monitor
            .fold(
                &mut state,
                &scored(minute(30), &[("faithful", 1.0), ("polite", wrong)]),
            )
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert_eq!(
            error.to_string(),
            format!("a trace's score is {wrong}; the monitor needs a number from 0 to 1 (metric: polite)")
        );
        assert_eq!(state, untouched);
    }
    // Of scores that are not watched, nothing is asked.
    monitor
        .fold(&mut state, &scored(minute(30), &[("latency", 250.0)]))
        .unwrap();
    assert_eq!(state, untouched);
}

#[test]
fn a_monitor_is_not_made_of_what_cannot_be() {
    let made = |settings, metrics: Vec<(&str, Baseline)>| {
        let metrics: BTreeMap<_, _> = metrics
            .into_iter()
            .map(|(metric, baseline)| (name(metric), baseline))
            .collect();
        Monitor::new(settings, metrics).unwrap_err().to_string()
    };
    assert_eq!(made(small(), vec![]), "0 metrics to watch; 1 to 32 are possible");
    assert_eq!(
        made(small(), vec![("polite", passes(3, 2))]),
        "the incumbent's 2 scores have the sum 3; each must be 0 to 1 (metric: polite)"
    );
    let candidate = Baseline {
        candidate: Some(70.0),
        ..passes(90, 100)
    };
    assert_eq!(
        made(small(), vec![("polite", candidate)]),
        "the candidate's mean in the replay is 70; it must be 0 to 1 (metric: polite)"
    );
    let settings = MonitorSettings {
        alpha: 0.0,
        ..small()
    };
    assert!(made(settings, vec![("polite", passes(1, 2))]).contains("alpha"));
}

#[test]
fn a_state_of_another_monitor_or_with_impossible_figures_is_refused() {
    let monitor = watch(small(), &[("faithful", passes(900, 1_000))]);
    let other = watch(small(), &[("polite", passes(900, 1_000))]);
    let mut state = after(&monitor, &stream(10, 0.9, 1..60));
    assert_eq!(
        other
            .fold(&mut state, &scored(minute(9), &[]))
            .unwrap_err()
            .kind(),
        ErrorKind::Corrupt
    );
    assert_eq!(
        other.verdict(&state, minute(9)).unwrap_err().kind(),
        ErrorKind::Corrupt
    );
    let json = serde_json::to_value(&state).unwrap();
    for (field, wrong) in [
        ("sum", serde_json::json!(60.5)),
        ("count", serde_json::json!(61)),
        ("recent", serde_json::json!([1_000_001])),
    ] {
        let mut changed = json.clone();
        changed["metrics"][0][field] = wrong;
        let state: MonitorState = serde_json::from_value(changed).unwrap();
        let error = monitor.verdict(&state, minute(9)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{field}");
    }
    let mut changed = json;
    changed["metrics"][0]["more"] = serde_json::json!(1);
    assert!(serde_json::from_value::<MonitorState>(changed).is_err());
}

#[test]
fn a_monitor_is_read_as_it_was_stored() {
    let baseline = Baseline {
        candidate: Some(0.93),
        ..passes(900, 1_000)
    };
    let monitor = watch(small(), &[("faithful", baseline)]);
    let json = serde_json::to_string(&monitor).unwrap();
    assert_eq!(serde_json::from_str::<Monitor>(&json).unwrap(), monitor);
    let wrong = json.replace("\"alpha\":0.05", "\"alpha\":5.0");
    let error = serde_json::from_str::<Monitor>(&wrong).unwrap_err();
    assert!(error.to_string().contains("the monitor's alpha is 5"), "{error}");
}

#[test]
fn the_fold_is_that_of_the_definitions() {
    // With the library's statistics, which have vectors of their own: the order, the horizon, what is alike.
    for alike in [1, 4] {
        let settings = MonitorSettings {
            alike,
            horizon: 100,
            ..MonitorSettings::default()
        };
        let monitor = watch(settings, &[("faithful", passes(900, 1_000))]);
        let traces = stream(11, 0.8, 1..301);
        let state = after(&monitor, &traces);
        let below = BelowMean::new(monitor.metrics()[0].reference.unwrap().null).unwrap();
        let (mut start, mut late) = (FromTheStart::default(), SinceSomeTime::default());
        for (at, trace) in (1..).zip(&traces) {
            let wins = below.wins(trace.scores[&name("faithful")]).unwrap();
            let wins = wins.map(|win| win / f64::from(alike));
            start.add(&wins);
            late.add(&wins, at < 100);
        }
        assert_eq!(state.metrics()[0].from_the_start(), start.ln_e());
        assert_eq!(state.metrics()[0].since_some_time(100), late.ln_e(100));
    }
}

#[test]
fn charts_have_few_points_and_end_where_the_state_is() {
    let baseline = Baseline {
        candidate: Some(0.95),
        ..passes(1_800, 2_000)
    };
    let monitor = watch(small(), &[("faithful", baseline)]);
    let mut state = MonitorState::new(&monitor, minute(0));
    let mut series = Series::new(name("faithful"), 1_500);
    let chart = |state: &MonitorState, series: &Series| Chart::new(&monitor, state, series).unwrap();
    assert_eq!(chart(&state, &series).to_string(), "faithful: no scored traces");
    let mut traces = stream(12, 0.9, 1..1_000);
    traces.extend(stream(13, 0.6, 1_000..1_102));
    for trace in &traces {
        monitor.fold(&mut state, trace).unwrap();
        series.observe(&state);
        series.observe(&state);
        assert!(series.points().len() <= 512);
    }
    let chart = chart(&state, &series);
    assert_eq!(series.points().len(), 1_101 / 4);
    assert_eq!(chart.points.len(), 1_101 / 4 + 1);
    let last = chart.points.last().unwrap();
    assert_eq!(last.traces, 1_101);
    assert_eq!(Some(last.rolling_mean), state.metrics()[0].rolling_mean());
    assert_eq!(chart.lines.candidate, Some(0.95));
    assert_eq!(
        chart.lines.null,
        Some(monitor.metrics()[0].reference.unwrap().null)
    );
    insta::assert_snapshot!(format!(
        "{chart}\n  {}",
        monitor.verdict(&state, minute(1_102)).unwrap()
    ));
    let other = Series::new(name("polite"), 1_500);
    assert_eq!(Chart::new(&monitor, &state, &other), None);
}

#[test]
fn a_stored_state_goes_on_bit_for_bit() {
    // Where a float's text lost a bit, a thousand traces would show it.
    let monitor = watch(small(), &[("faithful", passes(9_050, 10_000))]);
    let mut random = Random::seeded(14);
    let mut kept = MonitorState::new(&monitor, minute(0));
    let mut stored = kept.clone();
    for at in 1..1_000 {
        let score = (random.bits() >> 11) as f64 / (1_u64 << 53) as f64;
        let trace = scored(minute(at), &[("faithful", score.sqrt().sqrt())]);
        monitor.fold(&mut kept, &trace).unwrap();
        monitor.fold(&mut stored, &trace).unwrap();
        let json = serde_json::to_string(&stored).unwrap();
        stored = serde_json::from_str(&json).unwrap();
        assert_eq!(stored, kept);
        assert_eq!(serde_json::to_string(&kept).unwrap(), json);
    }
    assert_eq!(
        stored.metrics()[0].from_the_start().to_bits(),
        kept.metrics()[0].from_the_start().to_bits()
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn batches_do_not_matter(
        scores in proptest::collection::vec((proptest::option::of(0.0..=1.0_f64), proptest::option::of(0.0..=1.0_f64)), 1..200),
        cuts in proptest::collection::vec(0_usize..200, 0..8),
        alike in 1_u32..5,
    ) {
        let settings = MonitorSettings { horizon: 80, alike, ..MonitorSettings::default() };
        let metrics = [("a", passes(900, 1_000)), ("b", Incumbent::Scores { sum: 300.5, count: 500 }.into())];
        let monitor = watch(settings, &metrics);
        let traces: Vec<Scored> = (1..).zip(&scores).map(|(at, (a, b))| {
            let scores = [("a", *a), ("b", *b)];
            let given: Vec<_> = scores.iter().filter_map(|(n, score)| score.map(|score| (*n, score))).collect();
            scored(minute(at), &given)
        }).collect();
        let whole = after(&monitor, &traces);
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(traces.len())).collect();
        cuts.extend([0, traces.len()]);
        cuts.sort_unstable();
        let mut state = MonitorState::new(&monitor, minute(0));
        for ends in cuts.windows(2) {
            monitor.fold_all(&mut state, &traces[ends[0]..ends[1]]).unwrap();
            state = serde_json::from_str(&serde_json::to_string(&state).unwrap()).unwrap();
        }
        prop_assert_eq!(serde_json::to_string(&state).unwrap(), serde_json::to_string(&whole).unwrap());
        prop_assert!(monitor.verdict(&state, minute(200) + hours(1)).is_ok());
    }
}
