//! What was spent and set aside on each day.

use chrono::NaiveDate;
use promptops_core::base::TenantId;
use promptops_core::base::stored::unsigned;
use promptops_core::improvement::{DailyBudget, Spending};
use promptops_core::llm::Cost;
use rusqlite::{Connection, OptionalExtension};

use crate::error::Result;
use crate::tenancy;

statements! {
    FIND = "SELECT calls, tokens, nano_usd FROM promptops_spending WHERE tenant = ?1 AND day = ?2";
    CHANGE = "UPDATE promptops_spending SET calls = ?3, tokens = ?4, nano_usd = ?5 WHERE tenant = ?1 AND day = ?2";
    ADD = "INSERT INTO promptops_spending (tenant, day, calls, tokens, nano_usd) VALUES (?1, ?2, ?3, ?4, ?5)";
}

pub(super) fn spending(connection: &Connection, tenant: &TenantId, day: NaiveDate) -> Result<Spending> {
    match tenancy::tenant(connection, tenant)? {
        Some(tenant) => find(connection, tenant, day),
        None => Ok(Spending::NONE),
    }
}

pub(super) fn reserve(
    tx: &Connection,
    tenant: &TenantId,
    day: NaiveDate,
    amount: Spending,
    limits: &DailyBudget,
) -> Result<Option<Spending>> {
    let tenant = tenancy::ensure_tenant(tx, tenant)?;
    let after = find(tx, tenant, day)?.plus(amount);
    if !limits.allows(after) {
        return Ok(None);
    }
    put(tx, tenant, day, after).map(Some)
}

pub(super) fn settle(
    tx: &Connection,
    tenant: &TenantId,
    day: NaiveDate,
    reserved: Spending,
    used: Spending,
) -> Result<Spending> {
    let tenant = tenancy::ensure_tenant(tx, tenant)?;
    let after = find(tx, tenant, day)?.plus(used).minus(reserved);
    put(tx, tenant, day, after)
}

fn find(connection: &Connection, tenant: i64, day: NaiveDate) -> Result<Spending> {
    let found: Option<(i64, i64, i64)> = connection
        .prepare_cached(FIND)?
        .query_row((tenant, day.to_string()), |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })
        .optional()?;
    let Some((calls, tokens, nano_usd)) = found else {
        return Ok(Spending::NONE);
    };
    let what = "spending of a day";
    Ok(Spending {
        calls: unsigned(what, calls)?,
        tokens: unsigned(what, tokens)?,
        cost: Cost::from_nano_usd(unsigned(what, nano_usd)?),
    })
}

/// Keeps it, each figure at most as large as a column takes, and says what was kept.
fn put(tx: &Connection, tenant: i64, day: NaiveDate, spending: Spending) -> Result<Spending> {
    let most = |figure: u64| figure.min(i64::MAX as u64);
    let kept = Spending {
        calls: most(spending.calls),
        tokens: most(spending.tokens),
        cost: Cost::from_nano_usd(most(spending.cost.nano_usd())),
    };
    let day = day.to_string();
    let row = (
        tenant,
        day.as_str(),
        kept.calls as i64,
        kept.tokens as i64,
        kept.cost.nano_usd() as i64,
    );
    if tx.prepare_cached(CHANGE)?.execute(row)? == 0 {
        tx.prepare_cached(ADD)?.execute(row)?;
    }
    Ok(kept)
}
