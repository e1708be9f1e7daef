//! Deployments in memory.

use std::collections::BTreeMap;
use std::ops::Bound;

use async_trait::async_trait;

use super::environment::{check_move, make_move};
use super::{MemoryBackend, Tenant};
use crate::base::error::Result;
use crate::base::{
    CommandKey, DeploymentId, DocumentHash, EnvironmentName, Page, PageRequest, PromptName, TenantId,
};
use crate::deployment::{
    Deployment, DeploymentCommit, DeploymentFilter, DeploymentStore, Document, SlotControl, Transition,
    refusal,
};
use crate::environment::refusal as environment_refusal;
use crate::prompt::{Status, refusal as prompt_refusal};

/// One tenant's deployments.
#[derive(Default)]
pub(super) struct Deployments {
    deployments: BTreeMap<DeploymentId, (Deployment, Vec<Transition>)>,
    slots: BTreeMap<(PromptName, EnvironmentName), SlotControl>,
    keys: BTreeMap<CommandKey, (DeploymentId, u32)>,
    documents: BTreeMap<[u8; 32], Document>,
}

impl Deployments {
    fn slot(&self, prompt: &PromptName, environment: &EnvironmentName) -> SlotControl {
        self.slots
            .get(&(prompt.clone(), environment.clone()))
            .cloned()
            .unwrap_or_else(|| SlotControl::untouched(prompt.clone(), environment.clone()))
    }

    fn get(&self, id: &DeploymentId) -> Result<&Deployment> {
        self.deployments
            .get(id)
            .map(|(deployment, _)| deployment)
            .ok_or_else(|| refusal::unknown_deployment(id))
    }

    /// The others of a deployment's slot, as they will be after the commit.
    fn others<'a>(
        &'a self,
        commit: &'a DeploymentCommit,
        of: &'a Deployment,
    ) -> impl Iterator<Item = &'a Deployment> {
        let present = self.deployments.values().map(|(present, _)| {
            let changed = commit.changed.iter().find(|changed| changed.id == present.id);
            changed.unwrap_or(present)
        });
        present.filter(|other| {
            other.id != of.id && other.prompt == of.prompt && other.environment == of.environment
        })
    }
}

fn check_created(tenant: &Tenant, created: &Deployment) -> Result<()> {
    let (prompt, candidate) = (&created.prompt, &created.candidate);
    let version = tenant
        .prompts
        .version(prompt, candidate.version)
        .ok_or_else(|| prompt_refusal::unknown_version(prompt, candidate.version))?;
    if version.hash != candidate.content_hash {
        return Err(prompt_refusal::other_content(
            prompt,
            candidate.version,
            &candidate.content_hash,
        ));
    }
    if version.status == Status::Archived {
        return Err(environment_refusal::version_is_archived(
            prompt,
            candidate.version,
            &created.environment,
        ));
    }
    tenant
        .environments
        .check_revision(prompt, &created.environment, created.base.revision)?;
    if tenant.deployments.deployments.contains_key(&created.id) {
        return Err(refusal::id_is_taken(&created.id));
    }
    Ok(())
}

fn check(tenant: &Tenant, commit: &DeploymentCommit) -> Result<()> {
    let deployments = &tenant.deployments;
    if let Some(slot) = &commit.slot {
        let current = deployments.slot(&slot.prompt, &slot.environment).revision;
        let expected = slot.revision.saturating_sub(1);
        if current != expected {
            return Err(refusal::slot_conflict(
                &slot.prompt,
                &slot.environment,
                expected,
                current,
            ));
        }
    }
    for key in commit
        .transitions
        .iter()
        .filter_map(|transition| transition.key.as_ref())
    {
        if deployments.keys.contains_key(key) {
            return Err(refusal::key_is_taken(key));
        }
    }
    if let Some(created) = &commit.created {
        check_created(tenant, created)?;
    }
    for changed in &commit.changed {
        let present = deployments.get(&changed.id)?;
        let expected = changed.revision.saturating_sub(1);
        if present.revision != expected {
            return Err(refusal::deployment_conflict(
                &changed.id,
                expected,
                present.revision,
                present.standing(),
            ));
        }
    }
    let touched = || commit.created.iter().chain(&commit.changed);
    for of in touched().filter(|of| of.state.is_before_ship()) {
        let same = |other: &&Deployment| {
            other.state.is_before_ship() && other.candidate.closure_hash == of.candidate.closure_hash
        };
        if let Some(other) = deployments.others(commit, of).find(same) {
            return Err(refusal::candidate_is_known(
                &of.candidate.closure_hash,
                &other.id,
                other.state,
            ));
        }
    }
    for of in touched().filter(|of| of.has_slot()) {
        if let Some(other) = deployments.others(commit, of).find(|other| other.has_slot()) {
            return Err(refusal::slot_is_taken(&of.prompt, &of.environment, &other.id));
        }
    }
    match &commit.pointer {
        Some(pointer) => check_move(tenant, pointer),
        None => Ok(()),
    }
}

