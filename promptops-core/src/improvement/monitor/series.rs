//! What the chart of a monitor shows over time, in a bounded number of points.

use serde::{Deserialize, Serialize};

use super::state::{MetricState, MonitorState};
use crate::base::ScoreName;

/// Most points of a metric.
const MAX_POINTS: usize = 512;

/// One point of the chart.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Point {
    /// Scored traces of the metric.
    pub traces: u64,
    /// The mean of the last of them, at most a window.
    pub rolling_mean: f64,
    /// ln E from the start.
    pub from_the_start: f64,
    /// ln E since some time.
    pub since_some_time: f64,
}

impl Point {
    /// Where a metric stands; `None` before its first score.
    #[must_use]
    pub fn now(metric: &MetricState, horizon: u64) -> Option<Self> {
        Some(Self {
            traces: metric.count(),
            rolling_mean: metric.rolling_mean()?,
            from_the_start: metric.from_the_start(),
            since_some_time: metric.since_some_time(horizon),
        })
    }
}

/// The chart's points of one metric: at most 512, one for every 1, 2, 4 … scored traces, whichever leaves few enough. A pure
/// fold beside the state's: the same traces give the same points, however they are cut into batches.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Series {
    metric: ScoreName,
    horizon: u64,
    every: u64,
    points: Vec<Point>,
}

impl Series {
    /// No points of this metric yet, for a monitor of this horizon.
    #[must_use]
    pub fn new(metric: ScoreName, horizon: u64) -> Self {
        Self {
            metric,
            horizon,
            every: 1,
            points: Vec::new(),
        }
    }

    /// Looks at a state, after each trace that was folded. A look at the same state again changes nothing.
    pub fn observe(&mut self, state: &MonitorState) {
        let Some(metric) = state
            .metrics()
            .iter()
            .find(|metric| *metric.name() == self.metric)
        else {
            return;
        };
        let last = self.points.last().map_or(0, |point| point.traces);
        // No stored interval divides by 0.
        if metric.count() <= last || !metric.count().is_multiple_of(self.every.max(1)) {
            return;
        }
        self.points.extend(Point::now(metric, self.horizon));
        if self.points.len() > MAX_POINTS {
            self.every = self.every.saturating_mul(2);
            let every = self.every.max(1);
            self.points.retain(|point| point.traces.is_multiple_of(every));
        }
    }

    /// The metric.
    #[must_use]
    pub fn metric(&self) -> &ScoreName {
        &self.metric
    }

    /// The points, the oldest first.
    #[must_use]
    pub fn points(&self) -> &[Point] {
        &self.points
    }
}
