//! Comparisons: two runs on the same entries, entry by entry.

mod build;
mod options;
mod text;
mod verdict;

use serde::Serialize;

use self::build::Builder;
pub use self::options::ComparisonOptions;
pub use self::verdict::Verdict;
use super::dataset::DatasetStore;
use super::rows::{EntryRows, ResultRows};
use super::run::Run;
use super::store::EvaluationStore;
use crate::base::TenantId;
use crate::base::error::{Result, invalid};
use crate::statistics::{Interval, MeanEstimate, PermutationTest};

/// What changed from one run to another on the same entries. Differences are candidate − baseline: above 0 is better.
///
/// An entry with an error has not passed; its scores are not compared.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    /// The run compared with.
    pub baseline: Run,
    /// The run in question.
    pub candidate: Run,
    /// Entries, each compared with itself.
    pub entries: u64,
    /// Entries with an error in the baseline.
    pub baseline_errors: u64,
    /// Entries with an error in the candidate.
    pub candidate_errors: u64,
    /// Passing.
    pub passing: PassingComparison,
    /// For each scorer, in the runs' order.
    pub scorers: Vec<ScorerComparison>,
    /// Entries that passed more often in the candidate, in the dataset's order; the first so many.
    pub won: Vec<EntryChange>,
    /// Entries that passed less often in the candidate, in the dataset's order; the first so many.
    pub lost: Vec<EntryChange>,
    /// Whether the candidate is worse, for passing and all scorers together.
    pub verdict: Verdict,
    /// What it was decided by.
    pub options: ComparisonOptions,
}

/// How passing changed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PassingComparison {
    /// Share of the baseline's results that passed.
    pub baseline: f64,
    /// Share of the candidate's results that passed.
    pub candidate: f64,
    /// Their difference.
    pub difference: f64,
    /// What the difference may well be: by Agresti and Min; over repeats or groups the wider of that and the cluster-robust
    /// t interval.
    pub interval: Option<Interval>,
    /// Entries that passed more often.
    pub won: u64,
    /// Entries that passed less often.
    pub lost: u64,
    /// How likely such a difference is if nothing changed: exact McNemar; over repeats or groups by flipping signs.
    pub p_value: f64,
    /// The smallest true difference that a comparison of so many entries would find four times in five.
    pub minimum_detectable_effect: Option<f64>,
    /// Whether passing got worse.
    pub verdict: Verdict,
}

/// How one scorer's scores changed, over entries that have one in both runs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ScorerComparison {
    /// The scorer.
    pub scorer: String,
    /// The dimension that it counts in.
    pub dimension: String,
    /// Entries that have a score in both runs.
    pub pairs: u64,
    /// The baseline's mean.
    pub baseline: Option<f64>,
    /// The candidate's mean.
    pub candidate: Option<f64>,
    /// The mean difference, with what is known of it; `None` for fewer than two entries (or groups).
    pub difference: Option<MeanEstimate>,
    /// The sign-flip permutation test.
    pub test: Option<PermutationTest>,
    /// The smallest true difference that a comparison of so many entries would find four times in five.
    pub minimum_detectable_effect: Option<f64>,
    /// Whether its scores got worse.
    pub verdict: Verdict,
}

/// An entry that passed more often, or less often.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EntryChange {
    /// The entry's id.
    pub entry: String,
    /// How often it passed in the baseline.
    pub baseline_passed: u32,
    /// How often it passed in the candidate.
    pub candidate_passed: u32,
    /// The first error in the run in which it passed less often, or the reason of the lowest score there.
    pub reason: String,
}

impl Comparison {
    /// Compares two runs by all their results.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) for runs that cannot be compared: not both complete, of two versions of a
    /// dataset, with other scorers or other repeats; the backend's errors.
    pub async fn load(
        evaluations: &dyn EvaluationStore,
        datasets: &dyn DatasetStore,
        tenant: &TenantId,
        baseline: Run,
        candidate: Run,
        options: &ComparisonOptions,
    ) -> Result<Self> {
        options.check()?;
        comparable(&baseline, &candidate)?;
        let mut entries = EntryRows::new(datasets, tenant, &baseline);
        let mut before = ResultRows::new(evaluations, tenant, &baseline);
        let mut after = ResultRows::new(evaluations, tenant, &candidate);
        let mut builder = Builder::new(baseline, candidate, options.clone());
        while let Some(entry) = entries.next().await? {
            let (before, after) = tokio::try_join!(before.next(), after.next())?;
            builder.add(&entry, &before, &after)?;
        }
        before.end()?;
        after.end()?;
        Ok(builder.finish())
    }
}

fn comparable(baseline: &Run, candidate: &Run) -> Result<()> {
    for run in [baseline, candidate] {
        if !run.state.is_completed() {
            return Err(invalid(format!(
                "the run {} is {}; complete it before it is compared",
                run.id, run.state
            )));
        }
    }
    let differs =
        if (&baseline.dataset, baseline.dataset_version) != (&candidate.dataset, candidate.dataset_version) {
            format!(
                "are on {} {} and {} {}",
                baseline.dataset, baseline.dataset_version, candidate.dataset, candidate.dataset_version
            )
        } else if baseline.evaluator.scorers_hash() != candidate.evaluator.scorers_hash() {
            "have other scorers, or the same with other settings".into()
        } else if baseline.evaluator.repeats != candidate.evaluator.repeats {
            format!(
                "have {} and {} repeats",
                baseline.evaluator.repeats, candidate.evaluator.repeats
            )
        } else {
            return Ok(());
        };
    Err(invalid(format!(
        "the runs {} and {} {differs}; compare runs on one version of a dataset, scored alike",
        baseline.id, candidate.id
    )))
}
