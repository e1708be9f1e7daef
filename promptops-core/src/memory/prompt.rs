//! Prompts and versions in memory.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;

use async_trait::async_trait;
use semver::Version as Semver;

use super::{MemoryBackend, State, Tenant};
use crate::base::error::Result;
use crate::base::page::foreign_cursor;
use crate::base::tenancy::ParentChange;
use crate::base::{ContentHash, Page, PageRequest, PromptName, Tag, TenantId, Timestamp, VersionNumber};
use crate::experiment::refusal as experiment_refusal;
use crate::prompt::{
    Dependent, Found, Lookup, Missing, NewVersion, PromptFilter, PromptRecord, Reference, Saved, Selector,
    Status, StatusChange, Store, TagsChange, Version, VersionFilter, refusal,
};

/// One tenant's prompts.
#[derive(Default)]
pub(super) struct Prompts {
    by_name: BTreeMap<PromptName, Prompt>,
    /// Who includes a prompt of this name, whether or not the tenant has one.
    dependents: BTreeMap<PromptName, BTreeSet<Dependent>>,
}

/// A prompt with at least one version.
struct Prompt {
    tags: BTreeSet<Tag>,
    latest: VersionNumber,
    created_at: Timestamp,
    updated_at: Timestamp,
    versions: BTreeMap<VersionNumber, Arc<Version>>,
    by_status: BTreeMap<Status, BTreeSet<VersionNumber>>,
    by_hash: BTreeMap<ContentHash, VersionNumber>,
    by_semver: BTreeMap<Semver, VersionNumber>,
}

impl Prompt {
    fn newest(&self, status: Status) -> Option<VersionNumber> {
        self.by_status.get(&status)?.last().copied()
    }

    fn version(&self, number: VersionNumber) -> Option<&Arc<Version>> {
        self.versions.get(&number)
    }

    fn record(&self, tenant: &TenantId, name: &PromptName) -> PromptRecord {
        let latest_active = self.newest(Status::Active);
        PromptRecord {
            tenant: tenant.clone(),
            name: name.clone(),
            tags: self.tags.iter().cloned().collect(),
            status: match (latest_active, self.newest(Status::Draft)) {
                (Some(_), _) => Status::Active,
                (None, Some(_)) => Status::Draft,
                (None, None) => Status::Archived,
            },
            latest: self.latest,
            latest_active,
            created_at: self.created_at,
            updated_at: self.updated_at,
        }
    }
}

impl Prompts {
    pub(super) fn version(&self, prompt: &PromptName, number: VersionNumber) -> Option<&Arc<Version>> {
        self.by_name.get(prompt)?.version(number)
    }

    /// Gives a version this status; nothing when there is no such version.
    pub(super) fn put_status(&mut self, prompt: &PromptName, number: VersionNumber, to: Status) {
        let Some(prompt) = self.by_name.get_mut(prompt) else {
            return;
        };
        let Some(version) = prompt.versions.get_mut(&number) else {
            return;
        };
        if let Some(numbers) = prompt.by_status.get_mut(&version.status) {
            numbers.remove(&number);
        }
        prompt.by_status.entry(to).or_default().insert(number);
        Arc::make_mut(version).status = to;
    }

    /// The number that a new version gets and the versions it is made from.
    fn check_new(&self, new: &NewVersion) -> Result<(VersionNumber, Vec<VersionNumber>)> {
        let prompt = self.by_name.get(&new.prompt);
        for parent in new.parents.iter().flatten() {
            if prompt.is_none_or(|prompt| prompt.version(*parent).is_none()) {
                return Err(refusal::unknown_parent(&new.prompt, *parent));
            }
        }
        let Some(prompt) = prompt else {
            return Ok((VersionNumber::FIRST, Vec::new()));
        };
        if let Some(semver) = &new.semver
            && let Some(holder) = prompt.by_semver.get(semver)
        {
            return Err(refusal::semver_taken(&new.prompt, semver, *holder));
        }
        let number = prompt
            .latest
            .next()
            .ok_or_else(|| refusal::numbers_used_up(&new.prompt))?;
        Ok((number, new.parents.clone().unwrap_or_else(|| vec![prompt.latest])))
    }

    fn insert(&mut self, version: &Arc<Version>, tags: Vec<Tag>, includes: Vec<(String, PromptName)>) {
        let prompt = self
            .by_name
            .entry(version.prompt.clone())
            .or_insert_with(|| Prompt {
                tags: BTreeSet::new(),
                latest: version.number,
                created_at: version.created_at,
                updated_at: version.created_at,
                versions: BTreeMap::new(),
                by_status: BTreeMap::new(),
                by_hash: BTreeMap::new(),
                by_semver: BTreeMap::new(),
            });
        prompt.tags.extend(tags);
        prompt.latest = version.number;
        prompt.updated_at = version.created_at;
        prompt
            .by_status
            .entry(version.status)
            .or_default()
            .insert(version.number);
        prompt.by_hash.insert(version.hash, version.number);
        if let Some(semver) = &version.semver {
            prompt.by_semver.insert(semver.clone(), version.number);
        }
        prompt.versions.insert(version.number, version.clone());
        for (reference, snippet) in includes {
            self.dependents.entry(snippet).or_default().insert(Dependent {
                prompt: version.prompt.clone(),
                number: version.number,
                reference,
            });
        }
    }
}

