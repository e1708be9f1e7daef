//! One shipped version, watched from the first trace to the last.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;

use chrono::{DateTime, TimeDelta};
use promptops_core::Result;
use promptops_core::base::ScoreName;
use promptops_core::improvement::monitor::{
    AlarmBy, Incumbent, Monitor, MonitorSettings, MonitorState, Rule, Scored, Verdict,
};
use promptops_core::statistics::{proportion_at_least, proportion_at_most, relative_entropy};

use super::scenario::Scenario;
use super::stream::{Source, Stream};
use crate::in_parallel;

/// How one watch ended.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Watch {
    /// What raised an alarm, and at which trace; `None` when nothing did.
    pub alarm: Option<(AlarmBy, u64)>,
    /// Whether the page's rolling mean of 50 against "5 points below" raised one.
    pub rolling: bool,
    /// Whether the version was cleared at the end.
    pub cleared: bool,
    /// ln(1/α) / KL(mean at the end ‖ m₀): about how many traces the best test of one look would take; `None` when the
    /// mean is not below m₀.
    pub formula: Option<f64>,
}

/// What was found in many.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// Each of them.
    pub watches: Vec<Watch>,
}

impl Found {
    /// The share of watches with an alarm, by this or by anything.
    #[must_use]
    pub fn alarms(&self, by: Option<AlarmBy>) -> f64 {
        self.share(|watch| watch.alarm.is_some_and(|alarm| by.is_none_or(|by| alarm.0 == by)))
    }

    /// The share of watches of which this holds.
    #[must_use]
    pub fn share(&self, holds: impl Fn(&Watch) -> bool) -> f64 {
        self.count(holds) as f64 / self.watches.len() as f64
    }

    /// Bounds of a share, each with an error of 1 %.
    #[must_use]
    pub fn bounds(&self, holds: impl Fn(&Watch) -> bool) -> (f64, f64) {
        let (count, total) = (self.count(holds), self.watches.len() as u64);
        let low = proportion_at_least(count, total, 0.01).unwrap_or(0.0);
        (low, proportion_at_most(count, total, 0.01).unwrap_or(1.0))
    }

    fn count(&self, holds: impl Fn(&Watch) -> bool) -> u64 {
        self.watches.iter().filter(|watch| holds(watch)).count() as u64
    }

    /// The median of a figure, of which those without one are the largest; `None` when it is one of these.
    #[must_use]
    pub fn median(&self, of: impl Fn(&Watch) -> Option<f64>) -> Option<f64> {
        let mut figures: Vec<f64> = self
            .watches
            .iter()
            .map(|watch| of(watch).unwrap_or(f64::INFINITY))
            .collect();
        figures.sort_unstable_by(f64::total_cmp);
        figures
            .get(figures.len() / 2)
            .copied()
            .filter(|figure| figure.is_finite())
    }
}

/// Watches this many versions, each against a reference of its own.
///
/// # Errors
/// [`Invalid`](promptops_core::ErrorKind::Invalid) for settings out of range.
pub fn watched(scenario: &Scenario, watches: usize, seed: u64, threads: NonZeroUsize) -> Result<Found> {
    let all = in_parallel(threads, watches, |index| {
        one(scenario, seed ^ ((index as u64) << 20))
    });
    Ok(Found {
        watches: all.into_iter().collect::<Result<_>>()?,
    })
}

fn one(scenario: &Scenario, seed: u64) -> Result<Watch> {
    let mut source = Source::new(scenario.stream, seed);
    let names: Vec<ScoreName> = (1..=scenario.metrics)
        .map(|metric| ScoreName::new(format!("metric {metric}")))
        .collect::<Result<_>>()?;
    let mut baselines = BTreeMap::new();
    for name in &names {
        let sum: f64 = (0..scenario.reference)
            .map(|_| source.next(scenario.before))
            .sum();
        let count = scenario.reference;
        let incumbent = match scenario.stream {
            Stream::Graded => Incumbent::Scores { sum, count },
            _ => Incumbent::Passes {
                passed: sum as u64,
                total: count,
            },
        };
        baselines.insert(name.clone(), incumbent.into());
    }
    let settings = MonitorSettings {
        alike: scenario.alike,
        ..MonitorSettings::default()
    };
    let rolling = MonitorSettings {
        rule: Rule::ROLLING_WINDOW,
        ..settings
    };
    let rolling = Monitor::new(rolling, baselines.clone())?;
    let monitor = Monitor::new(settings, baselines)?;
    let began = DateTime::UNIX_EPOCH;
    let (mut state, mut rolls) = (
        MonitorState::new(&monitor, began),
        MonitorState::new(&rolling, began),
    );
    let mut scored = Scored {
        at: began,
        scores: BTreeMap::new(),
    };
    for trace in 0..scenario.traces {
        let mean = scenario.mean(trace);
        for name in &names {
            scored.scores.insert(name.clone(), source.next(mean));
        }
        scored.at += TimeDelta::minutes(1);
        monitor.fold(&mut state, &scored)?;
        if scenario.with_rolling && rolls.alarm().is_none() {
            rolling.fold(&mut rolls, &scored)?;
        }
        if state.alarm().is_some() && (!scenario.with_rolling || rolls.alarm().is_some()) {
            break;
        }
    }
    let null = monitor.metrics()[0]
        .reference
        .ok()
        .map(|reference| reference.null);
    let end = scenario.mean(scenario.traces);
    Ok(Watch {
        alarm: state.alarm().map(|alarm| (alarm.by, alarm.traces)),
        rolling: rolls.alarm().is_some(),
        cleared: monitor.verdict(&state, scored.at)? == Verdict::Cleared,
        formula: null
            .filter(|null| end < *null)
            .map(|null| -settings.alpha.ln() / relative_entropy(end, null)),
    })
}
