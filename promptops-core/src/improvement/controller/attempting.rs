//! Looking for a better text: a proposer is asked, its candidates are kept as drafts, and the best of them on traces that it
//! was not shown is proposed.

use std::collections::{BTreeMap, BTreeSet};

use chrono::TimeDelta;

use super::arms::Arm;
use super::asking::printable;
use super::dimensions::Dimensions;
use super::held_out::Parts;
use super::improver::{Improver, Live};
use super::pass::{Done, Pass};
use crate::base::error::{Error, ErrorKind, Result};
use crate::base::{AttemptId, CommandKey, DeploymentId, PageRequest, TraceId, VersionNumber};
use crate::deployment::{Base, Deployment, DeploymentFilter, Document, Live as LiveVersion, Origin, State};
use crate::improvement::attempt::{Attempt, AttemptCandidate, AttemptOutcome, AttemptStage};
use crate::improvement::cluster::ClusterStatus;
use crate::improvement::proposer::Proposer;
use crate::improvement::record::{ImprovementRecord, KnownCluster, RecordKind};
use crate::improvement::spending::Spending;
use crate::improvement::store::{ImprovementCommit, RecordFilter};
use crate::observation::TraceRecord;
use crate::prompt::Version;

/// What datasets of selections are named after.
const PURPOSE: &str = "select";
/// How often an attempt is taken up again that could not go on: for about two hours.
const MOST_FAILURES: u32 = 8;

impl Improver {
    /// Goes on with an attempt, or begins one for the cluster that most calls fail by.
    pub(super) async fn attempt(&self, live: Live, traces: &[TraceRecord], pass: &mut Pass) -> Result<()> {
        let Some(proposer) = self.plan.proposer.as_deref() else {
            return Ok(());
        };
        let attempts = self.attempts().await?;
        let open = attempts
            .iter()
            .find(|attempt| attempt.stage != AttemptStage::Ended);
        let attempt = match open {
            Some(open) if self.is_attempt_resting(open) => return Ok(()),
            Some(open) => open.clone(),
            None => match self.begin_attempt(live, traces, &attempts).await? {
                Some(attempt) => attempt,
                None => return Ok(()),
            },
        };
        let id = attempt.id.clone();
        match self.go_on(proposer, attempt, live, traces, pass).await {
            // Somebody was faster, or the day's budget is spent: neither is the attempt's.
            Err(error) if !matches!(error.kind(), ErrorKind::Conflict | ErrorKind::Refused) => {
                self.fail_attempt(&id, error, pass).await
            }
            done => done,
        }
    }

    /// Whether it could not go on a short time ago: a minute, and twice as long after each more.
    fn is_attempt_resting(&self, attempt: &Attempt) -> bool {
        let minutes = 1_i64 << attempt.failures.saturating_sub(1).min(9);
        attempt
            .failed_at
            .is_some_and(|at| self.now().signed_duration_since(at) < TimeDelta::minutes(minutes))
    }

    /// Remembers that an attempt could not go on, and ends it when that was so too often: others wait behind it.
    async fn fail_attempt(&self, id: &AttemptId, error: Error, pass: &mut Pass) -> Result<()> {
        let store = &self.with.store;
        let found = store
            .improvement_record(&self.tenant, RecordKind::Attempt, id.as_str())
            .await?;
        let Some(ImprovementRecord::Attempt(attempt)) = found else {
            return Err(error);
        };
        let mut attempt = *attempt;
        attempt.failures = attempt.failures.saturating_add(1);
        attempt.failed_at = Some(self.now());
        if attempt.failures < MOST_FAILURES {
            self.keep_attempt(attempt).await?;
            return Err(error);
        }
        let reason = format!("given up after {MOST_FAILURES} tries: {}", error.message());
        self.end_attempt(attempt, nothing(&printable(&reason)), pass)
            .await
    }

