//! Runs, results and evidence in memory.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;

use super::{MemoryBackend, State, Tenant};
use crate::base::audit::AuditEntry;
use crate::base::error::Result;
use crate::base::{
    ClosureHash, DatasetName, Page, PageRequest, PromptName, RunId, TenantId, Timestamp, VersionNumber,
};
use crate::evaluation::run::{
    Claim, Claimed, Recorded, ResultBatch, Run, RunChange, RunFilter, Task, Worker,
};
use crate::evaluation::{EntryResult, EvaluationStore, Evidence, EvidenceRecord, refusal};

/// One tenant's runs, and its evidence by what was evaluated on what.
#[derive(Default)]
pub(super) struct Evaluations {
    evidence: BTreeMap<(PromptName, ClosureHash, DatasetName), Line>,
    /// In the order of their creation.
    runs: Vec<StoredRun>,
    by_id: BTreeMap<RunId, usize>,
}

/// Evidence in the order of its recording.
#[derive(Default)]
struct Line {
    evidence: Vec<Evidence>,
    runs: BTreeSet<String>,
}

struct StoredRun {
    run: Run,
    results: BTreeMap<u64, EntryResult>,
    /// Tasks without a result that were handed out, and to whom and until when.
    leases: BTreeMap<u64, (Worker, Timestamp)>,
    /// The first task that was never handed out.
    next: u64,
}

impl Evaluations {
    fn add_evidence(&mut self, evidence: Evidence) -> Result<()> {
        let key = (
            evidence.prompt.clone(),
            evidence.closure_hash,
            evidence.dataset.clone(),
        );
        let line = self.evidence.entry(key).or_default();
        if !line.runs.insert(evidence.run.clone()) {
            return Err(refusal::run_on_record(&evidence));
        }
        line.evidence.push(evidence);
        Ok(())
    }

    fn get(&self, id: &RunId) -> Option<&StoredRun> {
        self.by_id.get(id).and_then(|at| self.runs.get(*at))
    }

    fn get_mut(&mut self, id: &RunId) -> Result<&mut StoredRun> {
        let at = self.by_id.get(id).copied();
        at.and_then(|at| self.runs.get_mut(at))
            .ok_or_else(|| refusal::unknown_run(id))
    }
}

impl State {
    fn stored_run(&self, tenant: &TenantId, id: &RunId) -> Result<(&Tenant, &StoredRun)> {
        let tenant = self.tenant(tenant);
        tenant
            .and_then(|tenant| Some((tenant, tenant.evaluations.get(id)?)))
            .ok_or_else(|| refusal::unknown_run(id))
    }
}

#[async_trait]
impl EvaluationStore for MemoryBackend {
    async fn record_evidence(&self, record: EvidenceRecord) -> Result<()> {
        let mut state = self.state();
        let tenant = state.tenant_mut(&record.tenant);
        tenant.evaluations.add_evidence(record.evidence)?;
        tenant.log.add(record.audit);
        Ok(())
    }

    async fn latest_evidence(
        &self,
        tenant: &TenantId,
        prompt: &PromptName,
        closure_hash: &ClosureHash,
        dataset: &DatasetName,
        version: Option<VersionNumber>,
    ) -> Result<Option<Evidence>> {
        let state = self.state();
        let line = state.tenant(tenant).and_then(|tenant| {
            let key = (prompt.clone(), *closure_hash, dataset.clone());
            tenant.evaluations.evidence.get(&key)
        });
        let mut newest_first = line.into_iter().flat_map(|line| line.evidence.iter().rev());
        Ok(newest_first
            .find(|evidence| version.is_none_or(|version| evidence.dataset_version == version))
            .cloned())
    }

