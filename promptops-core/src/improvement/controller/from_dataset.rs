//! Looking for a better text on a dataset: for prompts that have no traffic yet, or whose failures are known.

use std::collections::BTreeMap;

use serde::Serialize;

use super::arms::{Arm, marked};
use super::asking::{candidates, printable};
use super::dimensions::Dimensions;
use super::improver::Improver;
use crate::base::error::{Error, ErrorKind, Result, invalid};
use crate::base::{CommandKey, DatasetName, ScoreName, VersionNumber};
use crate::deployment::{Deployment, Document, Origin, State};
use crate::evaluation::run::{EvaluatorRecord, Outcome};
use crate::evaluation::{Dataset, Entry, EntryResult, Split};
use crate::improvement::attempt::AttemptCandidate;
use crate::improvement::proposer::{Brief, ClusterSummary, TraceExcerpt};
use crate::improvement::replay::{GateReport, Part, Stratum};
use crate::improvement::spending::Spending;
use crate::improvement::triage::{Dimension, OutcomeClass};
use crate::prompt::Version;

/// What datasets of a candidate's replay are named after, as those of traces.
const REPLAY: &str = "replay";

/// What looking for a better text on a dataset came to.
#[derive(Debug, Clone, PartialEq)]
pub struct Improved {
    /// The dataset.
    pub dataset: (DatasetName, VersionNumber),
    /// What is live.
    pub baseline: VersionNumber,
    /// Its mean score in the target's dimension over the whole dataset, 0.0 ..= 1.0; `None` when nothing was answered.
    pub baseline_score: Option<f64>,
    /// What was proposed, and what of it was refused.
    pub candidates: Vec<AttemptCandidate>,
    /// The best candidate on its way, with the evidence of its replay; `None` when there is none.
    pub deployment: Option<Deployment>,
    /// The replay's report.
    pub report: Option<GateReport>,
    /// What it came to, in plain words.
    pub reason: String,
}

/// What a deployment keeps of how it was found.
#[derive(Serialize)]
struct Found<'a> {
    dataset: (&'a DatasetName, VersionNumber),
    baseline: VersionNumber,
    baseline_score: Option<f64>,
    candidates: &'a [AttemptCandidate],
}

