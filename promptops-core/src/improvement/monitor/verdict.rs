//! What a monitor says.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::plan::{Monitor, Watched};
use super::reference::{NoReference, Reference};
use super::settings::MonitorSettings;
use super::state::{MetricState, MonitorState};
use crate::base::error::Result;
use crate::base::{ScoreName, Timestamp};
use crate::statistics::mean_at_least_anytime;

/// What raised an alarm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AlarmBy {
    /// The mean has been below the null from the start.
    FromTheStart,
    /// The mean fell below the null at some time after the ship.
    Late,
    /// The mean of the last traces is below the rule's limit.
    RollingWindow,
}

/// An alarm as it was raised.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Alarm {
    /// The metric.
    pub metric: ScoreName,
    /// What raised it.
    pub by: AlarmBy,
    /// ln E at the trace that raised it; for the window's rule the rolling mean.
    pub evidence: f64,
    /// ln E that it took; for the window's rule the mean that it was to be.
    pub needed: f64,
    /// How many traces had the metric's score, that one included.
    pub traces: u64,
    /// When that trace was.
    pub at: Timestamp,
}

/// What a monitor says of the shipped version.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case", tag = "type")]
pub enum Verdict {
    /// Nothing was found, and not enough was seen to clear it.
    Watching {
        /// What is missing.
        missing: Vec<Missing>,
    },
    /// It does harm, or what reaches it has changed: see whether the version before does better.
    Alarm(Alarm),
    /// It was seen long enough, and does no harm beyond the tolerance.
    Cleared,
    /// Nothing was scored for too long.
    NoData {
        /// The metrics without scores.
        metrics: Vec<ScoreName>,
        /// How long that is.
        after: Duration,
    },
}

/// One reason why a version is not cleared.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case", tag = "type")]
pub enum Missing {
    /// There is nothing to hold a metric against. It will never be cleared.
    NoReference {
        /// The metric.
        metric: ScoreName,
        /// Why.
        reason: NoReference,
    },
    /// Too few traces have a metric's score.
    Traces {
        /// The metric.
        metric: ScoreName,
        /// How many have.
        found: u64,
        /// How many it needs.
        needed: u64,
    },
    /// The traces with a metric's score span too short a time from the ship on.
    Time {
        /// The metric.
        metric: ScoreName,
        /// How long.
        found: Duration,
        /// How long it needs to be.
        needed: Duration,
    },
    /// The metric may well be worse than the incumbent by more than is borne.
    Harm {
        /// The metric.
        metric: ScoreName,
        /// What its harm is at most, in the score's unit.
        at_most: f64,
        /// What it must be below.
        tolerance: f64,
    },
}

impl Monitor {
    /// What the state says now. An alarm stays. Else cleared, when of every metric
    ///
    /// - the horizon's number of traces was scored,
    /// - the last of them came the minimum time after the ship, so that time without traffic never clears,
    /// - the harm, incumbent's mean − mean, is below the tolerance by its upper bound ([`harm_at_most`](Self::harm_at_most)).
    ///
    /// Else no data, when some metric had no score for too long; else watching, with what is missing.
    ///
    /// # Errors
    /// [`Corrupt`](crate::ErrorKind::Corrupt) for a state that is not of this monitor.
    pub fn verdict(&self, state: &MonitorState, now: Timestamp) -> Result<Verdict> {
        state.check(self)?;
        if let Some(alarm) = state.alarm() {
            return Ok(Verdict::Alarm(alarm.clone()));
        }
        let metrics = || self.metrics().iter().zip(state.metrics());
        let missing: Vec<Missing> = metrics()
            .flat_map(|(watched, metric)| missing(self.settings(), watched, metric, state.began_at()))
            .collect();
        if missing.is_empty() {
            return Ok(Verdict::Cleared);
        }
        let after = self.settings().no_data_after;
        let silent: Vec<ScoreName> = metrics()
            .filter(|(_, metric)| between(metric.last_at().unwrap_or(state.began_at()), now) >= after)
            .map(|(_, metric)| metric.name().clone())
            .collect();
        Ok(if silent.is_empty() {
            Verdict::Watching { missing }
        } else {
            Verdict::NoData {
                metrics: silent,
                after,
            }
        })
    }

