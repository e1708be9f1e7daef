//! Asking a proposer, and keeping what it says as drafts.

use std::collections::BTreeSet;

use super::held_out::Parts;
use super::improver::{Improver, Live};
use crate::base::error::{Error, ErrorKind, Result};
use crate::base::{ContentHash, PageRequest, TraceId, VersionNumber};
use crate::improvement::attempt::{Attempt, AttemptCandidate, AttemptStage};
use crate::improvement::cluster::{Label, cluster};
use crate::improvement::proposer::{
    Brief, Budget, ClusterSummary, Ledger, Proposed, Proposer, Refusal, Spent,
};
use crate::improvement::record::KnownCluster;
use crate::improvement::spending::Spending;
use crate::improvement::triage::{Failure, Triaged, triage};
use crate::llm::Cost;
use crate::observation::TraceRecord;
use crate::prompt::{Draft, Prompts, VersionFilter};

/// Longest rationale of a deployment in bytes.
const MAX_RATIONALE: usize = 4_000;

impl Improver {
    pub(super) async fn ask_proposer(
        &self,
        proposer: &dyn Proposer,
        mut attempt: Attempt,
        known: &KnownCluster,
        parts: &Parts,
        live: Live,
    ) -> Result<Attempt> {
        let version = self.version(live.version).await?;
        let closure = self
            .with
            .deploying
            .governance
            .compiler
            .closure(&self.tenant, &*version)
            .await?;
        let shown: Vec<&TraceRecord> = parts.traces(&parts.partitioned.propose).collect();
        let failures = self.failures_of(known, &shown);
        if failures.is_empty() {
            attempt.candidates.push(AttemptCandidate::refused(
                "none of the cluster's members is among the traces that a proposer may see; a later look may have more",
            ));
            return self.keep_attempt(attempt).await;
        }
        let members: BTreeSet<TraceId> = failures.iter().map(|failure| failure.trace).collect();
        let is_healthy = |trace: &&&TraceRecord| matches!(triage(trace, &self.plan.triage), Triaged::Healthy);
        let brief = Brief::new(&self.prompt, &version.content, self.summary(known, &failures))?
            .failing(shown.iter().filter(|trace| members.contains(&trace.id)).copied())
            .passing(shown.iter().filter(is_healthy).copied())
            .known(self.known_texts().await?)
            .snippets(&closure.snippets)
            .guards(self.plan.guards.clone())
            .seed(self.plan.gate.seed);
        let (asked, spent) = self.ask_for(proposer, &brief).await?;
        attempt.spent = attempt.spent.plus(spent);
        let asked = asked.and_then(answered);
        // Before anything is made of it: what was paid for is not asked again.
        attempt.candidates = match asked {
            Ok(proposed) => candidates(proposed),
            Err(error) => {
                self.keep_attempt(attempt).await?;
                return Err(error);
            }
        };
        attempt.stage = AttemptStage::Drafting;
        self.keep_attempt(attempt).await
    }

    /// Asks a proposer within what is left of the day; what it spent is settled however that ends.
    pub(super) async fn ask_for(
        &self,
        proposer: &dyn Proposer,
        brief: &Brief<'_>,
    ) -> Result<(Result<Proposed>, Spending)> {
        let (budget, amount) = self.proposer_budget().await?;
        let reserved = self.reserve("asking a proposer", amount).await?;
        let mut ledger = Ledger::new(budget);
        let asked = self.keeping(None, proposer.propose(brief, &mut ledger)).await;
        let spent = spending(ledger.spent());
        self.settle(reserved, spent).await?;
        Ok((asked, spent))
    }

    /// The cluster's members among the traces that a proposer may see.
    fn failures_of(&self, known: &KnownCluster, shown: &[&TraceRecord]) -> Vec<Failure> {
        let members: BTreeSet<TraceId> = known.members.iter().map(|member| member.trace).collect();
        shown
            .iter()
            .filter(|trace| members.contains(&trace.id))
            .filter_map(|trace| match triage(trace, &self.plan.triage) {
                Triaged::Behaviour(failure) => Some(*failure),
                Triaged::Healthy | Triaged::Infrastructure(_) => None,
            })
            .collect()
    }

    /// What is wrong, told by what a proposer may see alone: the cluster's own name may quote a trace that decides.
    fn summary(&self, known: &KnownCluster, failures: &[Failure]) -> ClusterSummary {
        let found = cluster(failures, &self.plan.clusters);
        let label = match found.clusters.first() {
            Some(found) => Label::built_in(found).text().to_owned(),
            None => known.record.class.in_words().to_owned(),
        };
        ClusterSummary {
            label,
            size: failures.len() as u64,
            ..ClusterSummary::from(&known.record)
        }
    }

