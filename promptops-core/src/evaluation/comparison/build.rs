//! From two runs' results to a comparison: one pass, a few numbers for each entry.

use std::collections::{BTreeMap, HashSet};

use super::options::ComparisonOptions;
use super::verdict::Verdict;
use super::{Comparison, EntryChange, PassingComparison, ScorerComparison};
use crate::base::error::{Error, ErrorKind, Result};
use crate::evaluation::dataset::Entry;
use crate::evaluation::run::{CriterionRecord, EntryResult, EvaluatorRecord, Outcome, Run, why_not_passed};
use crate::statistics::{
    Interval, MeanEstimate, Resampling, clustered_mean_interval, matched_difference, mcnemar, mean,
    mean_interval, sign_flip, sign_flip_clustered,
};

/// How often a comparison should find the smallest effect that it says it would.
const POWER: f64 = 0.8;
/// A standard error up to here is one of rounding.
const ROUNDING: f64 = 1e-12;

pub(super) struct Builder {
    baseline: Run,
    candidate: Run,
    options: ComparisonOptions,
    /// The group of each entry; an entry without one is its own.
    groups: Vec<u64>,
    by_name: BTreeMap<String, u64>,
    /// For each entry: share of results that passed, before and after.
    passed: Vec<(f64, f64)>,
    errors: (u64, u64),
    scorers: Vec<Pairs>,
    won: (u64, Vec<EntryChange>),
    lost: (u64, Vec<EntryChange>),
}

/// Mean scores of entries that have some in both runs.
#[derive(Default)]
struct Pairs {
    before: Vec<f64>,
    after: Vec<f64>,
    groups: Vec<u64>,
}

impl Builder {
    pub(super) fn new(baseline: Run, candidate: Run, options: ComparisonOptions) -> Self {
        let mut scorers = Vec::new();
        scorers.resize_with(baseline.evaluator.criteria.len(), Pairs::default);
        Self {
            baseline,
            candidate,
            options,
            groups: Vec::new(),
            by_name: BTreeMap::new(),
            passed: Vec::new(),
            errors: (0, 0),
            scorers,
            won: (0, Vec::new()),
            lost: (0, Vec::new()),
        }
    }

    pub(super) fn add(&mut self, entry: &Entry, before: &[EntryResult], after: &[EntryResult]) -> Result<()> {
        let repeats = self.baseline.evaluator.repeats;
        for (run, results) in [(&self.baseline, before), (&self.candidate, after)] {
            let all_there = results.len() == repeats as usize;
            if !all_there || results.iter().any(|result| result.entry != entry.id) {
                return Err(Error::new(
                    ErrorKind::Corrupt,
                    format!("the complete run {} lacks a result of an entry", run.id),
                ));
            }
        }
        let number = self.groups.len() as u64;
        let group = match &entry.group {
            None => number,
            Some(name) => *self.by_name.entry(name.clone()).or_insert(number),
        };
        let (was, is) = (
            count(before, &self.baseline.evaluator),
            count(after, &self.candidate.evaluator),
        );
        self.errors.0 += u64::from(was.errors > 0);
        self.errors.1 += u64::from(is.errors > 0);
        let share = |passed: u32| f64::from(passed) / f64::from(repeats);
        self.passed.push((share(was.passed), share(is.passed)));
        self.groups.push(group);
        if was.passed != is.passed {
            let (list, worse) = if is.passed > was.passed {
                (&mut self.won, before)
            } else {
                (&mut self.lost, after)
            };
            list.0 += 1;
            if list.1.len() < self.options.listed {
                list.1.push(EntryChange {
                    entry: entry.id.clone(),
                    baseline_passed: was.passed,
                    candidate_passed: is.passed,
                    reason: why_not_passed(worse),
                });
            }
        }
        for (i, pairs) in self.scorers.iter_mut().enumerate() {
            if let (Some(before), Some(after)) = (mean_score(before, i), mean_score(after, i)) {
                pairs.before.push(before);
                pairs.after.push(after);
                pairs.groups.push(group);
            }
        }
        Ok(())
    }

    pub(super) fn finish(self) -> Comparison {
        let in_groups = !self.by_name.is_empty();
        let passing = self.passing(in_groups);
        let alpha = self.options.alpha / self.scorers.len().max(1) as f64;
        let scorers: Vec<_> = self
            .baseline
            .evaluator
            .criteria
            .iter()
            .zip(&self.scorers)
            .map(|(criterion, pairs)| scorer(criterion, pairs, in_groups, alpha, &self.options))
            .collect();
        Comparison {
            entries: self.passed.len() as u64,
            baseline_errors: self.errors.0,
            candidate_errors: self.errors.1,
            verdict: Verdict::together(passing.verdict, scorers.iter().map(|scorer| scorer.verdict)),
            passing,
            scorers,
            won: self.won.1,
            lost: self.lost.1,
            baseline: self.baseline,
            candidate: self.candidate,
            options: self.options,
        }
    }

