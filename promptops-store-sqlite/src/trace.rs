//! Traces.

mod rows;

use async_trait::async_trait;
use promptops_core::Result;
use promptops_core::base::page::foreign_cursor;
use promptops_core::base::{ClosureHash, EnvironmentName, Page, PageRequest, TenantId, Timestamp, TraceId};
use promptops_core::observation::{
    AnnotationEntry, TraceEntry, TraceFilter, TraceRecord, TraceStore, TraceVerdict,
};
use rusqlite::{Connection, OptionalExtension};

use self::rows::{StoredTrace, TraceRow, decode, encode};
use crate::backend::{Durability, SqliteBackend};
use crate::error;
use crate::metrics::Counts;
use crate::tenancy::{self, Tenants};

/// How many traces one page looks at, at most: a few milliseconds where the columns decide, some ten times that where each
/// must be read whole.
const LOOKED_AT: i64 = 4_096;

/// Those of a range of ids, newest first; the body of those that the columns say may be wanted.
macro_rules! list {
    ($from:literal) => {
        concat!(
            "SELECT t.id, t.has_inputs, CASE WHEN (?5 IS NULL OR t.version = ?5)
                AND (?6 IS NULL OR t.closure_hash = ?6)
                AND (?7 IS NULL OR t.environment = ?7)
                AND (?8 IS NULL OR t.is_error = ?8)
                AND (?9 IS NULL OR t.success = ?9)
                AND (?10 IS NULL OR t.rating >= ?10)
                AND (?11 IS NULL OR t.rating <= ?11)
                AND (?12 IS NULL OR t.model = ?12)
                AND (?13 IS NULL OR t.session = ?13)
                AND t.has_inputs >= ?15
                THEN t.body END
            FROM promptops_trace t ",
            $from,
            " AND t.id >= ?3 AND t.id < ?4 ORDER BY t.id DESC LIMIT ?2"
        )
    };
}

statements! {
    ADD = "INSERT INTO promptops_trace
            (tenant, id, prompt, version, closure_hash, environment, is_error, success, rating, model, session,
            has_inputs, body)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13) ON CONFLICT (tenant, id) DO NOTHING";
    BODY = "SELECT has_inputs, body FROM promptops_trace WHERE tenant = ?1 AND id = ?2";
    FIND = "SELECT t.has_inputs, t.body FROM promptops_tenant n JOIN promptops_trace t ON t.tenant = n.id AND t.id = ?2
        WHERE n.name = ?1";
    ANNOTATE = "UPDATE promptops_trace SET success = ?3, rating = ?4, body = ?5 WHERE tenant = ?1 AND id = ?2";
    LIST = list!("WHERE t.tenant = ?1 AND ?14 IS NULL");
    LIST_OF_PROMPT = list!("INDEXED BY promptops_trace_prompt WHERE t.tenant = ?1 AND t.prompt = ?14");
    PRUNE = "DELETE FROM promptops_trace WHERE tenant = ?1 AND id < coalesce(
        (SELECT id FROM promptops_trace WHERE tenant = ?1 AND id < ?2 ORDER BY id LIMIT 1 OFFSET ?3), ?2)";
}

fn record(tx: &Connection, rows: &[TraceRow]) -> error::Result<Vec<TraceVerdict>> {
    let (mut tenants, mut counts) = (Tenants::new(tx), Counts::new(tx));
    let mut add = tx.prepare_cached(ADD)?;
    let mut verdicts = Vec::with_capacity(rows.len());
    for row in rows {
        let tenant = tenants.ensure(&row.tenant)?;
        let of = &row.dimensions;
        let columns = (
            tenant,
            row.id.to_bytes(),
            of.prompt.as_str(),
            of.version.map(|version| version.get()),
            of.closure_hash.as_bytes(),
            of.environment.as_ref().map(EnvironmentName::as_str),
            row.is_error,
            row.success,
            row.rating,
            &row.model,
            &row.session,
            row.has_inputs,
            &row.body,
        );
        if add.execute(columns)? == 1 {
            counts.add(tenant, of, row.at, &row.contribution)?;
            verdicts.push(TraceVerdict::Written);
        } else {
            verdicts.push(TraceVerdict::Duplicate);
        }
    }
    counts.write()?;
    Ok(verdicts)
}

fn annotate(tx: &Connection, batch: &[AnnotationEntry]) -> error::Result<Vec<TraceVerdict>> {
    let mut counts = Counts::new(tx);
    let mut body = tx.prepare_cached(BODY)?;
    let mut annotate = tx.prepare_cached(ANNOTATE)?;
    let mut verdicts = Vec::with_capacity(batch.len());
    for entry in batch {
        let found = match tenancy::tenant(tx, &entry.tenant)? {
            None => None,
            Some(tenant) => {
                let stored = body
                    .query_row((tenant, entry.trace.to_bytes()), StoredTrace::read)
                    .optional()?;
                stored.map(|stored| (tenant, stored))
            }
        };
        let Some((tenant, stored)) = found else {
            verdicts.push(TraceVerdict::Unknown);
            continue;
        };
        let mut trace = stored.decode(entry.trace)?;
        if !entry.annotation.fits(&trace) {
            verdicts.push(TraceVerdict::Full);
            continue;
        }
        let before = trace.contribution();
        entry.annotation.apply(&mut trace);
        annotate.execute((
            tenant,
            entry.trace.to_bytes(),
            trace.is_success(),
            trace.rating_millionths,
            encode(&trace)?,
        ))?;
        counts.replace(
            tenant,
            &trace.dimensions(),
            trace.at,
            &before,
            &trace.contribution(),
        )?;
        verdicts.push(TraceVerdict::Written);
    }
    counts.write()?;
    Ok(verdicts)
}

