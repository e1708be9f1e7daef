//! What an environment asks of a version before it goes live there.

use serde::{Deserialize, Serialize};

use super::evaluation_gate::{EvaluationGate, check_rate};
use crate::base::error::{Result, invalid};
use crate::base::{EnvironmentName, PromptName};

/// Evidence from production and evaluation that a version must show, for its exact closure hash.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct QualityGate {
    /// Least number of answers with feedback.
    pub min_usage_count: u64,
    /// Least share of answers that served their purpose, 0.0 ..= 1.0.
    pub min_success_rate: Option<f64>,
    /// Least mean rating, 0.0 ..= 1.0.
    pub min_average_rating: Option<f64>,
    /// An evaluation that must have passed.
    pub evaluation: Option<EvaluationGate>,
}

/// What an environment asks of a version. The default asks nothing but a role that may promote.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Policy {
    /// The version must be live in this environment first, with the same snippets.
    pub source: Option<EnvironmentName>,
    /// The evidence it must show.
    pub gate: QualityGate,
    /// Least number of owners, other than who promotes, that must have approved exactly this closure on top of what
    /// is live now.
    pub approvals: u32,
    /// Only an owner may promote or roll back; automation may roll back.
    pub owner_only: bool,
    /// Refuses versions that include a snippet by "latest" or by another environment, whose text could change later
    /// without a policy of this environment being asked.
    pub pinned_snippets: bool,
}

impl Policy {
    /// A policy that asks nothing.
    #[must_use]
    pub fn open() -> Self {
        Self::default()
    }

    /// Asks that the version be live in this environment first, with the same snippets.
    ///
    /// # Errors
    /// [`Invalid`](crate::base::ErrorKind::Invalid) when that is not the name of an environment.
    pub fn after(mut self, environment: impl AsRef<str>) -> Result<Self> {
        self.source = Some(EnvironmentName::new(environment)?);
        Ok(self)
    }

    /// Asks for this many answers with feedback.
    #[must_use]
    pub fn min_usage_count(mut self, count: u64) -> Self {
        self.gate.min_usage_count = count;
        self
    }

    /// Asks for this share of answers that served their purpose, 0.0 ..= 1.0.
    #[must_use]
    pub fn min_success_rate(mut self, rate: f64) -> Self {
        self.gate.min_success_rate = Some(rate);
        self
    }

    /// Asks for this mean rating, 0.0 ..= 1.0.
    #[must_use]
    pub fn min_average_rating(mut self, rating: f64) -> Self {
        self.gate.min_average_rating = Some(rating);
        self
    }

    /// Asks for an evaluation on this dataset in which this share of entries passed, 0.0 ..= 1.0: `tickets/golden` for its
    /// latest version, `tickets/golden@v3` for that one.
    ///
    /// # Errors
    /// [`Invalid`](crate::base::ErrorKind::Invalid) when that is no reference to a dataset.
    pub fn require_evaluation(self, dataset: impl AsRef<str>, threshold: f64) -> Result<Self> {
        Ok(self.require(EvaluationGate::new(dataset, threshold)?))
    }

    /// Asks for an evaluation.
    #[must_use]
    pub fn require(mut self, evaluation: EvaluationGate) -> Self {
        self.gate.evaluation = Some(evaluation);
        self
    }

    /// Asks for this many approvals.
    #[must_use]
    pub fn approvals(mut self, count: u32) -> Self {
        self.approvals = count;
        self
    }

    /// Lets only owners promote and roll back.
    #[must_use]
    pub fn owner_only(mut self) -> Self {
        self.owner_only = true;
        self
    }

    /// Refuses versions that include a snippet by "latest" or by another environment.
    #[must_use]
    pub fn pinned_snippets(mut self) -> Self {
        self.pinned_snippets = true;
        self
    }

    pub(super) fn check(&self, environment: &EnvironmentName) -> Result<()> {
        if self.source.as_ref() == Some(environment) {
            return Err(invalid(format!(
                "{environment} cannot be its own source environment"
            )));
        }
        for (name, value) in [
            ("min_success_rate", self.gate.min_success_rate),
            ("min_average_rating", self.gate.min_average_rating),
        ] {
            if let Some(value) = value {
                check_rate(name, value)?;
            }
        }
        self.gate
            .evaluation
            .as_ref()
            .map_or(Ok(()), EvaluationGate::check)?;
        Ok(())
    }
}

/// A policy as it is kept.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PolicyRecord {
    /// The environment it governs.
    pub environment: EnvironmentName,
    /// The one prompt it is for; `None` when it is for all that have none of their own.
    pub prompt: Option<PromptName>,
    /// What it asks.
    pub policy: Policy,
}
