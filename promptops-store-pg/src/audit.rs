//! The audit log.

use async_trait::async_trait;
use promptops_core::base::audit::{AuditEntry, AuditHead, AuditRecord, AuditStore, SealingBytes};
use promptops_core::base::stored::{actor, hash_bytes, integer, stored, timestamp, to_json, unsigned};
use promptops_core::base::{Change, Page, PageRequest, TenantId};
use promptops_core::{Error, Result};
use sqlx::Row;
use sqlx::postgres::PgRow;

use crate::backend::PgBackend;
use crate::connection::{Query, Transaction};
use crate::error;
use crate::tenancy::Tenant;

const APPEND: &str = "WITH told AS (
        INSERT INTO promptops.change (tenant, change) SELECT $10, $11 WHERE $11 IS NOT NULL
    )
    SELECT FROM promptops.append_audit($1, $2, $3, $4, $5, $6, $7, $8, $9)";
const HEAD: &str = "SELECT x.seq, x.hash FROM promptops.entered($1) n, LATERAL (
        SELECT h.seq, h.hash FROM promptops.audit_head h WHERE h.tenant = n.id OFFSET 0
    ) x";
const LIST: &str = "SELECT x.* FROM promptops.entered($1) n, LATERAL (
        SELECT a.seq, a.at, a.actor_id, a.actor_role, a.action, a.subject, a.detail, a.previous_hash, a.hash
        FROM promptops.audit a WHERE a.tenant = n.id AND a.seq > $2 ORDER BY a.seq LIMIT $3
    ) x ORDER BY x.seq";

/// Adds the next link of the tenant's chain, and what is told to other processes once the change is committed.
pub(crate) async fn append(
    tx: &mut Transaction,
    tenant: Tenant,
    entry: &AuditEntry,
    told: Option<&Change>,
) -> error::Result<()> {
    let told = told.map(|change| to_json("change", change)).transpose()?;
    let SealingBytes { before, after } = entry.sealing_bytes();
    tx.rows(APPEND, |query| {
        query
            .bind(tenant.id)
            .bind(entry.at.timestamp_micros())
            .bind(&entry.actor.id)
            .bind(entry.actor.role.as_str())
            .bind(entry.action.as_str())
            .bind(&entry.subject)
            .bind(&entry.detail)
            .bind(before)
            .bind(after)
            .bind(entry.tenant.as_str())
            .bind(told)
    })
    .await?;
    Ok(())
}

/// Entries in columns, as functions take them that commit many.
pub(crate) fn bind_all(query: Query, entries: &[AuditEntry]) -> Query {
    let of = || entries.iter();
    let (before, after): (Vec<_>, Vec<_>) = of()
        .map(AuditEntry::sealing_bytes)
        .map(|sealing| (sealing.before, sealing.after))
        .unzip();
    query
        .bind(of().map(|entry| entry.at.timestamp_micros()).collect::<Vec<_>>())
        .bind(of().map(|entry| entry.actor.id.as_str()).collect::<Vec<_>>())
        .bind(of().map(|entry| entry.actor.role.as_str()).collect::<Vec<_>>())
        .bind(of().map(|entry| entry.action.as_str()).collect::<Vec<_>>())
        .bind(of().map(|entry| entry.subject.as_str()).collect::<Vec<_>>())
        .bind(of().map(|entry| entry.detail.as_str()).collect::<Vec<_>>())
        .bind(before)
        .bind(after)
}

fn head(row: &PgRow) -> error::Result<AuditHead> {
    Ok(AuditHead {
        seq: unsigned("audit head", row.try_get(0)?)?,
        hash: hash_bytes(row.try_get(1)?)?,
    })
}

fn record(row: &PgRow, tenant: &TenantId) -> error::Result<AuditRecord> {
    let seq: i64 = row.try_get(0)?;
    let entry = || -> error::Result<AuditRecord> {
        Ok(AuditRecord {
            seq: unsigned("sequence number", seq)?,
            entry: AuditEntry {
                tenant: tenant.clone(),
                at: timestamp(row.try_get(1)?)?,
                actor: actor(row.try_get(2)?, row.try_get(3)?)?,
                action: stored("action", row.try_get::<&str, _>(4)?.parse())?,
                subject: row.try_get(5)?,
                detail: row.try_get(6)?,
            },
            previous_hash: hash_bytes(row.try_get(7)?)?,
            hash: hash_bytes(row.try_get(8)?)?,
        })
    };
    entry().map_err(|failure| Error::from(failure).with("audit record", seq).into())
}

#[async_trait]
impl AuditStore for PgBackend {
    async fn audit_records(&self, tenant: &TenantId, page: &PageRequest) -> Result<Page<AuditRecord>> {
        let after = integer(page.number_cursor()?.unwrap_or(0))?;
        let limit = page.limit();
        let rows = self
            .read(LIST, |query| {
                query.bind(tenant.to_string()).bind(after).bind(limit as i64 + 1)
            })
            .await?;
        let records = rows
            .iter()
            .map(|row| record(row, tenant))
            .collect::<error::Result<_>>()?;
        Ok(Page::from_surplus(records, limit, |record: &AuditRecord| {
            record.seq.to_string()
        }))
    }

    async fn audit_head(&self, tenant: &TenantId) -> Result<Option<AuditHead>> {
        let row = self
            .read_one(HEAD, |query| query.bind(tenant.to_string()))
            .await?;
        Ok(row.as_ref().map(head).transpose()?)
    }
}
