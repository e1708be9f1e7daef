//! How far a run is.

use std::fmt;

use serde::Serialize;

use super::record::EvaluatorRecord;
use super::result::{EntryResult, Outcome};
use crate::llm::{Cost, Usage};

/// How far a run is, by the results that are kept. Of a run that several workers share, what others have done since this
/// worker began is not counted until the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Progress {
    /// Results that the run has when it is complete.
    pub total: u64,
    /// Results kept.
    pub done: u64,
    /// Of these, passed.
    pub passed: u64,
    /// Of these, failed.
    pub failed: u64,
    /// Of these, without an output or a score.
    pub errors: u64,
    /// Of these, with an output from a cache.
    pub cached: u64,
    /// What was paid, as far as prices are known.
    pub cost: Cost,
    /// Results whose cost is unknown.
    pub unknown_costs: u64,
    /// Tokens, those of scorers and of cached outputs included.
    pub tokens: u64,
    /// Of those of unknown cost, answers and scores whose price is not known. The others failed: nobody says what they cost.
    #[serde(skip)]
    pub(super) unpriced: u64,
    /// The largest cost of one result, had its output not been from a cache.
    #[serde(skip)]
    pub(super) dearest: Cost,
    /// Results with an answer: only they say what one costs.
    #[serde(skip)]
    pub(super) answered: u64,
}

impl Progress {
    pub(in crate::evaluation) fn of(total: u64) -> Self {
        Self {
            total,
            ..Self::default()
        }
    }

    pub(in crate::evaluation) fn add(&mut self, result: &EntryResult, evaluator: &EvaluatorRecord) {
        self.done += 1;
        match result.outcome(evaluator) {
            Outcome::Passed => self.passed += 1,
            Outcome::Failed => self.failed += 1,
            Outcome::Error => self.errors += 1,
        }
        self.cached += u64::from(result.cached);
        match result.paid() {
            Some(cost) => {
                self.cost += cost;
                let saved = result.cost.filter(|_| result.cached).unwrap_or_default();
                self.dearest = self.dearest.max(cost + saved);
                self.answered += u64::from(result.finish.is_some());
            }
            None => {
                self.unknown_costs += 1;
                self.unpriced += u64::from(result.is_unpriced());
            }
        }
        let mut usage = result.usage;
        result.scores.iter().for_each(|score| usage += score.usage);
        self.tokens = self.tokens.saturating_add(Usage::total(&usage));
    }
}

/// `120/200 done: 98 passed, 20 failed, 2 errors, $0.0123`
impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}/{} done: {} passed, {} failed, {} errors",
            self.done, self.total, self.passed, self.failed, self.errors
        )?;
        if self.cached > 0 {
            write!(f, ", {} cached", self.cached)?;
        }
        if self.unknown_costs == 0 {
            write!(f, ", {}", self.cost)
        } else {
            write!(f, ", {} and {} of unknown cost", self.cost, self.unknown_costs)
        }
    }
}