    async fn go_on(
        &self,
        proposer: &dyn Proposer,
        mut attempt: Attempt,
        live: Live,
        traces: &[TraceRecord],
        pass: &mut Pass,
    ) -> Result<()> {
        // Its end alone was not kept: what it proposed may be live by now.
        if let Some(deployment) = self.proposed_by(&attempt).await? {
            return self
                .end_attempt(attempt, AttemptOutcome::Deployed { deployment }, pass)
                .await;
        }
        if attempt.base.revision != live.revision {
            return self
                .end_attempt(attempt, nothing("something else went live meanwhile"), pass)
                .await;
        }
        let Some(known) = self.known_cluster(&attempt).await? else {
            return self
                .end_attempt(attempt, nothing("its cluster is gone"), pass)
                .await;
        };
        if known.record.status == ClusterStatus::Resolved {
            return self
                .end_attempt(attempt, nothing("somebody resolved its cluster meanwhile"), pass)
                .await;
        }
        let parts = self.parts(traces.to_vec())?;
        let members: BTreeSet<TraceId> = known.members.iter().map(|member| member.trace).collect();
        if attempt.stage == AttemptStage::Proposing {
            // Clusters may have been named meanwhile, by a model.
            if !self.is_on().await? {
                return Ok(());
            }
            attempt = self.ask_proposer(proposer, attempt, &known, &parts, live).await?;
            if !self.is_on().await? {
                return Ok(());
            }
        }
        if attempt.stage == AttemptStage::Drafting {
            attempt = self.keep_drafts(attempt, live).await?;
        }
        if attempt.drafts().next().is_none() {
            let reason = attempt.refusals();
            return self.end_attempt(attempt, nothing(&reason), pass).await;
        }
        self.select(&mut attempt, &known, &parts, &members).await?;
        if !self.is_on().await? {
            return Ok(());
        }
        let outcome = self.propose_best(&attempt).await?;
        self.end_attempt(attempt, outcome, pass).await
    }

    /// The deployment that an attempt has come to already.
    async fn proposed_by(&self, attempt: &Attempt) -> Result<Option<DeploymentId>> {
        let deployments = &self.with.deploying.deployments;
        for number in attempt.drafts() {
            let key = key_of(attempt, number)?;
            if let Some(taken) = deployments.transition_of_key(&self.tenant, &key).await? {
                return Ok(Some(taken.deployment));
            }
        }
        Ok(None)
    }

    /// The slot's attempts, the newest first.
    async fn attempts(&self) -> Result<Vec<Attempt>> {
        let filter = RecordFilter {
            prompt: Some(self.prompt.clone()),
            environment: Some(self.environment.clone()),
            ..RecordFilter::all(RecordKind::Attempt)
        };
        let records = self
            .with
            .all_records(&self.tenant, &filter, &PageRequest::default())
            .await?;
        let attempts = records.into_iter().filter_map(|record| match record {
            ImprovementRecord::Attempt(attempt) => Some(*attempt),
            _ => None,
        });
        Ok(attempts.collect())
    }

    async fn known_cluster(&self, attempt: &Attempt) -> Result<Option<KnownCluster>> {
        let store = &self.with.store;
        let found = store
            .improvement_record(&self.tenant, RecordKind::Cluster, attempt.cluster.as_str())
            .await?;
        Ok(match found {
            Some(ImprovementRecord::Cluster(known)) => Some(*known),
            _ => None,
        })
    }

    async fn begin_attempt(
        &self,
        live: Live,
        traces: &[TraceRecord],
        attempts: &[Attempt],
    ) -> Result<Option<Attempt>> {
        if self.is_slot_taken(live).await? {
            return Ok(None);
        }
        let failing: BTreeSet<TraceId> = self
            .failures(live, traces)
            .into_iter()
            .map(|failure| failure.trace)
            .collect();
        let known = self.known_clusters().await?;
        let size = |known: &KnownCluster| {
            let members = known.members.iter().map(|member| member.trace);
            members.filter(|trace| failing.contains(trace)).count()
        };
        let worth = known
            .iter()
            .filter(|known| known.record.status != ClusterStatus::Resolved)
            .filter(|known| size(known) > 0 && self.may_try(known, attempts));
        let Some(known) = worth.max_by_key(|known| (size(known), std::cmp::Reverse(&known.record.id))) else {
            return Ok(None);
        };
        let now = self.now();
        let version = self.version(live.version).await?;
        let closure = self
            .with
            .deploying
            .governance
            .compiler
            .closure(&self.tenant, &*version)
            .await?;
        let attempt = Attempt {
            id: AttemptId::new(self.with.deploying.ids.id(now))?,
            prompt: self.prompt.clone(),
            environment: self.environment.clone(),
            cluster: known.record.id.clone(),
            cluster_total: known.record.total,
            base: Base {
                revision: live.revision,
                live: Some(LiveVersion {
                    version: live.version,
                    closure_hash: closure.hash,
                }),
            },
            stage: AttemptStage::Proposing,
            candidates: Vec::new(),
            outcome: None,
            spent: Spending::NONE,
            failures: 0,
            failed_at: None,
            begun_at: now,
            ended_at: None,
            revision: 0,
        };
        Ok(Some(self.keep_attempt(attempt).await?))
    }