#[async_trait]
impl DeploymentStore for MemoryBackend {
    async fn commit_deployments(&self, commit: DeploymentCommit) -> Result<()> {
        let mut state = self.state();
        let tenant = state.tenant_mut(&commit.tenant);
        check(tenant, &commit)?;
        if let Some(pointer) = commit.pointer {
            make_move(tenant, pointer);
        }
        let deployments = &mut tenant.deployments;
        if let Some(slot) = commit.slot {
            let of = (slot.prompt.clone(), slot.environment.clone());
            deployments.slots.insert(of, slot);
        }
        for deployment in commit.created.into_iter().chain(commit.changed) {
            let stored = deployments
                .deployments
                .entry(deployment.id.clone())
                .or_insert_with(|| (deployment.clone(), Vec::new()));
            stored.0 = deployment;
        }
        for transition in commit.transitions {
            if let Some(key) = &transition.key {
                let of = (transition.deployment.clone(), transition.number);
                deployments.keys.insert(key.clone(), of);
            }
            if let Some((_, transitions)) = deployments.deployments.get_mut(&transition.deployment) {
                transitions.push(transition);
            }
        }
        for document in commit.documents {
            let hash = *document.hash().as_bytes();
            deployments.documents.entry(hash).or_insert(document);
        }
        for audit in commit.audits {
            tenant.log.add(audit);
        }
        Ok(())
    }

    async fn deployment(&self, tenant: &TenantId, id: &DeploymentId) -> Result<Option<Deployment>> {
        let state = self.state();
        let stored = state
            .tenant(tenant)
            .and_then(|tenant| tenant.deployments.deployments.get(id));
        Ok(stored.map(|(deployment, _)| deployment.clone()))
    }

    async fn deployments(
        &self,
        tenant: &TenantId,
        filter: &DeploymentFilter,
        page: &PageRequest,
    ) -> Result<Page<Deployment>> {
        let before = page
            .cursor()
            .map(|cursor| DeploymentId::new(cursor).map_err(|_| crate::base::page::foreign_cursor(cursor)))
            .transpose()?;
        let state = self.state();
        let end = before.map_or(Bound::Unbounded, Bound::Excluded);
        let range = state.tenant(tenant).map(|tenant| {
            tenant
                .deployments
                .deployments
                .range((Bound::Unbounded, end))
                .rev()
        });
        let items = range
            .into_iter()
            .flatten()
            .map(|(_, (deployment, _))| deployment)
            .filter(|deployment| filter.matches(deployment))
            .take(page.limit() + 1)
            .cloned()
            .collect();
        Ok(Page::from_surplus(items, page.limit(), |last: &Deployment| {
            last.id.to_string()
        }))
    }

    async fn transitions(&self, tenant: &TenantId, id: &DeploymentId) -> Result<Vec<Transition>> {
        let state = self.state();
        let stored = state
            .tenant(tenant)
            .and_then(|tenant| tenant.deployments.deployments.get(id));
        Ok(stored.map_or_else(Vec::new, |(_, transitions)| transitions.clone()))
    }

    async fn transition_of_key(&self, tenant: &TenantId, key: &CommandKey) -> Result<Option<Transition>> {
        let state = self.state();
        let Some(deployments) = state.tenant(tenant).map(|tenant| &tenant.deployments) else {
            return Ok(None);
        };
        let found = deployments.keys.get(key).and_then(|(id, number)| {
            let (_, transitions) = deployments.deployments.get(id)?;
            transitions.iter().find(|of| of.number == *number)
        });
        Ok(found.cloned())
    }

    async fn slot_control(
        &self,
        tenant: &TenantId,
        prompt: &PromptName,
        environment: &EnvironmentName,
    ) -> Result<SlotControl> {
        let state = self.state();
        Ok(state.tenant(tenant).map_or_else(
            || SlotControl::untouched(prompt.clone(), environment.clone()),
            |tenant| tenant.deployments.slot(prompt, environment),
        ))
    }

    async fn document(&self, tenant: &TenantId, hash: &DocumentHash) -> Result<Option<Document>> {
        let state = self.state();
        let documents = state.tenant(tenant).map(|tenant| &tenant.deployments.documents);
        Ok(documents.and_then(|documents| documents.get(hash.as_bytes()).cloned()))
    }
}
