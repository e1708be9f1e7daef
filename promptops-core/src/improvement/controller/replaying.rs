//! A candidate beside what is live, on held-out traces.

use std::collections::{BTreeMap, BTreeSet};

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

use super::arms::{items, strata_of};
use super::dimensions::Dimensions;
use super::improver::{Improver, Live};
use super::pass::{Done, Pass};
use crate::base::error::{Error, ErrorKind, Result};
use crate::base::{DatasetName, PageRequest, RunId, TraceId, VersionNumber};
use crate::deployment::{
    Base, Deployment, DeploymentFilter, Document, Finding, Origin, State, Step, Verdict,
};
use crate::evaluation::run::EvaluatorRecord;
use crate::evaluation::{Dataset, Entry};
use crate::improvement::record::{ImprovementRecord, RecordKind};
use crate::improvement::replay::{Call, GateReport, Likeness, ReplayItem, Stratum};
use crate::improvement::spending::Spending;
use crate::improvement::triage::{Triaged, triage};
use crate::observation::TraceRecord;

/// What datasets of replays are named after.
const PURPOSE: &str = "replay";
/// Share of a replay's traces from which on an earlier one had the same part.
const REUSED: usize = 4;

/// A replay as it is kept with its deployment, under its hash: what was asked, of whom, and what the gate said.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReplayRecord {
    /// The dataset of the traces; `None` where there were none.
    pub dataset: Option<(DatasetName, VersionNumber)>,
    /// What is live, asked.
    pub baseline: Option<RunId>,
    /// The candidate, asked.
    pub candidate: Option<RunId>,
    /// Who answered, and who scored.
    pub evaluator: Option<EvaluatorRecord>,
    /// The entries that decided, and what each was replayed for; those made of traces are called `trace-` and the trace's id.
    pub entries: BTreeMap<String, Stratum>,
    /// What the gate said; `None` where there was nothing to hold against it.
    pub report: Option<GateReport>,
}

impl ReplayRecord {
    /// What was kept as a deployment's [evidence](crate::deployment::Evidence::report).
    ///
    /// # Errors
    /// [`Corrupt`](ErrorKind::Corrupt) for another document.
    pub fn read(document: &Document) -> Result<Self> {
        crate::base::stored::from_json("record of a replay", document.json())
    }

    /// The traces among the entries that decided, and what each was replayed for.
    #[must_use]
    pub fn traces(&self) -> BTreeMap<TraceId, Stratum> {
        let trace = |entry: &str| entry.strip_prefix("trace-")?.parse().ok();
        let entries = self.entries.iter();
        entries
            .filter_map(|(entry, stratum)| Some((trace(entry)?, *stratum)))
            .collect()
    }

    fn nothing() -> Self {
        Self {
            dataset: None,
            baseline: None,
            candidate: None,
            evaluator: None,
            entries: BTreeMap::new(),
            report: None,
        }
    }
}

impl Improver {
    /// Replays the candidates that wait for it.
    pub(super) async fn replay_candidates(
        &self,
        live: Option<Live>,
        traces: &[TraceRecord],
        pass: &mut Pass,
    ) -> Result<()> {
        for deployment in self.before_ship().await? {
            let is_changed = match self.is_changed(&deployment).await {
                Ok(is_changed) => is_changed,
                Err(error) => {
                    pass.problem("replay", error.with("deployment", &deployment.id));
                    continue;
                }
            };
            if !self.wants_replay(&deployment, live, is_changed, traces)
                || self.is_resting(&deployment).await?
            {
                continue;
            }
            // The last one may have taken an hour.
            if !self.is_on().await? {
                return Ok(());
            }
            let id = deployment.id.clone();
            match self.replay(deployment, traces).await {
                Ok(deployment) => pass.did(Done::Replayed {
                    deployment: id,
                    state: deployment.state,
                    reason: deployment
                        .evidence
                        .map(|evidence| evidence.reason)
                        .unwrap_or_default(),
                }),
                Err(error) => pass.problem("replay", error.with("deployment", &id)),
            }
        }
        Ok(())
    }

