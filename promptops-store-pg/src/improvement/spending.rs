//! What was spent and set aside on each day. The database counts, in one statement, so that those who ask at once do not
//! get the same room twice.

use chrono::NaiveDate;
use promptops_core::Result;
use promptops_core::base::TenantId;
use promptops_core::base::stored::{corrupt, unsigned};
use promptops_core::improvement::{DailyBudget, Spending};
use promptops_core::llm::Cost;
use sqlx::Row;
use sqlx::postgres::PgRow;

use crate::backend::PgBackend;
use crate::connection::Query;
use crate::error;

const FIND: &str = "SELECT x.* FROM promptops.entered($1) n, LATERAL (
        SELECT s.calls, s.tokens, s.nano_usd FROM promptops.spending s WHERE s.tenant = n.id AND s.day = $2 OFFSET 0
    ) x";
// Figures go there as text: `numeric` takes all of them, and a column those that are below 2^63.
const RESERVE: &str =
    "SELECT r.all_calls, r.all_tokens, r.all_nano_usd FROM promptops.reserve_spending($1, $2,
    $3::numeric, $4::numeric, $5::numeric, $6::numeric, $7::numeric, $8::numeric, $9) r";
const SETTLE: &str = "SELECT r.all_calls, r.all_tokens, r.all_nano_usd FROM promptops.settle_spending($1, $2,
    $3::numeric, $4::numeric, $5::numeric, $6::numeric, $7::numeric, $8::numeric, $9) r";

fn bind(query: Query, amount: Spending) -> Query {
    query
        .bind(amount.calls.to_string())
        .bind(amount.tokens.to_string())
        .bind(amount.cost.nano_usd().to_string())
}

fn bind_limits(query: Query, limits: &DailyBudget) -> Query {
    // Figures stay at the largest number: it is within this limit however much was added.
    let text = |most: Option<u64>| most.filter(|most| *most < u64::MAX).map(|most| most.to_string());
    query
        .bind(text(limits.calls))
        .bind(text(limits.tokens))
        .bind(text(limits.cost.map(Cost::nano_usd)))
}

fn read(row: &PgRow) -> error::Result<Spending> {
    let figure =
        |column: usize| -> error::Result<u64> { Ok(unsigned("spending of a day", row.try_get(column)?)?) };
    Ok(Spending {
        calls: figure(0)?,
        tokens: figure(1)?,
        cost: Cost::from_nano_usd(figure(2)?),
    })
}

/// `None` for NULLs.
fn read_any(rows: &[PgRow]) -> error::Result<Option<Spending>> {
    let row = rows.first().ok_or_else(|| corrupt("spending of a day"))?;
    let first: Option<i64> = row.try_get(0)?;
    first.map(|_| read(row)).transpose()
}

pub(super) async fn find(backend: &PgBackend, tenant: &TenantId, day: NaiveDate) -> error::Result<Spending> {
    let row = backend
        .read_one(FIND, |query| query.bind(tenant.to_string()).bind(day.to_string()))
        .await?;
    row.map_or(Ok(Spending::NONE), |row| read(&row))
}

pub(super) async fn reserve(
    backend: &PgBackend,
    tenant: &TenantId,
    day: NaiveDate,
    amount: Spending,
    limits: &DailyBudget,
) -> Result<Option<Spending>> {
    let rows = backend
        .write(RESERVE, |query| {
            let query = query.bind(tenant.to_string()).bind(day.to_string());
            bind_limits(bind(query, amount), limits).bind(backend.lock_timeout().to_owned())
        })
        .await?;
    Ok(read_any(&rows)?)
}

pub(super) async fn settle(
    backend: &PgBackend,
    tenant: &TenantId,
    day: NaiveDate,
    reserved: Spending,
    used: Spending,
) -> Result<Spending> {
    let rows = backend
        .write(SETTLE, |query| {
            let query = query.bind(tenant.to_string()).bind(day.to_string());
            bind(bind(query, reserved), used).bind(backend.lock_timeout().to_owned())
        })
        .await?;
    let settled = read_any(&rows)?;
    settled.ok_or_else(|| corrupt("spending of a day"))
}
