//! Workers that share a run: tasks under leases.

use std::collections::BTreeMap;

use promptops_core::Result;
use promptops_core::base::stored::{corrupt, from_json, timestamp, unsigned};
use promptops_core::base::{RunId, TenantId};
use promptops_core::evaluation::run::{Claim, Claimed, Task};
use promptops_core::evaluation::{Entry, refusal};
use sqlx::Row;
use sqlx::postgres::PgRow;

use crate::backend::PgBackend;
use crate::{dataset, error};

const CLAIM: &str = "SELECT c.state, c.tasks, c.repeats, c.entry_list, c.held_elsewhere, c.next_lease_end
    FROM promptops.claim_tasks($1, $2, $3, $4, $5, $6, $7) c";
const ENTRIES: &str = "SELECT x.* FROM promptops.entered($1) n, LATERAL (
        SELECT e.position, e.entry FROM promptops.dataset_entry e
        WHERE n.id IS NOT NULL AND e.entry_list = $2 AND e.position = ANY ($3) OFFSET 0
    ) x";
const SET_LEASES: &str = "SELECT s.changed FROM promptops.set_leases($1, $2, $3, $4, $5, $6) s";

/// What a worker was given, before anybody has read the entries.
struct Given {
    /// In ascending order.
    tasks: Vec<i64>,
    repeats: i64,
    entry_list: i64,
    /// Without its tasks.
    claimed: Claimed,
}

impl Given {
    /// `None` when the tenant has no such run.
    fn read(row: &PgRow) -> error::Result<Option<Self>> {
        let state: Option<&str> = row.try_get(0)?;
        let Some(state) = state else {
            return Ok(None);
        };
        let mut tasks: Vec<i64> = row.try_get(1)?;
        tasks.sort_unstable();
        let end: Option<i64> = row.try_get(5)?;
        Ok(Some(Self {
            tasks,
            repeats: row.try_get(2)?,
            entry_list: row.try_get(3)?,
            claimed: Claimed {
                tasks: Vec::new(),
                state: from_json("state of a run", state)?,
                held_elsewhere: unsigned("number of tasks", row.try_get(4)?)?,
                next_lease_end: end.map(timestamp).transpose()?,
            },
        }))
    }

    /// The tasks with the entries at these positions of the dataset.
    fn with(self, entries: &BTreeMap<i64, Entry>) -> Result<Claimed> {
        let repeats = self.repeats;
        let task = |task: i64| -> Result<Task> {
            let entry = entries.get(&(task / repeats)).cloned();
            Ok(Task {
                ordinal: unsigned("task", task)?,
                repeat: u32::try_from(task % repeats).map_err(|e| corrupt("task").caused_by(e))?,
                entry: entry.ok_or_else(|| corrupt("list of a dataset's entries"))?,
            })
        };
        Ok(Claimed {
            tasks: self.tasks.into_iter().map(task).collect::<Result<_>>()?,
            ..self.claimed
        })
    }
}

pub(super) async fn claim(backend: &PgBackend, claim: &Claim) -> Result<Claimed> {
    let rows = backend
        .write(CLAIM, |query| {
            query
                .bind(claim.tenant.to_string())
                .bind(claim.run.to_string())
                .bind(claim.worker.clone())
                .bind(i64::from(claim.limit))
                .bind(claim.now.timestamp_micros())
                .bind(claim.until.timestamp_micros())
                .bind(backend.lock_timeout().to_owned())
        })
        .await?;
    let given = rows.first().map(Given::read).transpose()?.flatten();
    let given = given.ok_or_else(|| refusal::unknown_run(&claim.run))?;
    if given.tasks.is_empty() {
        return Ok(given.claimed);
    }
    let mut positions: Vec<i64> = given.tasks.iter().map(|task| task / given.repeats).collect();
    positions.dedup();
    let rows = backend
        .read(ENTRIES, |query| {
            query
                .bind(claim.tenant.to_string())
                .bind(given.entry_list)
                .bind(positions.clone())
        })
        .await?;
    let entries = rows
        .iter()
        .map(|row| dataset::entry(row, 0))
        .collect::<error::Result<_>>()?;
    given.with(&entries)
}

/// Gives all leases of a worker another holder and another end, and says how many there were.
pub(super) async fn set_leases(
    backend: &PgBackend,
    tenant: &TenantId,
    run: &RunId,
    worker: &str,
    holder: &str,
    until: i64,
) -> Result<u64> {
    let rows = backend
        .write(SET_LEASES, |query| {
            query
                .bind(tenant.to_string())
                .bind(run.to_string())
                .bind(worker.to_owned())
                .bind(holder.to_owned())
                .bind(until)
                .bind(backend.lock_timeout().to_owned())
        })
        .await?;
    let changed = rows.first().map_or(Ok(None), |row| row.try_get(0));
    let changed: Option<i64> = changed.map_err(error::Failure::from)?;
    unsigned(
        "number of tasks",
        changed.ok_or_else(|| refusal::unknown_run(run))?,
    )
}