    /// The slot's candidates that were not shipped yet, the oldest first.
    pub(super) async fn before_ship(&self) -> Result<Vec<Deployment>> {
        let mut found = Vec::new();
        for state in [
            State::Proposed,
            State::AbRunning,
            State::AbPassed,
            State::AbFailed,
        ] {
            let filter = DeploymentFilter {
                prompt: Some(self.prompt.clone()),
                environment: Some(self.environment.clone()),
                state: Some(state),
                ..DeploymentFilter::default()
            };
            found.extend(self.all_deployments(&filter).await?);
        }
        found.sort_by(|a, b| a.id.cmp(&b.id));
        Ok(found)
    }

    pub(super) async fn all_deployments(&self, filter: &DeploymentFilter) -> Result<Vec<Deployment>> {
        let mut page = PageRequest::default();
        let mut all = Vec::new();
        loop {
            let found = self.deployments().list(filter, &page).await?;
            all.extend(found.items);
            match found.next {
                Some(next) => page = page.after(next),
                None => return Ok(all),
            }
        }
    }

    /// Whether a replay is to begin, or to be taken over.
    fn wants_replay(
        &self,
        deployment: &Deployment,
        live: Option<Live>,
        is_changed: bool,
        traces: &[TraceRecord],
    ) -> bool {
        match (deployment.state, &deployment.evidence) {
            (State::Proposed, _) => true,
            (State::AbRunning, _) => deployment
                .lease
                .as_ref()
                .is_none_or(|lease| lease.worker == self.worker || lease.until <= self.now()),
            // Something else is live than what it was compared with, or it says something else than what was compared.
            (State::AbPassed, Some(evidence)) => {
                (is_changed || evidence.base.revision != live.map_or(0, |live| live.revision))
                    && evidence.number < self.plan.attempts.replays
            }
            (State::AbFailed, Some(evidence)) => {
                // Half as many traces as there were to be, and it is another question.
                let enough = self.plan.sizes.guard.div_ceil(2);
                let newer = traces
                    .iter()
                    .filter(|trace| trace.at > evidence.at && trace.inputs.is_some());
                evidence.verdict == Verdict::Inconclusive
                    && evidence.number < self.plan.attempts.replays
                    && newer.count() >= enough
            }
            _ => false,
        }
    }

    /// Whether a snippet of what passed was changed since: it cannot be shipped as it was replayed.
    async fn is_changed(&self, deployment: &Deployment) -> Result<bool> {
        let (State::AbPassed, Some(evidence)) = (deployment.state, &deployment.evidence) else {
            return Ok(false);
        };
        let version = self.version(deployment.candidate.version).await?;
        let compiler = &self.with.deploying.governance.compiler;
        let closure = compiler.closure(&self.tenant, &*version).await?;
        Ok(closure.hash != evidence.candidate)
    }

    /// Whether its last replay was given back a short time ago: a minute, and twice as long after each more.
    async fn is_resting(&self, deployment: &Deployment) -> Result<bool> {
        if deployment.state != State::Proposed || deployment.steps == 1 {
            return Ok(false);
        }
        let transitions = self.deployments().transitions(&deployment.id).await?;
        let mut returned = transitions
            .iter()
            .filter(|taken| taken.step == Step::ReturnReplay);
        let times = u32::try_from(returned.clone().count()).unwrap_or(u32::MAX);
        let Some(last) = returned.next_back() else {
            return Ok(false);
        };
        let minutes = 1_i64 << times.saturating_sub(1).min(9);
        Ok(self.now().signed_duration_since(last.at) < TimeDelta::minutes(minutes))
    }

    pub(super) async fn replay(&self, deployment: Deployment, traces: &[TraceRecord]) -> Result<Deployment> {
        let number = deployment.evidence.as_ref().map_or(0, |evidence| evidence.number) + 1;
        let dataset = match self.held_out(PURPOSE, deployment.id.as_str(), number).await? {
            Some(dataset) => Some(dataset),
            None => self.held_out_for(&deployment, number, traces).await?,
        };
        let calls = dataset.as_ref().map_or(0, |dataset| self.calls(dataset, 2));
        // Before it begins: a replay that cannot be paid would begin and be given back with every pass.
        let reserved = self.reserve("a replay", Spending::calls(calls)).await?;
        let base = match self.begin_replay(&deployment).await {
            Ok(base) => base,
            Err(error) => {
                self.settle(reserved, Spending::NONE).await?;
                return Err(error);
            }
        };
        let id = deployment.id.clone();
        let deployments = self.deployments();
        let began = self.now();
        let compared = self
            .keeping(Some(&id), self.compare(&deployment, base, dataset.as_ref()))
            .await;
        let spent = match &dataset {
            Some(dataset) => self.spent_on(dataset, began).await?,
            None => Spending::NONE,
        };
        self.settle(reserved, spent).await?;
        match compared {
            Ok(finding) => {
                deployments
                    .finish_replay(&id, &self.worker, finding, &self.actor)
                    .await
            }
            Err(error) => {
                // What was asked is kept and not asked again; a worker that lost its lease gives nothing back.
                if error.kind() != ErrorKind::Conflict && error.kind() != ErrorKind::IllegalTransition {
                    deployments
                        .return_replay(&id, &shortened(error.message()), &self.actor)
                        .await?;
                }
                Err(error)
            }
        }
    }

