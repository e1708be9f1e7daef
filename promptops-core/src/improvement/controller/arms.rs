//! Two versions asked with the same entries: two evaluation runs at once, which survive whatever happens to this process.

use std::collections::BTreeMap;

use super::dimensions::Dimensions;
use super::improver::Improver;
use crate::base::error::{Error, ErrorKind, Result};
use crate::base::{PageRequest, Timestamp};
use crate::evaluation::run::RunFilter;
use crate::evaluation::{Dataset, Entry, EntryResult, Run};
use crate::improvement::replay::{Call, ReplayItem, Stratum};
use crate::improvement::spending::Spending;
use crate::llm::Cost;
use crate::prompt::Version;

/// The key of an entry's metadata that says what it is replayed for.
const STRATUM: &str = "stratum";
const TARGET: &str = "target";

/// A version's run, complete.
pub(super) struct Arm {
    pub run: Run,
    /// For each entry, in the order of the dataset, the result of each repetition.
    results: Vec<Vec<Option<EntryResult>>>,
}

/// An entry that says what it is replayed for.
pub(super) fn marked(entry: Entry, stratum: Stratum) -> Entry {
    match stratum {
        Stratum::Target => entry.with(STRATUM, TARGET),
        Stratum::Guard => entry.with(STRATUM, "guard"),
    }
}

fn stratum_of(entry: &Entry) -> Stratum {
    match entry.metadata.get(STRATUM).and_then(|value| value.as_str()) {
        Some(TARGET) => Stratum::Target,
        _ => Stratum::Guard,
    }
}

impl Improver {
    /// Asks several versions with the entries of a dataset, all at once so that what changes with time changes for all of
    /// them, and waits for the results. What was asked before, by whomever, is not asked again.
    ///
    /// # Errors
    /// [`Refused`](ErrorKind::Refused) for a run that was stopped before its end; what a run fails with: a wrong key, a spent
    /// quota; the backend's errors.
    pub(super) async fn ask(&self, versions: &[&Version], dataset: &Dataset) -> Result<Vec<Arm>> {
        let known = self.runs_on(dataset).await?;
        let mut handles = Vec::with_capacity(versions.len());
        for version in versions {
            handles.push(self.start_or_resume(version, dataset, &known).await?);
        }
        let mut arms = Vec::with_capacity(handles.len());
        // All of them work already; one that fails leaves the others to be resumed.
        for handle in handles {
            let id = handle.id().clone();
            let report = handle.finish().await?;
            if !report.is_complete() {
                return Err(Error::new(
                    ErrorKind::Refused,
                    format!("the run {id} was stopped before its end; resume it, or see why it was stopped"),
                ));
            }
            let run = self.evaluations().get(&id).await?;
            arms.push(self.arm(run, dataset).await?);
        }
        Ok(arms)
    }

    async fn runs_on(&self, dataset: &Dataset) -> Result<Vec<Run>> {
        let filter = RunFilter {
            prompt: Some(self.prompt.clone()),
            dataset: Some(dataset.name.clone()),
            ..RunFilter::default()
        };
        let mut page = PageRequest::default();
        let mut runs = Vec::new();
        loop {
            let found = self.evaluations().list(&filter, &page).await?;
            runs.extend(
                found
                    .items
                    .into_iter()
                    .filter(|run| run.dataset_version == dataset.version),
            );
            match found.next {
                Some(next) => page = page.after(next),
                None => return Ok(runs),
            }
        }
    }

    async fn start_or_resume(
        &self,
        version: &Version,
        dataset: &Dataset,
        known: &[Run],
    ) -> Result<crate::evaluation::RunHandle> {
        let evaluations = self.evaluations();
        let evaluation = self.plan.evaluation();
        let evaluator = evaluation.record(&version.content)?;
        // With another evaluator, or another text of a snippet, it is another question.
        let governance = &self.with.deploying.governance;
        let closure = governance.compiler.closure(&self.tenant, version).await?;
        let same = |run: &&Run| {
            run.version == version.number && run.closure_hash == closure.hash && run.evaluator == evaluator
        };
        match known.iter().find(same) {
            Some(run) => evaluations.resume(&run.id, &evaluation, &self.actor).await,
            None => {
                let reference = format!("{}@{}", dataset.name, dataset.version);
                evaluations
                    .start(version, &reference, &evaluation, &self.actor)
                    .await
            }
        }
    }

