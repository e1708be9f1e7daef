//! Workers that share a run: tasks under leases.

use promptops_core::base::stored::{corrupt, from_json, timestamp, unsigned};
use promptops_core::base::{RunId, TenantId, Timestamp};
use promptops_core::evaluation::run::{Claim, Claimed, Task};
use promptops_core::evaluation::{Entry, RunState, refusal};
use rusqlite::{Connection, OptionalExtension};

use super::run;
use crate::dataset;
use crate::error::Result;

statements! {
    PLAN = "SELECT r.id, r.first_entry, r.entries, r.repeats, r.next_task, r.state FROM promptops_tenant n
        JOIN promptops_run r ON r.tenant = n.id AND r.name = ?2 WHERE n.name = ?1";
    ENDED = "SELECT l.task FROM promptops_lease l WHERE l.run = ?1 AND l.until <= ?2 ORDER BY l.task LIMIT ?3";
    DONE = "SELECT d.task FROM promptops_result d WHERE d.run = ?1 AND d.task >= ?2 AND d.task < ?3 ORDER BY d.task";
    SET_NEXT = "UPDATE promptops_run SET next_task = ?2 WHERE id = ?1";
    LEASE = "INSERT INTO promptops_lease (run, task, worker, until) VALUES (?1, ?2, ?3, ?4)
        ON CONFLICT (run, task) DO UPDATE SET worker = excluded.worker, until = excluded.until";
    ELSEWHERE = "SELECT count(*), min(l.until) FROM promptops_lease l
        WHERE l.run = ?1 AND l.worker <> ?2 AND l.until > ?3";
    RENEW = "UPDATE promptops_lease SET until = ?3 WHERE run = ?1 AND worker = ?2";
    RELEASE = "UPDATE promptops_lease SET worker = '', until = ?3 WHERE run = ?1 AND worker = ?2";
}

/// What handing out tasks and taking results of a run rests on.
pub(super) struct Plan {
    pub(super) id: i64,
    pub(super) first_entry: i64,
    entries: i64,
    pub(super) repeats: i64,
    next: i64,
    pub(super) state: RunState,
}

impl Plan {
    pub(super) fn find(tx: &Connection, tenant: &TenantId, run: &RunId) -> Result<Self> {
        let found = tx
            .prepare_cached(PLAN)?
            .query_row([tenant.as_str(), run.as_str()], |row| {
                let state: String = row.get(5)?;
                Ok((
                    Self {
                        id: row.get(0)?,
                        first_entry: row.get(1)?,
                        entries: row.get(2)?,
                        repeats: row.get(3)?,
                        next: row.get(4)?,
                        state: RunState::Running,
                    },
                    state,
                ))
            })
            .optional()?;
        let (plan, state) = found.ok_or_else(|| refusal::unknown_run(run))?;
        if plan.repeats < 1 || plan.entries < 1 {
            return Err(corrupt("run").into());
        }
        Ok(Self {
            state: from_json("state of a run", &state)?,
            ..plan
        })
    }

    pub(super) fn tasks(&self) -> i64 {
        self.entries.saturating_mul(self.repeats)
    }
}

/// What a worker was given, before anybody has read the entries.
pub(super) struct Given {
    /// In ascending order.
    pub(super) tasks: Vec<i64>,
    plan: Plan,
    held_elsewhere: i64,
    next_lease_end: Option<i64>,
}

pub(super) fn claim(tx: &Connection, claim: &Claim) -> Result<Given> {
    let plan = Plan::find(tx, &claim.tenant, &claim.run)?;
    let (now, until) = (claim.now.timestamp_micros(), claim.until.timestamp_micros());
    let mut tasks = Vec::new();
    if plan.state.is_running() {
        let limit = i64::from(claim.limit);
        // All of these were handed out, and so come before those that never were.
        let mut ended = tx.prepare_cached(ENDED)?;
        for task in ended.query_map((plan.id, now, limit), |row| row.get::<_, i64>(0))? {
            tasks.push(task?);
        }
        let next = add_fresh(tx, &plan, limit, &mut tasks)?;
        if next != plan.next {
            tx.prepare_cached(SET_NEXT)?.execute((plan.id, next))?;
        }
        let mut lease = tx.prepare_cached(LEASE)?;
        for task in &tasks {
            lease.execute((plan.id, task, &claim.worker, until))?;
        }
    }
    let (held_elsewhere, next_lease_end) = tx
        .prepare_cached(ELSEWHERE)?
        .query_row((plan.id, &claim.worker, now), |row| {
            Ok((row.get(0)?, row.get(1)?))
        })?;
    Ok(Given {
        tasks,
        plan,
        held_elsewhere,
        next_lease_end,
    })
}