    /// Begins a replay or takes it over, and says what the candidate is compared with.
    async fn begin_replay(&self, deployment: &Deployment) -> Result<Base> {
        let deployments = self.deployments();
        let (id, lease) = (&deployment.id, self.plan.lease);
        if deployment.state == State::AbRunning {
            deployments.lease_replay(id, &self.worker, lease).await?;
        } else {
            deployments
                .start_replay(id, &self.worker, lease, &self.actor)
                .await?;
        }
        deployments.base_now(deployment).await
    }

    /// Most calls of models that so many arms take on a dataset, judges among them.
    pub(super) fn calls(&self, dataset: &Dataset, arms: u64) -> u64 {
        let each = u64::from(self.plan.sizes.repeats) * (1 + self.plan.evaluation.judges());
        dataset.entries.saturating_mul(each).saturating_mul(arms)
    }

    /// Draws the traces of a replay; `None` when there is none to draw.
    async fn held_out_for(
        &self,
        deployment: &Deployment,
        number: u32,
        traces: &[TraceRecord],
    ) -> Result<Option<Dataset>> {
        let members = self.members(deployment, traces).await?;
        let mut parts = self.parts(traces.to_vec())?;
        let shown = self.shown_before(deployment, traces).await?;
        let confirm = &mut parts.partitioned.confirm;
        confirm.retain(|trace| !shown.contains(&trace.likeness));
        let sizes = &self.plan.sizes;
        let most = (sizes.target, sizes.guard);
        let entries = parts.entries(self, &parts.partitioned.confirm, &members, most);
        if entries.is_empty() {
            return Ok(None);
        }
        let dataset = self
            .hold_out(PURPOSE, deployment.id.as_str(), number, entries)
            .await?;
        Ok(Some(dataset))
    }

    /// What the candidate was written and chosen after, by likeness: traces that came since may have put their like into
    /// another part.
    async fn shown_before(
        &self,
        deployment: &Deployment,
        traces: &[TraceRecord],
    ) -> Result<BTreeSet<Likeness>> {
        let first = self.first_of(deployment).await?;
        if !matches!(first.origin, Origin::Cluster { .. }) {
            return Ok(BTreeSet::new());
        }
        let before = traces.iter().filter(|trace| trace.at <= first.proposed_at);
        let parts = self.parts(before.cloned().collect())?.partitioned;
        let shown = parts.propose.iter().chain(&parts.select);
        Ok(shown.map(|trace| trace.likeness).collect())
    }

    /// The deployment that a candidate first came with: begun anew, it is to mend what it was written for.
    async fn first_of(&self, deployment: &Deployment) -> Result<Deployment> {
        let mut first = deployment.clone();
        while let Origin::Rebase { of } = &first.origin {
            first = self.deployments().get(of).await?;
        }
        Ok(first)
    }

    /// The failures that a candidate is to mend: its cluster's members, and of one that was not written for a cluster all
    /// failures of what is live.
    async fn members(&self, deployment: &Deployment, traces: &[TraceRecord]) -> Result<BTreeSet<TraceId>> {
        if let Origin::Cluster { cluster, .. } = &self.first_of(deployment).await?.origin {
            let store = &self.with.store;
            let known = store
                .improvement_record(&self.tenant, RecordKind::Cluster, cluster)
                .await?;
            if let Some(ImprovementRecord::Cluster(known)) = known {
                return Ok(known.members.iter().map(|member| member.trace).collect());
            }
        }
        let live = deployment.base.live.map(|live| live.version);
        let failed = traces.iter().filter(|trace| {
            trace.stamp.version == live && matches!(triage(trace, &self.plan.triage), Triaged::Behaviour(_))
        });
        Ok(failed.map(|trace| trace.id).collect())
    }

