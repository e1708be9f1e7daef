//! The watch over a version that is live, as it is kept.

use serde::{Deserialize, Serialize};

use super::monitor::{Chart, Monitor, MonitorState, Series};
use super::sessions::RecentSessions;
use crate::base::{
    DeploymentId, EnvironmentName, PromptName, ScoreName, Timestamp, VersionNumber, text_enum,
};

text_enum! {
    /// How a watch stands.
    WatchStatus, "status of a watch", {
        /// There is nothing yet to hold scores against.
        Waiting = "waiting",
        /// Scores are held against the reference.
        Watching = "watching",
        /// There is an alarm, and nobody knows yet whether the prompt is to blame.
        Alarm = "alarm",
        /// It is over.
        Ended = "ended",
    }
}

text_enum! {
    /// What a watch is for.
    WatchPurpose, "purpose of a watch", {
        /// A deployment that was shipped: an alarm may roll it back.
        Deployment = "deployment",
        /// What a rollback made live again: an alarm is told, and nothing else follows from it.
        Restored = "restored",
    }
}

text_enum! {
    /// Who is to blame for an alarm.
    Blame, "blame for an alarm", {
        /// The version: the one before does better with the same inputs.
        Version = "version",
        /// What reaches it has changed: the one before does no better.
        World = "world",
        /// Nobody can tell: both could not be asked with the same inputs.
        Unknown = "unknown",
    }
}

/// The watch over one version in one environment. Its JSON is what stores keep; what later releases add has a default.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Watch {
    /// The deployment that was shipped or rolled back.
    pub deployment: DeploymentId,
    /// Which of its watches, from 1: that of [`Deployment::monitor_epoch`](crate::deployment::Deployment::monitor_epoch),
    /// or one more for what a rollback restored.
    pub epoch: u32,
    /// What it is for.
    pub purpose: WatchPurpose,
    /// The prompt.
    pub prompt: PromptName,
    /// The environment.
    pub environment: EnvironmentName,
    /// The version that is watched, with whatever snippets it is served.
    pub version: VersionNumber,
    /// Who scores: with another evaluator a new watch begins.
    pub scored_by: String,
    /// How it stands.
    pub status: WatchStatus,
    /// What scores are held against and what was seen; `None` while it waits.
    #[serde(default)]
    pub figures: Option<WatchFigures>,
    /// Traces that began from then on count.
    pub since: Timestamp,
    /// Traces that began before have been looked at.
    pub looked_to: Timestamp,
    /// Sessions of which a trace has counted.
    #[serde(default)]
    pub sessions: RecentSessions,
    /// Who is to blame for the alarm, once that was looked into.
    #[serde(default)]
    pub blame: Option<Blame>,
    /// Since when looking into that has failed.
    #[serde(default)]
    pub failing_since: Option<Timestamp>,
    /// How often it has.
    #[serde(default)]
    pub failures: u32,
    /// How it ended, in plain words.
    #[serde(default)]
    pub end: Option<String>,
    /// 1 when it is new, one more with each change.
    pub revision: u64,
}

/// What a watch has seen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WatchFigures {
    /// Settings and references.
    pub monitor: Monitor,
    /// What was seen.
    pub state: MonitorState,
    /// What the charts show, one for each metric.
    pub series: Vec<Series>,
}

impl Watch {
    /// The id under which it is kept: deployment and epoch.
    #[must_use]
    pub fn key(deployment: &DeploymentId, epoch: u32) -> String {
        format!("{deployment}/{epoch}")
    }

    /// Traces that have counted.
    #[must_use]
    pub fn seen(&self) -> u64 {
        self.figures.as_ref().map_or(0, |figures| figures.state.traces())
    }

    /// The charts of all metrics, or of one.
    #[must_use]
    pub fn charts(&self, metric: Option<&ScoreName>) -> Vec<Chart> {
        let Some(figures) = &self.figures else {
            return Vec::new();
        };
        figures
            .series
            .iter()
            .filter(|series| metric.is_none_or(|metric| metric == series.metric()))
            .filter_map(|series| Chart::new(&figures.monitor, &figures.state, series))
            .collect()
    }
}

impl WatchFigures {
    /// A monitor that has seen nothing, from this time on.
    #[must_use]
    pub fn new(monitor: Monitor, since: Timestamp) -> Self {
        let horizon = monitor.settings().horizon;
        let series = monitor
            .metrics()
            .iter()
            .map(|metric| Series::new(metric.name.clone(), horizon));
        Self {
            state: MonitorState::new(&monitor, since),
            series: series.collect(),
            monitor,
        }
    }
}