    async fn create_run(&self, tenant: &TenantId, run: Run, audit: AuditEntry) -> Result<()> {
        let mut state = self.state();
        let tenant = state.tenant_mut(tenant);
        let evaluations = &mut tenant.evaluations;
        if evaluations.by_id.contains_key(&run.id) {
            return Err(refusal::run_exists(&run.id));
        }
        let dataset = tenant.datasets.get(&run.dataset, Some(run.dataset_version));
        match dataset.map(|stored| stored.dataset.entries) {
            None => return Err(refusal::unknown_dataset(&run.dataset, Some(run.dataset_version))),
            Some(entries) if entries != run.entries => return Err(refusal::other_entries(&run, entries)),
            Some(_) => {}
        }
        evaluations.by_id.insert(run.id.clone(), evaluations.runs.len());
        evaluations.runs.push(StoredRun {
            run,
            results: BTreeMap::new(),
            leases: BTreeMap::new(),
            next: 0,
        });
        tenant.log.add(audit);
        Ok(())
    }

    async fn run(&self, tenant: &TenantId, id: &RunId) -> Result<Run> {
        Ok(self.state().stored_run(tenant, id)?.1.run.clone())
    }

    async fn runs(&self, tenant: &TenantId, filter: &RunFilter, page: &PageRequest) -> Result<Page<Run>> {
        // A run's number is its place, from 1.
        let before = page.number_cursor()?.unwrap_or(u64::MAX);
        let state = self.state();
        let runs = state
            .tenant(tenant)
            .map_or(&[][..], |tenant| &tenant.evaluations.runs);
        let wanted = |run: &Run| {
            filter.prompt.as_ref().is_none_or(|prompt| run.prompt == *prompt)
                && filter.closure_hash.is_none_or(|hash| run.closure_hash == hash)
                && filter.dataset.as_ref().is_none_or(|name| run.dataset == *name)
        };
        let items = runs
            .iter()
            .enumerate()
            .rev()
            .map(|(place, stored)| (place as u64 + 1, stored))
            .skip_while(|(number, _)| *number >= before)
            .filter(|(_, stored)| wanted(&stored.run))
            .take(page.limit() + 1)
            .map(|(number, stored)| (number, stored.run.clone()))
            .collect();
        let page = Page::from_surplus(items, page.limit(), |(number, _)| number.to_string());
        Ok(page.map(|(_, run)| run))
    }

    async fn claim_tasks(&self, claim: Claim) -> Result<Claimed> {
        let mut state = self.state();
        let tenant = state.tenant_mut(&claim.tenant);
        let stored = tenant.evaluations.get_mut(&claim.run)?;
        let run = &stored.run;
        let mut ordinals = Vec::new();
        if run.state.is_running() {
            let limit = claim.limit as usize;
            let ended = stored.leases.iter().filter(|(_, (_, until))| *until <= claim.now);
            ordinals.extend(ended.map(|(ordinal, _)| *ordinal).take(limit));
            while ordinals.len() < limit && stored.next < run.tasks() {
                // A result may have come for a task that this backend never handed out.
                if !stored.results.contains_key(&stored.next) {
                    ordinals.push(stored.next);
                }
                stored.next += 1;
            }
            for ordinal in &ordinals {
                stored
                    .leases
                    .insert(*ordinal, (claim.worker.clone(), claim.until));
            }
        }
        let dataset = tenant
            .datasets
            .get(&stored.run.dataset, Some(stored.run.dataset_version));
        let entries = dataset.map(|stored| stored.entries.clone()).unwrap_or_default();
        let repeats = u64::from(stored.run.evaluator.repeats).max(1);
        let tasks = ordinals.into_iter().filter_map(|ordinal| {
            let entry = entries.get(usize::try_from(ordinal / repeats).ok()?)?.clone();
            let repeat = u32::try_from(ordinal % repeats).ok()?;
            Some(Task {
                ordinal,
                repeat,
                entry,
            })
        });
        let elsewhere = stored
            .leases
            .values()
            .filter(|(worker, until)| *worker != claim.worker && *until > claim.now);
        Ok(Claimed {
            tasks: tasks.collect(),
            state: stored.run.state.clone(),
            held_elsewhere: elsewhere.clone().count() as u64,
            next_lease_end: elsewhere.map(|(_, until)| *until).min(),
        })
    }

