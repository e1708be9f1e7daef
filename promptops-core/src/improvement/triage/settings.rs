//! What counts as a failure.

use std::collections::BTreeMap;

use super::error_kind::ErrorMeaning;
use crate::base::ScoreName;
use crate::base::error::{Result, invalid};

/// What counts as a failure.
///
/// ```
/// use promptops_core::improvement::triage::{ErrorMeaning, InfrastructureKind, OutcomeClass, TriageSettings};
///
/// let settings = TriageSettings::default()
///     .threshold("helpful", 0.7)?
///     .kind("crm_is_down", ErrorMeaning::Infrastructure(InfrastructureKind::ToolOutage))
///     .kind("no_citation", ErrorMeaning::Behaviour(OutcomeClass::InvalidFormat));
/// # Ok::<(), promptops_core::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct TriageSettings {
    pub(super) default_threshold: u32,
    pub(super) thresholds: BTreeMap<ScoreName, u32>,
    pub(super) min_rating: u32,
    pub(super) first: Vec<ScoreName>,
    pub(super) kinds: BTreeMap<String, ErrorMeaning>,
}

impl Default for TriageSettings {
    fn default() -> Self {
        Self {
            default_threshold: 500_000,
            thresholds: BTreeMap::new(),
            min_rating: 500_000,
            first: Vec::new(),
            kinds: BTreeMap::new(),
        }
    }
}

impl TriageSettings {
    /// A score of any name that has no threshold of its own passes from this one on, 0.0 ..= 1.0; 0 lets all pass.
    /// Default 0.5.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) for a number out of its range.
    pub fn default_threshold(mut self, threshold: f64) -> Result<Self> {
        self.default_threshold = millionths("a threshold", threshold)?;
        Ok(self)
    }

    /// A score of this name passes from this threshold on, 0.0 ..= 1.0.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) for a number out of its range and a name that is none.
    pub fn threshold(mut self, score: impl AsRef<str>, threshold: f64) -> Result<Self> {
        let threshold = millionths("a threshold", threshold)?;
        self.thresholds.insert(ScoreName::new(score)?, threshold);
        Ok(self)
    }

    /// A rating below this is a failure, 0.0 ..= 1.0. Default 0.5.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) for a number out of its range.
    pub fn min_rating(mut self, rating: f64) -> Result<Self> {
        self.min_rating = millionths("a rating", rating)?;
        Ok(self)
    }

    /// Scores that tell a failure before all others when several are below their thresholds, the most telling first.
    pub fn first(mut self, scores: impl IntoIterator<Item = ScoreName>) -> Self {
        self.first = scores.into_iter().collect();
        self
    }

    /// What an error of this kind means, letter by letter; counts before what this library takes it for.
    pub fn kind(mut self, kind: impl Into<String>, meaning: ErrorMeaning) -> Self {
        self.kinds.insert(kind.into(), meaning);
        self
    }

    /// The threshold of a score in millionths.
    pub(super) fn threshold_of(&self, score: &ScoreName) -> u32 {
        self.thresholds
            .get(score)
            .copied()
            .unwrap_or(self.default_threshold)
    }
}

fn millionths(what: &str, number: f64) -> Result<u32> {
    if (0.0..=1.0).contains(&number) {
        Ok((number * 1e6).round() as u32)
    } else {
        Err(invalid(format!(
            "{what} of {number}; expected a number in 0.0 ..= 1.0"
        )))
    }
}
