//! How a shipped version is watched.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::base::error::{Result, invalid};

/// Longest window in traces.
const MAX_WINDOW: u32 = 1_000;
/// Longest horizon in traces.
const MAX_HORIZON: u64 = 100_000_000;

/// What raises an alarm.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "type", deny_unknown_fields)]
pub enum Rule {
    /// Evidence that may be looked at after every trace: false alarms have probability α at most.
    #[default]
    Sequential,
    /// The mean of the last traces is below the incumbent's mean less a threshold. Nothing bounds its false alarms: with a
    /// window of 50 and a threshold of 5 points it rolls nearly every healthy version back within 5,000 traces.
    RollingWindow {
        /// How many traces the mean is of, 1 ..= 1,000.
        window: u32,
        /// How far below, in the score's unit, 0 < threshold ≤ 1.
        threshold: f64,
    },
}

impl Rule {
    /// A window of 50 and a threshold of 0.05.
    pub const ROLLING_WINDOW: Self = Self::RollingWindow {
        window: 50,
        threshold: 0.05,
    };
}

/// How a shipped version is watched. Read from JSON, an unknown key or a value out of range is an error.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MonitorSettings {
    /// The probability of a false alarm on any metric at any time, 0 < α ≤ 0.2. Default: 0.05.
    pub alpha: f64,
    /// How much worse than the incumbent is borne, in the score's unit, 0 ≤ δ ≤ 0.5. Default: 0.05.
    pub tolerance: f64,
    /// Scored traces of each metric that the watch is made for: a fall that begins later is found by the evidence from the
    /// start alone, and before as many nothing is cleared. Default: 5,000.
    pub horizon: u64,
    /// Scored traces of a metric before it can raise an alarm, 1 ..= horizon. Default: 20.
    pub min_traces: u64,
    /// Scored traces of the incumbent that a reference is made of, at least. Default: 100.
    pub min_reference: u64,
    /// Time from the ship to the last scored trace before anything is cleared. Default: 24 hours.
    pub min_time: Duration,
    /// Time without a score of some metric after which there is no data. Default: 24 hours.
    pub no_data_after: Duration,
    /// What raises an alarm.
    pub rule: Rule,
    /// Traces that the chart's rolling mean is of, 1 ..= 1,000; the rule's window where it has one. Default: 50.
    pub chart_window: u32,
    /// How many scored traces are alike, as those of one session are: n traces tell as much as n / alike, 1 ..= 1,000.
    /// Default: 1, each for itself. It makes the watch slower by that factor, and valid where groups of at most so many
    /// follow one another.
    pub alike: u32,
}

impl Default for MonitorSettings {
    fn default() -> Self {
        const DAY: Duration = Duration::from_secs(24 * 3_600);
        Self {
            alpha: 0.05,
            tolerance: 0.05,
            horizon: 5_000,
            min_traces: 20,
            min_reference: 100,
            min_time: DAY,
            no_data_after: DAY,
            rule: Rule::default(),
            chart_window: 50,
            alike: 1,
        }
    }
}

impl MonitorSettings {
    /// Checks every value.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) for one out of range: which, and what it may be.
    pub fn check(&self) -> Result<()> {
        between(
            "alpha",
            self.alpha,
            self.alpha > 0.0 && self.alpha <= 0.2,
            "above 0 and at most 0.2",
        )?;
        let tolerance = (0.0..=0.5).contains(&self.tolerance);
        between(
            "tolerance",
            self.tolerance,
            tolerance,
            "0 to 0.5, 0.05 for 5 points",
        )?;
        whole("horizon", self.horizon, 1, MAX_HORIZON)?;
        whole("min_traces", self.min_traces, 1, self.horizon)?;
        whole("min_reference", self.min_reference, 1, MAX_HORIZON)?;
        whole("chart_window", self.chart_window.into(), 1, MAX_WINDOW.into())?;
        whole("alike", self.alike.into(), 1, 1_000)?;
        if self.no_data_after.is_zero() {
            return Err(invalid(
                "the monitor's no_data_after is 0; it needs a time, such as a day",
            ));
        }
        if let Rule::RollingWindow { window, threshold } = self.rule {
            whole("window", window.into(), 1, MAX_WINDOW.into())?;
            let fits = threshold > 0.0 && threshold <= 1.0;
            between(
                "threshold",
                threshold,
                fits,
                "above 0 and at most 1, 0.05 for 5 points",
            )?;
        }
        Ok(())
    }