    fn passing(&self, in_groups: bool) -> PassingComparison {
        let options = &self.options;
        let side =
            |of: fn(&(f64, f64)) -> f64| mean(&self.passed.iter().map(of).collect::<Vec<_>>()).unwrap_or(0.0);
        let (baseline, candidate) = (side(|pair| pair.0), side(|pair| pair.1));
        let differences: Vec<f64> = self.passed.iter().map(|(before, after)| after - before).collect();
        let difference = mean(&differences).unwrap_or(0.0);
        let (won, lost) = (self.won.0, self.lost.0);
        let estimate = estimate(&differences, &self.groups, in_groups, options);
        let matched = if in_groups && estimate.is_none_or(is_of_rounding) {
            // All entries changed alike, which says no more than there are groups.
            let groups = self.groups.iter().collect::<HashSet<_>>().len() as u64;
            let of = |all| if all { groups } else { 0 };
            matched_difference(
                of(difference > 0.0),
                of(difference < 0.0),
                groups,
                options.confidence(),
            )
        } else {
            matched_difference(won, lost, self.passed.len() as u64, options.confidence())
        };
        let is_binary = self.baseline.evaluator.repeats == 1 && !in_groups;
        let (interval, p_value) = if is_binary {
            let count = |n: u64| u32::try_from(n).unwrap_or(u32::MAX);
            (matched, mcnemar(count(won), count(lost)))
        } else {
            let test = test(&differences, &self.groups, in_groups, options);
            (
                wider(matched, estimate.map(|one| one.interval)),
                test.map_or(1.0, |test| test.p_value),
            )
        };
        PassingComparison {
            baseline,
            candidate,
            difference,
            interval,
            won,
            lost,
            p_value,
            minimum_detectable_effect: detectable(estimate, options.alpha),
            verdict: Verdict::of(difference, interval, p_value, options.margin, options.alpha),
        }
    }
}

struct Counts {
    passed: u32,
    errors: u32,
}

fn count(results: &[EntryResult], evaluator: &EvaluatorRecord) -> Counts {
    let of = |outcome| {
        results
            .iter()
            .filter(|one| one.outcome(evaluator) == outcome)
            .count() as u32
    };
    Counts {
        passed: of(Outcome::Passed),
        errors: of(Outcome::Error),
    }
}

fn mean_score(results: &[EntryResult], scorer: usize) -> Option<f64> {
    let scores = results
        .iter()
        .filter_map(|result| result.scores.get(scorer)?.value());
    mean(&scores.collect::<Vec<_>>())
}

fn scorer(
    criterion: &CriterionRecord,
    pairs: &Pairs,
    in_groups: bool,
    alpha: f64,
    options: &ComparisonOptions,
) -> ScorerComparison {
    let differences: Vec<f64> = pairs
        .after
        .iter()
        .zip(&pairs.before)
        .map(|(after, before)| after - before)
        .collect();
    let difference = estimate(&differences, &pairs.groups, in_groups, options);
    let test = test(&differences, &pairs.groups, in_groups, options);
    // Scores that never differ say nothing about how much they might: no interval then.
    let interval = difference
        .filter(|estimate| !is_of_rounding(*estimate))
        .map(|estimate| estimate.interval);
    let mean_difference = mean(&differences).unwrap_or(0.0);
    let p_value = test.map_or(1.0, |test| test.p_value);
    ScorerComparison {
        scorer: criterion.scorer.clone(),
        dimension: criterion.dimension.clone(),
        pairs: differences.len() as u64,
        baseline: mean(&pairs.before),
        candidate: mean(&pairs.after),
        minimum_detectable_effect: detectable(difference, alpha),
        verdict: Verdict::of(mean_difference, interval, p_value, options.margin, alpha),
        difference,
        test,
    }
}

fn estimate(
    values: &[f64],
    groups: &[u64],
    in_groups: bool,
    options: &ComparisonOptions,
) -> Option<MeanEstimate> {
    if in_groups {
        clustered_mean_interval(values, groups, options.confidence())
    } else {
        mean_interval(values, options.confidence())
    }
}

fn test(
    differences: &[f64],
    groups: &[u64],
    in_groups: bool,
    options: &ComparisonOptions,
) -> Option<crate::statistics::PermutationTest> {
    let resampling = Resampling::seeded(options.seed);
    if in_groups {
        sign_flip_clustered(differences, groups, resampling)
    } else {
        sign_flip(differences, resampling)
    }
}

fn detectable(estimate: Option<MeanEstimate>, alpha: f64) -> Option<f64> {
    estimate
        .filter(|estimate| !is_of_rounding(*estimate))
        .and_then(|estimate| estimate.minimum_detectable_effect(alpha, POWER))
}

/// Whether the values are all equal but for rounding.
fn is_of_rounding(estimate: MeanEstimate) -> bool {
    estimate.standard_error <= ROUNDING
}

/// The smallest interval that holds both.
fn wider(one: Option<Interval>, other: Option<Interval>) -> Option<Interval> {
    match (one, other) {
        (Some(one), Some(other)) => Some(Interval {
            low: one.low.min(other.low).max(-1.0),
            high: one.high.max(other.high).min(1.0),
        }),
        (one, other) => one.or(other),
    }
}
