//! A metric's points beside the lines that they are held against, as figures and as text.

use std::fmt;

use serde::Serialize;

use super::plan::Monitor;
use super::series::{Point, Series};
use super::state::MonitorState;
use crate::base::ScoreName;

/// Columns of the text.
const COLUMNS: usize = 60;
const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// The lines beside a chart's points.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct Lines {
    /// The incumbent's mean online.
    pub incumbent: Option<f64>,
    /// The null of the evidence: a mean below is harm.
    pub null: Option<f64>,
    /// The rolling mean below which the window's rule raises an alarm, where that is the rule.
    pub rolling_limit: Option<f64>,
    /// The candidate's mean in the A/B replay (the dashed line).
    pub candidate: Option<f64>,
    /// ln E that raises an alarm.
    pub needed: f64,
}

/// A metric's points and lines. Its text is a few lines for a terminal.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Chart {
    /// The metric.
    pub metric: ScoreName,
    /// Traces that the rolling mean is of.
    pub window: u32,
    /// The points, the oldest first; the last is the state's.
    pub points: Vec<Point>,
    /// The lines.
    pub lines: Lines,
}

impl Chart {
    /// The chart of the series' metric, up to this state. `None` when the monitor does not watch it.
    #[must_use]
    pub fn new(monitor: &Monitor, state: &MonitorState, series: &Series) -> Option<Self> {
        let name = series.metric();
        let watched = monitor.metrics().iter().find(|metric| metric.name == *name)?;
        let metric = state.metrics().iter().find(|metric| metric.name() == name)?;
        let mut points = series.points().to_vec();
        let shown = points.last().map_or(0, |point| point.traces);
        if metric.count() > shown {
            points.extend(Point::now(metric, monitor.settings().horizon));
        }
        let reference = watched.reference.ok();
        Some(Self {
            metric: name.clone(),
            window: monitor.settings().window(),
            points,
            lines: Lines {
                incumbent: reference.map(|reference| reference.mean),
                null: reference.map(|reference| reference.null),
                rolling_limit: reference.and_then(|reference| monitor.rolling_limit(&reference)),
                candidate: watched.baseline.candidate,
                needed: monitor.needed(),
            },
        })
    }
}

impl fmt::Display for Chart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(last) = self.points.last() else {
            return write!(f, "{}: no scored traces", self.metric);
        };
        writeln!(f, "{}: {} scored traces", self.metric, last.traces)?;
        let means: Vec<f64> = self.points.iter().map(|point| point.rolling_mean).collect();
        write!(
            f,
            "  mean of {:<5}{} {:.3} (0 to 1",
            self.window,
            bars(&means, 0.0, 1.0),
            last.rolling_mean
        )?;
        let lines = &self.lines;
        for (name, line) in [
            ("online before", lines.incumbent),
            ("harm below", lines.null),
            ("alarm below", lines.rolling_limit),
            ("A/B", lines.candidate),
        ] {
            if let Some(line) = line {
                write!(f, "; {name} {line:.3}")?;
            }
        }
        f.write_str(")")?;
        for (name, of) in [
            ("ln E start", (|point| point.from_the_start) as fn(&Point) -> f64),
            ("ln E late", |point| point.since_some_time),
        ] {
            let values: Vec<f64> = self.points.iter().map(of).collect();
            write!(
                f,
                "\n  {name:<13}{} {:.2} (alarm at {:.2})",
                bars(&values, 0.0, lines.needed),
                of(last),
                lines.needed
            )?;
        }
        Ok(())
    }
}

/// One bar for each of at most 60 values: of more, the last of each column's.
fn bars(values: &[f64], low: f64, high: f64) -> String {
    let columns = values.len().min(COLUMNS);
    let bar = |column: usize| {
        let value = values.get((column + 1) * values.len() / columns - 1);
        let part = (value.copied().unwrap_or(low) - low) / (high - low);
        // A float becomes the nearest step that there is, and no number the lowest.
        let step = (part * BARS.len() as f64) as usize;
        BARS[step.min(BARS.len() - 1)]
    };
    (0..columns).map(bar).collect()
}
