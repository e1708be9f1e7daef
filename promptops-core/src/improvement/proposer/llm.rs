//! A model that proposes: one candidate for each way to change a prompt.

use std::collections::BTreeSet;
use std::fmt;

use async_trait::async_trait;

use super::brief::Brief;
use super::guard::{Guard, bytes, templates};
use super::ledger::{BudgetRefusal, Ledger, Spent};
use super::model::{Edited, ProposerModel};
use super::propose::{Proposal, Proposed, Proposer, Refusal, RefusedCandidate};
use super::request::{Request, Shown};
use super::strategy::Strategy;
use crate::base::ContentHash;
use crate::base::error::{Result, invalid};

/// Asks a model for one candidate by each [`Strategy`]: one call each, and one more where a reply cannot be used.
#[derive(Clone)]
pub struct LlmProposer {
    model: ProposerModel,
    strategies: Vec<Strategy>,
    shown: Shown,
}

impl LlmProposer {
    /// Most candidates that are asked for.
    pub const MAX_STRATEGIES: usize = 32;

    /// By this model, or a client's own, with the [default strategies](Strategy::DEFAULT).
    pub fn new(model: impl Into<ProposerModel>) -> Self {
        Self {
            model: model.into(),
            strategies: Strategy::DEFAULT.to_vec(),
            shown: Shown::default(),
        }
    }

    /// Asks for one candidate by each of these, in this order; the same one again asks again.
    #[must_use]
    pub fn strategies(mut self, strategies: impl IntoIterator<Item = Strategy>) -> Self {
        self.strategies = strategies.into_iter().collect();
        self
    }

    /// Sets how much of traces the model is shown.
    #[must_use]
    pub fn shown(mut self, shown: Shown) -> Self {
        self.shown = shown;
        self
    }

    async fn candidate(
        &self,
        strategy: Strategy,
        guard: &Guard<'_>,
        ledger: &mut Ledger,
    ) -> Result<Edited, Refusal> {
        let brief = guard.brief();
        let request = Request::of(brief, strategy, self.shown);
        let edited = self.model.edits_of(brief.live(), &request, ledger).await?;
        guard.check(&edited.content).map_err(Refusal::Guard)?;
        let size = |content| bytes(&templates(content));
        if strategy == Strategy::Shorten && size(&edited.content) >= size(brief.live()) {
            return Err(Refusal::NotShorter);
        }
        Ok(edited)
    }
}

#[async_trait]
impl Proposer for LlmProposer {
    fn name(&self) -> String {
        self.model.name()
    }

    async fn propose(&self, brief: &Brief<'_>, ledger: &mut Ledger) -> Result<Proposed> {
        if !(1..=Self::MAX_STRATEGIES).contains(&self.strategies.len()) {
            return Err(invalid(format!(
                "{} candidates are asked for; expected 1 to {}",
                self.strategies.len(),
                Self::MAX_STRATEGIES
            )));
        }
        let guard = Guard::new(brief)?;
        let before = ledger.spent();
        let mut proposed = Proposed::default();
        let mut seen: BTreeSet<ContentHash> = BTreeSet::new();
        // What keeps every other call from being answered too.
        let mut stop: Option<Refusal> = None;
        for strategy in self.strategies.iter().copied() {
            let begun = ledger.spent();
            let found = match &stop {
                Some(refusal) => Err(refusal.clone()),
                None => self.candidate(strategy, &guard, ledger).await,
            };
            let spent = ledger.spent().since(&begun);
            let found = found.and_then(|edited| {
                let proposal = proposal(edited, strategy, &guard, self.name(), spent);
                seen.insert(proposal.hash)
                    .then_some(proposal)
                    .ok_or(Refusal::Duplicate)
            });
            match found {
                Ok(proposal) => proposed.proposals.push(proposal),
                Err(refusal) => {
                    if refusal.concerns_every_call() {
                        stop = Some(refusal.clone());
                    }
                    proposed.refused.push(RefusedCandidate {
                        strategy,
                        refusal,
                        spent,
                    });
                }
            }
        }
        proposed.spent = ledger.spent().since(&before);
        Ok(proposed)
    }
}

/// A candidate that passed the guards, with as much of what the model said of it as may be kept.
pub(super) fn proposal(
    edited: Edited,
    strategy: Strategy,
    guard: &Guard<'_>,
    by: String,
    spent: Spent,
) -> Proposal {
    let Edited {
        content,
        mut edits,
        rationale,
    } = edited;
    for edit in edits.iter_mut() {
        edit.reason = guard.kept(&edit.reason).unwrap_or_default();
    }
    let mut rationale = guard.kept(&rationale).unwrap_or_else(|| {
        format!(
            "{} (the model's own words are not kept, since they repeat a trace or hold an address)",
            strategy.in_words()
        )
    });
    rationale.truncate(rationale.floor_char_boundary(Proposal::MAX_RATIONALE_BYTES));
    Proposal {
        hash: content.hash(),
        content,
        edits,
        rationale,
        strategy,
        by,
        tried: None,
        spent,
    }
}

impl Refusal {
    /// Whether every other call will end like this one.
    pub(super) fn concerns_every_call(&self) -> bool {
        match self {
            Self::Budget(refusal) => {
                matches!(
                    refusal,
                    BudgetRefusal::Calls { .. } | BudgetRefusal::PriceUnknown { .. }
                )
            }
            Self::Model(kind) => kind.concerns_every_request(),
            _ => false,
        }
    }
}

/// Who proposes, and how.
impl fmt::Debug for LlmProposer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LlmProposer")
            .field("model", &self.model)
            .field("strategies", &self.strategies)
            .field("shown", &self.shown)
            .finish()
    }
}