    async fn compare(
        &self,
        deployment: &Deployment,
        base: Base,
        dataset: Option<&Dataset>,
    ) -> Result<Finding> {
        let candidate = deployment.candidate;
        let nothing = |reason: &str| -> Result<Finding> {
            Ok(Finding {
                verdict: Verdict::Inconclusive,
                reason: reason.to_owned(),
                base,
                candidate: candidate.closure_hash,
                report: Document::of(&ReplayRecord::nothing())?,
            })
        };
        let Some(live) = base.live else {
            return nothing("nothing is live to be compared with; an owner can ship it with a waiver");
        };
        let Some(dataset) = dataset else {
            return nothing(
                "there are no traces to replay: none of those that were held out has inputs; record traces with their content",
            );
        };
        let version = self.version(candidate.version).await?;
        let live = self.version(live.version).await?;
        let arms = self.ask(&[&live, &version], dataset).await?;
        let [before, after] = arms.as_slice() else {
            return Err(Error::new(ErrorKind::Backend, "a replay has two arms"));
        };
        let entries = self.datasets().all_entries(dataset).await?;
        let dimensions = Dimensions::of(&after.run.evaluator)?;
        let failed = self.failed_dimension(deployment).await?;
        let target = dimensions.target(self.plan.target.as_ref(), failed.as_deref())?;
        let items = items(&entries, &dimensions, before, after);
        let calls = items.iter().flat_map(ReplayItem::calls);
        let gate = dimensions.gate(self.plan.gate, target, calls)?;
        let uses = 1 + self.earlier_uses(deployment, &entries).await?;
        let report = gate.judge(&items, uses)?;
        Ok(Finding {
            verdict: report.verdict,
            reason: shortened(&report.reason()),
            base,
            candidate: after.run.closure_hash,
            report: Document::of(&ReplayRecord {
                dataset: Some((dataset.name.clone(), dataset.version)),
                baseline: Some(before.run.id.clone()),
                candidate: Some(after.run.id.clone()),
                evaluator: Some(after.run.evaluator.clone()),
                entries: strata_of(&entries),
                report: Some(report),
            })?,
        })
    }

    /// In what respect the failures are that it was written for.
    async fn failed_dimension(&self, deployment: &Deployment) -> Result<Option<String>> {
        let first = self.first_of(deployment).await?;
        let Origin::Cluster { cluster, .. } = &first.origin else {
            return Ok(None);
        };
        let store = &self.with.store;
        let known = store
            .improvement_record(&self.tenant, RecordKind::Cluster, cluster)
            .await?;
        Ok(match known {
            Some(ImprovementRecord::Cluster(known)) => Some(known.record.dimension.as_str().to_owned()),
            _ => None,
        })
    }

    /// How often replays into this slot were decided by entries of which these are a good part.
    async fn earlier_uses(&self, deployment: &Deployment, entries: &[Entry]) -> Result<u32> {
        let filter = DeploymentFilter {
            prompt: Some(self.prompt.clone()),
            environment: Some(self.environment.clone()),
            ..DeploymentFilter::default()
        };
        let now = strata_of(entries);
        let mut uses = 0;
        for other in self.all_deployments(&filter).await? {
            let Some(evidence) = other.evidence else {
                continue;
            };
            let document = self.deployments().document(&evidence.report).await?;
            // Evidence of a host's own is not of these traces.
            let Ok(record) = ReplayRecord::read(&document) else {
                continue;
            };
            let shared = record
                .entries
                .keys()
                .filter(|entry| now.contains_key(*entry))
                .count();
            let is_same = shared * REUSED >= now.len().max(1);
            if is_same || other.id == deployment.id {
                uses += evidence.number;
            }
        }
        Ok(uses)
    }
}

/// At most what evidence keeps of a reason.
fn shortened(reason: &str) -> String {
    const MOST: usize = 2_000;
    if reason.len() <= MOST {
        return reason.to_owned();
    }
    let end = reason.floor_char_boundary(MOST - "…".len());
    format!("{}…", &reason[..end])
}

impl ReplayItem {
    /// The calls of both arms.
    pub(super) fn calls(&self) -> impl Iterator<Item = &Call> + Clone {
        self.baseline.iter().chain(&self.candidate)
    }
}