    /// Traces that the rolling mean is of.
    #[must_use]
    pub fn window(&self) -> u32 {
        match self.rule {
            Rule::RollingWindow { window, .. } => window,
            Rule::Sequential => self.chart_window,
        }
    }

    /// As many traces as tell as much as these did, were each for itself.
    pub(super) fn independent(&self, count: u64) -> f64 {
        count as f64 / f64::from(self.alike)
    }
}

fn between(name: &str, found: f64, fits: bool, range: &str) -> Result<()> {
    if fits {
        return Ok(());
    }
    Err(invalid(format!(
        "the monitor's {name} is {found}; it must be {range}"
    )))
}

fn whole(name: &str, found: u64, least: u64, most: u64) -> Result<()> {
    if (least..=most).contains(&found) {
        return Ok(());
    }
    Err(invalid(format!(
        "the monitor's {name} is {found}; it must be {least} to {most}"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_out_of_range_is_named_with_its_range() {
        let with = |change: fn(&mut MonitorSettings)| {
            let mut settings = MonitorSettings::default();
            change(&mut settings);
            settings.check().unwrap_err().to_string()
        };
        assert!(MonitorSettings::default().check().is_ok());
        assert_eq!(
            with(|settings| settings.alpha = 5.0),
            "the monitor's alpha is 5; it must be above 0 and at most 0.2"
        );
        assert_eq!(
            with(|settings| settings.min_traces = 5_001),
            "the monitor's min_traces is 5001; it must be 1 to 5000"
        );
        for (change, named) in [
            ((|s| s.alpha = f64::NAN) as fn(&mut MonitorSettings), "alpha"),
            (|s| s.alpha = 0.0, "alpha"),
            (|s| s.tolerance = -0.1, "tolerance"),
            (|s| s.tolerance = f64::NAN, "tolerance"),
            (|s| s.horizon = 0, "horizon"),
            (|s| s.min_traces = 0, "min_traces"),
            (|s| s.min_reference = 0, "min_reference"),
            (|s| s.no_data_after = Duration::ZERO, "no_data_after"),
            (|s| s.chart_window = 0, "chart_window"),
            (|s| s.alike = 0, "alike"),
            (
                |s| {
                    s.rule = Rule::RollingWindow {
                        window: 0,
                        threshold: 0.05,
                    }
                },
                "window",
            ),
            (
                |s| {
                    s.rule = Rule::RollingWindow {
                        window: 50,
                        threshold: f64::INFINITY,
                    }
                },
                "threshold",
            ),
        ] {
            let found = with(change);
            assert!(
                found.starts_with(&format!("the monitor's {named} is ")),
                "{found}"
            );
        }
    }

    #[test]
    fn settings_are_read_as_written_and_an_unknown_key_is_an_error() {
        let settings = MonitorSettings {
            rule: Rule::ROLLING_WINDOW,
            ..MonitorSettings::default()
        };
        let json = serde_json::to_string(&settings).unwrap();
        assert_eq!(serde_json::from_str::<MonitorSettings>(&json).unwrap(), settings);
        let read = |json| serde_json::from_str::<MonitorSettings>(json);
        assert_eq!(read("{}").unwrap(), MonitorSettings::default());
        assert!(read(r#"{"alfa": 0.1}"#).is_err());
        assert!(read(r#"{"rule": {"type": "never"}}"#).is_err());
        assert_eq!(settings.window(), 50);
    }
}