    /// Whether as many candidates are on their way as may be, or what is live waits to be rolled back.
    async fn is_slot_taken(&self, live: Live) -> Result<bool> {
        let replays = self.plan.attempts.replays;
        let on_their_way = self.before_ship().await?.into_iter().filter(|deployment| {
            match (deployment.state, &deployment.evidence) {
                (State::Proposed | State::AbRunning, _) => true,
                // What is stale and not replayed any more is not on its way.
                (State::AbPassed, Some(evidence)) => {
                    evidence.base.revision == live.revision || evidence.number < replays
                }
                _ => false,
            }
        });
        if on_their_way.count() >= self.plan.attempts.in_flight {
            return Ok(true);
        }
        let regressed = DeploymentFilter {
            prompt: Some(self.prompt.clone()),
            environment: Some(self.environment.clone()),
            state: Some(State::Regressed),
            has_slot: Some(true),
            ..DeploymentFilter::default()
        };
        let found = self
            .deployments()
            .list(&regressed, &PageRequest::first(1))
            .await?;
        Ok(!found.items.is_empty())
    }

    /// Whether an attempt at a cluster is due.
    fn may_try(&self, known: &KnownCluster, attempts: &[Attempt]) -> bool {
        let limits = &self.plan.attempts;
        // Those before it was reopened were about something that was mended once.
        let reopened = (known.record.reopened > 0).then_some(known.record.status_at);
        let mut of = attempts
            .iter()
            .filter(|attempt| attempt.cluster == known.record.id)
            .filter(|attempt| reopened.is_none_or(|reopened| attempt.begun_at >= reopened));
        let pause = TimeDelta::from_std(limits.pause).unwrap_or(TimeDelta::MAX);
        let is_rested = |last: &Attempt| self.now().signed_duration_since(last.begun_at) >= pause;
        of.clone().count() < limits.per_cluster as usize && of.next().is_none_or(is_rested)
    }

    /// Scores the drafts on the part that selects, where there is more than one.
    async fn select(
        &self,
        attempt: &mut Attempt,
        known: &KnownCluster,
        parts: &Parts,
        members: &BTreeSet<TraceId>,
    ) -> Result<()> {
        let numbers: Vec<VersionNumber> = attempt.drafts().collect();
        if numbers.len() < 2
            || attempt
                .candidates
                .iter()
                .any(|candidate| candidate.score.is_some())
        {
            return Ok(());
        }
        let id = attempt.id.to_string();
        let dataset = match self.held_out(PURPOSE, &id, 1).await? {
            Some(dataset) => dataset,
            None => {
                let most = self.plan.sizes.select;
                let entries = parts.entries(self, &parts.partitioned.select, members, (most, most));
                if entries.is_empty() {
                    return Ok(());
                }
                self.hold_out(PURPOSE, &id, 1, entries).await?
            }
        };
        let mut versions = Vec::with_capacity(numbers.len());
        for number in &numbers {
            versions.push(self.version(*number).await?);
        }
        let calls = Spending::calls(self.calls(&dataset, numbers.len() as u64));
        let reserved = match self.reserve("choosing a candidate", calls).await {
            Ok(reserved) => reserved,
            // The first is as good a guess as any: whoever proposed put it there.
            Err(error) if error.kind() == ErrorKind::Refused => return Ok(()),
            Err(error) => return Err(error),
        };
        let began = self.now();
        let asked: Vec<&Version> = versions.iter().map(|version| version.as_ref()).collect();
        let arms = self.keeping(None, self.ask(&asked, &dataset)).await;
        self.settle(reserved, self.spent_on(&dataset, began).await?)
            .await?;
        let arms = arms?;
        let Some(first) = arms.first() else {
            return Ok(());
        };
        let dimensions = Dimensions::of(&first.run.evaluator)?;
        let failed = Some(known.record.dimension.as_str());
        let target = dimensions.target(self.plan.target.as_ref(), failed)?;
        let arms: BTreeMap<VersionNumber, Arm> = numbers.into_iter().zip(arms).collect();
        for candidate in &mut attempt.candidates {
            let Some(arm) = candidate.version.and_then(|number| arms.get(&number)) else {
                continue;
            };
            candidate.run = Some(arm.run.id.clone());
            candidate.score = arm.mean(&dimensions, target);
        }
        *attempt = self.keep_attempt(attempt.clone()).await?;
        Ok(())
    }

