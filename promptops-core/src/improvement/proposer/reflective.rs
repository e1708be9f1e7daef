//! A search that changes a prompt, tries it, and goes on from what was best somewhere.
//!
//! This is GEPA, "reflective prompt evolution" (Agrawal and others, "GEPA: Reflective Prompt Evolution Can Outperform
//! Reinforcement Learning", arXiv:2507.19457, algorithms 1 and 2), for a prompt of one step:
//!
//! 1. The traces of the part that proposers may see are dealt into those that candidates are ranked on and those that a model
//!    learns from. The live prompt is the first of the pool, and is tried on all that rank.
//! 2. A candidate of the pool is drawn by how often it is best among all: on how many items.
//! 3. It is tried on the next few items to learn from, and a model is shown what it answered and what was said of that, and
//!    asked for edits.
//! 4. What comes of them is guarded like every candidate, and tried on the same few items. Where it does no better there, it
//!    is refused.
//! 5. Else it is tried on all items that rank, and joins the pool. Back to 2, until the rounds or the budget end.
//!
//! Proposed are those that rank above the live prompt, the best first. Otherwise than in the paper, a candidate comes of edits
//! that must apply, guards come before trials, a trial of the same text on the same item is not paid twice, and two candidates
//! are never merged: a prompt has one text, and parts of two would have to be matched.
//!
//! A score in a search is the best of many, and says too much. The ship gate decides on traces that no search has seen.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

use super::brief::{Brief, TraceExcerpt};
use super::edit::Edits;
use super::guard::{Guard, bytes, templates};
use super::ledger::{CallFailure, Ledger, Spent};
use super::llm::proposal;
use super::model::{Edited, ProposerModel};
use super::pareto;
use super::propose::{Proposal, Proposed, Proposer, Refusal, RefusedCandidate};
use super::request::{Call, Request, Shown};
use super::strategy::Strategy;
use super::trial::{Trial, Trials};
use crate::base::ContentHash;
use crate::base::error::{Error, Result, invalid};
use crate::prompt::Content;
use crate::statistics::Random;

/// How a search goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SearchSettings {
    /// Most rounds, each of which changes one candidate; default 20. The budget may end it before.
    pub rounds: usize,
    /// Items of a round to learn from, ≥ 1; default 3, as in the paper.
    pub minibatch: usize,
    /// Most items that candidates are ranked on, ≥ 1; default 24.
    pub ranked_on: usize,
    /// Most proposals; default 4.
    pub proposals: usize,
    /// Bytes of each text that the model is shown of an item; default 1,500.
    pub shown_bytes: usize,
}

impl Default for SearchSettings {
    fn default() -> Self {
        Self {
            rounds: 20,
            minibatch: 3,
            ranked_on: 24,
            proposals: 4,
            shown_bytes: Shown::default().bytes,
        }
    }
}

/// Searches by reflection: see [this module](self). The same brief, seed, trials and replies give the same proposals.
#[derive(Clone)]
pub struct ReflectiveProposer {
    model: ProposerModel,
    trials: Arc<dyn Trials>,
    settings: SearchSettings,
}

impl ReflectiveProposer {
    /// By this model, with these trials.
    pub fn new(model: impl Into<ProposerModel>, trials: Arc<dyn Trials>) -> Self {
        Self {
            model: model.into(),
            trials,
            settings: SearchSettings::default(),
        }
    }

    /// Sets how the search goes.
    #[must_use]
    pub fn settings(mut self, settings: SearchSettings) -> Self {
        self.settings = settings;
        self
    }
}

#[async_trait]
impl Proposer for ReflectiveProposer {
    fn name(&self) -> String {
        self.model.name()
    }

    async fn propose(&self, brief: &Brief<'_>, ledger: &mut Ledger) -> Result<Proposed> {
        if self.settings.minibatch == 0 || self.settings.ranked_on == 0 {
            return Err(invalid(
                "a search learns from and ranks on at least one item in each round; neither can be 0",
            ));
        }
        let guard = Guard::new(brief)?;
        let before = ledger.spent();
        let mut search = Search::new(self, guard);
        let ended = search.run(ledger).await;
        let mut proposed = search.proposed(&self.name());
        match ended {
            Ok(()) => {}
            Err(End::Refused(refusal, spent)) => proposed.refuse(refusal, spent),
            Err(End::Broken(error)) => return Err(error),
        }
        proposed.spent = ledger.spent().since(&before);
        Ok(proposed)
    }
}

