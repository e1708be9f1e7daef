//! From results to a report: one pass, bounded memory beside a few numbers for each entry.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use serde_json::Value;

use super::Report;
use super::estimate::{
    DimensionReport, LatencyReport, RateEstimate, RepeatReport, ScorerReport, Slice, WorstEntry,
};
use super::options::ReportOptions;
use crate::base::error::{Error, ErrorKind, Result};
use crate::evaluation::dataset::Entry;
use crate::evaluation::run::{EntryResult, Outcome, Progress, Run, why_not_passed};
use crate::llm::{Cost, Usage};
use crate::statistics::{
    Confidence, MeanEstimate, Sample, clustered_mean_interval, mean, mean_interval, wilson,
};

/// A standard error up to here is one of rounding.
const ROUNDING: f64 = 1e-12;

/// Adds up results, entry by entry.
pub(super) struct Builder {
    run: Run,
    options: ReportOptions,
    progress: Progress,
    /// One observation for each entry that has all its results.
    observations: Vec<Observation>,
    groups: Groups,
    scorers: Vec<ScorerSum>,
    dimensions: BTreeMap<String, (u64, f64)>,
    latencies: Vec<f64>,
    slices: BTreeMap<(usize, Option<String>), SliceSum>,
    worst: Vec<WorstEntry>,
    error_kinds: BTreeMap<String, u64>,
}

/// One entry over its repeats.
struct Observation {
    group: u32,
    passed: u32,
    errors: u32,
}

/// Numbers for groups; an entry without one is its own.
#[derive(Default)]
struct Groups {
    by_name: BTreeMap<String, u32>,
    next: u32,
    any: bool,
}

impl Groups {
    fn number(&mut self, group: Option<&str>) -> u32 {
        if let Some(number) = group.and_then(|name| self.by_name.get(name)) {
            return *number;
        }
        let number = self.next;
        self.next += 1;
        if let Some(name) = group {
            self.any = true;
            self.by_name.insert(name.to_owned(), number);
        }
        number
    }
}

#[derive(Default)]
struct ScorerSum {
    scored: u64,
    errors: u64,
    passed: u64,
    usage: Usage,
    cost: Cost,
    /// For each entry with a score: its mean over repeats.
    means: Vec<f64>,
    groups: Vec<u32>,
}

#[derive(Default)]
struct SliceSum {
    results: u64,
    passed: u64,
    errors: u64,
    scores: (u64, f64),
    passed_by_entry: Vec<f64>,
    groups: Vec<u32>,
}

impl Builder {
    pub(super) fn new(run: Run, options: ReportOptions) -> Self {
        let mut scorers = Vec::new();
        scorers.resize_with(run.evaluator.criteria.len(), ScorerSum::default);
        Self {
            progress: Progress::of(run.tasks()),
            run,
            options,
            observations: Vec::new(),
            groups: Groups::default(),
            scorers,
            dimensions: BTreeMap::new(),
            latencies: Vec::new(),
            slices: BTreeMap::new(),
            worst: Vec::new(),
            error_kinds: BTreeMap::new(),
        }
    }

    /// Takes the next entry of the dataset with its results.
    pub(super) fn add(&mut self, entry: Entry, results: Vec<EntryResult>) -> Result<()> {
        if let Some(foreign) = results.iter().find(|result| result.entry != entry.id) {
            return Err(Error::new(
                ErrorKind::Corrupt,
                format!(
                    "the result {} of the run {} is of another entry",
                    foreign.ordinal, self.run.id
                ),
            ));
        }
        if results.is_empty() {
            return Ok(());
        }
        let group = self.groups.number(entry.group.as_deref());
        let (mut passed, mut errors) = (0, 0);
        for result in &results {
            self.progress.add(result, &self.run.evaluator);
            match result.outcome(&self.run.evaluator) {
                Outcome::Passed => passed += 1,
                Outcome::Failed => {}
                Outcome::Error => errors += 1,
            }
            self.add_result(result);
        }
        self.add_scores(group, &results);
        self.add_slices(&entry, group, &results, passed, errors);
        self.add_worst(&entry, &results, passed, errors);
        if results.len() == self.run.evaluator.repeats as usize {
            self.observations.push(Observation {
                group,
                passed,
                errors,
            });
        }
        Ok(())
    }

    fn add_result(&mut self, result: &EntryResult) {
        if result.output.is_some() && !result.cached {
            self.latencies.push(result.latency.as_secs_f64());
        }
        let failures = result
            .scores
            .iter()
            .filter_map(|score| score.score.as_ref().err());
        for error in result.error.iter().chain(failures) {
            *self.error_kinds.entry(error.kind.to_string()).or_default() += 1;
        }
        // A dimension is scored when all its scorers have.
        let mut dimensions: BTreeMap<&str, Option<(u32, f64)>> = BTreeMap::new();
        for (i, criterion) in self.run.evaluator.criteria.iter().enumerate() {
            let value = result.scores.get(i).and_then(|score| score.value());
            let sum = dimensions.entry(&criterion.dimension).or_insert(Some((0, 0.0)));
            *sum = sum
                .zip(value)
                .map(|((count, sum), value)| (count + 1, sum + value));
        }
        for (dimension, sum) in dimensions {
            let (scored, total) = self.dimensions.entry(dimension.to_owned()).or_default();
            if let Some((count, sum)) = sum {
                *scored += 1;
                *total += sum / f64::from(count);
            }
        }
    }

