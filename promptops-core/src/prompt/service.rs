//! Authoring: saving, finding and retiring versions of one tenant.

use std::fmt;
use std::sync::Arc;

use serde_json::json;

use super::analysis::ContentAnalysis;
use super::check::ContentCheck;
use super::diff::{Changelog, DiffOptions, PromptDiff};
use super::draft::Draft;
use super::reference::{Reference, Selector, SnippetReference};
use super::schema::InputSchema;
use super::store::{
    Dependent, Lookup, NewVersion, PromptFilter, StatusChange, Store, TagsChange, VersionFilter, find_version,
};
use super::version::{PromptRecord, Status, Version};
use crate::base::audit::{AuditAction, AuditEntry, check_text};
use crate::base::error::{Error, ErrorKind, Result, invalid};
use crate::base::id::quoted;
use crate::base::spawn::to_completion;
use crate::base::{
    Actor, Clock, Event, EventBus, Operation, Page, PageRequest, PromptName, Spawn, Tag, TenantId,
    VersionNumber,
};

/// Most bytes of a version's message.
const MAX_MESSAGE_BYTES: usize = 2_000;
/// Most dependents that an error names.
const MAX_NAMED: usize = 5;
/// How many dependents are looked up in one call: enough to fill an error, mostly, and few contents to hold.
const DEPENDENTS_AT_ONCE: usize = 32;
/// Most versions that one changelog covers.
const MAX_CHANGELOG: usize = 1_000;

/// What authoring works with.
#[derive(Clone)]
pub struct Authoring {
    /// Where prompts are kept.
    pub store: Arc<dyn Store>,
    /// What must hold before a content is saved.
    pub check: Arc<dyn ContentCheck>,
    /// Who hears of changes.
    pub events: Arc<dyn EventBus>,
    /// Where a change is finished whose caller stopped waiting.
    pub spawn: Arc<dyn Spawn>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
}

/// The prompts of one tenant.
#[derive(Clone)]
pub struct Prompts {
    authoring: Authoring,
    tenant: TenantId,
}

impl Prompts {
    /// The prompts of this tenant.
    #[must_use]
    pub fn new(authoring: Authoring, tenant: TenantId) -> Self {
        Self { authoring, tenant }
    }

    /// Saves a version. It is a draft, which nobody sees who does not ask for it, unless the draft says `active`.
    ///
    /// Everything is checked first: templates, includes, schemas, that variables and input schema fit. Content that
    /// the prompt has already is not saved again: the version that has it is returned as it is. But a draft becomes
    /// active when this one says `active`; an archived version stays archived, until it is
    /// [activated](Self::activate) by name.
    ///
    /// # Errors
    /// [`Template`](ErrorKind::Template) with line and column, [`Invalid`](ErrorKind::Invalid), or
    /// [`NotFound`](ErrorKind::NotFound) for an include of nothing; [`Forbidden`](ErrorKind::Forbidden) for a viewer;
    /// [`AlreadyExists`](ErrorKind::AlreadyExists) for a semver that is taken; the backend's errors.
    pub async fn save(&self, name: impl AsRef<str>, draft: Draft) -> Result<Version> {
        let prompt = PromptName::new(name)?;
        draft.check()?;
        let author = draft
            .author
            .ok_or_else(|| invalid("the draft has no author; say who saves it with `.by(\"name\")`"))?;
        author.authorise(Operation::Author)?;
        let message = draft.message.trim().to_owned();
        if message.len() > MAX_MESSAGE_BYTES {
            return Err(invalid(format!(
                "the message has {} bytes; at most {MAX_MESSAGE_BYTES} are allowed",
                message.len()
            )));
        }
        check_text("the message", &message)?;
        let semver = draft
            .semver
            .map(|text| {
                semver::Version::parse(&text).map_err(|e| {
                    invalid(format!(
                        "{} is no semantic version: {e}; expected the form 1.4.0",
                        quoted(&text)
                    ))
                })
            })
            .transpose()?;
        let tags = parse_tags(draft.tags)?;
        let content = Arc::new(draft.content);
        content.check()?;
        if let Some(schema) = &content.output_schema {
            InputSchema::compile("the output schema", schema)?;
        }
        self.authoring
            .check
            .check(&self.tenant, &prompt, None, &content)
            .await?;
        let analysis = ContentAnalysis::of(&prompt, None, &content)?;
        let mut includes: Vec<(String, PromptName)> = analysis
            .includes()
            .iter()
            .map(|include| {
                (
                    include.written.clone(),
                    include.reference.reference().prompt.clone(),
                )
            })
            .collect();
        includes.sort_unstable();
        includes.dedup();
        let hash = content.hash();
        let status = if draft.active {
            Status::Active
        } else {
            Status::Draft
        };
        let created_at = self.authoring.clock.now();
        let detail = json!({
            "hash": hash,
            "semver": semver.as_ref().map(ToString::to_string),
            "message": message,
            "status": status,
        });
        let audit = self.audit(
            author.clone(),
            AuditAction::SaveVersion,
            prompt.to_string(),
            &detail,
        );
        let new = NewVersion {
            tenant: self.tenant.clone(),
            prompt,
            hash,
            content,
            includes,
            semver,
            parents: draft.parents,
            author: author.clone(),
            message,
            tags,
            status,
            created_at,
            audit,
        };
        let this = self.clone();
        let saved = to_completion(self.authoring.spawn.as_ref(), async move {
            let saved = this.authoring.store.save_version(new).await?;
            if saved.created {
                this.publish(&saved.version);
            }
            Ok(saved)
        })
        .await?;
        if draft.active && saved.version.status == Status::Draft {
            return self.activate(&saved.version, &author).await;
        }
        Ok(saved.version)
    }