/// Who proposes, and how.
impl fmt::Debug for ReflectiveProposer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReflectiveProposer")
            .field("model", &self.model)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

impl Proposed {
    fn refuse(&mut self, refusal: Refusal, spent: Spent) {
        self.refused.push(RefusedCandidate {
            strategy: Strategy::Reflect,
            refusal,
            spent,
        });
    }
}

/// Why a search ends before its rounds do.
enum End {
    /// Nothing more can be called.
    Refused(Refusal, Spent),
    /// The trials are not what they promise.
    Broken(Error),
}

/// A candidate that was tried on all items that rank.
struct Member {
    content: Content,
    hash: ContentHash,
    edits: Option<Edits>,
    rationale: String,
    scores: Vec<f64>,
    spent: Spent,
}

impl Member {
    fn mean(&self) -> f64 {
        self.scores.iter().sum::<f64>() / self.scores.len().max(1) as f64
    }
}

struct Search<'a> {
    by: &'a ReflectiveProposer,
    guard: Guard<'a>,
    items: Vec<&'a TraceExcerpt>,
    /// Which items rank, by index.
    ranked: Vec<usize>,
    lessons: Lessons,
    random: Random,
    pool: Vec<Member>,
    seen: BTreeSet<ContentHash>,
    tried: BTreeMap<(ContentHash, usize), Trial>,
    refused: Proposed,
}

impl<'a> Search<'a> {
    fn new(by: &'a ReflectiveProposer, guard: Guard<'a>) -> Self {
        let brief = guard.brief();
        let mut random = Random::seeded(brief.random_seed());
        let failing = brief.failing_traces().len();
        let items: Vec<&TraceExcerpt> = brief.traces().collect();
        let (ranked, lessons) = deal(failing, items.len(), by.settings.ranked_on, &mut random);
        Self {
            by,
            items,
            ranked,
            lessons: Lessons {
                all: lessons,
                left: Vec::new(),
            },
            random,
            pool: Vec::new(),
            seen: BTreeSet::from([brief.live().hash()]),
            tried: BTreeMap::new(),
            refused: Proposed::default(),
            guard,
        }
    }

    async fn run(&mut self, ledger: &mut Ledger) -> Result<(), End> {
        if self.items.is_empty() {
            return Ok(());
        }
        let begun = ledger.spent();
        let live = self.guard.brief().live().clone();
        let hash = live.hash();
        let ranked = self.ranked.clone();
        let scores = match self.scores(&live, hash, &ranked, ledger).await? {
            Ok(scores) => scores,
            Err(refusal) => return Err(End::Refused(refusal, ledger.spent().since(&begun))),
        };
        self.pool.push(Member {
            content: live,
            hash,
            edits: None,
            rationale: String::new(),
            scores,
            spent: Spent::default(),
        });
        for _ in 0..self.by.settings.rounds {
            let begun = ledger.spent();
            match self.round(ledger).await? {
                Ok(Some(mut member)) => {
                    member.spent = ledger.spent().since(&begun);
                    self.guard.allow(&member.content);
                    self.pool.push(member);
                }
                Ok(None) => {}
                Err(refusal) => {
                    let spent = ledger.spent().since(&begun);
                    if refusal.concerns_every_call() || matches!(refusal, Refusal::Budget(_)) {
                        return Err(End::Refused(refusal, spent));
                    }
                    self.refused.refuse(refusal, spent);
                }
            }
        }
        Ok(())
    }

