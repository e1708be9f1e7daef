//! Experiments in memory.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::ops::Bound;

use async_trait::async_trait;

use super::environment::{check_move, make_move};
use super::{MemoryBackend, Tenant};
use crate::base::error::Result;
use crate::base::{EnvironmentName, ExperimentId, Page, PageRequest, PromptName, TenantId, VersionNumber};
use crate::environment::refusal as environment_refusal;
use crate::experiment::{
    Counter, Experiment, ExperimentChange, ExperimentFilter, ExperimentStatus, ExperimentStore, Loss,
    NewExperiment, OutcomeEntry, OutcomeVerdict, RunningTallies, TallyDelta, TallyKey, TallyRow, refusal,
};
use crate::observation::UnitKey;
use crate::prompt::{Status, refusal as prompt_refusal};

/// One tenant's experiments.
#[derive(Default)]
pub(super) struct Experiments(BTreeMap<ExperimentId, Stored>);

struct Stored {
    experiment: Experiment,
    /// Each unit's first outcome, and whether it is contaminated.
    units: BTreeMap<UnitKey, (OutcomeEntry, bool)>,
    tallies: RunningTallies,
}

impl Experiments {
    fn open(&self) -> impl Iterator<Item = &Experiment> {
        self.0
            .values()
            .map(|stored| &stored.experiment)
            .filter(|experiment| experiment.status.is_open())
    }

    /// The open experiment that serves this version.
    pub(super) fn with_variant(&self, prompt: &PromptName, version: VersionNumber) -> Option<&ExperimentId> {
        self.open()
            .find(|open| open.prompt == *prompt && open.variants.iter().any(|of| of.version == version))
            .map(|open| &open.id)
    }

    fn stored_mut(&mut self, id: &ExperimentId) -> Result<&mut Stored> {
        self.0.get_mut(id).ok_or_else(|| refusal::unknown_experiment(id))
    }
}

fn check_new(tenant: &Tenant, new: &NewExperiment) -> Result<()> {
    let experiment = &new.experiment;
    tenant.environments.check_revision(
        &experiment.prompt,
        &experiment.environment,
        experiment.pointer_revision,
    )?;
    let current = tenant.environments.policy_revision();
    if current != new.policy_revision {
        return Err(environment_refusal::policy_conflict(new.policy_revision, current));
    }
    for variant in &experiment.variants {
        let version = tenant
            .prompts
            .version(&experiment.prompt, variant.version)
            .ok_or_else(|| prompt_refusal::unknown_version(&experiment.prompt, variant.version))?;
        if version.hash != variant.content_hash {
            return Err(prompt_refusal::other_content(
                &experiment.prompt,
                variant.version,
                &variant.content_hash,
            ));
        }
        if version.status == Status::Archived {
            return Err(refusal::variant_is_archived(&experiment.prompt, variant));
        }
    }
    let experiments = &tenant.experiments;
    if let Some(open) = experiments
        .open()
        .find(|open| open.prompt == experiment.prompt && open.environment == experiment.environment)
    {
        return Err(refusal::slot_is_taken(experiment, &open.id));
    }
    if let Some(open) = experiments.open().find(|open| open.shares_buckets(experiment)) {
        return Err(refusal::namespace_is_taken(experiment, &open.id));
    }
    if experiments.0.contains_key(&experiment.id) {
        return Err(refusal::id_is_taken(&experiment.id));
    }
    Ok(())
}

#[async_trait]
impl ExperimentStore for MemoryBackend {
    async fn create_experiment(&self, new: NewExperiment) -> Result<Experiment> {
        let mut state = self.state();
        let tenant = state.tenant_mut(&new.tenant);
        check_new(tenant, &new)?;
        let stored = Stored {
            experiment: new.experiment.clone(),
            units: BTreeMap::new(),
            tallies: RunningTallies::default(),
        };
        tenant.experiments.0.insert(new.experiment.id.clone(), stored);
        tenant.log.add(new.audit);
        Ok(new.experiment)
    }

    async fn experiment(&self, tenant: &TenantId, id: &ExperimentId) -> Result<Option<Experiment>> {
        let state = self.state();
        let stored = state
            .tenant(tenant)
            .and_then(|tenant| tenant.experiments.0.get(id));
        Ok(stored.map(|stored| stored.experiment.clone()))
    }

