//! Environments in memory.

use std::collections::BTreeMap;

use async_trait::async_trait;

use super::{MemoryBackend, Tenant};
use crate::base::error::Result;
use crate::base::{EnvironmentName, Page, PageRequest, PromptName, TenantId, VersionNumber};
use crate::environment::{
    Approval, ApprovalEntry, EnvironmentStore, HistoryRecord, Pointer, PointerMove, Policy, PolicyChange,
    PolicyRecord, Slots, refusal,
};
use crate::prompt::{Status, refusal as prompt_refusal};

/// One tenant's pointers and policies.
#[derive(Default)]
pub(super) struct Environments {
    prompts: BTreeMap<PromptName, PromptSlots>,
    /// Policies for all prompts.
    policies: BTreeMap<EnvironmentName, Policy>,
    policy_revision: u64,
}

#[derive(Default)]
struct PromptSlots {
    slots: BTreeMap<EnvironmentName, Slot>,
    /// Policies for this prompt alone.
    policies: BTreeMap<EnvironmentName, Policy>,
}

#[derive(Default)]
struct Slot {
    pointer: Option<Pointer>,
    /// The move to revision `r` is at `r - 1`.
    history: Vec<HistoryRecord>,
    /// Only those not spent: a move removes all.
    approvals: Vec<Approval>,
}

impl Environments {
    fn slot(&self, prompt: &PromptName, environment: &EnvironmentName) -> Option<&Slot> {
        self.prompts.get(prompt)?.slots.get(environment)
    }

    fn slot_mut(&mut self, prompt: &PromptName, environment: &EnvironmentName) -> &mut Slot {
        self.prompts
            .entry(prompt.clone())
            .or_default()
            .slots
            .entry(environment.clone())
            .or_default()
    }

    fn revision(&self, prompt: &PromptName, environment: &EnvironmentName) -> u64 {
        self.pointer(prompt, environment)
            .map_or(0, |pointer| pointer.revision)
    }

    pub(super) fn pointer(&self, prompt: &PromptName, environment: &EnvironmentName) -> Option<&Pointer> {
        self.slot(prompt, environment)?.pointer.as_ref()
    }

    /// Where this version is live, in byte order.
    pub(super) fn live_in(&self, prompt: &PromptName, number: VersionNumber) -> Vec<EnvironmentName> {
        self.prompts
            .get(prompt)
            .into_iter()
            .flat_map(|prompt| prompt.slots.values())
            .filter_map(|slot| slot.pointer.as_ref())
            .filter(|pointer| pointer.version == number)
            .map(|pointer| pointer.environment.clone())
            .collect()
    }

    pub(super) fn policy_revision(&self) -> u64 {
        self.policy_revision
    }

    pub(super) fn check_revision(
        &self,
        prompt: &PromptName,
        environment: &EnvironmentName,
        expected: u64,
    ) -> Result<()> {
        let current = self.revision(prompt, environment);
        if current == expected {
            Ok(())
        } else {
            Err(refusal::revision_conflict(prompt, environment, expected, current))
        }
    }

    /// Whether what the move was decided on still holds.
    fn check_move(&self, change: &PointerMove) -> Result<()> {
        self.check_revision(&change.prompt, &change.environment, change.expected_revision)?;
        if self.policy_revision != change.policy_revision {
            return Err(refusal::policy_conflict(
                change.policy_revision,
                self.policy_revision,
            ));
        }
        if let Some(source) = &change.source {
            let current = self.revision(&change.prompt, &source.environment);
            if current != source.revision {
                return Err(refusal::source_conflict(
                    &change.prompt,
                    &source.environment,
                    source.revision,
                    current,
                ));
            }
        }
        Ok(())
    }
}

fn record(environment: &EnvironmentName, prompt: Option<&PromptName>, policy: &Policy) -> PolicyRecord {
    PolicyRecord {
        environment: environment.clone(),
        prompt: prompt.cloned(),
        policy: policy.clone(),
    }
}

/// Whether a move can be made, for the first reason that the contract names.
pub(super) fn check_move(tenant: &Tenant, change: &PointerMove) -> Result<()> {
    tenant.environments.check_move(change)?;
    let version = tenant
        .prompts
        .version(&change.prompt, change.to)
        .ok_or_else(|| prompt_refusal::unknown_version(&change.prompt, change.to))?;
    if version.hash != change.hash {
        return Err(prompt_refusal::other_content(
            &change.prompt,
            change.to,
            &change.hash,
        ));
    }
    if version.status == Status::Archived {
        return Err(refusal::version_is_archived(
            &change.prompt,
            change.to,
            &change.environment,
        ));
    }
    Ok(())
}

