//! Outcomes, and what is counted of them.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use promptops_core::Result;
use promptops_core::base::stored::{corrupt, stored, timestamp, unsigned};
use promptops_core::base::{ExperimentId, TenantId};
use promptops_core::experiment::{
    Counter, ExperimentStatus, Loss, OutcomeEntry, OutcomeVerdict, TallyDelta, TallyKey, TallyRow, refusal,
};
use promptops_core::observation::UnitKey;
use sqlx::Row;
use sqlx::postgres::PgRow;

use crate::backend::PgBackend;
use crate::connection::Transaction;
use crate::error;

const LOCK: &str = "SELECT e.id, e.tenant, e.status FROM promptops.locked_experiment($1, $2) e";
const ADD: &str =
    "SELECT o.unit, o.at, o.epoch, o.score, o.variant, o.measured, o.harmed, o.success, o.contaminated
    FROM promptops.add_outcomes($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) o";
const CONTAMINATE: &str = "SELECT FROM promptops.contaminate($1, $2)";
const COUNT: &str = "SELECT FROM promptops.count_outcomes($1, $2, $3, $4, $5, $6)";
const TALLIES: &str = "SELECT x.* FROM promptops.entered($1) n, LATERAL (
        SELECT t.epoch, t.variant, t.counter, t.count
        FROM promptops.experiment e JOIN promptops.tally t ON t.experiment = e.id AND t.count <> 0
        WHERE e.tenant = n.id AND e.name = $2 OFFSET 0
    ) x ORDER BY x.epoch, x.variant, x.counter";

/// An experiment whose row is locked.
struct Locked {
    id: i64,
    tenant: i64,
    status: ExperimentStatus,
}

async fn lock(tx: &mut Transaction, tenant: &TenantId, experiment: &ExperimentId) -> error::Result<Locked> {
    let row = tx
        .row(LOCK, |query| {
            query.bind(tenant.to_string()).bind(experiment.to_string())
        })
        .await?
        .ok_or(sqlx::Error::RowNotFound)?;
    let id: Option<i64> = row.try_get(0)?;
    Ok(Locked {
        id: id.ok_or_else(|| refusal::unknown_experiment(experiment))?,
        tenant: row.try_get(1)?,
        status: stored("status of an experiment", row.try_get::<&str, _>(2)?.parse())?,
    })
}

/// A unit's number as the database keeps it.
fn signed(unit: UnitKey) -> i64 {
    unit.get().cast_signed()
}

/// Outcomes in columns, each of another unit.
#[derive(Default)]
struct Columns {
    units: Vec<i64>,
    ats: Vec<i64>,
    epochs: Vec<i64>,
    scores: Vec<Option<i64>>,
    variants: Vec<i16>,
    measured: Vec<i16>,
    harmed: Vec<i16>,
    successes: Vec<Option<bool>>,
}

impl Columns {
    fn push(&mut self, outcome: &OutcomeEntry) {
        self.units.push(signed(outcome.unit));
        self.ats.push(outcome.at.timestamp_micros());
        self.epochs.push(outcome.epoch.into());
        self.scores.push(outcome.score_millionths.map(i64::from));
        self.variants.push(outcome.variant.into());
        self.measured.push(outcome.measured.into());
        self.harmed.push(outcome.harmed.into());
        self.successes.push(outcome.success);
    }
}

/// A unit's stored outcome, and whether it is contaminated.
fn first(row: &PgRow) -> error::Result<(OutcomeEntry, bool)> {
    let byte = |at: usize| -> error::Result<u8> {
        let number: i16 = row.try_get(at)?;
        Ok(u8::try_from(number).map_err(|e| corrupt("outcome").caused_by(e))?)
    };
    let score: Option<i64> = row.try_get(3)?;
    let number = |number: i64| u32::try_from(number).map_err(|e| corrupt("outcome").caused_by(e));
    let outcome = OutcomeEntry {
        unit: UnitKey::new(row.try_get::<i64, _>(0)?.cast_unsigned()),
        at: timestamp(row.try_get(1)?)?,
        epoch: number(row.try_get(2)?)?,
        score_millionths: score.map(number).transpose()?,
        variant: byte(4)?,
        measured: byte(5)?,
        harmed: byte(6)?,
        success: row.try_get(7)?,
    };
    Ok((outcome, row.try_get(8)?))
}

