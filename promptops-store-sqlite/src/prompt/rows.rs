//! Rows of prompts and versions, and what they are in core.

use std::sync::Arc;

use promptops_core::Result;
use promptops_core::base::{ContentHash, PromptName, Tag, TenantId};
use promptops_core::prompt::{Content, PromptRecord, Version};
use rusqlite::Row;

use promptops_core::base::stored::{actor, corrupt, from_json, stored, timestamp, version_number};

/// What [`VersionRow::read`] reads, of a `promptops_version v`.
macro_rules! version_columns {
    () => {
        "v.number, v.hash, v.semver, v.parents, v.author_id, v.author_role, v.message, v.status, v.created_at, \
         v.content"
    };
}
pub(crate) use version_columns;

/// What [`PromptRow::read`] reads, of a `promptops_prompt p`.
macro_rules! prompt_columns {
    () => {
        "p.name, p.latest, p.latest_active, p.status, p.created_at, p.updated_at, \
         (SELECT group_concat(tag) FROM promptops_prompt_tag t WHERE t.tenant = p.tenant AND t.name = p.name)"
    };
}
pub(super) use prompt_columns;

pub(crate) struct VersionRow {
    number: u32,
    hash: [u8; 32],
    semver: Option<String>,
    parents: String,
    author_id: String,
    author_role: String,
    message: String,
    status: String,
    created_at: i64,
    content: String,
}

impl VersionRow {
    /// Reads the version columns, of which `first` is the first.
    pub(crate) fn read(row: &Row<'_>, first: usize) -> rusqlite::Result<Self> {
        Ok(Self {
            number: row.get(first)?,
            hash: row.get(first + 1)?,
            semver: row.get(first + 2)?,
            parents: row.get(first + 3)?,
            author_id: row.get(first + 4)?,
            author_role: row.get(first + 5)?,
            message: row.get(first + 6)?,
            status: row.get(first + 7)?,
            created_at: row.get(first + 8)?,
            content: row.get(first + 9)?,
        })
    }

    /// The version, its content checked against its hash.
    pub(crate) fn into_version(self, tenant: &TenantId, prompt: &PromptName) -> Result<Version> {
        let number = self.number;
        self.check(tenant, prompt).map_err(|error| {
            error
                .with("tenant", tenant)
                .with("version", format!("{prompt} v{number}"))
        })
    }

    fn check(self, tenant: &TenantId, prompt: &PromptName) -> Result<Version> {
        let hash = ContentHash::from_bytes(self.hash);
        let semver = self.semver.map(|text| text.parse()).transpose();
        Ok(Version {
            tenant: tenant.clone(),
            prompt: prompt.clone(),
            number: version_number(self.number)?,
            hash,
            content: Arc::new(Content::from_json(&self.content, &hash)?),
            semver: semver.map_err(|e| corrupt("semver").caused_by(e))?,
            parents: from_json("list of parents", &self.parents)?,
            author: actor(self.author_id, &self.author_role)?,
            message: self.message,
            status: stored("status", self.status.parse())?,
            created_at: timestamp(self.created_at)?,
        })
    }
}

pub(super) struct PromptRow {
    name: String,
    latest: u32,
    latest_active: Option<u32>,
    status: String,
    created_at: i64,
    updated_at: i64,
    tags: Option<String>,
}

impl PromptRow {
    pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            name: row.get(0)?,
            latest: row.get(1)?,
            latest_active: row.get(2)?,
            status: row.get(3)?,
            created_at: row.get(4)?,
            updated_at: row.get(5)?,
            tags: row.get(6)?,
        })
    }

    pub(super) fn into_record(self, tenant: &TenantId) -> Result<PromptRecord> {
        // No tag holds a comma.
        let tags = self.tags.as_deref().into_iter().flat_map(|tags| tags.split(','));
        let mut tags = tags.map(Tag::new).collect::<Result<Vec<_>>>();
        if let Ok(tags) = &mut tags {
            tags.sort();
        }
        Ok(PromptRecord {
            tenant: tenant.clone(),
            name: stored("prompt name", PromptName::new(self.name))?,
            tags: stored("tag", tags)?,
            status: stored("status", self.status.parse())?,
            latest: version_number(self.latest)?,
            latest_active: self.latest_active.map(version_number).transpose()?,
            created_at: timestamp(self.created_at)?,
            updated_at: timestamp(self.updated_at)?,
        })
    }
}