    async fn arm(&self, run: Run, dataset: &Dataset) -> Result<Arm> {
        let repeats = run.evaluator.repeats.max(1) as usize;
        let entries = usize::try_from(dataset.entries).unwrap_or(usize::MAX);
        let mut results = vec![vec![None; repeats]; entries];
        self.each_result(&run, |result| {
            let ordinal = usize::try_from(result.ordinal).unwrap_or(usize::MAX);
            let place = results
                .get_mut(ordinal / repeats)
                .and_then(|of| of.get_mut(ordinal % repeats));
            if let Some(place) = place {
                *place = Some(result);
            }
        })
        .await?;
        Ok(Arm { run, results })
    }

    /// What was asked for a dataset since a time, by whomever.
    pub(super) async fn spent_on(&self, dataset: &Dataset, since: Timestamp) -> Result<Spending> {
        let mut spent = Spending::NONE;
        for run in self.runs_on(dataset).await? {
            self.each_result(&run, |result| {
                if result.at >= since && !result.cached {
                    spent = spent.plus(spending_of(&result));
                }
            })
            .await?;
        }
        Ok(spent)
    }

    async fn each_result(&self, run: &Run, mut take: impl FnMut(EntryResult) + Send) -> Result<()> {
        let mut page = PageRequest::first(PageRequest::MAX_LIMIT);
        loop {
            let found = self.evaluations().results(&run.id, &page).await?;
            found.items.into_iter().for_each(&mut take);
            match found.next {
                Some(next) => page = page.after(next),
                None => return Ok(()),
            }
        }
    }
}

fn spending_of(result: &EntryResult) -> Spending {
    let usages = result.scores.iter().map(|score| score.usage);
    let judged = usages
        .clone()
        .filter(|usage| *usage != Default::default())
        .count() as u64;
    let tokens = usages
        .chain([result.usage])
        .map(|usage| usage.input_tokens.saturating_add(usage.output_tokens))
        .fold(0, u64::saturating_add);
    Spending {
        calls: 1 + judged,
        tokens,
        cost: result.paid().unwrap_or(Cost::ZERO),
    }
}

impl Arm {
    /// The calls of each entry, in the order of the dataset.
    fn calls(&self, dimensions: &Dimensions) -> Vec<Vec<Call>> {
        let of = |results: &Vec<Option<EntryResult>>| -> Vec<Call> {
            results
                .iter()
                .map(|result| dimensions.call(result.as_ref()))
                .collect()
        };
        self.results.iter().map(of).collect()
    }

    /// The first answer to an entry, by its place in the dataset.
    pub fn first_result(&self, place: usize) -> Option<&EntryResult> {
        self.results.get(place)?.first()?.as_ref()
    }

    /// The mean of one dimension's scores over all calls that were answered; `None` when none was.
    pub fn mean(&self, dimensions: &Dimensions, dimension: usize) -> Option<f64> {
        let calls = self.calls(dimensions);
        let scores: Vec<f64> = calls
            .iter()
            .flatten()
            .filter_map(|call| match call {
                Call::Answered(answer) => answer.scores.get(dimension).copied(),
                Call::Failed => None,
            })
            .collect();
        (!scores.is_empty()).then(|| scores.iter().sum::<f64>() / scores.len() as f64)
    }
}

/// Both arms side by side.
pub(super) fn items(
    entries: &[Entry],
    dimensions: &Dimensions,
    baseline: &Arm,
    candidate: &Arm,
) -> Vec<ReplayItem> {
    let arms = baseline
        .calls(dimensions)
        .into_iter()
        .zip(candidate.calls(dimensions));
    let item = |(entry, (baseline, candidate)): (&Entry, (Vec<Call>, Vec<Call>))| ReplayItem {
        id: entry.id.clone(),
        stratum: stratum_of(entry),
        session: entry.group.clone(),
        baseline,
        candidate,
    };
    entries.iter().zip(arms).map(item).collect()
}

/// Entries, and what each is replayed for.
pub(super) fn strata_of(entries: &[Entry]) -> BTreeMap<String, Stratum> {
    entries
        .iter()
        .map(|entry| (entry.id.clone(), stratum_of(entry)))
        .collect()
}
