//! What is counted apart from each other, and for which times.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::counts::Metrics;
use crate::base::error::{Error, ErrorKind, Result};
use crate::base::{
    ClosureHash, EnvironmentName, ExperimentId, PromptName, Timestamp, VariantName, VersionNumber,
};
use crate::observation::Stamp;

/// An experiment's variant.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct VariantOf {
    /// The experiment.
    pub experiment: ExperimentId,
    /// The variant.
    pub variant: VariantName,
}

/// What answers have in common that are counted together.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Dimensions {
    /// The prompt.
    pub prompt: PromptName,
    /// The version; `None` for a caller's fallback text.
    pub version: Option<VersionNumber>,
    /// What was served.
    pub closure_hash: ClosureHash,
    /// Where it was live.
    pub environment: Option<EnvironmentName>,
    /// The variant that the unit was assigned; `None` where none was, or it is not counted.
    pub variant: Option<VariantOf>,
}

impl From<&Stamp> for Dimensions {
    fn from(stamp: &Stamp) -> Self {
        let counted = stamp
            .assignment
            .as_ref()
            .filter(|assignment| assignment.is_counted());
        Self {
            prompt: stamp.prompt.clone(),
            version: stamp.version,
            closure_hash: stamp.closure_hash,
            environment: stamp.environment.clone(),
            variant: counted.map(|assignment| VariantOf {
                experiment: assignment.experiment.clone(),
                variant: assignment.variant.clone(),
            }),
        }
    }
}

/// How long a time is counted together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Resolution {
    /// From the beginning of time.
    Total,
    /// A day of UTC.
    Day,
    /// An hour.
    Hour,
    /// A minute. Removed with the raw traces, while the others stay.
    Minute,
}

impl Resolution {
    /// All of them: what is counted is counted in each.
    pub const ALL: [Self; 4] = [Self::Total, Self::Day, Self::Hour, Self::Minute];

    /// The stable text form, as stored.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Total => "total",
            Self::Day => "day",
            Self::Hour => "hour",
            Self::Minute => "minute",
        }
    }

    /// How long it is; `None` for all time.
    #[must_use]
    pub fn length(self) -> Option<Duration> {
        let seconds = match self {
            Self::Total => return None,
            Self::Day => 86_400,
            Self::Hour => 3_600,
            Self::Minute => 60,
        };
        Some(Duration::from_secs(seconds))
    }

    /// The beginning of the time that holds this one; 1970 for all time.
    #[must_use]
    pub fn start(self, at: Timestamp) -> Timestamp {
        let Some(length) = self.length() else {
            return Timestamp::UNIX_EPOCH;
        };
        let length = length.as_secs() as i64;
        let seconds = at.timestamp().div_euclid(length) * length;
        // Before the first second that a timestamp has there is none: that one then.
        chrono::DateTime::from_timestamp(seconds, 0).unwrap_or(at)
    }
}

impl fmt::Display for Resolution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Resolution {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self> {
        Self::ALL
            .into_iter()
            .find(|resolution| resolution.as_str() == text)
            .ok_or_else(|| Error::new(ErrorKind::Corrupt, format!("unknown resolution {text:?}")))
    }
}

/// What is counted together: the same dimensions, the same time.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RollupKey {
    /// What the answers have in common.
    pub dimensions: Dimensions,
    /// How long a time.
    pub resolution: Resolution,
    /// Its beginning.
    pub start: Timestamp,
}

impl RollupKey {
    /// Everything that an answer of this time is counted in.
    #[must_use]
    pub fn all(dimensions: &Dimensions, at: Timestamp) -> [Self; 4] {
        Resolution::ALL.map(|resolution| Self {
            dimensions: dimensions.clone(),
            resolution,
            start: resolution.start(at),
        })
    }
}

/// What was counted of one key.
#[derive(Debug, Clone, PartialEq)]
pub struct Rollup {
    /// Of what.
    pub key: RollupKey,
    /// What.
    pub metrics: Metrics,
}
