//! The audit log.

use async_trait::async_trait;
use promptops_core::Error;
use promptops_core::base::audit::{AuditEntry, AuditHead, AuditRecord, AuditStore};
use promptops_core::base::{Page, PageRequest, TenantId};
use rusqlite::{Connection, OptionalExtension, Row};

use crate::backend::SqliteBackend;
use crate::error::Result;
use crate::tenancy;
use promptops_core::base::stored::{actor, integer, stored, timestamp, unsigned};

statements! {
    HEAD = "SELECT seq, hash FROM promptops_audit_head WHERE tenant = ?1";
    HEAD_BY_NAME = "SELECT h.seq, h.hash FROM promptops_tenant t JOIN promptops_audit_head h ON h.tenant = t.id
        WHERE t.name = ?1";
    SET_HEAD = "INSERT INTO promptops_audit_head (tenant, seq, hash) VALUES (?1, ?2, ?3)
        ON CONFLICT (tenant) DO UPDATE SET seq = excluded.seq, hash = excluded.hash";
    ADD = "INSERT INTO promptops_audit
        (tenant, seq, at, actor_id, actor_role, action, subject, detail, previous_hash, hash)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";
    LIST = "SELECT a.seq, a.at, a.actor_id, a.actor_role, a.action, a.subject, a.detail, a.previous_hash, a.hash
        FROM promptops_tenant t JOIN promptops_audit a ON a.tenant = t.id AND a.seq > ?2
        WHERE t.name = ?1 ORDER BY a.seq LIMIT ?3";
}

/// Adds the next link of the entry's tenant's chain.
pub(crate) fn append(tx: &Connection, entry: AuditEntry) -> Result<()> {
    let tenant = tenancy::ensure_tenant(tx, &entry.tenant)?;
    let head = tx
        .prepare_cached(HEAD)?
        .query_row([tenant], read_head)
        .optional()?
        .map(head)
        .transpose()?;
    let record = entry.seal(head.as_ref());
    let entry = &record.entry;
    tx.prepare_cached(ADD)?.execute((
        tenant,
        integer(record.seq)?,
        entry.at.timestamp_micros(),
        &entry.actor.id,
        entry.actor.role.as_str(),
        entry.action.as_str(),
        &entry.subject,
        &entry.detail,
        record.previous_hash,
        record.hash,
    ))?;
    tx.prepare_cached(SET_HEAD)?
        .execute((tenant, integer(record.seq)?, record.hash))?;
    Ok(())
}

fn read_head(row: &Row<'_>) -> rusqlite::Result<(i64, [u8; 32])> {
    Ok((row.get(0)?, row.get(1)?))
}

fn head((seq, hash): (i64, [u8; 32])) -> Result<AuditHead, Error> {
    Ok(AuditHead {
        seq: unsigned("audit head", seq)?,
        hash,
    })
}

struct AuditRow {
    seq: i64,
    at: i64,
    actor_id: String,
    actor_role: String,
    action: String,
    subject: String,
    detail: String,
    previous_hash: [u8; 32],
    hash: [u8; 32],
}

impl AuditRow {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            seq: row.get(0)?,
            at: row.get(1)?,
            actor_id: row.get(2)?,
            actor_role: row.get(3)?,
            action: row.get(4)?,
            subject: row.get(5)?,
            detail: row.get(6)?,
            previous_hash: row.get(7)?,
            hash: row.get(8)?,
        })
    }

    fn into_record(self, tenant: TenantId) -> Result<AuditRecord, Error> {
        let seq = self.seq;
        let entry = || {
            Ok::<_, Error>(AuditRecord {
                seq: unsigned("sequence number", seq)?,
                entry: AuditEntry {
                    tenant,
                    at: timestamp(self.at)?,
                    actor: actor(self.actor_id, &self.actor_role)?,
                    action: stored("action", self.action.parse())?,
                    subject: self.subject,
                    detail: self.detail,
                },
                previous_hash: self.previous_hash,
                hash: self.hash,
            })
        };
        entry().map_err(|error| error.with("audit record", seq))
    }
}

#[async_trait]
impl AuditStore for SqliteBackend {
    async fn audit_records(
        &self,
        tenant: &TenantId,
        page: &PageRequest,
    ) -> promptops_core::Result<Page<AuditRecord>> {
        let after = integer(page.number_cursor()?.unwrap_or(0))?;
        let limit = page.limit();
        let tenant = tenant.clone();
        self.read(move |connection| {
            let mut statement = connection.prepare_cached(LIST)?;
            let rows = statement.query_map((tenant.as_str(), after, limit as i64 + 1), AuditRow::read)?;
            let records = rows
                .map(|row| Ok(row?.into_record(tenant.clone())?))
                .collect::<Result<Vec<_>>>()?;
            Ok(Page::from_surplus(records, limit, |record| {
                record.seq.to_string()
            }))
        })
        .await
    }

    async fn audit_head(&self, tenant: &TenantId) -> promptops_core::Result<Option<AuditHead>> {
        let tenant = tenant.clone();
        self.read(move |connection| {
            let found = connection
                .prepare_cached(HEAD_BY_NAME)?
                .query_row([tenant.as_str()], read_head)
                .optional()?;
            Ok(found.map(head).transpose()?)
        })
        .await
    }
}