    /// One change of one candidate: a new member of the pool, nothing to learn, or why it is none.
    async fn round(&mut self, ledger: &mut Ledger) -> Result<Result<Option<Member>, Refusal>, End> {
        let rows: Vec<Vec<f64>> = self.pool.iter().map(|member| member.scores.clone()).collect();
        let parent = pareto::draw(&pareto::weights(&rows), &mut self.random);
        let (content, hash) = (self.pool[parent].content.clone(), self.pool[parent].hash);
        let batch = self.lessons.next(self.by.settings.minibatch, &mut self.random);
        let before = match self.scores(&content, hash, &batch, ledger).await? {
            Ok(scores) => scores,
            Err(refusal) => return Ok(Err(refusal)),
        };
        if before.iter().all(|score| *score >= 1.0) {
            return Ok(Ok(None));
        }
        let request = self.request(&content, hash, &batch);
        let edited = match self.by.model.edits_of(&content, &request, ledger).await {
            Ok(edited) => edited,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let Edited {
            content: child,
            edits,
            rationale,
        } = edited;
        let hash = child.hash();
        if let Err(refusal) = self.guard.check(&child) {
            return Ok(Err(Refusal::Guard(refusal)));
        }
        if !self.seen.insert(hash) {
            return Ok(Err(Refusal::Duplicate));
        }
        let after = match self.scores(&child, hash, &batch, ledger).await? {
            Ok(scores) => scores,
            Err(refusal) => return Ok(Err(refusal)),
        };
        if after.iter().sum::<f64>() <= before.iter().sum::<f64>() {
            return Ok(Err(Refusal::NotBetter));
        }
        let ranked = self.ranked.clone();
        let scores = match self.scores(&child, hash, &ranked, ledger).await? {
            Ok(scores) => scores,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let edits = match &self.pool[parent].edits {
            None => edits,
            Some(before) => edits
                .rounds()
                .iter()
                .fold(before.clone(), |all, round| all.then(round.iter().cloned())),
        };
        Ok(Ok(Some(Member {
            content: child,
            hash,
            edits: Some(edits),
            rationale,
            scores,
            spent: Spent::default(),
        })))
    }

    /// The scores of a content on these items; what was tried already is not tried again.
    async fn scores(
        &mut self,
        content: &Content,
        hash: ContentHash,
        items: &[usize],
        ledger: &mut Ledger,
    ) -> Result<Result<Vec<f64>, Refusal>, End> {
        let missing: Vec<usize> = items
            .iter()
            .copied()
            .filter(|item| !self.tried.contains_key(&(hash, *item)))
            .collect();
        if !missing.is_empty() {
            let traces: Vec<&TraceExcerpt> = missing.iter().map(|item| self.items[*item]).collect();
            let trials = match self.by.trials.run(content, &traces, ledger).await {
                Ok(trials) => trials,
                Err(failure @ (CallFailure::Budget(_) | CallFailure::Model(_))) => {
                    return Ok(Err((&failure).into()));
                }
            };
            if trials.len() != missing.len() || trials.iter().any(|trial| !(0.0..=1.0).contains(&trial.score))
            {
                return Err(End::Broken(invalid(format!(
                    "the trials of {} items came back as {} with a score of 0 to 1; expected one for each item",
                    missing.len(),
                    trials
                        .iter()
                        .filter(|trial| (0.0..=1.0).contains(&trial.score))
                        .count()
                ))));
            }
            let said = trials
                .iter()
                .flat_map(|trial| trial.output.iter().chain(&trial.feedback));
            self.guard.watch(said.map(String::as_str));
            self.tried
                .extend(missing.into_iter().map(|item| (hash, item)).zip(trials));
        }
        let scores = items.iter().filter_map(|item| self.tried.get(&(hash, *item)));
        Ok(Ok(scores.map(|trial| trial.score).collect()))
    }

    fn request(&self, base: &Content, hash: ContentHash, batch: &[usize]) -> Request {
        let calls: Vec<Call<'_>> = batch
            .iter()
            .filter_map(|item| {
                let trial = self.tried.get(&(hash, *item))?;
                let trace = self.items[*item];
                Some(Call {
                    tag: "CALL",
                    inputs: &trace.inputs,
                    output: trial.output.as_deref(),
                    expected: trace.expected.as_deref(),
                    comments: trial.feedback.iter().map(String::as_str).collect(),
                    score: Some(trial.score),
                })
            })
            .collect();
        let bytes = self.by.settings.shown_bytes;
        Request::about(self.guard.brief(), base, Strategy::Reflect, &calls, bytes)
    }

    /// The members that rank above the live prompt, and what was refused.
    fn proposed(self, by: &str) -> Proposed {
        let Self {
            by: proposer,
            guard,
            pool,
            refused: mut proposed,
            ..
        } = self;
        let mut members = pool.into_iter();
        let Some(live) = members.next() else {
            return proposed;
        };
        let (mut better, worse): (Vec<Member>, Vec<Member>) =
            members.partition(|member| member.mean() > live.mean());
        for member in worse {
            proposed.refuse(Refusal::NotBetter, member.spent);
        }
        // Of those that rank alike, the shorter, then the earlier.
        let size = |member: &Member| bytes(&templates(&member.content));
        better.sort_by(|a, b| b.mean().total_cmp(&a.mean()).then(size(a).cmp(&size(b))));
        for member in better.into_iter().take(proposer.settings.proposals) {
            let tried = member.mean();
            let edited = Edited {
                content: member.content,
                edits: member.edits.unwrap_or_default(),
                rationale: member.rationale,
            };
            let made = proposal(edited, Strategy::Reflect, &guard, by.to_owned(), member.spent);
            proposed.proposals.push(Proposal {
                tried: Some(tried),
                ..made
            });
        }
        proposed
    }
}

/// The items to learn from, in epochs: all of them once in an order drawn at random, then all again.
struct Lessons {
    all: Vec<usize>,
    left: Vec<usize>,
}

impl Lessons {
    fn next(&mut self, count: usize, random: &mut Random) -> Vec<usize> {
        let mut batch = Vec::new();
        while batch.len() < count.min(self.all.len()) {
            if self.left.is_empty() {
                self.left.clone_from(&self.all);
                random.shuffle(&mut self.left);
            }
            let next = self.left.pop();
            batch.extend(next.filter(|next| !batch.contains(next)));
        }
        batch
    }
}

/// The items that rank and those to learn from, as indexes: the failed, which come first, and the others are each dealt in
/// turns, so that both sides have of both. Fewer than 4 are all on both sides.
fn deal(failing: usize, all: usize, most: usize, random: &mut Random) -> (Vec<usize>, Vec<usize>) {
    let mut failed: Vec<usize> = (0..failing).collect();
    let mut passed: Vec<usize> = (failing..all).collect();
    random.shuffle(&mut failed);
    random.shuffle(&mut passed);
    if all < 4 {
        let both: Vec<usize> = failed.into_iter().chain(passed).collect();
        return (both.iter().copied().take(most).collect(), both);
    }
    let (mut ranked, mut lessons) = (Vec::new(), Vec::new());
    for (turn, item) in failed.into_iter().chain(passed).enumerate() {
        if turn % 2 == 0 && ranked.len() < most {
            ranked.push(item);
        } else {
            lessons.push(item);
        }
    }
    (ranked, lessons)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_are_dealt_to_both_sides_and_learnt_from_in_epochs() {
        let mut random = Random::seeded(3);
        let (ranked, lessons) = deal(6, 10, 24, &mut random);
        assert_eq!((ranked.len(), lessons.len()), (5, 5));
        assert!(ranked.iter().all(|item| !lessons.contains(item)));
        for side in [&ranked, &lessons] {
            assert_eq!(side.iter().filter(|item| **item < 6).count(), 3);
        }
        let (few, rest) = deal(6, 10, 2, &mut random);
        assert_eq!((few.len(), rest.len()), (2, 8));
        let (one, same) = deal(1, 1, 24, &mut random);
        assert_eq!((one, same), (vec![0], vec![0]));

        let mut school = Lessons {
            all: lessons.clone(),
            left: Vec::new(),
        };
        let mut learnt: Vec<usize> = (0..2).flat_map(|_| school.next(2, &mut random)).collect();
        learnt.extend(school.next(1, &mut random));
        learnt.sort_unstable();
        let mut all = lessons;
        all.sort_unstable();
        assert_eq!(learnt, all);
        assert_eq!(school.next(99, &mut random).len(), 5);
    }
}