/// The entries of a dataset in their parts, by group as datasets are split.
struct Parts(BTreeMap<&'static str, Vec<Entry>>);

impl Improver {
    /// Evaluates what is live on a dataset, has better texts proposed from its failures, chooses the best of them, and replays it
    /// beside what is live on entries that nobody has shown the proposer. The dataset is split by the plan's shares, groups
    /// together; half of what decides shows whether the candidate is better, the other half whether nothing got worse. The
    /// candidate is on its way as any deployment then, for an owner to approve.
    ///
    /// # Errors
    /// [`Invalid`](ErrorKind::Invalid) for a plan without a proposer; [`NotFound`](ErrorKind::NotFound) for an unknown dataset,
    /// or where nothing is live; [`Conflict`](ErrorKind::Conflict) while another worker has the prompt and environment;
    /// [`Refused`](ErrorKind::Refused) when the budget does not reach, or improvement is stopped for the tenant; what the runs
    /// fail with; the backend's errors.
    pub async fn improve_on(&self, dataset: &str) -> Result<Improved> {
        // A lease tells workers apart, and clones are one.
        let _turn = self.turn.lock().await;
        if let Err(holder) = self.take_slot().await? {
            return Err(Error::new(
                ErrorKind::Conflict,
                format!(
                    "{}@{} is worked on by {} until {}; try again then",
                    self.prompt, self.environment, holder.worker, holder.until
                ),
            ));
        }
        let improved = self.keeping(None, Box::pin(self.improve_with(dataset))).await;
        // The lease ends by itself otherwise.
        let _ = self.return_slot().await;
        improved
    }

    async fn improve_with(&self, dataset: &str) -> Result<Improved> {
        let proposer = self.plan.proposer.as_deref().ok_or_else(|| {
            invalid("the plan has no proposer, so that nobody would write a candidate; set one")
        })?;
        if !self.is_on().await? {
            return Err(Error::new(
                ErrorKind::Refused,
                "automatic improvement is stopped for the tenant; an owner lets it go on with `Improvements::resume`",
            ));
        }
        let live = self.live().await?.ok_or_else(|| {
            Error::new(
                ErrorKind::NotFound,
                format!(
                    "nothing of {} is live in {}; promote a version first",
                    self.prompt, self.environment
                ),
            )
        })?;
        let dataset = self.datasets().get(dataset).await?;
        let version = self.version(live.version).await?;
        let entries = self.datasets().all_entries(&dataset).await?;
        let baseline = self.ask_paid("a baseline", &[&version], &dataset).await?;
        let Some(baseline) = baseline.into_iter().next() else {
            return Err(Error::new(ErrorKind::Backend, "a baseline has one arm"));
        };
        let dimensions = Dimensions::of(&baseline.run.evaluator)?;
        let target = dimensions.target(self.plan.target.as_ref(), None)?;
        let parts = self.parts_of(&entries)?;
        let mut improved = Improved {
            dataset: (dataset.name.clone(), dataset.version),
            baseline: live.version,
            baseline_score: baseline.mean(&dimensions, target),
            candidates: Vec::new(),
            deployment: None,
            report: None,
            reason: String::new(),
        };
        let shown = Shown::of(parts.part(Part::Propose), &entries, &baseline);
        if shown.failing.is_empty() {
            improved.reason = format!(
                "nothing failed among the {} entries that a proposer may see",
                parts.part(Part::Propose).len()
            );
            return Ok(improved);
        }
        let name = dimensions.names().nth(target).cloned();
        let closure = self
            .with
            .deploying
            .governance
            .compiler
            .closure(&self.tenant, &*version)
            .await?;
        let brief = Brief::new(
            &self.prompt,
            &version.content,
            summary(&dataset, name, shown.failing.len())?,
        )?
        .failing(shown.failing)
        .passing(shown.passing)
        .known(self.known_texts().await?)
        .snippets(&closure.snippets)
        .guards(self.plan.guards.clone())
        .seed(self.plan.gate.seed);
        let (asked, _) = self.ask_for(proposer, &brief).await?;
        improved.candidates = candidates(asked?);
        self.save_drafts(&mut improved.candidates, live.version).await?;
        self.score_drafts(&mut improved, &dataset, &parts, target).await?;
        match best(&improved.candidates) {
            Some((number, candidate)) => {
                let candidate = candidate.clone();
                self.try_candidate(&mut improved, &parts, number, &candidate)
                    .await?;
            }
            None => {
                let refused: Vec<String> = improved
                    .candidates
                    .iter()
                    .filter_map(|candidate| {
                        Some(format!(
                            "{}: {}",
                            candidate.strategy,
                            candidate.refused.as_deref()?
                        ))
                    })
                    .collect();
                improved.reason = format!("no candidate could be tried: {}", refused.join("; "));
            }
        }
        Ok(improved)
    }

    /// Asks within the budget.
    async fn ask_paid(&self, what: &str, versions: &[&Version], dataset: &Dataset) -> Result<Vec<Arm>> {
        let calls = Spending::calls(self.calls(dataset, versions.len() as u64));
        let reserved = self.reserve(what, calls).await?;
        let began = self.now();
        let arms = self.keeping(None, self.ask(versions, dataset)).await;
        self.settle(reserved, self.spent_on(dataset, began).await?)
            .await?;
        arms
    }

    fn parts_of(&self, entries: &[Entry]) -> Result<Parts> {
        let shares = self.plan.shares;
        let split = Split::new([
            (Part::Propose.as_str(), shares.propose),
            (Part::Select.as_str(), shares.select),
            (Part::Confirm.as_str(), shares.confirm),
        ])?
        .salt(format!("{}@{}", self.prompt, self.environment));
        let mut parts: BTreeMap<&'static str, Vec<Entry>> = BTreeMap::new();
        for entry in entries {
            let part = Part::ALL
                .into_iter()
                .find(|part| part.as_str() == split.part(entry));
            let part = part.unwrap_or(Part::Propose);
            parts.entry(part.as_str()).or_default().push(entry.clone());
        }
        Ok(Parts(parts))
    }

    async fn score_drafts(
        &self,
        improved: &mut Improved,
        dataset: &Dataset,
        parts: &Parts,
        target: usize,
    ) -> Result<()> {
        let mut versions = Vec::new();
        for candidate in &improved.candidates {
            if let Some(number) = candidate.version {
                versions.push(self.version(number).await?);
            }
        }
        let entries = parts.part(Part::Select);
        if versions.len() < 2 || entries.is_empty() {
            return Ok(());
        }
        let shares = self.plan.shares;
        // With other shares it is another part.
        let id = format!(
            "{}/{}-{}-{}-{}",
            dataset.name, dataset.version, shares.propose, shares.select, shares.confirm
        );
        let selecting = self.hold_out("select", &id, 1, entries.to_vec()).await?;
        let asked: Vec<&Version> = versions.iter().map(|version| version.as_ref()).collect();
        let arms = self.ask_paid("choosing a candidate", &asked, &selecting).await?;
        let arms: BTreeMap<VersionNumber, Arm> =
            versions.iter().map(|version| version.number).zip(arms).collect();
        for candidate in &mut improved.candidates {
            if let Some(arm) = candidate.version.and_then(|number| arms.get(&number)) {
                let dimensions = Dimensions::of(&arm.run.evaluator)?;
                candidate.run = Some(arm.run.id.clone());
                candidate.score = arm.mean(&dimensions, target);
            }
        }
        Ok(())
    }

    /// Proposes the candidate, and replays it on the part that decides.
    async fn try_candidate(
        &self,
        improved: &mut Improved,
        parts: &Parts,
        number: VersionNumber,
        candidate: &AttemptCandidate,
    ) -> Result<()> {
        let version = self.version(number).await?;
        let (name, dataset_version) = (&improved.dataset.0, improved.dataset.1);
        let key = CommandKey::new(format!(
            "improve-{}-{number}",
            self.with.deploying.ids.id(self.now())
        ))?;
        let found = Found {
            dataset: (name, dataset_version),
            baseline: improved.baseline,
            baseline_score: improved.baseline_score,
            candidates: &improved.candidates,
        };
        let proposed = self
            .deployments()
            .propose(&version, self.environment.as_str(), &self.actor)
            .origin(Origin::Dataset {
                dataset: format!("{name}@{dataset_version}"),
                strategy: candidate.strategy.clone(),
            })
            .rationale(printable(&candidate.rationale))
            .proposal(Document::of(&found)?)
            .key(&key)
            .await;
        let proposed = match proposed {
            Ok(proposed) => proposed,
            // It was tried here before, and is live, on its way, or was not let in.
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                improved.reason = error.message().to_owned();
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        let entries = halves(parts.part(Part::Confirm))?;
        if !entries.is_empty() {
            self.hold_out(REPLAY, proposed.id.as_str(), 1, entries).await?;
        }
        let replayed = self.replay(proposed, &[]).await?;
        if let Some(evidence) = &replayed.evidence {
            improved.reason.clone_from(&evidence.reason);
            let document = self.deployments().document(&evidence.report).await?;
            improved.report = super::ReplayRecord::read(&document)?.report;
        }
        improved.deployment = Some(replayed);
        Ok(())
    }
}

impl Parts {
    fn part(&self, part: Part) -> &[Entry] {
        self.0.get(part.as_str()).map(Vec::as_slice).unwrap_or_default()
    }
}

impl Improved {
    /// Whether the candidate passed its replay and waits for an owner.
    #[must_use]
    pub fn has_passed(&self) -> bool {
        self.deployment
            .as_ref()
            .is_some_and(|deployment| deployment.state == State::AbPassed)
    }
}

/// What a proposer is shown of the part that it may see.
struct Shown {
    failing: Vec<TraceExcerpt>,
    passing: Vec<TraceExcerpt>,
}

impl Shown {
    fn of(part: &[Entry], entries: &[Entry], baseline: &Arm) -> Self {
        let places: BTreeMap<&str, usize> = entries
            .iter()
            .enumerate()
            .map(|(place, entry)| (entry.id.as_str(), place))
            .collect();
        let mut shown = Self {
            failing: Vec::new(),
            passing: Vec::new(),
        };
        for entry in part {
            let first = places
                .get(entry.id.as_str())
                .and_then(|place| baseline.first_result(*place));
            let Some(result) = first else {
                continue;
            };
            match result.outcome(&baseline.run.evaluator) {
                Outcome::Failed => shown
                    .failing
                    .push(excerpt(entry, result, &baseline.run.evaluator)),
                Outcome::Passed => shown
                    .passing
                    .push(excerpt(entry, result, &baseline.run.evaluator)),
                // Nobody knows how good it was.
                Outcome::Error => {}
            }
        }
        shown
    }
}

fn excerpt(entry: &Entry, result: &EntryResult, evaluator: &EvaluatorRecord) -> TraceExcerpt {
    let marks = evaluator.criteria.iter().zip(&result.scores);
    let below =
        marks.filter(|(criterion, score)| score.value().is_some_and(|value| value < criterion.pass_mark));
    TraceExcerpt {
        trace: None,
        inputs: entry.input.clone().into(),
        output: result.output.clone(),
        expected: entry.expected_text().map(std::borrow::Cow::into_owned),
        comments: below
            .map(|(_, score)| score.reason.clone())
            .filter(|reason| !reason.is_empty())
            .collect(),
    }
}

fn summary(dataset: &Dataset, dimension: Option<ScoreName>, size: usize) -> Result<ClusterSummary> {
    let dimension = match dimension {
        Some(name) => name,
        None => ScoreName::new("correctness")?,
    };
    Ok(ClusterSummary {
        id: None,
        label: format!("{dimension} on the dataset {}", dataset.name),
        dimension: Dimension::from(dimension),
        class: OutcomeClass::FailedScore,
        size: size as u64,
    })
}

/// The best draft: by its score where it has one, else the first.
fn best(candidates: &[AttemptCandidate]) -> Option<(VersionNumber, &AttemptCandidate)> {
    let score = |candidate: &AttemptCandidate| candidate.score.unwrap_or(-1.0);
    let drafts = candidates
        .iter()
        .filter_map(|candidate| Some((candidate.version?, candidate)));
    // Of equal ones the first.
    drafts.rev().max_by(|a, b| score(a.1).total_cmp(&score(b.1)))
}

/// Half of the entries as target, half as guard, by the hash of their groups. Not by whether the baseline failed on them: what
/// failed once by chance would be won back by chance, for any candidate.
fn halves(entries: &[Entry]) -> Result<Vec<Entry>> {
    let split = Split::new([("target", 1), ("guard", 1)])?.salt("strata");
    Ok(entries
        .iter()
        .map(|entry| {
            let stratum = match split.part(entry) {
                "target" => Stratum::Target,
                _ => Stratum::Guard,
            };
            marked(entry.clone(), stratum)
        })
        .collect())
}