    /// The version that a reference leads to: `support/triage@production`, `support/triage@v3`, …; inherited ones
    /// too.
    ///
    /// # Errors
    /// [`NotFound`](ErrorKind::NotFound) saying what is missing; [`Invalid`](ErrorKind::Invalid) for a text that is
    /// no reference; [`Corrupt`](ErrorKind::Corrupt) for a version that was changed; the backend's errors.
    pub async fn get(&self, reference: impl AsRef<str>) -> Result<Version> {
        let reference: Reference = reference.as_ref().parse()?;
        let version = find_version(self.authoring.store.as_ref(), &self.tenant, &reference).await?;
        Ok(Arc::unwrap_or_clone(version))
    }

    /// What is known about a prompt of this tenant itself.
    ///
    /// # Errors
    /// [`NotFound`](ErrorKind::NotFound) when the tenant itself has no such prompt; the backend's errors.
    pub async fn info(&self, name: impl AsRef<str>) -> Result<PromptRecord> {
        let name = PromptName::new(name)?;
        self.authoring
            .store
            .prompt(&self.tenant, &name)
            .await?
            .ok_or_else(|| {
                super::store::Missing::Prompt.error(&self.tenant, &Reference::latest(name.clone()))
            })
    }

    /// The tenant's own prompts, by name.
    ///
    /// # Errors
    /// [`Invalid`](ErrorKind::Invalid) for a cursor of another list; the backend's errors.
    pub async fn list(&self, filter: &PromptFilter, page: &PageRequest) -> Result<Page<PromptRecord>> {
        self.authoring
            .store
            .list_prompts(&self.tenant, filter, page)
            .await
    }

    /// The versions of a prompt, newest first.
    ///
    /// # Errors
    /// [`Invalid`](ErrorKind::Invalid) for a cursor of another list; the backend's errors.
    pub async fn versions(
        &self,
        name: impl AsRef<str>,
        filter: &VersionFilter,
        page: &PageRequest,
    ) -> Result<Page<Version>> {
        self.authoring
            .store
            .list_versions(&self.tenant, &PromptName::new(name)?, filter, page)
            .await
    }

    /// Makes a draft active, or takes an archived version back into use.
    ///
    /// # Errors
    /// What [`save`](Self::save) checks, again; [`NotFound`](ErrorKind::NotFound); the backend's errors.
    pub async fn activate(&self, version: &Version, actor: &Actor) -> Result<Version> {
        actor.authorise(Operation::Author)?;
        self.own(version)?;
        let number = Some(version.number);
        self.authoring
            .check
            .check(&self.tenant, &version.prompt, number, &version.content)
            .await?;
        self.set_status(version, Status::Active, actor).await
    }

    /// Takes a version out of use. It stays readable by number and hash.
    ///
    /// The prompt's last active version is kept while versions of the tenant, drafts too, include it by "latest": they
    /// could not be rendered any more. That is looked up before the change and not with it, so a version saved at the
    /// same moment is not seen, and neither are those of tenants that inherit the prompt.
    ///
    /// # Errors
    /// [`Conflict`](ErrorKind::Conflict) while it is live in an environment, or is the last active version of a
    /// snippet that is needed; [`NotFound`](ErrorKind::NotFound); the backend's errors.
    pub async fn archive(&self, version: &Version, actor: &Actor) -> Result<Version> {
        actor.authorise(Operation::Author)?;
        self.own(version)?;
        self.check_not_needed(version).await?;
        self.set_status(version, Status::Archived, actor).await
    }

