//! Rows of deployments, and what these are in core. What is found or compared by a column must be what the body says.

use promptops_core::base::stored::{corrupt, from_json, integer, stored};
use promptops_core::base::{DeploymentId, DocumentHash};
use promptops_core::deployment::{Deployment, Document, SlotControl, State, Transition, from_stored};
use rusqlite::types::FromSql;
use rusqlite::{Row, Rows};

use crate::error::Result;

/// The columns that [`deployment`] reads.
macro_rules! deployment_columns {
    () => {
        "d.name, d.prompt, d.environment, d.state, d.closure_hash, d.has_slot, d.revision, d.body"
    };
}
pub(super) use deployment_columns;

/// The columns that [`transition`] reads.
macro_rules! transition_columns {
    () => {
        "d.name, s.number, s.step, s.key, s.body"
    };
}
pub(super) use transition_columns;

fn is<T: FromSql + PartialEq>(row: &Row<'_>, column: usize, value: T) -> bool {
    row.get::<_, T>(column).is_ok_and(|found| found == value)
}

fn is_text(row: &Row<'_>, column: usize, value: Option<&str>) -> bool {
    row.get_ref(column)
        .is_ok_and(|found| found.as_str_or_null().is_ok_and(|found| found == value))
}

fn body<'a>(row: &'a Row<'_>, column: usize) -> Result<&'a str> {
    Ok(row.get_ref(column)?.as_str().map_err(rusqlite::Error::from)?)
}

pub(super) fn deployment(row: &Row<'_>) -> Result<Deployment> {
    let deployment = from_stored(body(row, 7)?)?;
    let is_same = is_text(row, 0, Some(deployment.id.as_str()))
        && is_text(row, 1, Some(deployment.prompt.as_str()))
        && is_text(row, 2, Some(deployment.environment.as_str()))
        && is_text(row, 3, Some(deployment.state.as_str()))
        && is(row, 4, *deployment.candidate.closure_hash.as_bytes())
        && is(row, 5, i64::from(deployment.has_slot()))
        && is(row, 6, integer(deployment.revision)?);
    if is_same {
        Ok(deployment)
    } else {
        Err(corrupt("deployment").with("deployment", deployment.id).into())
    }
}

pub(super) fn deployments(mut rows: Rows<'_>) -> Result<Vec<Deployment>> {
    let mut deployments = Vec::new();
    while let Some(row) = rows.next()? {
        deployments.push(deployment(row)?);
    }
    Ok(deployments)
}

pub(super) fn transition(row: &Row<'_>) -> Result<Transition> {
    let what = "step of a deployment";
    let transition: Transition = from_json(what, body(row, 4)?)?;
    let is_same = is_text(row, 0, Some(transition.deployment.as_str()))
        && is(row, 1, i64::from(transition.number))
        && is_text(row, 2, Some(transition.step.as_str()))
        && is_text(row, 3, transition.key.as_ref().map(|key| key.as_str()));
    if is_same {
        Ok(transition)
    } else {
        let (deployment, number) = (transition.deployment, transition.number);
        let error = corrupt(what).with("deployment", deployment);
        Err(error.with("step", number).into())
    }
}

/// Reads the prompt, the environment, the revision and the body.
pub(super) fn slot(row: &Row<'_>) -> Result<SlotControl> {
    let what = "slot of deployments";
    let slot: SlotControl = from_json(what, body(row, 3)?)?;
    let is_same = is_text(row, 0, Some(slot.prompt.as_str()))
        && is_text(row, 1, Some(slot.environment.as_str()))
        && is(row, 2, integer(slot.revision)?);
    if is_same {
        Ok(slot)
    } else {
        let of = format!("{}@{}", slot.prompt, slot.environment);
        Err(corrupt(what).with("slot", of).into())
    }
}

/// Reads the body of the document that is kept under a hash.
pub(super) fn document(row: &Row<'_>, hash: &DocumentHash) -> Result<Document> {
    let document = Document::from_text(row.get(0)?);
    if document.hash() == *hash {
        Ok(document)
    } else {
        Err(corrupt("document").with("document", hash.short()).into())
    }
}

/// Reads an id and its deployment's state.
pub(super) fn place(row: &Row<'_>) -> Result<(DeploymentId, State)> {
    let id = DeploymentId::new(row.get::<_, String>(0)?);
    let state = row.get_ref(1)?.as_str().map_err(rusqlite::Error::from)?.parse()?;
    Ok((stored("deployment", id)?, state))
}
