//! What is watched, settled at the ship.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::reference::{Baseline, NoReference, Reference};
use super::settings::{MonitorSettings, Rule};
use crate::base::ScoreName;
use crate::base::error::{Error, Result, invalid};
use crate::statistics::BelowMean;

/// Most metrics of a monitor.
const MAX_METRICS: usize = 32;

/// The watch over one shipped version: settings and references, settled at the ship. What is stored are the settings and
/// the baselines; the rest follows from them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Stored", into = "Stored")]
pub struct Monitor {
    settings: MonitorSettings,
    /// Sorted by name.
    metrics: Vec<Watched>,
}

/// One metric of a [`Monitor`].
#[derive(Debug, Clone, PartialEq)]
pub struct Watched {
    /// Its name.
    pub name: ScoreName,
    /// What it is watched against.
    pub baseline: Baseline,
    /// What the incumbent's scores say; without a reference it raises no alarm and is not cleared.
    pub reference: Result<Reference, NoReference>,
    pub(super) below: Option<BelowMean>,
}

impl Monitor {
    /// A watch over these metrics. All of them share the error α, also those without a reference.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) for settings out of range, no metric or more than 32, sums that scores cannot
    /// have.
    pub fn new(settings: MonitorSettings, metrics: BTreeMap<ScoreName, Baseline>) -> Result<Self> {
        settings.check()?;
        let count = metrics.len();
        if count == 0 || count > MAX_METRICS {
            return Err(invalid(format!(
                "{count} metrics to watch; 1 to {MAX_METRICS} are possible"
            )));
        }
        let watched = metrics.into_iter().map(|(name, baseline)| {
            baseline
                .incumbent
                .check()
                .map_err(|error| error.with("metric", &name))?;
            if let Some(candidate) = baseline.candidate.filter(|mean| !(0.0..=1.0).contains(mean)) {
                return Err(invalid(format!(
                    "the candidate's mean in the replay is {candidate}; it must be 0 to 1"
                ))
                .with("metric", &name));
            }
            let reference = Reference::of(&baseline.incumbent, &settings, count);
            let below = reference
                .ok()
                .and_then(|reference| BelowMean::new(reference.null));
            Ok(Watched {
                name,
                baseline,
                reference,
                below,
            })
        });
        Ok(Self {
            settings,
            metrics: watched.collect::<Result<_>>()?,
        })
    }

    /// The settings.
    #[must_use]
    pub fn settings(&self) -> &MonitorSettings {
        &self.settings
    }

    /// The metrics, sorted by name.
    #[must_use]
    pub fn metrics(&self) -> &[Watched] {
        &self.metrics
    }

    /// ln E at which evidence raises an alarm: ln(5/(2a)), with each metric's share a = α / metrics.
    #[must_use]
    pub fn needed(&self) -> f64 {
        (2.5 * self.metrics.len() as f64 / self.settings.alpha).ln()
    }

    /// The rolling mean below which the window's rule raises an alarm, where that is the rule.
    pub(super) fn rolling_limit(&self, reference: &Reference) -> Option<f64> {
        match self.settings.rule {
            Rule::RollingWindow { threshold, .. } => Some(reference.mean - threshold),
            Rule::Sequential => None,
        }
    }
}

/// How a monitor is stored.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    settings: MonitorSettings,
    metrics: BTreeMap<ScoreName, Baseline>,
}

impl From<Monitor> for Stored {
    fn from(monitor: Monitor) -> Self {
        let metrics = monitor.metrics.into_iter();
        Self {
            settings: monitor.settings,
            metrics: metrics.map(|metric| (metric.name, metric.baseline)).collect(),
        }
    }
}

impl TryFrom<Stored> for Monitor {
    type Error = Error;

    fn try_from(stored: Stored) -> Result<Self> {
        Self::new(stored.settings, stored.metrics)
    }
}
