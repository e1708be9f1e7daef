//! Outcomes of units, and what is counted of them.

use promptops_core::base::stored::{timestamp, unsigned};
use promptops_core::experiment::{
    Counter, Loss, OutcomeEntry, OutcomeVerdict, TallyDelta, TallyKey, TallyRow,
};
use promptops_core::observation::UnitKey;
use rusqlite::{CachedStatement, Connection, Row};

use crate::error::Result;

statements! {
    ADD = "INSERT INTO promptops_outcome (experiment, unit, epoch, variant, success, score, measured, harmed, at)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) ON CONFLICT (experiment, unit) DO NOTHING";
    FIRST = "SELECT epoch, variant, success, score, measured, harmed, contaminated, at FROM promptops_outcome
        WHERE experiment = ?1 AND unit = ?2";
    CONTAMINATE = "UPDATE promptops_outcome SET contaminated = 1 WHERE experiment = ?1 AND unit = ?2";
    // Saturates, as numbers do in core; without that, a sum beyond 64 bits would become a float.
    COUNT = "INSERT INTO promptops_tally (experiment, epoch, variant, counter, count) VALUES (?1, ?2, ?3, ?4, max(?5, 0))
        ON CONFLICT (experiment, epoch, variant, counter)
        DO UPDATE SET count = max(count + min(?5, 9223372036854775807 - count), 0)";
    TALLIES = "SELECT epoch, variant, counter, count FROM promptops_tally WHERE experiment = ?1 AND count > 0
        ORDER BY epoch, variant, counter";
}

/// The unit's key as a column keeps it: the same bits with a sign.
fn column(unit: UnitKey) -> i64 {
    unit.get().cast_signed()
}

/// Keeps and counts outcomes of an experiment that is open.
pub(super) fn record(
    tx: &Connection,
    experiment: i64,
    outcomes: &[OutcomeEntry],
) -> Result<Vec<OutcomeVerdict>> {
    // Keys of units are random: in their order, a batch goes through the tree once. The tallies do not depend on the order
    // of different units, and outcomes of one unit stay in theirs.
    let mut order: Vec<_> = outcomes.iter().enumerate().collect();
    order.sort_by_key(|(_, outcome)| column(outcome.unit));
    let mut verdicts = vec![OutcomeVerdict::Closed; outcomes.len()];
    let mut delta = TallyDelta::new();
    let mut add = tx.prepare_cached(ADD)?;
    let mut first = tx.prepare_cached(FIRST)?;
    let mut contaminate = tx.prepare_cached(CONTAMINATE)?;
    for (place, outcome) in order {
        let unit = column(outcome.unit);
        let is_first = add.execute((
            experiment,
            unit,
            outcome.epoch,
            outcome.variant,
            outcome.success,
            outcome.score_millionths,
            outcome.measured,
            outcome.harmed,
            outcome.at.timestamp_micros(),
        ))? == 1;
        verdicts[place] = if is_first {
            delta.count(outcome, None)
        } else {
            let (present, is_contaminated) =
                first.query_row((experiment, unit), |row| read(row, outcome.unit))??;
            let verdict = delta.count(outcome, Some((&present, is_contaminated)));
            if verdict == OutcomeVerdict::Contaminated && !is_contaminated {
                contaminate.execute((experiment, unit))?;
            }
            verdict
        };
    }
    let mut count = tx.prepare_cached(COUNT)?;
    for (key, by) in delta.iter() {
        add_to(&mut count, experiment, key, by)?;
    }
    Ok(verdicts)
}

fn read(row: &Row<'_>, unit: UnitKey) -> rusqlite::Result<Result<(OutcomeEntry, bool)>> {
    let at = timestamp(row.get(7)?);
    let (epoch, variant) = (row.get(0)?, row.get(1)?);
    let (success, score_millionths) = (row.get(2)?, row.get(3)?);
    let (measured, harmed, is_contaminated) = (row.get(4)?, row.get(5)?, row.get(6)?);
    let entry = |at| OutcomeEntry {
        unit,
        variant,
        epoch,
        success,
        score_millionths,
        measured,
        harmed,
        at,
    };
    Ok(at.map(|at| (entry(at), is_contaminated)).map_err(Into::into))
}

fn add_to(count: &mut CachedStatement<'_>, experiment: i64, key: TallyKey, by: i64) -> Result<()> {
    count.execute((experiment, key.epoch, key.variant, key.counter.code(), by))?;
    Ok(())
}

pub(super) fn record_losses(tx: &Connection, experiment: i64, losses: &[Loss]) -> Result<()> {
    let mut count = tx.prepare_cached(COUNT)?;
    for loss in losses {
        let key = TallyKey {
            epoch: loss.epoch,
            variant: loss.variant,
            counter: Counter::LOST,
        };
        let by = i64::try_from(loss.count).unwrap_or(i64::MAX);
        add_to(&mut count, experiment, key, by)?;
    }
    Ok(())
}

pub(super) fn tallies(connection: &Connection, experiment: i64) -> Result<Vec<TallyRow>> {
    let mut statement = connection.prepare_cached(TALLIES)?;
    let rows = statement.query_map([experiment], |row| {
        Ok((
            row.get(0)?,
            row.get(1)?,
            row.get::<_, u16>(2)?,
            row.get::<_, i64>(3)?,
        ))
    })?;
    rows.map(|row| {
        let (epoch, variant, counter, count) = row?;
        let key = TallyKey {
            epoch,
            variant,
            counter: Counter::from_code(counter),
        };
        let count = unsigned("count", count)?;
        Ok(TallyRow { key, count })
    })
    .collect()
}
