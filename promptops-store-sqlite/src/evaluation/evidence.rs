//! Evidence.

use std::collections::BTreeMap;

use promptops_core::base::stored::{from_json, integer, to_json, unsigned, version_number};
use promptops_core::base::{Actor, ClosureHash, DatasetName, PromptName, Timestamp, VersionNumber};
use promptops_core::evaluation::{Evidence, refusal};
use rusqlite::{Connection, OptionalExtension, Row};
use serde::{Deserialize, Serialize};

use crate::error::Result;

statements! {
    RUN_EXISTS = "SELECT EXISTS (SELECT 1 FROM promptops_evidence
        WHERE tenant = ?1 AND prompt = ?2 AND closure_hash = ?3 AND dataset = ?4 AND run = ?5)";
    ADD = "INSERT INTO promptops_evidence (tenant, prompt, closure_hash, dataset, run, dataset_version, entries,
            passed, recorded_by_id, recorded_by_role, recorded_at, scores)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)";
    LATEST = "SELECT e.dataset_version, e.run, e.entries, e.passed, e.scores FROM promptops_evidence e
        WHERE e.tenant = ?1 AND e.prompt = ?2 AND e.closure_hash = ?3 AND e.dataset = ?4
        ORDER BY e.id DESC LIMIT 1";
    LATEST_OF_VERSION = "SELECT e.dataset_version, e.run, e.entries, e.passed, e.scores FROM promptops_evidence e
        WHERE e.tenant = ?1 AND e.prompt = ?2 AND e.closure_hash = ?3 AND e.dataset = ?4 AND e.dataset_version = ?5
        ORDER BY e.id DESC LIMIT 1";
}

/// What is in the column `scores`.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Scores {
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    dimensions: BTreeMap<String, f64>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    judges: BTreeMap<String, bool>,
}

/// Adds evidence, if none of this run is on record.
pub(super) fn add(
    tx: &Connection,
    tenant: i64,
    evidence: &Evidence,
    by: &Actor,
    at: Timestamp,
) -> Result<()> {
    let prompt = evidence.prompt.as_str();
    let closure_hash = evidence.closure_hash.as_bytes();
    let dataset = evidence.dataset.as_str();
    let exists: bool = tx
        .prepare_cached(RUN_EXISTS)?
        .query_row((tenant, prompt, closure_hash, dataset, &evidence.run), |row| {
            row.get(0)
        })?;
    if exists {
        return Err(refusal::run_on_record(evidence).into());
    }
    let scores = Scores {
        dimensions: evidence.dimensions.clone(),
        judges: evidence.judges.clone(),
    };
    tx.prepare_cached(ADD)?.execute((
        tenant,
        prompt,
        closure_hash,
        dataset,
        &evidence.run,
        evidence.dataset_version.get(),
        integer(evidence.entries)?,
        integer(evidence.passed)?,
        &by.id,
        by.role.as_str(),
        at.timestamp_micros(),
        to_json("list of scores", &scores)?,
    ))?;
    Ok(())
}

type EvidenceRow = (u32, String, i64, i64, String);

fn read(row: &Row<'_>) -> rusqlite::Result<EvidenceRow> {
    Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?))
}

pub(super) fn latest(
    connection: &Connection,
    tenant: i64,
    prompt: PromptName,
    closure_hash: ClosureHash,
    dataset: DatasetName,
    version: Option<VersionNumber>,
) -> Result<Option<Evidence>> {
    let (name, hash, on) = (prompt.as_str(), closure_hash.as_bytes(), dataset.as_str());
    let row = match version {
        None => connection
            .prepare_cached(LATEST)?
            .query_row((tenant, name, hash, on), read),
        Some(version) => connection
            .prepare_cached(LATEST_OF_VERSION)?
            .query_row((tenant, name, hash, on, version.get()), read),
    };
    let Some((dataset_version, run, entries, passed, scores)) = row.optional()? else {
        return Ok(None);
    };
    let scores: Scores = from_json("list of scores", &scores)?;
    Ok(Some(Evidence {
        prompt,
        closure_hash,
        dataset,
        dataset_version: version_number(dataset_version)?,
        run,
        entries: unsigned("number of entries", entries)?,
        passed: unsigned("number of entries", passed)?,
        dimensions: scores.dimensions,
        judges: scores.judges,
    }))
}