/// Adds tasks that were never handed out, up to `limit` tasks in all, and says which comes after them. A result may have
/// come for one that was never handed out.
fn add_fresh(tx: &Connection, plan: &Plan, limit: i64, tasks: &mut Vec<i64>) -> Result<i64> {
    let mut done = tx.prepare_cached(DONE)?;
    let mut next = plan.next;
    while next < plan.tasks() && (tasks.len() as i64) < limit {
        let end = next.saturating_add(limit - tasks.len() as i64).min(plan.tasks());
        for task in done.query_map((plan.id, next, end), |row| row.get::<_, i64>(0))? {
            let task = task?;
            tasks.extend(next..task);
            next = task + 1;
        }
        tasks.extend(next..end);
        next = end;
    }
    Ok(next)
}

impl Given {
    /// The entries of the tasks from the first to the last one's, as they are in the dataset: one for each position.
    pub(super) fn entries(&self, connection: &Connection) -> Result<Vec<(i64, Entry)>> {
        let mut found = Vec::new();
        let mut positions = self.tasks.iter().map(|task| task / self.plan.repeats).peekable();
        while let Some(first) = positions.next() {
            // Tasks that follow each other are one range of entries.
            let mut end = first + 1;
            while let Some(position) = positions.next_if(|position| *position <= end) {
                end = end.max(position + 1);
            }
            let place = self.plan.first_entry;
            let entries = dataset::entries(connection, place + first, place + end)?;
            found.extend((first..).zip(entries));
        }
        Ok(found)
    }

    /// The tasks with their entries, which come in the order of their positions.
    pub(super) fn into_claimed(self, entries: Vec<(i64, Entry)>) -> promptops_core::Result<Claimed> {
        let repeats = self.plan.repeats;
        let mut tasks = Vec::with_capacity(self.tasks.len());
        let mut entries = entries.into_iter().peekable();
        let mut ordinals = self.tasks.into_iter().peekable();
        while let Some(task) = ordinals.next() {
            let position = task / repeats;
            // The last task of an entry takes it.
            let is_last = ordinals.peek().is_none_or(|next| next / repeats != position);
            let found = entries.peek().filter(|(at, _)| *at == position);
            let entry = found.map(|(_, entry)| entry).cloned();
            if is_last {
                entries.next();
            }
            tasks.push(Task {
                ordinal: unsigned("task", task)?,
                repeat: u32::try_from(task % repeats).map_err(|e| corrupt("task").caused_by(e))?,
                entry: entry.ok_or_else(|| corrupt("list of a dataset's entries"))?,
            });
        }
        Ok(Claimed {
            tasks,
            state: self.plan.state,
            held_elsewhere: unsigned("number of tasks", self.held_elsewhere)?,
            next_lease_end: self.next_lease_end.map(timestamp).transpose()?,
        })
    }
}

pub(super) fn renew(
    tx: &Connection,
    tenant: &TenantId,
    run: &RunId,
    worker: &str,
    until: Timestamp,
) -> Result<u64> {
    let id = run::id(tx, tenant, run)?;
    let renewed = tx
        .prepare_cached(RENEW)?
        .execute((id, worker, until.timestamp_micros()))?;
    Ok(renewed as u64)
}

pub(super) fn release(tx: &Connection, tenant: &TenantId, run: &RunId, worker: &str) -> Result<()> {
    let id = run::id(tx, tenant, run)?;
    // Nobody's, and ended before every time there is.
    tx.prepare_cached(RELEASE)?.execute((id, worker, i64::MIN))?;
    Ok(())
}