/// Makes a move that was checked.
pub(super) fn make_move(tenant: &mut Tenant, change: PointerMove) -> Pointer {
    tenant
        .prompts
        .put_status(&change.prompt, change.to, Status::Active);
    let pointer = Pointer {
        prompt: change.prompt.clone(),
        environment: change.environment.clone(),
        version: change.to,
        closure_hash: change.closure_hash,
        revision: change.expected_revision + 1,
        moved_by: change.actor.clone(),
        moved_at: change.at,
    };
    let slot = tenant.environments.slot_mut(&change.prompt, &change.environment);
    let from = slot.pointer.replace(pointer.clone());
    slot.approvals.clear();
    slot.history.push(HistoryRecord {
        prompt: change.prompt,
        environment: change.environment,
        revision: pointer.revision,
        kind: change.kind,
        from: from.map(|from| from.version),
        to: change.to,
        closure_hash: change.closure_hash,
        actor: change.actor,
        reason: change.reason,
        waiver: change.waiver,
        at: change.at,
    });
    tenant.log.add(change.audit);
    pointer
}

#[async_trait]
impl EnvironmentStore for MemoryBackend {
    async fn slots(&self, tenant: &TenantId, prompt: &PromptName) -> Result<Slots> {
        let state = self.state();
        let environments = state.tenant(tenant).map(|tenant| &tenant.environments);
        let own = environments.and_then(|environments| environments.prompts.get(prompt));
        let for_all = environments
            .into_iter()
            .flat_map(|environments| &environments.policies);
        let for_this = own.into_iter().flat_map(|own| &own.policies);
        let slots = || own.into_iter().flat_map(|own| own.slots.values());
        Ok(Slots {
            pointers: slots().filter_map(|slot| slot.pointer.clone()).collect(),
            policies: for_all
                .map(|(environment, policy)| record(environment, None, policy))
                .chain(for_this.map(|(environment, policy)| record(environment, Some(prompt), policy)))
                .collect(),
            policy_revision: environments.map_or(0, |environments| environments.policy_revision),
            approvals: slots().flat_map(|slot| slot.approvals.iter().cloned()).collect(),
        })
    }

    async fn move_pointer(&self, change: PointerMove) -> Result<Pointer> {
        let mut state = self.state();
        let tenant = state.tenant_mut(&change.tenant);
        check_move(tenant, &change)?;
        Ok(make_move(tenant, change))
    }

    async fn history(
        &self,
        tenant: &TenantId,
        prompt: &PromptName,
        environment: &EnvironmentName,
        page: &PageRequest,
    ) -> Result<Page<HistoryRecord>> {
        let before = page.number_cursor()?;
        let state = self.state();
        let moves = state
            .tenant(tenant)
            .and_then(|tenant| tenant.environments.slot(prompt, environment))
            .map_or(&[][..], |slot| &slot.history);
        let skip = before.map_or(0, |revision| {
            let left = usize::try_from(revision.saturating_sub(1)).unwrap_or(usize::MAX);
            moves.len().saturating_sub(left)
        });
        let items = moves
            .iter()
            .rev()
            .skip(skip)
            .take(page.limit() + 1)
            .cloned()
            .collect();
        Ok(Page::from_surplus(items, page.limit(), |last| {
            last.revision.to_string()
        }))
    }

    async fn set_policy(&self, change: PolicyChange) -> Result<()> {
        let mut state = self.state();
        let tenant = state.tenant_mut(&change.tenant);
        let environments = &mut tenant.environments;
        let policies = match &change.prompt {
            None => &mut environments.policies,
            Some(prompt) => &mut environments.prompts.entry(prompt.clone()).or_default().policies,
        };
        let found = match change.policy {
            Some(policy) => {
                policies.insert(change.environment.clone(), policy);
                true
            }
            None => policies.remove(&change.environment).is_some(),
        };
        if !found {
            return Err(refusal::unknown_policy(
                &change.environment,
                change.prompt.as_ref(),
            ));
        }
        environments.policy_revision += 1;
        tenant.log.add(change.audit);
        Ok(())
    }

    async fn policies(&self, tenant: &TenantId) -> Result<Vec<PolicyRecord>> {
        let state = self.state();
        let Some(tenant) = state.tenant(tenant) else {
            return Ok(Vec::new());
        };
        let for_all = tenant
            .environments
            .policies
            .iter()
            .map(|(environment, policy)| record(environment, None, policy));
        let mut own: Vec<_> = tenant
            .environments
            .prompts
            .iter()
            .flat_map(|(prompt, slots)| slots.policies.iter().map(move |of| (prompt, of)))
            .map(|(prompt, (environment, policy))| record(environment, Some(prompt), policy))
            .collect();
        own.sort_by(|a, b| (&a.environment, &a.prompt).cmp(&(&b.environment, &b.prompt)));
        Ok(for_all.chain(own).collect())
    }

    async fn approve(&self, entry: ApprovalEntry) -> Result<()> {
        let approval = entry.approval;
        let mut state = self.state();
        let tenant = state.tenant_mut(&entry.tenant);
        tenant.environments.check_revision(
            &approval.prompt,
            &approval.environment,
            approval.base_revision,
        )?;
        let slot = tenant
            .environments
            .slot_mut(&approval.prompt, &approval.environment);
        let repeated = slot.approvals.iter().any(|other| {
            other.closure_hash == approval.closure_hash && other.approved_by.id == approval.approved_by.id
        });
        if !repeated {
            slot.approvals.push(approval);
            tenant.log.add(entry.audit);
        }
        Ok(())
    }
}
