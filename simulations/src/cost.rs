//! What a look costs.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::Instant;

use chrono::DateTime;
use promptops_core::base::ScoreName;
use promptops_core::improvement::monitor::{Incumbent, Monitor, MonitorSettings, MonitorState, Scored};
use promptops_core::statistics::{Counts, LabelTest, ScoreBins};

/// Nanoseconds of one look, without a prior: at counts of successes, and at scores. `None` when no test can be made.
#[must_use]
pub fn of_a_look() -> Option<(f64, f64)> {
    let test = LabelTest::new(0.5, None)?;
    let (control, variant) = (Counts::new(700, 1_000)?, Counts::new(720, 1_000)?);
    let counts = nanoseconds(200, || test.ln_e(black_box(&control), black_box(&variant)));
    let bins = |center: u64| ScoreBins::new(std::array::from_fn(|bin| 100 - center.abs_diff(bin as u64)));
    let (control, variant) = (bins(60), bins(65));
    let scores = nanoseconds(20, || test.ln_e_scores(black_box(&control), black_box(&variant)));
    Some((counts, scores))
}

/// Nanoseconds of one scored trace in a monitor of one metric. `None` when no monitor can be made.
#[must_use]
pub fn of_a_scored_trace() -> Option<f64> {
    let name = ScoreName::new("metric").ok()?;
    let incumbent = Incumbent::Passes {
        passed: 900,
        total: 1_000,
    };
    let metrics = BTreeMap::from([(name.clone(), incumbent.into())]);
    let monitor = Monitor::new(MonitorSettings::default(), metrics).ok()?;
    let trace = |at: u32| Scored {
        at: DateTime::UNIX_EPOCH,
        scores: BTreeMap::from([(name.clone(), f64::from(u8::from(!at.is_multiple_of(10))))]),
    };
    let traces: Vec<Scored> = (0..1_000).map(trace).collect();
    let empty = MonitorState::new(&monitor, DateTime::UNIX_EPOCH);
    let all = nanoseconds(1, || {
        let mut state = empty.clone();
        let folded = monitor.fold_all(&mut state, black_box(&traces));
        folded.map_or(f64::NAN, |()| state.metrics()[0].from_the_start())
    });
    Some(all / traces.len() as f64)
}

/// Of the quickest of many short rounds: what else the machine does makes it slower, never quicker.
fn nanoseconds(times: u32, look: impl Fn() -> f64) -> f64 {
    let round = |_| {
        let began = Instant::now();
        for _ in 0..times {
            black_box(look());
        }
        began.elapsed().as_nanos() as f64 / f64::from(times)
    };
    (0..2_000).map(round).fold(f64::INFINITY, f64::min)
}
