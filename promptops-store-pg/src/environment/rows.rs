//! Rows of pointers, history, policies and approvals, and what they are in core.

use promptops_core::base::stored::{
    actor, from_json, hash_bytes, stored, timestamp, unsigned, version_number,
};
use promptops_core::base::{ClosureHash, EnvironmentName, PromptName};
use promptops_core::environment::{Approval, HistoryRecord, Pointer, PolicyRecord};
use sqlx::Row;
use sqlx::postgres::PgRow;

use crate::error::Result;

fn environment(row: &PgRow, at: usize) -> Result<EnvironmentName> {
    Ok(stored(
        "environment",
        EnvironmentName::new(row.try_get::<&str, _>(at)?),
    )?)
}

fn closure_hash(row: &PgRow, at: usize) -> Result<ClosureHash> {
    Ok(ClosureHash::from_bytes(hash_bytes(row.try_get(at)?)?))
}

/// Environment, version, closure hash, revision, who and when, from `first` on.
pub(super) fn pointer(row: &PgRow, first: usize, prompt: &PromptName) -> Result<Pointer> {
    Ok(Pointer {
        prompt: prompt.clone(),
        environment: environment(row, first)?,
        version: version_number(row.try_get::<i64, _>(first + 1)?)?,
        closure_hash: closure_hash(row, first + 2)?,
        revision: unsigned("revision", row.try_get(first + 3)?)?,
        moved_by: actor(row.try_get(first + 4)?, row.try_get(first + 5)?)?,
        moved_at: timestamp(row.try_get(first + 6)?)?,
    })
}

/// The same of an approval, and its note.
pub(super) fn approval(row: &PgRow, first: usize, prompt: &PromptName) -> Result<Approval> {
    Ok(Approval {
        prompt: prompt.clone(),
        environment: environment(row, first)?,
        version: version_number(row.try_get::<i64, _>(first + 1)?)?,
        closure_hash: closure_hash(row, first + 2)?,
        base_revision: unsigned("revision", row.try_get(first + 3)?)?,
        approved_by: actor(row.try_get(first + 4)?, row.try_get(first + 5)?)?,
        at: timestamp(row.try_get(first + 6)?)?,
        note: row.try_get(first + 7)?,
    })
}

/// Environment, prompt and policy at these columns.
pub(super) fn policy(
    row: &PgRow,
    [environment_at, prompt_at, policy_at]: [usize; 3],
) -> Result<PolicyRecord> {
    let prompt: Option<&str> = row.try_get(prompt_at)?;
    Ok(PolicyRecord {
        environment: environment(row, environment_at)?,
        prompt: stored("prompt name", prompt.map(PromptName::new).transpose())?,
        policy: from_json("policy", row.try_get(policy_at)?)?,
    })
}

/// A move of a pointer.
pub(super) fn history(
    row: &PgRow,
    prompt: &PromptName,
    environment: &EnvironmentName,
) -> Result<HistoryRecord> {
    let from: Option<i64> = row.try_get(2)?;
    let waiver: Option<&str> = row.try_get(8)?;
    Ok(HistoryRecord {
        prompt: prompt.clone(),
        environment: environment.clone(),
        revision: unsigned("revision", row.try_get(0)?)?,
        kind: stored("kind of move", row.try_get::<&str, _>(1)?.parse())?,
        from: from.map(version_number).transpose()?,
        to: version_number(row.try_get::<i64, _>(3)?)?,
        closure_hash: closure_hash(row, 4)?,
        actor: actor(row.try_get(5)?, row.try_get(6)?)?,
        reason: row.try_get(7)?,
        waiver: waiver.map(|json| from_json("waiver", json)).transpose()?,
        at: timestamp(row.try_get(9)?)?,
    })
}