    /// The identities of the prompt's newest texts.
    pub(super) async fn known_texts(&self) -> Result<Vec<ContentHash>> {
        let page = PageRequest::first(PageRequest::MAX_LIMIT);
        let versions = self
            .prompts()
            .versions(&self.prompt, &VersionFilter::default(), &page)
            .await?;
        Ok(versions.items.into_iter().map(|version| version.hash).collect())
    }

    fn prompts(&self) -> Prompts {
        Prompts::new(self.with.authoring.clone(), self.tenant.clone())
    }

    /// What a proposer may spend: what is left of the day, and no more calls than the plan says.
    async fn proposer_budget(&self) -> Result<(Budget, Spending)> {
        let left = self.budget_left().await?;
        let calls = left
            .calls
            .unwrap_or(u64::MAX)
            .min(self.plan.attempts.proposer_calls);
        let amount = Spending {
            // None is left: asking for one is what says so.
            calls: calls.max(1),
            tokens: left.tokens.map_or(0, |tokens| tokens.max(1)),
            cost: left
                .cost
                .map_or(Cost::ZERO, |cost| cost.max(Cost::from_nano_usd(1))),
        };
        let budget = Budget {
            max_calls: calls,
            max_tokens: left.tokens,
            max_cost: left.cost,
        };
        Ok((budget, amount))
    }

    pub(super) async fn keep_drafts(&self, mut attempt: Attempt, live: Live) -> Result<Attempt> {
        self.save_drafts(&mut attempt.candidates, live.version).await?;
        attempt.stage = AttemptStage::Selecting;
        self.keep_attempt(attempt).await
    }

    /// Keeps what was proposed as drafts, which nobody sees who does not ask for them. A content that is kept already is the
    /// draft that it was.
    pub(super) async fn save_drafts(
        &self,
        candidates: &mut [AttemptCandidate],
        of: VersionNumber,
    ) -> Result<()> {
        for candidate in candidates {
            let Some(content) = candidate.content.take() else {
                continue;
            };
            let draft = Draft::new(content)
                .by(self.actor.clone())
                .parent(of)
                .message(format!("proposed for failures of {of}: {}", candidate.strategy));
            match self.prompts().save(&self.prompt, draft).await {
                Ok(version) => candidate.version = Some(version.number),
                // What an author would be told is what a candidate is refused for.
                Err(error)
                    if matches!(
                        error.kind(),
                        ErrorKind::Template | ErrorKind::Invalid | ErrorKind::NotFound
                    ) =>
                {
                    candidate.refused = Some(error.message().to_owned());
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// What was proposed, if the model answered at all: one that is out has said nothing about the cluster.
fn answered(proposed: Proposed) -> Result<Proposed> {
    let mut refused = proposed.refused.iter().map(|refused| &refused.refusal);
    match refused.next() {
        Some(first @ Refusal::Model(_))
            if proposed.proposals.is_empty() && refused.all(|one| matches!(one, Refusal::Model(_))) =>
        {
            Err(Error::new(
                ErrorKind::Unavailable,
                format!("the proposer's model did not answer: {first}"),
            ))
        }
        _ => Ok(proposed),
    }
}

/// What came of asking, as it is kept.
pub(super) fn candidates(proposed: Proposed) -> Vec<AttemptCandidate> {
    let usable = proposed.proposals.into_iter().map(|proposal| AttemptCandidate {
        strategy: proposal.strategy.as_str().to_owned(),
        rationale: proposal.rationale,
        edits: Some(proposal.edits),
        content: Some(proposal.content),
        ..AttemptCandidate::default()
    });
    let refused = proposed.refused.into_iter().map(|refused| AttemptCandidate {
        strategy: refused.strategy.as_str().to_owned(),
        refused: Some(refused.refusal.to_string()),
        ..AttemptCandidate::default()
    });
    usable.chain(refused).collect()
}

fn spending(spent: Spent) -> Spending {
    Spending {
        calls: spent.calls,
        tokens: spent.tokens_at_most(),
        cost: spent.cost_at_most(),
    }
}

/// What a deployment can keep of a rationale: it is a model's, and may hold anything.
pub(super) fn printable(text: &str) -> String {
    let plain = |c: char| if c.is_control() && c != '\n' { ' ' } else { c };
    let mut text: String = text.chars().map(plain).collect();
    text.truncate(text.floor_char_boundary(MAX_RATIONALE));
    text
}
