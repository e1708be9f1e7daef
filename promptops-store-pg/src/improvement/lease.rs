//! Who works on which slot.

use promptops_core::Result;
use promptops_core::base::stored::{corrupt, timestamp};
use promptops_core::base::{EnvironmentName, PromptName, TenantId, Timestamp};
use promptops_core::improvement::SlotLease;
use sqlx::Row;
use sqlx::postgres::PgRow;

use crate::backend::PgBackend;
use crate::error;

const TAKE: &str =
    "SELECT t.holder, t.holder_until FROM promptops.take_slot_lease($1, $2, $3, $4, $5, $6, $7) t";
const GIVE_BACK: &str = "SELECT promptops.return_slot_lease($1, $2, $3, $4, $5)";

pub(super) async fn take(
    backend: &PgBackend,
    tenant: &TenantId,
    lease: SlotLease,
    now: Timestamp,
) -> Result<SlotLease> {
    let rows = backend
        .write(TAKE, |query| {
            query
                .bind(tenant.to_string())
                .bind(lease.prompt.to_string())
                .bind(lease.environment.to_string())
                .bind(lease.worker.clone())
                .bind(lease.until.timestamp_micros())
                .bind(now.timestamp_micros())
                .bind(backend.lock_timeout().to_owned())
        })
        .await?;
    let row = rows.first().ok_or_else(|| corrupt("lease of a slot"))?;
    Ok(holder(row, lease)?)
}

/// Who has it instead of who asked, if somebody has.
fn holder(row: &PgRow, lease: SlotLease) -> error::Result<SlotLease> {
    let worker: String = row.try_get(0)?;
    let until = timestamp(row.try_get(1)?)?;
    Ok(SlotLease {
        worker,
        until,
        ..lease
    })
}

pub(super) async fn give_back(
    backend: &PgBackend,
    tenant: &TenantId,
    prompt: &PromptName,
    environment: &EnvironmentName,
    worker: &str,
) -> Result<()> {
    backend
        .write(GIVE_BACK, |query| {
            query
                .bind(tenant.to_string())
                .bind(prompt.to_string())
                .bind(environment.to_string())
                .bind(worker.to_owned())
                .bind(backend.lock_timeout().to_owned())
        })
        .await?;
    Ok(())
}