    /// What a metric's harm, the incumbent's mean − its mean, is at most; `None` without a reference or scores.
    ///
    /// Each mean has a bound of its own with error α from one side: the incumbent's from above, for its one sample, and this
    /// version's from below, at every look ([`mean_at_least_anytime`]). Both distances together, as the root of the sum of
    /// their squares, bound the difference (Zou and Donner, "Construction of confidence limits about effect measures",
    /// Statistics in Medicine 27(10), 2008): about α, since that step is of the normal distribution.
    #[must_use]
    pub fn harm_at_most(&self, metric: &MetricState) -> Option<f64> {
        let watched = self
            .metrics()
            .iter()
            .find(|watched| watched.name == metric.name)?;
        harm_at_most(self.settings(), &watched.reference.ok()?, metric)
    }
}

fn harm_at_most(settings: &MonitorSettings, reference: &Reference, metric: &MetricState) -> Option<f64> {
    let mean = metric.mean()?;
    let least = mean_at_least_anytime(settings.independent(metric.count), mean, settings.alpha)?;
    let (of_incumbent, of_this) = (reference.upper - reference.mean, mean - least);
    Some(reference.mean - mean + of_incumbent.hypot(of_this))
}

fn missing(
    settings: &MonitorSettings,
    watched: &Watched,
    metric: &MetricState,
    began_at: Timestamp,
) -> Vec<Missing> {
    let name = || watched.name.clone();
    let mut missing = Vec::new();
    if metric.count < settings.horizon {
        missing.push(Missing::Traces {
            metric: name(),
            found: metric.count,
            needed: settings.horizon,
        });
    }
    let found = metric
        .last_at
        .map_or(Duration::ZERO, |last| between(began_at, last));
    if found < settings.min_time {
        missing.push(Missing::Time {
            metric: name(),
            found,
            needed: settings.min_time,
        });
    }
    match &watched.reference {
        Err(reason) => missing.push(Missing::NoReference {
            metric: name(),
            reason: *reason,
        }),
        Ok(reference) => {
            // Without scores nothing is known: the harm may be all that there is to lose.
            let at_most = harm_at_most(settings, reference, metric).unwrap_or(reference.upper);
            if at_most >= settings.tolerance {
                missing.push(Missing::Harm {
                    metric: name(),
                    at_most,
                    tolerance: settings.tolerance,
                });
            }
        }
    }
    missing
}

/// 0 where the second is before the first.
fn between(first: Timestamp, second: Timestamp) -> Duration {
    (second - first).to_std().unwrap_or_default()
}

impl fmt::Display for Alarm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (metric, traces) = (&self.metric, self.traces);
        let (evidence, needed) = (self.evidence, self.needed);
        match self.by {
            AlarmBy::FromTheStart => write!(
                f,
                "{metric} is worse from the start: ln E {evidence:.2}, needed {needed:.2}, at trace {traces}"
            ),
            AlarmBy::Late => write!(
                f,
                "{metric} became worse: ln E {evidence:.2}, needed {needed:.2}, at trace {traces}"
            ),
            AlarmBy::RollingWindow => write!(
                f,
                "{metric}'s rolling mean is {evidence:.3}, needed {needed:.3}, at trace {traces}"
            ),
        }
    }
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoReference { metric, reason } => write!(f, "{metric} has no reference: {reason}"),
            Self::Traces {
                metric,
                found,
                needed,
            } => write!(f, "{metric} has {found} scored traces, needed {needed}"),
            Self::Time {
                metric,
                found,
                needed,
            } => write!(
                f,
                "{metric}'s traces span {:.1} h, needed {:.1} h",
                found.as_secs_f64() / 3_600.0,
                needed.as_secs_f64() / 3_600.0
            ),
            Self::Harm {
                metric,
                at_most,
                tolerance,
            } => write!(
                f,
                "{metric}'s harm is at most {at_most:.3}, needed below {tolerance}"
            ),
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cleared => f.write_str("cleared"),
            Self::Alarm(alarm) => write!(f, "alarm: {alarm}"),
            Self::NoData { metrics, after } => {
                let names: Vec<&str> = metrics.iter().map(|name| name.as_str()).collect();
                let hours = after.as_secs_f64() / 3_600.0;
                write!(f, "no data: no score of {} for {hours:.1} h", names.join(", "))
            }
            Self::Watching { missing } => {
                f.write_str("watching")?;
                for (missing, before) in missing
                    .iter()
                    .zip([": "].into_iter().chain(std::iter::repeat("; ")))
                {
                    write!(f, "{before}{missing}")?;
                }
                Ok(())
            }
        }
    }
}