    /// Refuses to archive the last active version while others include the prompt by "latest".
    async fn check_not_needed(&self, version: &Version) -> Result<()> {
        let active = VersionFilter {
            status: Some(Status::Active),
        };
        let two = PageRequest::first(2);
        let active = self.versions(&version.prompt, &active, &two).await?.items;
        if !matches!(&active[..], [last] if last.number == version.number) {
            return Ok(());
        }
        let needed_by = self.floating_dependents(&version.prompt).await?;
        if needed_by.is_empty() {
            return Ok(());
        }
        let named: Vec<&str> = needed_by.iter().take(MAX_NAMED).map(String::as_str).collect();
        let more = if needed_by.len() > MAX_NAMED {
            " and others"
        } else {
            ""
        };
        Err(Error::new(
            ErrorKind::Conflict,
            format!(
                "{version} cannot be archived while {}{more} include {} by \"latest\" and no other version of it is \
                 active; save or activate another version first, or archive those",
                named.join(", "),
                version.prompt
            ),
        ))
    }

    /// Versions in use that include a snippet by "latest": one more than an error names, at most.
    async fn floating_dependents(&self, snippet: &PromptName) -> Result<Vec<String>> {
        let mut found: Vec<String> = Vec::new();
        let mut page = PageRequest::first(PageRequest::MAX_LIMIT);
        loop {
            let Page { items, next } = self.dependents(snippet, &page).await?;
            let mut references: Vec<Reference> = items
                .into_iter()
                .filter(|dependent| {
                    let include = dependent.reference.parse::<SnippetReference>();
                    include.is_ok_and(|include| include.is_floating())
                })
                .map(|dependent| Reference::version(dependent.prompt, dependent.number))
                .collect();
            // The same include can be written in two ways.
            references.dedup();
            for chunk in references.chunks(DEPENDENTS_AT_ONCE) {
                for lookup in self.authoring.store.find(&self.tenant, chunk).await? {
                    if let Lookup::Found(at) = lookup
                        && at.version.status != Status::Archived
                    {
                        found.push(at.version.to_string());
                        if found.len() > MAX_NAMED {
                            return Ok(found);
                        }
                    }
                }
            }
            match next {
                Some(cursor) => page = page.after(cursor),
                None => return Ok(found),
            }
        }
    }

    async fn set_status(&self, version: &Version, to: Status, actor: &Actor) -> Result<Version> {
        let audit = self.audit(
            actor.clone(),
            AuditAction::SetStatus,
            version.to_string(),
            &json!({ "status": to }),
        );
        let change = StatusChange {
            tenant: self.tenant.clone(),
            prompt: version.prompt.clone(),
            number: version.number,
            to,
            audit,
        };
        let this = self.clone();
        to_completion(self.authoring.spawn.as_ref(), async move {
            let changed = this.authoring.store.set_status(change).await?;
            this.publish(&changed);
            Ok(changed)
        })
        .await
    }

    /// Replaces the tags of a prompt.
    ///
    /// # Errors
    /// [`Invalid`](ErrorKind::Invalid) for a text that is no tag, and for more than 64 tags;
    /// [`NotFound`](ErrorKind::NotFound) when the tenant itself has no such prompt; the backend's errors.
    pub async fn set_tags<T: AsRef<str>>(
        &self,
        name: impl AsRef<str>,
        tags: impl IntoIterator<Item = T>,
        actor: &Actor,
    ) -> Result<PromptRecord> {
        actor.authorise(Operation::Author)?;
        let prompt = PromptName::new(name)?;
        let tags = parse_tags(tags)?;
        let audit = self.audit(
            actor.clone(),
            AuditAction::SetTags,
            prompt.to_string(),
            &json!({ "tags": tags }),
        );
        self.authoring
            .store
            .set_tags(TagsChange {
                tenant: self.tenant.clone(),
                prompt,
                tags,
                audit,
            })
            .await
    }

    /// The tenant's own versions that include a snippet directly.
    ///
    /// # Errors
    /// [`Invalid`](ErrorKind::Invalid) for a cursor of another list; the backend's errors.
    pub async fn dependents(&self, snippet: impl AsRef<str>, page: &PageRequest) -> Result<Page<Dependent>> {
        self.authoring
            .store
            .dependents(&self.tenant, &PromptName::new(snippet)?, page)
            .await
    }

