//! Rows of pointers, history, policies and approvals, and what they are in core.

use promptops_core::Result;
use promptops_core::base::{ClosureHash, EnvironmentName, PromptName};
use promptops_core::environment::{Approval, HistoryRecord, Pointer, PolicyRecord};
use rusqlite::Row;

use promptops_core::base::stored::{actor, from_json, stored, timestamp, unsigned, version_number};

pub(super) struct PointerRow {
    environment: String,
    version: u32,
    closure_hash: [u8; 32],
    revision: i64,
    moved_by_id: String,
    moved_by_role: String,
    moved_at: i64,
}

impl PointerRow {
    pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            environment: row.get(0)?,
            version: row.get(1)?,
            closure_hash: row.get(2)?,
            revision: row.get(3)?,
            moved_by_id: row.get(4)?,
            moved_by_role: row.get(5)?,
            moved_at: row.get(6)?,
        })
    }

    pub(super) fn into_pointer(self, prompt: &PromptName) -> Result<Pointer> {
        Ok(Pointer {
            prompt: prompt.clone(),
            environment: environment(self.environment)?,
            version: version_number(self.version)?,
            closure_hash: ClosureHash::from_bytes(self.closure_hash),
            revision: unsigned("revision", self.revision)?,
            moved_by: actor(self.moved_by_id, &self.moved_by_role)?,
            moved_at: timestamp(self.moved_at)?,
        })
    }
}

pub(super) struct HistoryRow {
    revision: i64,
    kind: String,
    from: Option<u32>,
    to: u32,
    closure_hash: [u8; 32],
    actor_id: String,
    actor_role: String,
    reason: String,
    waiver: Option<String>,
    at: i64,
}

impl HistoryRow {
    pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            revision: row.get(0)?,
            kind: row.get(1)?,
            from: row.get(2)?,
            to: row.get(3)?,
            closure_hash: row.get(4)?,
            actor_id: row.get(5)?,
            actor_role: row.get(6)?,
            reason: row.get(7)?,
            waiver: row.get(8)?,
            at: row.get(9)?,
        })
    }

    pub(super) fn into_record(
        self,
        prompt: &PromptName,
        environment: &EnvironmentName,
    ) -> Result<HistoryRecord> {
        let waiver = self.waiver.as_deref().map(|json| from_json("waiver", json));
        Ok(HistoryRecord {
            prompt: prompt.clone(),
            environment: environment.clone(),
            revision: unsigned("revision", self.revision)?,
            kind: stored("kind of move", self.kind.parse())?,
            from: self.from.map(version_number).transpose()?,
            to: version_number(self.to)?,
            closure_hash: ClosureHash::from_bytes(self.closure_hash),
            actor: actor(self.actor_id, &self.actor_role)?,
            reason: self.reason,
            waiver: waiver.transpose()?,
            at: timestamp(self.at)?,
        })
    }
}

pub(super) struct ApprovalRow {
    environment: String,
    version: u32,
    closure_hash: [u8; 32],
    base_revision: i64,
    approved_by_id: String,
    approved_by_role: String,
    note: String,
    at: i64,
}

impl ApprovalRow {
    pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            environment: row.get(0)?,
            version: row.get(1)?,
            closure_hash: row.get(2)?,
            base_revision: row.get(3)?,
            approved_by_id: row.get(4)?,
            approved_by_role: row.get(5)?,
            note: row.get(6)?,
            at: row.get(7)?,
        })
    }

    pub(super) fn into_approval(self, prompt: &PromptName) -> Result<Approval> {
        Ok(Approval {
            prompt: prompt.clone(),
            environment: environment(self.environment)?,
            version: version_number(self.version)?,
            closure_hash: ClosureHash::from_bytes(self.closure_hash),
            base_revision: unsigned("revision", self.base_revision)?,
            approved_by: actor(self.approved_by_id, &self.approved_by_role)?,
            note: self.note,
            at: timestamp(self.at)?,
        })
    }
}

pub(super) struct PolicyRow {
    environment: String,
    prompt: String,
    policy: String,
}

impl PolicyRow {
    pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            environment: row.get(0)?,
            prompt: row.get(1)?,
            policy: row.get(2)?,
        })
    }

    pub(super) fn into_record(self) -> Result<PolicyRecord> {
        let prompt = (!self.prompt.is_empty()).then(|| PromptName::new(self.prompt));
        Ok(PolicyRecord {
            environment: environment(self.environment)?,
            prompt: stored("prompt name", prompt.transpose())?,
            policy: from_json("policy", &self.policy)?,
        })
    }
}

fn environment(name: String) -> Result<EnvironmentName> {
    stored("environment", EnvironmentName::new(name))
}
