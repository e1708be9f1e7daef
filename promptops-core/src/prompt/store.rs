//! The store of prompts and versions.

use std::sync::Arc;

use async_trait::async_trait;

use super::content::Content;
use super::reference::Reference;
use super::version::{PromptRecord, Status, Version};
use crate::base::audit::AuditEntry;
use crate::base::error::{Error, ErrorKind, Result};
use crate::base::page::foreign_cursor;
use crate::base::tenancy::ParentChange;
use crate::base::{
    Actor, ContentHash, Page, PageRequest, PromptName, Tag, TenantId, Timestamp, VersionNumber,
};

/// A version to be saved. Everything in it has been checked.
#[derive(Debug, Clone)]
pub struct NewVersion {
    /// The tenant.
    pub tenant: TenantId,
    /// The prompt; made with its first version.
    pub prompt: PromptName,
    /// The identity of the content.
    pub hash: ContentHash,
    /// What it says.
    pub content: Arc<Content>,
    /// The includes in its templates, as written, each once, with the prompt that each names: for
    /// [`Store::dependents`].
    pub includes: Vec<(String, PromptName)>,
    /// The author's own version number.
    pub semver: Option<semver::Version>,
    /// The versions it was made from; `None` for the newest there is.
    pub parents: Option<Vec<VersionNumber>>,
    /// Who saves it.
    pub author: Actor,
    /// Why.
    pub message: String,
    /// Tags to add to the prompt.
    pub tags: Vec<Tag>,
    /// Draft or active.
    pub status: Status,
    /// When.
    pub created_at: Timestamp,
    /// What goes on record. The store replaces the subject by `<prompt> v<number>`.
    pub audit: AuditEntry,
}

/// What saving came to.
#[derive(Debug, Clone)]
pub struct Saved {
    /// The version that has this content now.
    pub version: Version,
    /// Whether it is new; `false` when it was there already and nothing changed.
    pub created: bool,
}

/// A change of a version's status.
#[derive(Debug, Clone)]
pub struct StatusChange {
    /// The tenant.
    pub tenant: TenantId,
    /// The prompt.
    pub prompt: PromptName,
    /// The version.
    pub number: VersionNumber,
    /// The status to give it.
    pub to: Status,
    /// What goes on record.
    pub audit: AuditEntry,
}

/// A change of a prompt's tags.
#[derive(Debug, Clone)]
pub struct TagsChange {
    /// The tenant.
    pub tenant: TenantId,
    /// The prompt.
    pub prompt: PromptName,
    /// All tags that it is to have.
    pub tags: Vec<Tag>,
    /// What goes on record.
    pub audit: AuditEntry,
}

/// Which prompts to list. The default lists all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PromptFilter {
    /// Only names that begin with this text, compared byte by byte: `support/` lists a folder.
    pub prefix: Option<String>,
    /// Only prompts with this tag.
    pub tag: Option<Tag>,
    /// Only prompts of this status; see [`PromptRecord::status`].
    pub status: Option<Status>,
}

/// Which versions to list. The default lists all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VersionFilter {
    /// Only versions of this status.
    pub status: Option<Status>,
}

/// A version that a reference led to.
#[derive(Debug, Clone)]
pub struct Found {
    /// The version. Its `tenant` tells whether it was inherited.
    pub version: Arc<Version>,
    /// The revision of the pointer, for a reference by environment.
    pub revision: Option<u64>,
}

/// Why a reference led nowhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    /// Neither the tenant nor its parent has a prompt of that name.
    Prompt,
    /// The prompt has no version of that number or hash.
    Version,
    /// The prompt has versions, but none is active.
    ActiveVersion,
    /// Nothing was promoted to that environment.
    Promotion,
}

/// What a reference led to.
#[derive(Debug, Clone)]
pub enum Lookup {
    /// A version.
    Found(Found),
    /// Nothing.
    Missing(Missing),
}

/// A version that includes a snippet. The order of its fields is the order of [`Store::dependents`].
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Dependent {
    /// The prompt that includes it.
    pub prompt: PromptName,
    /// The version that does.
    pub number: VersionNumber,
    /// The include as written.
    pub reference: String,
}

impl Dependent {
    /// The cursor of a page that ends here, for backends that have no better one.
    #[must_use]
    pub fn cursor(&self) -> String {
        // Neither a name nor a number holds a space; the reference may, and is last.
        format!("{} {} {}", self.prompt, self.number.get(), self.reference)
    }

    /// Reads what [`cursor`](Self::cursor) made.
    ///
    /// # Errors
    /// [`Invalid`](crate::base::ErrorKind::Invalid) for anything else.
    pub fn from_cursor(cursor: &str) -> Result<Self> {
        let parse = || {
            let (prompt, rest) = cursor.split_once(' ')?;
            let (number, reference) = rest.split_once(' ')?;
            Some(Self {
                prompt: PromptName::new(prompt).ok()?,
                number: VersionNumber::new(number.parse().ok()?).ok()?,
                reference: reference.to_owned(),
            })
        };
        parse().ok_or_else(|| foreign_cursor(cursor))
    }
}