    fn add_scores(&mut self, group: u32, results: &[EntryResult]) {
        for (i, (sum, criterion)) in self
            .scorers
            .iter_mut()
            .zip(&self.run.evaluator.criteria)
            .enumerate()
        {
            let mut values = Vec::with_capacity(results.len());
            for score in results.iter().filter_map(|result| result.scores.get(i)) {
                sum.usage += score.usage;
                sum.cost += score.cost.unwrap_or_default();
                match score.value() {
                    Some(value) => {
                        sum.scored += 1;
                        sum.passed += u64::from(value >= criterion.pass_mark);
                        values.push(value);
                    }
                    None => sum.errors += 1,
                }
            }
            if let Some(mean) = mean(&values) {
                sum.means.push(mean);
                sum.groups.push(group);
            }
        }
    }

    fn add_slices(&mut self, entry: &Entry, group: u32, results: &[EntryResult], passed: u32, errors: u32) {
        for (i, key) in self.options.slices.iter().enumerate() {
            let value = entry.metadata.get(key).map(|value| match value {
                Value::String(text) => text.clone(),
                other => other.to_string(),
            });
            let slice = self.slices.entry((i, value)).or_default();
            slice.results += results.len() as u64;
            slice.passed += u64::from(passed);
            slice.errors += u64::from(errors);
            for value in results
                .iter()
                .flat_map(|result| &result.scores)
                .filter_map(|score| score.value())
            {
                slice.scores.0 += 1;
                slice.scores.1 += value;
            }
            slice
                .passed_by_entry
                .push(f64::from(passed) / results.len() as f64);
            slice.groups.push(group);
        }
    }

    fn add_worst(&mut self, entry: &Entry, results: &[EntryResult], passed: u32, errors: u32) {
        if passed as usize == results.len() {
            return;
        }
        let scores = results.iter().flat_map(|result| &result.scores);
        let values: Vec<f64> = scores.filter_map(|score| score.value()).collect();
        self.worst.push(WorstEntry {
            entry: entry.id.clone(),
            mean: mean(&values),
            passed,
            errors,
            reason: why_not_passed(results),
        });
        // Sorting now and then keeps it short.
        if self.worst.len() > 2 * self.options.worst + 64 {
            self.keep_worst();
        }
    }

    fn keep_worst(&mut self) {
        // Stable: of equals the first in the dataset.
        self.worst.sort_by(|a, b| {
            let of_scored = |entry: &WorstEntry| entry.mean.filter(|_| entry.errors == 0);
            let key = |entry: &WorstEntry| of_scored(entry).unwrap_or(-1.0);
            key(a).total_cmp(&key(b))
        });
        self.worst.truncate(self.options.worst);
    }

    pub(super) fn finish(mut self) -> Report {
        self.keep_worst();
        let confidence = self.options.confidence;
        let repeats = self.run.evaluator.repeats;
        let are_clustered = repeats > 1 || self.groups.any;
        let progress = self.progress;
        let share = |count: fn(&Observation) -> u32| -> Vec<f64> {
            let of = self.observations.iter();
            of.map(|one| f64::from(count(one)) / f64::from(repeats)).collect()
        };
        let groups: Vec<u32> = self.observations.iter().map(|one| one.group).collect();
        let rate = |count: u64, of: u64, shares: &[f64]| {
            rate(
                count,
                of,
                are_clustered.then_some((shares, &groups[..])),
                confidence,
            )
        };
        let passed_share = share(|one| one.passed);
        let count = |wanted: fn(&Observation, u32) -> bool| {
            self.observations
                .iter()
                .filter(|one| wanted(one, repeats))
                .count() as u64
        };
        let (passed, errors) = (
            count(|one, all| one.passed == all),
            count(|one, _| one.errors > 0),
        );
        let entries = self.observations.len() as u64;
        let whole: Vec<f64> = self
            .observations
            .iter()
            .map(|one| f64::from(one.passed == repeats))
            .collect();
        let any: Vec<f64> = self
            .observations
            .iter()
            .map(|one| f64::from(one.passed > 0))
            .collect();
        let any_count = count(|one, _| one.passed > 0);
        Report {
            pass_rate: rate(progress.passed, progress.done, &passed_share),
            error_rate: rate(progress.errors, progress.done, &share(|one| one.errors)),
            scored_pass_rate: rate_of_scored(progress, are_clustered, confidence),
            repeats: (repeats > 1)
                .then(|| {
                    Some(RepeatReport {
                        repeats,
                        all_passed: rate(passed, entries, &whole)?,
                        any_passed: rate(any_count, entries, &any)?,
                    })
                })
                .flatten(),
            scorers: scorers(&self.run, self.scorers, self.groups.any, confidence),
            dimensions: self
                .dimensions
                .into_iter()
                .map(|(dimension, (scored, sum))| DimensionReport {
                    dimension,
                    scored,
                    mean: (scored > 0).then(|| sum / scored as f64),
                    sum,
                })
                .collect(),
            latency: latency(self.latencies),
            slices: slices(&self.options, self.slices, are_clustered),
            worst: self.worst,
            error_kinds: self.error_kinds,
            run: self.run,
            progress,
            entries,
            passed,
            errors,
        }
    }
}