    /// What changed from one version to another.
    ///
    /// # Errors
    /// Those of [`get`](Self::get).
    pub async fn diff(
        &self,
        from: impl AsRef<str>,
        to: impl AsRef<str>,
        options: &DiffOptions,
    ) -> Result<PromptDiff> {
        let (from, to) = (self.get(from).await?, self.get(to).await?);
        Ok(PromptDiff::between(&from, &to, options))
    }

    /// What changed with every version after `from` up to `to`, both versions of the tenant's own prompt.
    ///
    /// # Errors
    /// [`NotFound`](ErrorKind::NotFound) for versions that do not exist; [`Invalid`](ErrorKind::Invalid) when `from`
    /// is not before `to` or more than 1,000 versions lie between; the backend's errors.
    pub async fn changelog(
        &self,
        name: impl AsRef<str>,
        from: VersionNumber,
        to: VersionNumber,
    ) -> Result<Changelog> {
        let prompt = PromptName::new(name)?;
        if from >= to {
            return Err(invalid(format!(
                "a changelog goes from an older version to a newer one, not from {from} to {to}"
            )));
        }
        let between = (to.get() - from.get()) as usize + 1;
        if between > MAX_CHANGELOG {
            return Err(invalid(format!(
                "{between} versions from {from} to {to}; at most {MAX_CHANGELOG} are allowed"
            )));
        }
        let references: Vec<Reference> = (from.get()..=to.get())
            .map(|number| Ok(Reference::version(prompt.clone(), VersionNumber::new(number)?)))
            .collect::<Result<_>>()?;
        let lookups = self.authoring.store.find(&self.tenant, &references).await?;
        let mut versions = Vec::with_capacity(lookups.len());
        for (lookup, reference) in lookups.into_iter().zip(&references) {
            match lookup {
                Lookup::Found(found) => versions.push(Arc::unwrap_or_clone(found.version)),
                Lookup::Missing(missing) => return Err(missing.error(&self.tenant, reference)),
            }
        }
        Ok(Changelog::between(&versions))
    }

    fn own(&self, version: &Version) -> Result<()> {
        own(&self.tenant, version)
    }

    fn audit(
        &self,
        actor: Actor,
        action: AuditAction,
        subject: String,
        detail: &serde_json::Value,
    ) -> AuditEntry {
        AuditEntry::new(
            &self.tenant,
            self.authoring.clock.now(),
            &actor,
            action,
            subject,
            detail,
        )
    }

    fn publish(&self, version: &Version) {
        self.authoring.events.publish(&Event::Changed {
            tenant: self.tenant.clone(),
            change: version.change(),
        });
    }
}

impl fmt::Debug for Prompts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prompts")
            .field("tenant", &self.tenant)
            .finish_non_exhaustive()
    }
}

fn parse_tags<T: AsRef<str>>(tags: impl IntoIterator<Item = T>) -> Result<Vec<Tag>> {
    let tags: Vec<Tag> = tags
        .into_iter()
        .take(Draft::MAX_TAGS + 1)
        .map(Tag::new)
        .collect::<Result<_>>()?;
    if tags.len() > Draft::MAX_TAGS {
        return Err(invalid(format!(
            "there are more than {} tags; that is the most allowed",
            Draft::MAX_TAGS
        )));
    }
    Ok(tags)
}

/// Checks that a version is the tenant's own, since what it inherits it cannot change.
pub(crate) fn own(tenant: &TenantId, version: &Version) -> Result<()> {
    if version.tenant == *tenant {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::NotFound,
        format!("{version} is not this tenant's own; save a version under the same name to override what it inherits"),
    )
    .with("tenant", tenant))
}

impl super::store::Missing {
    /// The error that tells a caller what is missing and what to do.
    #[must_use]
    pub fn error(self, tenant: &TenantId, reference: &Reference) -> Error {
        let prompt = &reference.prompt;
        let what = match (self, &reference.selector) {
            (Self::Prompt, _) => format!("the prompt {prompt} does not exist; save a version of it first"),
            (Self::ActiveVersion, _) => {
                format!(
                    "the prompt {prompt} has no active version; activate one, or name a version or environment"
                )
            }
            (Self::Promotion, Selector::Environment(environment)) => {
                format!("nothing of {prompt} is live in {environment}; promote a version there")
            }
            (_, selector) => format!("the prompt {prompt} has no version {selector}"),
        };
        Error::new(ErrorKind::NotFound, what).with("tenant", tenant)
    }
}
