//! One scored trace after the other.

use std::collections::BTreeMap;

use super::plan::{Monitor, Watched};
use super::settings::Rule;
use super::state::{MetricState, MonitorState};
use super::verdict::{Alarm, AlarmBy};
use crate::base::error::{Result, invalid};
use crate::base::{ScoreName, Timestamp};

/// The scores of one trace (or of one session) of the shipped version.
#[derive(Debug, Clone, PartialEq)]
pub struct Scored {
    /// When it was.
    pub at: Timestamp,
    /// Scores from 0 to 1, by metric. Those that are not watched are left alone.
    pub scores: BTreeMap<ScoreName, f64>,
}

impl Monitor {
    /// Adds a scored trace. The order is the caller's, and is to be the same when traces are folded again: that in which
    /// they were recorded, for example. A trace without a watched score changes nothing.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) for a watched score that is no number from 0 to 1,
    /// [`Corrupt`](crate::ErrorKind::Corrupt) for a state that is not of this monitor. The state is as it was, then.
    pub fn fold(&self, state: &mut MonitorState, scored: &Scored) -> Result<()> {
        state.check(self)?;
        self.check_scores(scored)?;
        self.add(state, scored);
        Ok(())
    }

    /// [`fold`](Self::fold) of many, for less.
    ///
    /// # Errors
    /// As there, for the first trace that has one; the state holds those before it, then.
    pub fn fold_all<'a>(
        &self,
        state: &mut MonitorState,
        scored: impl IntoIterator<Item = &'a Scored>,
    ) -> Result<()> {
        state.check(self)?;
        for scored in scored {
            self.check_scores(scored)?;
            self.add(state, scored);
        }
        Ok(())
    }

    fn check_scores(&self, scored: &Scored) -> Result<()> {
        for metric in self.metrics() {
            if let Some(score) = scored.scores.get(&metric.name)
                && !(0.0..=1.0).contains(score)
            {
                return Err(invalid(format!(
                    "a trace's score is {score}; the monitor needs a number from 0 to 1"
                ))
                .with("metric", &metric.name));
            }
        }
        Ok(())
    }

    fn add(&self, state: &mut MonitorState, scored: &Scored) {
        let settings = self.settings();
        let mut has_score = false;
        for (watched, metric) in self.metrics().iter().zip(&mut state.metrics) {
            let Some(score) = scored.scores.get(&watched.name) else {
                continue;
            };
            has_score = true;
            metric.count += 1;
            metric.sum += score;
            metric.last_at = metric.last_at.max(Some(scored.at));
            metric.recent.add(*score, settings.window());
            if let Some(mut wins) = watched.below.and_then(|below| below.wins(*score)) {
                if settings.alike > 1 {
                    // By Hölder's inequality the product of a group's wins, each to the power 1/size, is a bet too.
                    wins = wins.map(|win| win / f64::from(settings.alike));
                }
                metric.from_the_start.add(&wins);
                let begins = metric.count < settings.horizon;
                metric.since_some_time.add(&wins, begins);
            }
            if state.alarm.is_none() {
                state.alarm = self.alarm(watched, metric, scored.at);
            }
        }
        state.traces += u64::from(has_score);
    }

    /// The alarm that this metric raises now.
    fn alarm(&self, watched: &Watched, metric: &MetricState, at: Timestamp) -> Option<Alarm> {
        let settings = self.settings();
        let reference = watched.reference.ok()?;
        if metric.count < settings.min_traces {
            return None;
        }
        let (by, evidence, needed) = match settings.rule {
            Rule::Sequential => {
                let needed = self.needed();
                let start = metric.from_the_start();
                if start >= needed {
                    (AlarmBy::FromTheStart, start, needed)
                } else {
                    let late = metric.since_some_time(settings.horizon);
                    (late >= needed).then_some((AlarmBy::Late, late, needed))?
                }
            }
            Rule::RollingWindow { window, .. } => {
                let needed = self.rolling_limit(&reference)?;
                let mean = metric
                    .rolling_mean()
                    .filter(|mean| metric.recent.len() >= window as usize && *mean < needed)?;
                (AlarmBy::RollingWindow, mean, needed)
            }
        };
        Some(Alarm {
            metric: watched.name.clone(),
            by,
            evidence,
            needed,
            traces: metric.count,
            at,
        })
    }
}
