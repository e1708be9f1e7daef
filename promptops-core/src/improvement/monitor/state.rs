//! What a monitor has seen so far.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::plan::Monitor;
use super::verdict::Alarm;
use crate::base::error::{Error, ErrorKind, Result};
use crate::base::{ScoreName, Timestamp};
use crate::statistics::{FromTheStart, SinceSomeTime};

/// What a monitor has seen so far: a pure fold over scored traces. The same traces in the same order give the same state, bit
/// for bit, however they are cut into batches and whatever was stored and read back in between.
///
/// For each metric: the evidence as seven floats from the start and seven since some time, a sum, and the last scores for the
/// rolling mean. No float in it is infinite or no number, which JSON has no form for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MonitorState {
    pub(super) began_at: Timestamp,
    pub(super) traces: u64,
    pub(super) metrics: Vec<MetricState>,
    pub(super) alarm: Option<Alarm>,
}

/// What was seen of one metric.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MetricState {
    pub(super) name: ScoreName,
    pub(super) count: u64,
    pub(super) sum: f64,
    pub(super) last_at: Option<Timestamp>,
    pub(super) from_the_start: FromTheStart,
    pub(super) since_some_time: SinceSomeTime,
    pub(super) recent: Recent,
}

/// The last scores in millionths, whose sum stays exact while they come and go.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Recent(VecDeque<u32>);

impl Recent {
    pub(super) fn add(&mut self, score: f64, window: u32) {
        while self.0.len() >= window as usize {
            self.0.pop_front();
        }
        self.0.push_back((score * 1e6).round() as u32);
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn mean(&self) -> Option<f64> {
        let sum: u64 = self.0.iter().copied().map(u64::from).sum();
        (!self.0.is_empty()).then(|| sum as f64 / 1e6 / self.0.len() as f64)
    }
}

impl MonitorState {
    /// Nothing seen, from the time of the ship on.
    #[must_use]
    pub fn new(monitor: &Monitor, began_at: Timestamp) -> Self {
        let metrics = monitor.metrics().iter().map(|metric| MetricState {
            name: metric.name.clone(),
            count: 0,
            sum: 0.0,
            last_at: None,
            from_the_start: FromTheStart::default(),
            since_some_time: SinceSomeTime::default(),
            recent: Recent::default(),
        });
        Self {
            began_at,
            traces: 0,
            metrics: metrics.collect(),
            alarm: None,
        }
    }

    /// When the version was shipped.
    #[must_use]
    pub fn began_at(&self) -> Timestamp {
        self.began_at
    }

    /// Traces seen that had a score of some watched metric.
    #[must_use]
    pub fn traces(&self) -> u64 {
        self.traces
    }

    /// The metrics, sorted by name.
    #[must_use]
    pub fn metrics(&self) -> &[MetricState] {
        &self.metrics
    }

    /// The first alarm, as it was raised; later traces do not change it.
    #[must_use]
    pub fn alarm(&self) -> Option<&Alarm> {
        self.alarm.as_ref()
    }

    /// # Errors
    /// [`Corrupt`](ErrorKind::Corrupt) for a state that is not of this monitor, or that no fold makes.
    pub(super) fn check(&self, monitor: &Monitor) -> Result<()> {
        let names = self.metrics.iter().map(|metric| &metric.name);
        if !names.eq(monitor.metrics().iter().map(|metric| &metric.name)) {
            return Err(Error::new(
                ErrorKind::Corrupt,
                "the monitor's state has other metrics than the monitor; begin a new one with MonitorState::new",
            ));
        }
        let sound = |metric: &MetricState| {
            (0.0..=metric.count as f64).contains(&metric.sum)
                && metric.from_the_start.is_finite()
                && metric.since_some_time.is_finite()
                && metric.count <= self.traces
                && metric.recent.0.iter().all(|score| *score <= 1_000_000)
        };
        match self.metrics.iter().find(|metric| !sound(metric)) {
            None => Ok(()),
            Some(metric) => Err(Error::new(
                ErrorKind::Corrupt,
                "the monitor's state holds figures that no traces make; fold the traces anew",
            )
            .with("metric", &metric.name)),
        }
    }
}

impl MetricState {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &ScoreName {
        &self.name
    }

    /// Traces that had its score.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The mean of all its scores; `None` before the first.
    #[must_use]
    pub fn mean(&self) -> Option<f64> {
        (self.count > 0).then(|| self.sum / self.count as f64)
    }

    /// The mean of its last scores, at most a window of them, to a millionth; `None` before the first.
    #[must_use]
    pub fn rolling_mean(&self) -> Option<f64> {
        self.recent.mean()
    }

    /// When it was scored last: the latest time of its traces.
    #[must_use]
    pub fn last_at(&self) -> Option<Timestamp> {
        self.last_at
    }

    /// ln E that its mean has been below the null from the start. 0 without a reference.
    #[must_use]
    pub fn from_the_start(&self) -> f64 {
        self.from_the_start.ln_e()
    }

    /// ln E that its mean fell below the null at some time within the horizon. −ln horizon without a reference.
    #[must_use]
    pub fn since_some_time(&self, horizon: u64) -> f64 {
        self.since_some_time.ln_e(horizon)
    }
}