    async fn renew_leases(
        &self,
        tenant: &TenantId,
        run: &RunId,
        worker: &str,
        until: Timestamp,
    ) -> Result<u64> {
        let mut state = self.state();
        let stored = state.tenant_mut(tenant).evaluations.get_mut(run)?;
        let own = stored.leases.values_mut().filter(|(holder, _)| holder == worker);
        Ok(own.map(|(_, end)| *end = until).count() as u64)
    }

    async fn release_tasks(&self, tenant: &TenantId, run: &RunId, worker: &str) -> Result<()> {
        let mut state = self.state();
        let stored = state.tenant_mut(tenant).evaluations.get_mut(run)?;
        let own = stored.leases.values_mut().filter(|(holder, _)| holder == worker);
        // Nobody's, and ended: the next claim takes it.
        own.for_each(|lease| *lease = (Worker::new(), Timestamp::MIN_UTC));
        Ok(())
    }

    async fn record_results(&self, batch: ResultBatch) -> Result<Recorded> {
        let mut state = self.state();
        let tenant = state.tenant_mut(&batch.tenant);
        let stored = tenant.evaluations.get_mut(&batch.run)?;
        let run = &stored.run;
        let repeats = u64::from(run.evaluator.repeats).max(1);
        let dataset = tenant.datasets.get(&run.dataset, Some(run.dataset_version));
        for result in &batch.results {
            let entry = usize::try_from(result.ordinal / repeats)
                .ok()
                .and_then(|at| dataset?.entries.get(at));
            let fits = entry.is_some_and(|entry| entry.id == result.entry)
                && result.ordinal % repeats == u64::from(result.repeat);
            if !fits {
                return Err(refusal::foreign_result(&batch.run, result.ordinal, &result.entry));
            }
        }
        let mut accepted = Vec::new();
        for result in batch.results {
            let ordinal = result.ordinal;
            stored.leases.remove(&ordinal);
            stored.results.entry(ordinal).or_insert_with(|| {
                accepted.push(ordinal);
                result
            });
        }
        accepted.sort_unstable();
        Ok(Recorded {
            accepted,
            state: stored.run.state.clone(),
        })
    }

    async fn results(&self, tenant: &TenantId, run: &RunId, page: &PageRequest) -> Result<Page<EntryResult>> {
        let start = page.number_cursor()?.map_or(0, |seen| seen + 1);
        let state = self.state();
        let (_, stored) = state.stored_run(tenant, run)?;
        let results = stored.results.range(start..);
        let items = results
            .take(page.limit() + 1)
            .map(|(_, result)| result.clone())
            .collect();
        Ok(Page::from_surplus(items, page.limit(), |last| {
            last.ordinal.to_string()
        }))
    }

    async fn count_results(&self, tenant: &TenantId, run: &RunId) -> Result<u64> {
        Ok(self.state().stored_run(tenant, run)?.1.results.len() as u64)
    }

    async fn change_run(&self, change: RunChange) -> Result<Run> {
        let mut state = self.state();
        let tenant = state.tenant_mut(&change.tenant);
        let evaluations = &mut tenant.evaluations;
        let stored = evaluations.get_mut(&change.run)?;
        let (run, found) = (stored.run.clone(), stored.results.len() as u64);
        if run.state.as_str() == change.to.as_str() {
            return Ok(run);
        }
        if !run.state.may_become(&change.to) {
            return Err(refusal::illegal_state(&run.id, &run.state, &change.to));
        }
        if change.to.is_completed() {
            if found != run.tasks() {
                return Err(refusal::run_lacks_results(&run.id, found, run.tasks()));
            }
            if let Some(evidence) = change.evidence {
                evaluations.add_evidence(evidence)?;
            }
        }
        let stored = evaluations.get_mut(&change.run)?;
        stored.run.state = change.to;
        let run = stored.run.clone();
        tenant.log.add(change.audit);
        Ok(run)
    }
}
