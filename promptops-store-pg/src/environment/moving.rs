//! Moving a pointer: one statement, by itself or as a part of another change.

use promptops_core::base::audit::SealingBytes;
use promptops_core::base::stored::{corrupt, to_json, unsigned};
use promptops_core::environment::{Pointer, PointerMove, refusal};
use promptops_core::prompt::refusal as prompt_refusal;
use promptops_core::{Error, Result};
use sqlx::Row;
use sqlx::postgres::PgRow;

use crate::backend::PgBackend;
use crate::connection::{Query, Transaction};
use crate::error;

const MOVE: &str =
    "SELECT m.outcome, m.actual FROM promptops.move_pointer($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11,
    $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25, $26, $27) m";

/// A revision that is expected: one that is too large to be stored is none that will be found.
pub(crate) fn revision(expected: u64) -> i64 {
    i64::try_from(expected).unwrap_or(i64::MAX)
}

/// A move with what is stored of it.
pub(crate) struct Statement {
    change: PointerMove,
    waiver: Option<String>,
    moved: String,
    activated: String,
    sealing: SealingBytes,
}

impl Statement {
    pub(crate) fn new(change: PointerMove) -> Result<Self> {
        let waiver = change.waiver.as_ref();
        Ok(Self {
            waiver: waiver.map(|waiver| to_json("waiver", waiver)).transpose()?,
            moved: to_json("change", &change.change())?,
            activated: to_json("change", &change.activation())?,
            sealing: change.audit.sealing_bytes(),
            change,
        })
    }

    /// Binds 27 values, in the order of the function's.
    pub(crate) fn bind(&self, query: Query, lock_timeout: &str) -> Query {
        let change = &self.change;
        let (source, entry) = (change.source.as_ref(), &change.audit);
        query
            .bind(change.tenant.to_string())
            .bind(change.prompt.to_string())
            .bind(change.environment.to_string())
            .bind(change.kind.as_str())
            .bind(i64::from(change.to.get()))
            .bind(change.hash.as_bytes().to_vec())
            .bind(change.closure_hash.as_bytes().to_vec())
            .bind(revision(change.expected_revision))
            .bind(revision(change.policy_revision))
            .bind(source.map(|source| source.environment.to_string()))
            .bind(source.map_or(0, |source| revision(source.revision)))
            .bind(&change.actor.id)
            .bind(change.actor.role.as_str())
            .bind(&change.reason)
            .bind(self.waiver.clone())
            .bind(change.at.timestamp_micros())
            .bind(&self.moved)
            .bind(&self.activated)
            .bind(entry.at.timestamp_micros())
            .bind(&entry.actor.id)
            .bind(entry.actor.role.as_str())
            .bind(entry.action.as_str())
            .bind(&entry.subject)
            .bind(&entry.detail)
            .bind(&self.sealing.before)
            .bind(&self.sealing.after)
            .bind(lock_timeout.to_owned())
    }

    /// What the database says that became of it.
    fn outcome(self, rows: &[PgRow]) -> error::Result<Pointer> {
        let row = rows.first().ok_or_else(|| corrupt("outcome of a move"))?;
        let outcome: &str = row.try_get(0)?;
        let found: Option<i64> = row.try_get(1)?;
        let found = unsigned("revision", found.unwrap_or(0))?;
        match outcome {
            "moved" => Ok(self.change.into_pointer()),
            refused => Err(self.refused(refused, found).into()),
        }
    }

    /// Why the database refused it.
    pub(crate) fn refused(&self, outcome: &str, found: u64) -> Error {
        refuse(outcome, found, &self.change)
    }
}

pub(super) async fn move_pointer(backend: &PgBackend, change: PointerMove) -> Result<Pointer> {
    let statement = Statement::new(change)?;
    let bind = |query| statement.bind(query, backend.lock_timeout());
    let rows = backend.write(MOVE, bind).await?;
    Ok(statement.outcome(&rows)?)
}

/// The same within a transaction, which is to be undone when it is refused.
pub(crate) async fn move_within(
    tx: &mut Transaction,
    change: PointerMove,
    lock_timeout: &str,
) -> error::Result<Pointer> {
    let statement = Statement::new(change)?;
    let rows = tx.rows(MOVE, |query| statement.bind(query, lock_timeout)).await?;
    statement.outcome(&rows)
}

/// Why the database refused a move.
fn refuse(outcome: &str, found: u64, change: &PointerMove) -> Error {
    let PointerMove {
        prompt,
        environment,
        to,
        ..
    } = change;
    match (outcome, &change.source) {
        ("revision", _) => refusal::revision_conflict(prompt, environment, change.expected_revision, found),
        ("policy", _) => refusal::policy_conflict(change.policy_revision, found),
        ("source", Some(source)) => {
            refusal::source_conflict(prompt, &source.environment, source.revision, found)
        }
        ("version", _) => prompt_refusal::unknown_version(prompt, *to),
        ("content", _) => prompt_refusal::other_content(prompt, *to, &change.hash),
        ("archived", _) => refusal::version_is_archived(prompt, *to, environment),
        _ => corrupt("outcome of a move"),
    }
}