fn list(
    connection: &Connection,
    tenant: &TenantId,
    filter: &TraceFilter,
    before: Option<TraceId>,
    limit: usize,
) -> error::Result<Page<TraceRecord>> {
    let mut page = Page {
        items: Vec::new(),
        next: None,
    };
    let Some(tenant) = tenancy::tenant(connection, tenant)? else {
        return Ok(page);
    };
    let from = filter.first_id().map_or([0; 16], TraceId::to_bytes);
    // 17 bytes lie after all ids.
    let end: Vec<u8> = match before.into_iter().chain(filter.end_id()).min() {
        Some(end) => end.to_bytes().into(),
        None => vec![u8::MAX; 17],
    };
    let mut statement = connection.prepare_cached(match filter.prompt {
        Some(_) => LIST_OF_PROMPT,
        None => LIST,
    })?;
    let mut rows = statement.query((
        tenant,
        LOOKED_AT,
        from,
        end,
        filter.version.map(|version| version.get()),
        filter.closure_hash.as_ref().map(ClosureHash::as_bytes),
        filter.environment.as_ref().map(EnvironmentName::as_str),
        filter.is_error,
        filter.success,
        filter.min_rating_millionths,
        filter.max_rating_millionths,
        filter.model.as_ref(),
        filter.session.as_ref(),
        filter.prompt.as_ref().map(|prompt| prompt.as_str()),
        filter.has_inputs,
    ))?;
    let (mut looked_at, mut last) = (0, None);
    while let Some(row) = rows.next()? {
        let id = TraceId::from_bytes(row.get(0)?);
        let body = row.get_ref(2)?.as_str_or_null().map_err(rusqlite::Error::from)?;
        if let Some(body) = body {
            let trace = decode(id, row.get(1)?, body)?;
            if filter.matches(&trace) {
                if page.items.len() == limit {
                    // There are more, after the last that was looked at.
                    page.next = last.map(|last: TraceId| last.to_string());
                    return Ok(page);
                }
                page.items.push(trace);
            }
        }
        looked_at += 1;
        last = Some(id);
    }
    if looked_at == LOOKED_AT {
        page.next = last.map(|last| last.to_string());
    }
    Ok(page)
}

#[async_trait]
impl TraceStore for SqliteBackend {
    async fn record_traces(&self, batch: &[TraceEntry]) -> Result<Vec<TraceVerdict>> {
        // Encoded here and not by the one thread that writes.
        let rows = batch.iter().map(TraceRow::new).collect::<Result<Vec<_>>>()?;
        self.write(Durability::Process, move |tx| record(tx, &rows)).await
    }

    async fn annotate_traces(&self, batch: &[AnnotationEntry]) -> Result<Vec<TraceVerdict>> {
        let batch = batch.to_vec();
        self.write(Durability::Process, move |tx| annotate(tx, &batch))
            .await
    }

    async fn trace(&self, tenant: &TenantId, id: TraceId) -> Result<Option<TraceRecord>> {
        let tenant = tenant.clone();
        self.read(move |connection| {
            let stored = connection
                .prepare_cached(FIND)?
                .query_row((tenant.as_str(), id.to_bytes()), StoredTrace::read)
                .optional()?;
            Ok(stored.map(|stored| stored.decode(id)).transpose()?)
        })
        .await
    }

    async fn traces(
        &self,
        tenant: &TenantId,
        filter: &TraceFilter,
        page: &PageRequest,
    ) -> Result<Page<TraceRecord>> {
        let before = page
            .cursor()
            .map(|cursor| cursor.parse::<TraceId>().map_err(|_| foreign_cursor(cursor)))
            .transpose()?;
        let (tenant, filter, limit) = (tenant.clone(), filter.clone(), page.limit());
        self.read(move |connection| list(connection, &tenant, &filter, before, limit))
            .await
    }

    async fn prune_traces(&self, tenant: &TenantId, before: Timestamp, at_most: usize) -> Result<usize> {
        let (tenant, end) = (tenant.clone(), TraceId::first_at(before));
        self.write(Durability::Process, move |tx| {
            let Some(tenant) = tenancy::tenant(tx, &tenant)? else {
                return Ok(0);
            };
            let at_most = i64::try_from(at_most).unwrap_or(i64::MAX);
            Ok(tx
                .prepare_cached(PRUNE)?
                .execute((tenant, end.to_bytes(), at_most))?)
        })
        .await
    }
}