impl State {
    fn look_up(&self, tenant: &TenantId, reference: &Reference) -> Result<Found, Missing> {
        let tenant = self.tenant(tenant).ok_or(Missing::Prompt)?;
        let own = tenant.look_up(reference);
        let inherits = match (&reference.selector, &own) {
            (_, Ok(_)) => false,
            (_, Err(Missing::Prompt)) => true,
            (Selector::Latest | Selector::Environment(_), Err(_)) => true,
            // Numbers count the versions of one prompt.
            (Selector::Version(_) | Selector::Hash(_), Err(_)) => false,
        };
        let parent = tenant.parent.as_ref().filter(|_| inherits);
        match (own, parent.and_then(|parent| self.tenant(parent))) {
            (Err(missing), Some(parent)) => parent.look_up(reference).map_err(|parents| match missing {
                Missing::Prompt => parents,
                own => own,
            }),
            (own, _) => own,
        }
    }
}

impl Tenant {
    /// Looks up among what is the tenant's own.
    fn look_up(&self, reference: &Reference) -> Result<Found, Missing> {
        let prompt = self.prompts.by_name.get(&reference.prompt);
        let prompt = prompt.ok_or(Missing::Prompt)?;
        let (number, revision) = match &reference.selector {
            Selector::Latest => (prompt.newest(Status::Active).ok_or(Missing::ActiveVersion)?, None),
            Selector::Version(number) => (*number, None),
            Selector::Hash(hash) => (*prompt.by_hash.get(hash).ok_or(Missing::Version)?, None),
            Selector::Environment(environment) => {
                let pointer = self
                    .environments
                    .pointer(&reference.prompt, environment)
                    .ok_or(Missing::Promotion)?;
                (pointer.version, Some(pointer.revision))
            }
        };
        let version = prompt.version(number).ok_or(Missing::Version)?.clone();
        Ok(Found { version, revision })
    }
}

#[async_trait]
impl Store for MemoryBackend {
    async fn save_version(&self, new: NewVersion) -> Result<Saved> {
        let mut state = self.state();
        let tenant = state.tenant_mut(&new.tenant);
        if let Some(prompt) = tenant.prompts.by_name.get(&new.prompt)
            && let Some(version) = prompt
                .by_hash
                .get(&new.hash)
                .and_then(|number| prompt.version(*number))
        {
            return Ok(Saved {
                version: Version::clone(version),
                created: false,
            });
        }
        let (number, parents) = tenant.prompts.check_new(&new)?;

        let version = Arc::new(Version {
            tenant: new.tenant,
            prompt: new.prompt,
            number,
            hash: new.hash,
            content: new.content,
            semver: new.semver,
            parents,
            author: new.author,
            message: new.message,
            status: new.status,
            created_at: new.created_at,
        });
        tenant.prompts.insert(&version, new.tags, new.includes);
        tenant.log.add(new.audit.about(version.to_string()));
        Ok(Saved {
            version: Version::clone(&version),
            created: true,
        })
    }

    async fn set_status(&self, change: StatusChange) -> Result<Version> {
        let mut state = self.state();
        let tenant = state.tenant_mut(&change.tenant);
        let mut version = tenant
            .prompts
            .by_name
            .get(&change.prompt)
            .and_then(|prompt| prompt.version(change.number))
            .map(|version| Version::clone(version))
            .ok_or_else(|| refusal::unknown_version(&change.prompt, change.number))?;
        if version.status == change.to {
            return Ok(version);
        }
        version.status.check_transition(change.to)?;
        if change.to == Status::Archived {
            let live_in = tenant.environments.live_in(&change.prompt, change.number);
            if !live_in.is_empty() {
                return Err(refusal::version_is_live(&change.prompt, change.number, &live_in));
            }
            if let Some(open) = tenant.experiments.with_variant(&change.prompt, change.number) {
                return Err(experiment_refusal::version_is_in_experiment(
                    &change.prompt,
                    change.number,
                    open,
                ));
            }
        }

        tenant
            .prompts
            .put_status(&change.prompt, change.number, change.to);
        tenant.log.add(change.audit);
        version.status = change.to;
        Ok(version)
    }

    async fn set_tags(&self, change: TagsChange) -> Result<PromptRecord> {
        let mut state = self.state();
        let tenant = state.tenant_mut(&change.tenant);
        let prompt = tenant
            .prompts
            .by_name
            .get_mut(&change.prompt)
            .ok_or_else(|| refusal::unknown_prompt(&change.prompt))?;
        prompt.tags = change.tags.into_iter().collect();
        let record = prompt.record(&change.tenant, &change.prompt);
        tenant.log.add(change.audit);
        Ok(record)
    }

    async fn prompt(&self, tenant: &TenantId, name: &PromptName) -> Result<Option<PromptRecord>> {
        let state = self.state();
        let prompt = state
            .tenant(tenant)
            .and_then(|tenant| tenant.prompts.by_name.get(name));
        Ok(prompt.map(|prompt| prompt.record(tenant, name)))
    }

