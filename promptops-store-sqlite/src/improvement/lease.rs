//! Who works on which slot.

use promptops_core::base::stored::timestamp;
use promptops_core::base::{EnvironmentName, PromptName, TenantId, Timestamp};
use promptops_core::improvement::SlotLease;
use rusqlite::{Connection, OptionalExtension};

use crate::error::Result;
use crate::tenancy;

statements! {
    PRESENT = "SELECT worker, until FROM promptops_slot_lease WHERE tenant = ?1 AND prompt = ?2 AND environment = ?3";
    TAKE = "INSERT INTO promptops_slot_lease (tenant, prompt, environment, worker, until) VALUES (?1, ?2, ?3, ?4, ?5)
        ON CONFLICT (tenant, prompt, environment) DO UPDATE SET worker = excluded.worker, until = excluded.until";
    GIVE_BACK = "DELETE FROM promptops_slot_lease
        WHERE tenant = ?1 AND prompt = ?2 AND environment = ?3 AND worker = ?4";
}

pub(super) fn take(
    tx: &Connection,
    tenant: &TenantId,
    lease: SlotLease,
    now: Timestamp,
) -> Result<SlotLease> {
    let tenant = tenancy::ensure_tenant(tx, tenant)?;
    let (prompt, environment) = (lease.prompt.as_str(), lease.environment.as_str());
    let present: Option<(String, i64)> = tx
        .prepare_cached(PRESENT)?
        .query_row((tenant, prompt, environment), |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .optional()?;
    let another =
        present.filter(|(worker, until)| *worker != lease.worker && *until > now.timestamp_micros());
    if let Some((worker, until)) = another {
        let until = timestamp(until)?;
        return Ok(SlotLease {
            worker,
            until,
            ..lease
        });
    }
    let until = lease.until.timestamp_micros();
    tx.prepare_cached(TAKE)?
        .execute((tenant, prompt, environment, &lease.worker, until))?;
    Ok(lease)
}

pub(super) fn give_back(
    tx: &Connection,
    tenant: &TenantId,
    prompt: &PromptName,
    environment: &EnvironmentName,
    worker: &str,
) -> Result<()> {
    if let Some(tenant) = tenancy::tenant(tx, tenant)? {
        tx.prepare_cached(GIVE_BACK)?
            .execute((tenant, prompt.as_str(), environment.as_str(), worker))?;
    }
    Ok(())
}