/// Keeps prompts and versions.
///
/// Every method is one atomic operation. No method sees or changes another tenant's data, but for reading what
/// the tenant inherits from its parent. A call that is refused for several reasons fails with the one that the method's
/// "Behavior" names first.
///
/// Errors beside those listed: [`Unavailable`](crate::base::ErrorKind::Unavailable) when the backend cannot be
/// reached, [`Corrupt`](crate::base::ErrorKind::Corrupt) when stored data does not fit its hash,
/// [`Backend`](crate::base::ErrorKind::Backend) for the rest.
#[async_trait]
pub trait Store: Send + Sync {
    /// Saves a version, with its audit record.
    ///
    /// # Behavior
    /// - The number is one more than the prompt's largest, or 1; the prompt is made if it is not there.
    /// - When the prompt has a version of this hash, that one is returned with `created: false` and nothing
    ///   changes, tags and audit log included. Racing saves of one content make one version.
    /// - Without `parents`, the parent is the newest version there is; given parents that do not exist are
    ///   [`Invalid`](crate::base::ErrorKind::Invalid).
    /// - A semver that another version of the prompt has is
    ///   [`AlreadyExists`](crate::base::ErrorKind::AlreadyExists).
    async fn save_version(&self, new: NewVersion) -> Result<Saved>;

    /// Sets a version's status, with its audit record, and returns the version.
    ///
    /// # Behavior
    /// - An unknown version is [`NotFound`](crate::base::ErrorKind::NotFound).
    /// - A status that the version has already is kept, without a new audit record.
    /// - A transition that [`Status::check_transition`] does not know is
    ///   [`IllegalTransition`](crate::base::ErrorKind::IllegalTransition).
    /// - Archiving a version that is live in an environment is
    ///   [`Conflict`](crate::base::ErrorKind::Conflict), naming the environments.
    /// - Archiving a version that is a variant of an open experiment is
    ///   [`Conflict`](crate::base::ErrorKind::Conflict), naming the experiment.
    async fn set_status(&self, change: StatusChange) -> Result<Version>;

    /// Replaces a prompt's tags, with its audit record.
    ///
    /// # Behavior
    /// - Repeated tags count once; tags come back sorted.
    /// - An unknown prompt is [`NotFound`](crate::base::ErrorKind::NotFound).
    async fn set_tags(&self, change: TagsChange) -> Result<PromptRecord>;

    /// The tenant's own prompt of this name.
    async fn prompt(&self, tenant: &TenantId, name: &PromptName) -> Result<Option<PromptRecord>>;

    /// The tenant's own prompts, in byte order of their names. The cursor is the last name of a page.
    async fn list_prompts(
        &self,
        tenant: &TenantId,
        filter: &PromptFilter,
        page: &PageRequest,
    ) -> Result<Page<PromptRecord>>;

    /// The versions of the tenant's own prompt, newest first; none when there is no such prompt. The cursor is
    /// the last number of a page.
    async fn list_versions(
        &self,
        tenant: &TenantId,
        name: &PromptName,
        filter: &VersionFilter,
        page: &PageRequest,
    ) -> Result<Page<Version>>;

    /// Looks references up, each result at the place of its reference, in one round trip and one consistent view.
    ///
    /// # Behavior
    /// - By number and hash, versions of any status are found; `Latest` finds the largest active number.
    /// - The tenant's own prompt hides its parent's only where it can answer, so that working on a draft changes
    ///   nothing that is live:
    ///   - `Latest`: the tenant's own largest active number; else the parent's.
    ///   - `Environment`: what the tenant's own pointer in that environment leads to; else the parent's.
    ///   - `Version` and `Hash`: the tenant's own prompt alone when it has one of that name, since numbers count the
    ///     versions of one prompt; else the parent's.
    /// - Number, hash, status, environment and revision are those of the tenant that answers: [`Found::version`]
    ///   names it.
    /// - When neither can answer, [`Missing`] says what the tenant's own prompt lacks when it has one; else what the
    ///   parent's lacks.
    /// - Content is checked against its hash:
    ///   [`Corrupt`](crate::base::ErrorKind::Corrupt) when it does not fit.
    async fn find(&self, tenant: &TenantId, references: &[Reference]) -> Result<Vec<Lookup>>;

    /// The tenant's own versions whose templates include this prompt directly, whatever version of it, in order of
    /// prompt, number and include. The cursor is opaque.
    async fn dependents(
        &self,
        tenant: &TenantId,
        snippet: &PromptName,
        page: &PageRequest,
    ) -> Result<Page<Dependent>>;

    /// Sets or clears the tenant's parent, with its audit record.
    ///
    /// # Behavior
    /// - Inheritance has one level: the tenant itself as its parent, a parent that has a parent, or a tenant that is
    ///   a parent is [`Invalid`](crate::base::ErrorKind::Invalid).
    async fn set_parent(&self, change: ParentChange) -> Result<()>;

    /// The tenant's parent.
    async fn parent(&self, tenant: &TenantId) -> Result<Option<TenantId>>;
}

/// The version that one reference leads to.
///
/// # Errors
/// [`NotFound`](crate::base::ErrorKind::NotFound) saying what is missing; the backend's errors.
pub(crate) async fn find_version(
    store: &dyn Store,
    tenant: &TenantId,
    reference: &Reference,
) -> Result<Arc<Version>> {
    let lookups = store.find(tenant, std::slice::from_ref(reference)).await?;
    match lookups.into_iter().next() {
        Some(Lookup::Found(found)) => Ok(found.version),
        Some(Lookup::Missing(missing)) => Err(missing.error(tenant, reference)),
        None => Err(Error::new(
            ErrorKind::Backend,
            "the store answered no reference where one was asked for",
        )),
    }
}