    async fn list_prompts(
        &self,
        tenant: &TenantId,
        filter: &PromptFilter,
        page: &PageRequest,
    ) -> Result<Page<PromptRecord>> {
        let cursor = page.name_cursor()?;
        let prefix = filter.prefix.as_deref().unwrap_or("");
        let start = match cursor.as_ref().map(PromptName::as_str) {
            Some(last) if last >= prefix => Bound::Excluded(last),
            _ => Bound::Included(prefix),
        };
        let state = self.state();
        let items = state
            .tenant(tenant)
            .into_iter()
            .flat_map(|tenant| tenant.prompts.by_name.range::<str, _>((start, Bound::Unbounded)))
            .take_while(|(name, _)| name.as_str().starts_with(prefix))
            .filter(|(_, prompt)| filter.tag.as_ref().is_none_or(|tag| prompt.tags.contains(tag)))
            .map(|(name, prompt)| prompt.record(tenant, name))
            .filter(|record| filter.status.is_none_or(|status| record.status == status))
            .take(page.limit() + 1)
            .collect();
        Ok(Page::from_surplus(items, page.limit(), |last| {
            last.name.to_string()
        }))
    }

    async fn list_versions(
        &self,
        tenant: &TenantId,
        name: &PromptName,
        filter: &VersionFilter,
        page: &PageRequest,
    ) -> Result<Page<Version>> {
        let end = match page.number_cursor()? {
            None => Bound::Unbounded,
            Some(last) => {
                let number = u32::try_from(last).ok().and_then(|n| VersionNumber::new(n).ok());
                Bound::Excluded(number.ok_or_else(|| foreign_cursor(&last.to_string()))?)
            }
        };
        let range = (Bound::Unbounded, end);
        let state = self.state();
        let prompt = state
            .tenant(tenant)
            .and_then(|tenant| tenant.prompts.by_name.get(name));
        let Some(prompt) = prompt else {
            return Ok(Page::from_surplus(Vec::new(), page.limit(), |_| String::new()));
        };
        let wanted = page.limit() + 1;
        let items = match filter.status {
            None => {
                let versions = prompt.versions.range(range).rev().take(wanted);
                versions.map(|(_, version)| Version::clone(version)).collect()
            }
            Some(status) => {
                let numbers = prompt.by_status.get(&status).into_iter();
                numbers
                    .flat_map(|numbers| numbers.range(range).rev())
                    .take(wanted)
                    .filter_map(|number| prompt.version(*number))
                    .map(|version| Version::clone(version))
                    .collect()
            }
        };
        Ok(Page::from_surplus(items, page.limit(), |last| {
            last.number.get().to_string()
        }))
    }

    async fn find(&self, tenant: &TenantId, references: &[Reference]) -> Result<Vec<Lookup>> {
        let state = self.state();
        // Contents are shared and immutable here, so that none can come to differ from its hash.
        Ok(references
            .iter()
            .map(|reference| {
                state
                    .look_up(tenant, reference)
                    .map_or_else(Lookup::Missing, Lookup::Found)
            })
            .collect())
    }

    async fn dependents(
        &self,
        tenant: &TenantId,
        snippet: &PromptName,
        page: &PageRequest,
    ) -> Result<Page<Dependent>> {
        let start = match page.cursor() {
            None => Bound::Unbounded,
            Some(cursor) => Bound::Excluded(Dependent::from_cursor(cursor)?),
        };
        let state = self.state();
        let items = state
            .tenant(tenant)
            .and_then(|tenant| tenant.prompts.dependents.get(snippet))
            .into_iter()
            .flat_map(|dependents| dependents.range((start.clone(), Bound::Unbounded)))
            .take(page.limit() + 1)
            .cloned()
            .collect();
        Ok(Page::from_surplus(items, page.limit(), Dependent::cursor))
    }

    async fn set_parent(&self, change: ParentChange) -> Result<()> {
        let mut state = self.state();
        if let Some(parent) = &change.parent {
            if *parent == change.tenant {
                return Err(refusal::own_parent(parent));
            }
            if state.tenant(parent).is_some_and(|parent| parent.parent.is_some()) {
                return Err(refusal::parent_inherits(parent));
            }
            if state
                .tenant(&change.tenant)
                .is_some_and(|tenant| tenant.children > 0)
            {
                return Err(refusal::tenant_is_a_parent(&change.tenant));
            }
        }

        if let Some(parent) = &change.parent {
            state.tenant_mut(parent).children += 1;
        }
        let tenant = state.tenant_mut(&change.tenant);
        let former = std::mem::replace(&mut tenant.parent, change.parent);
        tenant.log.add(change.audit);
        if let Some(former) = former {
            state.tenant_mut(&former).children -= 1;
        }
        Ok(())
    }

    async fn parent(&self, tenant: &TenantId) -> Result<Option<TenantId>> {
        Ok(self
            .state()
            .tenant(tenant)
            .and_then(|tenant| tenant.parent.clone()))
    }
}
