//! Reports: what a run came to, computed from its results each time.

mod build;
mod estimate;
mod options;
mod text;

use serde::Serialize;

use self::build::Builder;
pub use self::estimate::{
    DimensionReport, LatencyReport, RateEstimate, RepeatReport, ScorerReport, Slice, WorstEntry,
};
pub use self::options::ReportOptions;
use super::dataset::DatasetStore;
use super::evidence::Evidence;
use super::rows::{EntryRows, ResultRows};
use super::run::{Progress, Run, RunState};
use super::store::EvaluationStore;
use crate::base::TenantId;
use crate::base::error::Result;

/// What a run came to.
///
/// An entry is one observation, or its group is where it has one: repeats of an entry are averaged first. Intervals are at
/// the options' confidence.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// The run.
    pub run: Run,
    /// Counts over results: each entry and repetition is one.
    pub progress: Progress,
    /// Entries that have all their results.
    pub entries: u64,
    /// Of these, entries that passed in every repetition.
    pub passed: u64,
    /// Of these, entries of which a repetition has no output or no score.
    pub errors: u64,
    /// Share of results that passed, of all: an error has not passed.
    pub pass_rate: Option<RateEstimate>,
    /// Share of results that have no output or lack a score.
    pub error_rate: Option<RateEstimate>,
    /// Share of results that passed, of those that have all scores; without an interval over repeats or groups.
    pub scored_pass_rate: Option<RateEstimate>,
    /// For each scorer, in the run's order.
    pub scorers: Vec<ScorerReport>,
    /// For each dimension, in byte order.
    pub dimensions: Vec<DimensionReport>,
    /// Over repeats, when there are any.
    pub repeats: Option<RepeatReport>,
    /// Of answers that are not from a cache.
    pub latency: Option<LatencyReport>,
    /// By the value of a metadata key.
    pub slices: Vec<Slice>,
    /// The entries with the lowest scores, those with errors first.
    pub worst: Vec<WorstEntry>,
    /// How many errors there are of each kind, of models and scorers.
    pub error_kinds: std::collections::BTreeMap<String, u64>,
}

impl Report {
    /// Computes the report from all results of a run.
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound) when the run or its dataset is not there,
    /// [`Corrupt`](crate::ErrorKind::Corrupt) when a result is of no entry; the backend's errors.
    pub async fn load(
        evaluations: &dyn EvaluationStore,
        datasets: &dyn DatasetStore,
        tenant: &TenantId,
        run: Run,
        options: &ReportOptions,
    ) -> Result<Self> {
        let mut entries = EntryRows::new(datasets, tenant, &run);
        let mut results = ResultRows::new(evaluations, tenant, &run);
        let mut builder = Builder::new(run, options.clone());
        // Both come in the dataset's order, so that neither is ever in memory as a whole.
        while let Some(entry) = entries.next().await? {
            let of_entry = results.next().await?;
            builder.add(entry, of_entry)?;
        }
        results.end()?;
        Ok(builder.finish())
    }

    /// Whether every entry has all its results: only then does the report say what the run came to.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.progress.done == self.progress.total
    }

    /// What gates rest on: an entry has passed when it did in every repetition.
    #[must_use]
    pub fn evidence(&self) -> Evidence {
        let run = &self.run;
        Evidence {
            prompt: run.prompt.clone(),
            closure_hash: run.closure_hash,
            dataset: run.dataset.clone(),
            dataset_version: run.dataset_version,
            run: run.id.to_string(),
            entries: run.entries,
            passed: self.passed,
            // The mean over all entries, one without a score for 0: what nobody has scored must not let a floor be met.
            dimensions: self
                .dimensions
                .iter()
                .map(|dimension| {
                    (
                        dimension.dimension.clone(),
                        dimension.floor_mean(self.progress.total),
                    )
                })
                .collect(),
            judges: run
                .evaluator
                .criteria
                .iter()
                .filter_map(|criterion| Some((criterion.scorer.clone(), criterion.calibrated?)))
                .collect(),
        }
    }

    pub(super) fn in_state(mut self, state: RunState) -> Self {
        self.run.state = state;
        self
    }
}