/// A rate; over shares of entries in groups where results depend on each other.
fn rate(
    count: u64,
    of: u64,
    clustered: Option<(&[f64], &[u32])>,
    confidence: Confidence,
) -> Option<RateEstimate> {
    if of == 0 {
        return None;
    }
    let rate = count as f64 / of as f64;
    let interval = match clustered {
        None => wilson(count, of, confidence),
        Some((shares, groups)) => clustered_mean_interval(shares, groups, confidence)
            // All equal but for rounding: the interval would have no width, and say more than is known.
            .filter(|estimate| estimate.standard_error > ROUNDING)
            .map_or_else(
                || {
                    // What depends on each other counts once.
                    let groups = groups.iter().collect::<HashSet<_>>().len() as u64;
                    wilson((rate * groups as f64).round() as u64, groups, confidence)
                },
                |estimate| estimate.interval.within(0.0, 1.0),
            ),
    };
    Some(RateEstimate {
        count,
        of,
        rate,
        interval,
    })
}

/// Without an interval where results depend on each other: which entries are left out depends on them too.
fn rate_of_scored(progress: Progress, are_clustered: bool, confidence: Confidence) -> Option<RateEstimate> {
    let scored = rate(progress.passed, progress.done - progress.errors, None, confidence)?;
    Some(RateEstimate {
        interval: scored.interval.filter(|_| !are_clustered),
        ..scored
    })
}

fn scorers(run: &Run, sums: Vec<ScorerSum>, in_groups: bool, confidence: Confidence) -> Vec<ScorerReport> {
    let criteria = run.evaluator.criteria.iter();
    let report = |(criterion, sum): (&crate::evaluation::run::CriterionRecord, ScorerSum)| ScorerReport {
        scorer: criterion.scorer.clone(),
        dimension: criterion.dimension.clone(),
        scored: sum.scored,
        errors: sum.errors,
        passed: sum.passed,
        mean: mean(&sum.means),
        estimate: estimate(&sum.means, &sum.groups, in_groups, confidence),
        usage: sum.usage,
        cost: sum.cost,
    };
    criteria.zip(sums).map(report).collect()
}

fn estimate(values: &[f64], groups: &[u32], in_groups: bool, confidence: Confidence) -> Option<MeanEstimate> {
    let mut estimate = if in_groups {
        clustered_mean_interval(values, groups, confidence)
    } else {
        mean_interval(values, confidence)
    }?;
    // All equal: the interval would have no width, and say more than is known.
    if estimate.standard_error <= 0.0 {
        return None;
    }
    // Scores lie there, and so does their mean.
    estimate.interval = estimate.interval.within(0.0, 1.0)?;
    Some(estimate)
}

fn latency(seconds: Vec<f64>) -> Option<LatencyReport> {
    let mean = Duration::from_secs_f64(mean(&seconds)?.max(0.0));
    let sample = Sample::new(seconds)?;
    let at = |q| {
        sample
            .quantile(q)
            .map(|seconds| Duration::from_secs_f64(seconds.max(0.0)))
    };
    Some(LatencyReport {
        median: at(0.5)?,
        p90: at(0.9)?,
        p99: at(0.99)?,
        mean,
    })
}

fn slices(
    options: &ReportOptions,
    sums: BTreeMap<(usize, Option<String>), SliceSum>,
    are_clustered: bool,
) -> Vec<Slice> {
    let slice = |((key, value), sum): ((usize, Option<String>), SliceSum)| {
        let clustered = are_clustered.then_some((&sum.passed_by_entry[..], &sum.groups[..]));
        Some(Slice {
            key: options.slices.get(key)?.clone(),
            value,
            pass_rate: rate(sum.passed, sum.results, clustered, options.confidence)?,
            errors: sum.errors,
            mean: (sum.scores.0 > 0).then(|| sum.scores.1 / sum.scores.0 as f64),
        })
    };
    sums.into_iter().filter_map(slice).collect()
}
