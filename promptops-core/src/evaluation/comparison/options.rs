//! By what a comparison decides.

use serde::{Deserialize, Serialize};

use crate::base::error::{Result, invalid};
use crate::statistics::Confidence;

/// By what a comparison decides.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ComparisonOptions {
    /// How much worse still counts as no regression, 0 ..= 1. Default: 0.02.
    pub margin: f64,
    /// How often nothing but chance may be called a regression, more than 0 and at most 0.5. Default: 0.05.
    pub alpha: f64,
    /// Most won and most lost entries that are listed. Default: 100.
    pub listed: usize,
    /// The seed of what is drawn at random, so that the same runs give the same figures.
    pub seed: u64,
}

impl Default for ComparisonOptions {
    fn default() -> Self {
        Self {
            margin: 0.02,
            alpha: 0.05,
            listed: 100,
            seed: 0,
        }
    }
}

impl ComparisonOptions {
    /// Lets so much worse count as no regression, 0 ..= 1.
    #[must_use]
    pub fn margin(mut self, margin: f64) -> Self {
        self.margin = margin;
        self
    }

    /// Lets chance be called a regression so often, more than 0 and at most 0.5.
    #[must_use]
    pub fn alpha(mut self, alpha: f64) -> Self {
        self.alpha = alpha;
        self
    }

    /// Lists at most so many won and so many lost entries.
    #[must_use]
    pub fn listed(mut self, entries: usize) -> Self {
        self.listed = entries;
        self
    }

    pub(super) fn check(&self) -> Result<()> {
        if !(0.0..=1.0).contains(&self.margin) {
            return Err(invalid(format!(
                "the margin is {}; expected a number in 0.0 ..= 1.0",
                self.margin
            )));
        }
        if !(self.alpha > 0.0 && self.alpha <= 0.5) {
            return Err(invalid(format!(
                "alpha is {}; expected a number above 0 and at most 0.5",
                self.alpha
            )));
        }
        Ok(())
    }

    /// Of intervals.
    pub(super) fn confidence(&self) -> Confidence {
        Confidence::new(1.0 - self.alpha).unwrap_or_default()
    }
}
