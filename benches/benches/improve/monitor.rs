//! The way back: what a shipped version's monitor costs for each scored trace.

use std::collections::BTreeMap;
use std::hint::black_box;

use promptops_benches::measure::compare;
use promptops_benches::table::{Goal, Table};
use promptops_core::base::ScoreName;
use promptops_core::improvement::monitor::{Incumbent, Monitor, MonitorSettings, MonitorState, Scored};
use promptops_core::statistics::Random;

/// Scored traces of one fold: few enough that a round is not interrupted.
const TRACES: usize = 200;

pub fn run() {
    let mut table = Table::new(
        "monitor, per 200 scored traces",
        "the same bets multiplied without logarithms, R and E of one metric",
    );
    for metrics in [1, 4] {
        let names: Vec<ScoreName> = (0..metrics)
            .map(|metric| ScoreName::new(format!("metric {metric}")).expect("a name"))
            .collect();
        let incumbent = Incumbent::Passes {
            passed: 1_800,
            total: 2_000,
        };
        let baselines = names.iter().map(|name| (name.clone(), incumbent.into()));
        let monitor = Monitor::new(MonitorSettings::default(), baselines.collect())
            .expect("a reference of 2,000 traces");
        let mut random = Random::seeded(1);
        let traces: Vec<Scored> = (0..TRACES)
            .map(|_| Scored {
                at: chrono::DateTime::UNIX_EPOCH,
                scores: names
                    .iter()
                    .map(|name| {
                        (
                            name.clone(),
                            f64::from(u8::from(!random.bits().is_multiple_of(10))),
                        )
                    })
                    .collect::<BTreeMap<_, _>>(),
            })
            .collect();
        let empty = MonitorState::new(&monitor, chrono::DateTime::UNIX_EPOCH);
        let fold = || {
            let mut state = empty.clone();
            monitor
                .fold_all(&mut state, black_box(&traces))
                .expect("scores from 0 to 1");
            // With an alarm it would look no more.
            assert!(state.alarm().is_none());
            state
        };
        let scores: Vec<f64> = traces.iter().map(|trace| trace.scores[&names[0]]).collect();
        let pair = compare(fold, || bare(black_box(&scores)));
        table.pair(
            &format!("fold at once, metrics: {metrics}"),
            &pair,
            Goal::AtMost(1e3 * TRACES as f64 * f64::from(metrics)),
        );
        let one = || {
            let mut state = empty.clone();
            for trace in black_box(&traces) {
                monitor.fold(&mut state, trace).expect("scores from 0 to 1");
            }
            state
        };
        let pair = compare(one, || bare(black_box(&scores)));
        table.pair(&format!("one by one, metrics: {metrics}"), &pair, Goal::None);
    }
}

/// E and R by their recursions, as they would overflow on a bad day.
fn bare(scores: &[f64]) -> (f64, f64) {
    const PARTS: [f64; 7] = [0.02, 0.04, 0.08, 0.15, 0.3, 0.55, 0.9];
    let null = 0.84;
    let (mut e, mut r) = ([1.0; 7], [0.0; 7]);
    let mut most = (0.0_f64, 0.0_f64);
    for score in scores {
        for ((e, r), part) in e.iter_mut().zip(&mut r).zip(PARTS) {
            let win = 1.0 + part * (null - score) / (1.0 - null);
            *e *= win;
            *r = (1.0 + *r) * win;
        }
        most.0 = most.0.max(e.iter().sum::<f64>() / 7.0);
        most.1 = most.1.max(r.iter().sum::<f64>() / 7.0);
    }
    most
}
