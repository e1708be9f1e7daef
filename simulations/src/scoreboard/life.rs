//! What becomes of a shipped version.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta};
use promptops_core::Result;
use promptops_core::base::ScoreName;
use promptops_core::improvement::monitor::{
    Incumbent, Monitor, MonitorSettings, MonitorState, Rule as Alarms, Scored,
};
use promptops_core::statistics::{Resampling, sign_flip_better};

use super::attempt::{Attempt, CORRECT, Finalist};
use super::replay::{Means, Repeats, repeats};
use super::rule::Watch;
use super::scenario::Scenario;
use crate::world::{Call, Conditions};

/// Items that both versions are replayed on after an alarm.
const RECENT: usize = 100;
/// Error of saying that the version before is better.
const ALPHA: f64 = 0.05;
/// The first of the repeats of those replays.
const REPEAT: u64 = 1_000;
/// Worse by less than this is not called a regression.
const REGRESSION: f64 = 0.01;

/// How a shipped version ended.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Life {
    /// At which trace after the ship it was rolled back.
    pub rolled_back: Option<u64>,
    /// Whether it was no worse then than the version before.
    pub is_false: bool,
    /// Whether everything had become harder then.
    pub in_drift: bool,
    /// From which trace after the ship on it was worse than the version before by a point or more; `None` when it never was.
    pub worse_from: Option<u64>,
    /// Mean true score over the life, whatever was live, less what the version before would have had: in points.
    pub net: f64,
}

impl Life {
    /// The life of a version that was never shipped.
    pub const NOTHING: Self = Self {
        rolled_back: None,
        is_false: false,
        in_drift: false,
        worse_from: None,
        net: 0.0,
    };

    /// How many traces a regression was live before it was rolled back; `None` when it never was, or before it began.
    #[must_use]
    pub fn delay(&self) -> Option<u64> {
        self.rolled_back?.checked_sub(self.worse_from?)
    }
}

/// Lets a version live.
///
/// # Errors
/// None that the monitor's own settings would not have.
pub fn life(attempt: &Attempt, scenario: &Scenario, finalist: &Finalist, watch: Watch) -> Result<Life> {
    let rolled_back = match watch {
        Watch::Nobody => None,
        _ => watched(attempt, scenario, finalist, watch)?,
    };
    let schedule = attempt.world.settings().schedule;
    let gain = |conditions: Conditions| {
        let score = |reading| attempt.world.score(Some(reading), conditions);
        score(&finalist.reading) - score(&attempt.live)
    };
    let changes_at = scenario.before.min(scenario.life);
    let phases = [
        (0, changes_at, gain(schedule.at(scenario.traffic))),
        (
            changes_at,
            scenario.life,
            gain(schedule.at(scenario.traffic + changes_at)),
        ),
    ];
    let end = rolled_back.unwrap_or(scenario.life);
    let net: f64 = phases
        .iter()
        .map(|(from, to, gain)| (end.min(*to).saturating_sub(*from)) as f64 * gain)
        .sum();
    let now = schedule.at(scenario.traffic + end);
    Ok(Life {
        rolled_back,
        is_false: rolled_back.is_some() && gain(now) >= 0.0,
        in_drift: rolled_back.is_some() && now.keeps < 1.0,
        worse_from: phases
            .iter()
            .find(|(_, _, gain)| *gain <= -REGRESSION)
            .map(|(from, _, _)| *from),
        net: 100.0 * net / scenario.life as f64,
    })
}

/// The trace after the ship at which the version is rolled back.
fn watched(attempt: &Attempt, scenario: &Scenario, finalist: &Finalist, watch: Watch) -> Result<Option<u64>> {
    let world = &attempt.world;
    let name = ScoreName::new(CORRECT)?;
    let (passed, total) = attempt.online;
    let settings = MonitorSettings {
        horizon: scenario.life,
        rule: match watch {
            Watch::Rolling => Alarms::ROLLING_WINDOW,
            _ => Alarms::Sequential,
        },
        ..MonitorSettings::default()
    };
    let incumbent = Incumbent::Passes { passed, total };
    let monitor = Monitor::new(settings, BTreeMap::from([(name.clone(), incumbent.into())]))?;
    let began = DateTime::UNIX_EPOCH;
    let mut state = MonitorState::new(&monitor, began);
    let mut scored = Scored {
        at: began,
        scores: BTreeMap::from([(name.clone(), 0.0)]),
    };
    let mut recorded = Vec::new();
    for after in 0..scenario.life {
        let number = scenario.traffic + after;
        let call = Call {
            item: number,
            repeat: 0,
            now: number,
        };
        scored.at += TimeDelta::seconds(1);
        let Some(truth) = world.answer(&finalist.reading, call) else {
            continue;
        };
        let found = world.judged(truth, &finalist.reading, call);
        recorded.push(number);
        if let Some(score) = scored.scores.get_mut(&name) {
            *score = f64::from(u8::from(found.correct));
        }
        monitor.fold(&mut state, &scored)?;
        if state.alarm().is_some() {
            let is_guilty = watch != Watch::Attributed || before_is_better(attempt, finalist, &recorded);
            return Ok(is_guilty.then_some(after + 1));
        }
    }
    Ok(None)
}

/// Whether the version before does better on what came last, both replayed now.
fn before_is_better(attempt: &Attempt, finalist: &Finalist, recorded: &[u64]) -> bool {
    let recent = &recorded[recorded.len().saturating_sub(RECENT)..];
    let now = recent.last().copied().unwrap_or_default();
    let replayed: Vec<[Repeats; 2]> = recent
        .iter()
        .map(|number| {
            let first = Call {
                item: *number,
                repeat: REPEAT,
                now,
            };
            [&finalist.reading, &attempt.live].map(|reading| repeats(&attempt.world, reading, first))
        })
        .collect();
    let differences = Means::of(replayed.iter().map(|[live, before]| [live, before])).differences;
    let groups: Vec<usize> = (0..differences.len()).collect();
    Resampling::new(1_000, attempt.world.seed())
        .and_then(|resampling| sign_flip_better(&differences, &groups, resampling))
        .is_some_and(|test| test.p_value <= ALPHA)
}