    /// Proposes the best draft that is not known to be bad.
    async fn propose_best(&self, attempt: &Attempt) -> Result<AttemptOutcome> {
        let mut refused = Vec::new();
        for candidate in attempt.ranked() {
            let Some(number) = candidate.version else {
                continue;
            };
            match self.propose(attempt, candidate, number).await {
                Ok(deployment) => {
                    return Ok(AttemptOutcome::Deployed {
                        deployment: deployment.id,
                    });
                }
                // Known to be bad, or archived since, or its snippet is gone: it will not be otherwise with the next pass.
                Err(error)
                    if matches!(
                        error.kind(),
                        ErrorKind::AlreadyExists
                            | ErrorKind::IllegalTransition
                            | ErrorKind::NotFound
                            | ErrorKind::Template
                            | ErrorKind::Invalid
                    ) =>
                {
                    refused.push(error.message().to_owned());
                }
                Err(error) => return Err(error),
            }
        }
        Ok(nothing(&refused.join("; ")))
    }

    async fn propose(
        &self,
        attempt: &Attempt,
        candidate: &AttemptCandidate,
        number: VersionNumber,
    ) -> Result<Deployment> {
        let version = self.version(number).await?;
        // Sent again after a crash, it returns what it made.
        let key = key_of(attempt, number)?;
        self.deployments()
            .propose(&version, self.environment.as_str(), &self.actor)
            .origin(Origin::Cluster {
                cluster: attempt.cluster.to_string(),
                strategy: candidate.strategy.clone(),
            })
            .rationale(printable(&candidate.rationale))
            .proposal(Document::of(attempt)?)
            .key(&key)
            .await
    }

    async fn end_attempt(
        &self,
        mut attempt: Attempt,
        outcome: AttemptOutcome,
        pass: &mut Pass,
    ) -> Result<()> {
        let (deployment, reason) = match &outcome {
            AttemptOutcome::Deployed { deployment } => {
                let best = attempt.ranked().into_iter().next();
                let rationale = best.map(|candidate| candidate.rationale.clone());
                (Some(deployment.clone()), rationale.unwrap_or_default())
            }
            AttemptOutcome::Nothing { reason } => (None, reason.clone()),
        };
        attempt.stage = AttemptStage::Ended;
        attempt.outcome = Some(outcome);
        attempt.ended_at = Some(self.now());
        let attempt = self.keep_attempt(attempt).await?;
        pass.did(Done::Attempted {
            attempt: attempt.id,
            cluster: attempt.cluster,
            deployment,
            reason,
        });
        Ok(())
    }

    pub(super) async fn keep_attempt(&self, mut attempt: Attempt) -> Result<Attempt> {
        attempt.revision += 1;
        self.with
            .commit(ImprovementCommit {
                tenant: self.tenant.clone(),
                records: vec![ImprovementRecord::Attempt(Box::new(attempt.clone()))],
                changes: Vec::new(),
                audits: Vec::new(),
            })
            .await?;
        Ok(attempt)
    }
}

/// The key of the command that proposes a draft of an attempt.
fn key_of(attempt: &Attempt, number: VersionNumber) -> Result<CommandKey> {
    CommandKey::new(format!("attempt-{}-{number}", attempt.id))
}

fn nothing(reason: &str) -> AttemptOutcome {
    AttemptOutcome::Nothing {
        reason: reason.to_owned(),
    }
}