/// The experiment's row is locked while this lasts, so that batches come one after the other, and none comes after the
/// completion. The tenant's row is not: outcomes do not wait for promotions.
pub(super) async fn record(
    tx: &mut Transaction,
    tenant: &TenantId,
    experiment: &ExperimentId,
    outcomes: &[OutcomeEntry],
) -> error::Result<Vec<OutcomeVerdict>> {
    let locked = lock(tx, tenant, experiment).await?;
    if locked.status == ExperimentStatus::Completed {
        return Ok(vec![OutcomeVerdict::Closed; outcomes.len()]);
    }
    if outcomes.is_empty() {
        return Ok(Vec::new());
    }
    let mut units = firsts(tx, &locked, outcomes).await?;
    let mut delta = TallyDelta::new();
    let mut contaminated = Vec::new();
    let mut verdicts = Vec::with_capacity(outcomes.len());
    for outcome in outcomes {
        let verdict = match units.entry(outcome.unit) {
            Entry::Vacant(unit) => {
                unit.insert((*outcome, false));
                delta.count(outcome, None)
            }
            Entry::Occupied(mut unit) => {
                let (first, was_contaminated) = *unit.get();
                let verdict = delta.count(outcome, Some((&first, was_contaminated)));
                if verdict == OutcomeVerdict::Contaminated && !was_contaminated {
                    unit.get_mut().1 = true;
                    contaminated.push(signed(outcome.unit));
                }
                verdict
            }
        };
        verdicts.push(verdict);
    }
    if !contaminated.is_empty() {
        tx.rows(CONTAMINATE, |query| query.bind(locked.id).bind(contaminated))
            .await?;
    }
    count(tx, &locked, delta.iter()).await?;
    Ok(verdicts)
}

/// Adds the first outcome of each unit of the batch, and returns those that units had before.
async fn firsts(
    tx: &mut Transaction,
    locked: &Locked,
    outcomes: &[OutcomeEntry],
) -> error::Result<BTreeMap<UnitKey, (OutcomeEntry, bool)>> {
    // In the order of the index; of one unit the first of the batch stays first.
    let mut sorted: Vec<&OutcomeEntry> = outcomes.iter().collect();
    sorted.sort_by_key(|outcome| signed(outcome.unit));
    sorted.dedup_by_key(|outcome| outcome.unit);
    let mut columns = Columns::default();
    for outcome in sorted {
        columns.push(outcome);
    }
    let rows = tx
        .rows(ADD, |query| {
            query
                .bind(locked.tenant)
                .bind(locked.id)
                .bind(columns.units)
                .bind(columns.ats)
                .bind(columns.epochs)
                .bind(columns.scores)
                .bind(columns.variants)
                .bind(columns.measured)
                .bind(columns.harmed)
                .bind(columns.successes)
        })
        .await?;
    rows.iter()
        .map(|row| first(row).map(|first| (first.0.unit, first)))
        .collect()
}

async fn count(
    tx: &mut Transaction,
    locked: &Locked,
    changes: impl Iterator<Item = (TallyKey, i64)>,
) -> error::Result<()> {
    let (mut epochs, mut variants) = (Vec::<i64>::new(), Vec::<i16>::new());
    let (mut counters, mut by) = (Vec::<i32>::new(), Vec::<i64>::new());
    for (key, change) in changes {
        epochs.push(key.epoch.into());
        variants.push(key.variant.into());
        counters.push(key.counter.code().into());
        by.push(change);
    }
    if by.is_empty() {
        return Ok(());
    }
    tx.rows(COUNT, |query| {
        query
            .bind(locked.tenant)
            .bind(locked.id)
            .bind(epochs)
            .bind(variants)
            .bind(counters)
            .bind(by)
    })
    .await?;
    Ok(())
}

pub(super) async fn record_losses(
    tx: &mut Transaction,
    tenant: &TenantId,
    experiment: &ExperimentId,
    losses: &[Loss],
) -> error::Result<()> {
    let locked = lock(tx, tenant, experiment).await?;
    let mut sums: BTreeMap<TallyKey, i64> = BTreeMap::new();
    for loss in losses {
        let key = TallyKey {
            epoch: loss.epoch,
            variant: loss.variant,
            counter: Counter::LOST,
        };
        let sum = sums.entry(key).or_default();
        *sum = sum.saturating_add_unsigned(loss.count);
    }
    count(tx, &locked, sums.into_iter()).await
}

pub(super) async fn tallies(
    backend: &PgBackend,
    tenant: &TenantId,
    experiment: &ExperimentId,
) -> Result<Vec<TallyRow>> {
    let rows = backend
        .read(TALLIES, |query| {
            query.bind(tenant.to_string()).bind(experiment.to_string())
        })
        .await?;
    let tally = |row: &PgRow| -> error::Result<TallyRow> {
        let what = || corrupt("count of an experiment");
        let (epoch, variant): (i64, i16) = (row.try_get(0)?, row.try_get(1)?);
        let (counter, count): (i32, i64) = (row.try_get(2)?, row.try_get(3)?);
        let key = TallyKey {
            epoch: epoch.try_into().map_err(|e| what().caused_by(e))?,
            variant: variant.try_into().map_err(|e| what().caused_by(e))?,
            counter: Counter::from_code(counter.try_into().map_err(|e| what().caused_by(e))?),
        };
        let count = unsigned("count of an experiment", count)?;
        Ok(TallyRow { key, count })
    };
    Ok(rows.iter().map(tally).collect::<error::Result<_>>()?)
}