    async fn open_experiment(
        &self,
        tenant: &TenantId,
        prompt: &PromptName,
        environment: &EnvironmentName,
    ) -> Result<Option<Experiment>> {
        let state = self.state();
        Ok(state.tenant(tenant).and_then(|tenant| {
            tenant
                .experiments
                .open()
                .find(|open| open.prompt == *prompt && open.environment == *environment)
                .cloned()
        }))
    }

    async fn experiments(
        &self,
        tenant: &TenantId,
        filter: &ExperimentFilter,
        page: &PageRequest,
    ) -> Result<Page<Experiment>> {
        let before = page
            .cursor()
            .map(|cursor| ExperimentId::new(cursor).map_err(|_| crate::base::page::foreign_cursor(cursor)))
            .transpose()?;
        let state = self.state();
        let Some(tenant) = state.tenant(tenant) else {
            return Ok(Page::from_surplus(Vec::new(), page.limit(), |_: &Experiment| {
                String::new()
            }));
        };
        let end = before.map_or(Bound::Unbounded, Bound::Excluded);
        let items = tenant
            .experiments
            .0
            .range((Bound::Unbounded, end))
            .rev()
            .map(|(_, stored)| &stored.experiment)
            .filter(|of| filter.prompt.as_ref().is_none_or(|prompt| *prompt == of.prompt))
            .filter(|of| filter.status.is_none_or(|status| status == of.status))
            .take(page.limit() + 1)
            .cloned()
            .collect();
        Ok(Page::from_surplus(items, page.limit(), |last: &Experiment| {
            last.id.to_string()
        }))
    }

    async fn change_experiment(&self, change: ExperimentChange) -> Result<Experiment> {
        let mut state = self.state();
        let tenant = state.tenant_mut(&change.tenant);
        let id = &change.experiment.id;
        let present = &tenant.experiments.stored_mut(id)?.experiment;
        let expected = change.experiment.revision.saturating_sub(1);
        if present.revision != expected {
            return Err(refusal::experiment_conflict(id, expected, present.revision));
        }
        if !present.status.is_open() {
            return Err(refusal::experiment_is_completed(id));
        }
        if let Some(promotion) = &change.promotion {
            check_move(tenant, promotion)?;
        }
        if let Some(promotion) = change.promotion {
            make_move(tenant, promotion);
        }
        tenant.experiments.stored_mut(id)?.experiment = change.experiment.clone();
        tenant.log.add(change.audit);
        Ok(change.experiment)
    }

    async fn record_outcomes(
        &self,
        tenant: &TenantId,
        experiment: &ExperimentId,
        outcomes: &[OutcomeEntry],
    ) -> Result<Vec<OutcomeVerdict>> {
        let mut state = self.state();
        let stored = state.tenant_mut(tenant).experiments.stored_mut(experiment)?;
        if stored.experiment.status == ExperimentStatus::Completed {
            return Ok(vec![OutcomeVerdict::Closed; outcomes.len()]);
        }
        let mut delta = TallyDelta::new();
        let verdicts = outcomes
            .iter()
            .map(|outcome| match stored.units.entry(outcome.unit) {
                Entry::Vacant(unit) => {
                    unit.insert((*outcome, false));
                    delta.count(outcome, None)
                }
                Entry::Occupied(mut unit) => {
                    let (first, contaminated) = *unit.get();
                    let verdict = delta.count(outcome, Some((&first, contaminated)));
                    unit.get_mut().1 |= verdict == OutcomeVerdict::Contaminated;
                    verdict
                }
            })
            .collect();
        stored.tallies.apply(&delta);
        Ok(verdicts)
    }

    async fn record_losses(
        &self,
        tenant: &TenantId,
        experiment: &ExperimentId,
        losses: &[Loss],
    ) -> Result<()> {
        let mut state = self.state();
        let stored = state.tenant_mut(tenant).experiments.stored_mut(experiment)?;
        for loss in losses {
            let key = TallyKey {
                epoch: loss.epoch,
                variant: loss.variant,
                counter: Counter::LOST,
            };
            stored.tallies.add(key, loss.count);
        }
        Ok(())
    }

    async fn tallies(&self, tenant: &TenantId, experiment: &ExperimentId) -> Result<Vec<TallyRow>> {
        let state = self.state();
        let stored = state
            .tenant(tenant)
            .and_then(|tenant| tenant.experiments.0.get(experiment));
        Ok(stored.map_or_else(Vec::new, |stored| stored.tallies.rows().collect()))
    }
}
