//! Looking for traces.

use promptops_core::Result;
use promptops_core::base::page::foreign_cursor;
use promptops_core::base::stored::to_json;
use promptops_core::base::{Page, PageRequest, ScoreName, TenantId, TraceId};
use promptops_core::observation::{TraceFilter, TraceRecord};
use sqlx::Row;
use sqlx::postgres::PgRow;

use super::decode;
use super::record::trace_id;
use crate::backend::PgBackend;
use crate::error;

const LIST: &str = "SELECT t.id, t.record, t.has_inputs FROM promptops.traces_between($1, $2::text::uuid, $3::text::uuid, $4, $5, $6, $7, $8,
    $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20) t";

/// How many traces a call looks at, of which most may not be wanted.
const LOOKS: i64 = 10_000;
/// How many of those are decoded, where a score decides, which only we can read.
const DECODED: usize = 1_000;

/// What a record has in it that has this tag, as it is written: and it may be something else there.
fn tag_text(tag: &String) -> Result<String> {
    to_json("tag", tag)
}

/// What is written in a record before the millionths of this score.
fn score_text(name: &ScoreName) -> Result<String> {
    let name = to_json("name of a score", name)?;
    Ok(format!("{name}:{{\"value_millionths\":"))
}

/// What the database found.
struct Found {
    /// Also those of which the text looks as if they were wanted.
    traces: Vec<TraceRecord>,
    /// The last id that was looked at, if more are left below it than it looked at.
    looked_to: Option<TraceId>,
}

impl Found {
    fn read(rows: &[PgRow]) -> error::Result<Self> {
        let mut found = Self {
            traces: Vec::with_capacity(rows.len()),
            looked_to: None,
        };
        for row in rows {
            match row.try_get(1)? {
                Some(record) => found.traces.push(decode(record, row.try_get(2)?)?),
                None => found.looked_to = Some(trace_id(row.try_get(0)?)?),
            }
        }
        Ok(found)
    }

    /// The page of those that are wanted; `asked` is how many the database was asked for.
    fn page(self, filter: &TraceFilter, limit: usize, asked: usize) -> Page<TraceRecord> {
        let last_read = self.traces.last().map(|trace| trace.id);
        let more_to_read = if self.traces.len() < asked {
            self.looked_to
        } else {
            last_read
        };
        let wanted = self.traces.into_iter().filter(|trace| filter.matches(trace));
        let page = Page::from_surplus(wanted.collect(), limit, |last: &TraceRecord| last.id.to_string());
        Page {
            next: page.next.or_else(|| more_to_read.map(|id| id.to_string())),
            ..page
        }
    }
}

/// The id before this one.
fn before(id: TraceId) -> Option<TraceId> {
    let number = u128::from_be_bytes(id.to_bytes()).checked_sub(1)?;
    Some(TraceId::from_bytes(number.to_be_bytes()))
}

pub(super) async fn list(
    backend: &PgBackend,
    tenant: &TenantId,
    filter: &TraceFilter,
    page: &PageRequest,
) -> Result<Page<TraceRecord>> {
    let cursor = page
        .cursor()
        .map(|cursor| cursor.parse::<TraceId>().map_err(|_| foreign_cursor(cursor)))
        .transpose()?;
    let first = filter.first_id().unwrap_or(TraceId::from_bytes([0; 16]));
    let end = match (cursor, filter.end_id()) {
        (Some(cursor), Some(end)) => Some(cursor.min(end)),
        (one, other) => one.or(other),
    };
    let last = end.map_or(Some(TraceId::from_bytes([0xff; 16])), before);
    let Some(last) = last.filter(|last| *last >= first) else {
        return Ok(Page::from_surplus(Vec::new(), page.limit(), |_: &TraceRecord| {
            String::new()
        }));
    };
    let mut texts: Vec<String> = filter.tags.iter().map(tag_text).collect::<Result<_>>()?;
    let mut asked = page.limit() + 1;
    if let Some((name, _)) = &filter.max_score {
        texts.push(score_text(name)?);
        asked = asked.max(DECODED);
    }
    let texts = Some(texts).filter(|texts| !texts.is_empty());
    let rows = backend
        .read(LIST, |query| {
            let variant = filter.variant.as_ref();
            query
                .bind(tenant.to_string())
                .bind(first.to_string())
                .bind(last.to_string())
                .bind(asked as i64)
                .bind(LOOKS)
                .bind(filter.prompt.as_ref().map(ToString::to_string))
                .bind(filter.version.map(|version| i64::from(version.get())))
                .bind(filter.closure_hash.as_ref().map(|hash| hash.as_bytes().to_vec()))
                .bind(filter.environment.as_ref().map(ToString::to_string))
                .bind(variant.map(|of| of.experiment.to_string()))
                .bind(variant.map(|of| of.variant.to_string()))
                .bind(filter.model.as_ref().map(|model| model.as_bytes().to_vec()))
                .bind(filter.session.as_ref().map(|session| session.as_bytes().to_vec()))
                .bind(filter.max_rating_millionths.map(i64::from))
                .bind(filter.min_rating_millionths.map(i64::from))
                .bind(filter.success)
                .bind(filter.is_error)
                .bind(filter.has_inputs)
                .bind(filter.has_correction)
                .bind(&texts)
        })
        .await?;
    Ok(Found::read(&rows)?.page(filter, page.limit(), asked))
}
