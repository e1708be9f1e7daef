//! What happens to deployments: checked in the words of core, then written.

use promptops_core::base::stored::{integer, to_json};
use promptops_core::base::{DeploymentId, EnvironmentName, PromptName};
use promptops_core::deployment::{
    Deployment, DeploymentCommit, Document, SlotControl, State, Transition, deployment_changed, refusal,
};
use promptops_core::environment::refusal as environment_refusal;
use promptops_core::prompt::Status;
use rusqlite::{Connection, OptionalExtension, Params};

use super::rows;
use super::rows::deployment_columns;
use crate::error::Result;
use crate::{audit, environment, feed, tenancy};

statements! {
    KEY_IS_TAKEN = "SELECT EXISTS (SELECT 1 FROM promptops_transition WHERE tenant = ?1 AND key = ?2)";
    PLACE = "SELECT id FROM promptops_deployment WHERE tenant = ?1 AND name = ?2";
    PRESENT = concat!("SELECT ", deployment_columns!(), " FROM promptops_deployment d
        WHERE d.tenant = ?1 AND d.name = ?2");
    ON_ITS_WAY = "SELECT name, state FROM promptops_deployment
        WHERE tenant = ?1 AND prompt = ?2 AND environment = ?3 AND closure_hash = ?4
            AND state IN ('proposed', 'ab_running', 'ab_passed', 'ab_failed')";
    WITH_SLOT = "SELECT name, state FROM promptops_deployment
        WHERE tenant = ?1 AND prompt = ?2 AND environment = ?3 AND has_slot = 1";
    ADD = "INSERT INTO promptops_deployment
            (tenant, name, prompt, environment, state, closure_hash, has_slot, revision, body)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
    CHANGE = "UPDATE promptops_deployment
        SET prompt = ?3, environment = ?4, state = ?5, closure_hash = ?6, has_slot = ?7, revision = ?8, body = ?9
        WHERE tenant = ?1 AND name = ?2";
    ADD_TRANSITION = "INSERT INTO promptops_transition (deployment, number, tenant, step, key, body)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    SLOT = "SELECT prompt, environment, revision, body FROM promptops_slot
        WHERE tenant = ?1 AND prompt = ?2 AND environment = ?3";
    ADD_SLOT = "INSERT INTO promptops_slot (tenant, prompt, environment, revision, body) VALUES (?1, ?2, ?3, ?4, ?5)";
    CHANGE_SLOT = "UPDATE promptops_slot SET revision = ?4, body = ?5
        WHERE tenant = ?1 AND prompt = ?2 AND environment = ?3";
    IS_KEPT = "SELECT EXISTS (SELECT 1 FROM promptops_document WHERE tenant = ?1 AND hash = ?2)";
    KEEP = "INSERT INTO promptops_document (tenant, hash, body) VALUES (?1, ?2, ?3)";
}

/// Commits it, or fails for its first reason; the caller's transaction undoes what was written until then.
pub(super) fn commit(tx: &Connection, mut commit: DeploymentCommit) -> Result<()> {
    let tenant = tenancy::ensure_tenant(tx, &commit.tenant)?;
    check(tx, tenant, &commit)?;
    // Refused last, and first on record.
    if let Some(pointer) = commit.pointer.take() {
        environment::move_pointer(tx, pointer)?;
    }
    if let Some(slot) = &commit.slot {
        put_slot(tx, tenant, slot)?;
    }
    write_deployments(tx, tenant, &commit)?;
    for transition in &commit.transitions {
        add_transition(tx, tenant, transition)?;
    }
    for document in &commit.documents {
        keep(tx, tenant, document)?;
    }
    for audit in commit.audits {
        audit::append(tx, audit)?;
    }
    Ok(())
}

/// What the commit is refused for, but for the pointer's move.
fn check(tx: &Connection, tenant: i64, commit: &DeploymentCommit) -> Result<()> {
    if let Some(given) = &commit.slot {
        let (prompt, environment) = (&given.prompt, &given.environment);
        let current = slot(tx, tenant, prompt, environment)?.map_or(0, |slot| slot.revision);
        let expected = given.revision.saturating_sub(1);
        if current != expected {
            return Err(refusal::slot_conflict(prompt, environment, expected, current).into());
        }
    }
    let keys = commit.transitions.iter().filter_map(|of| of.key.as_ref());
    for key in keys {
        let is_taken: bool = tx
            .prepare_cached(KEY_IS_TAKEN)?
            .query_row((tenant, key.as_str()), |row| row.get(0))?;
        if is_taken {
            return Err(refusal::key_is_taken(key).into());
        }
    }
    if let Some(created) = &commit.created {
        check_created(tx, tenant, created)?;
    }
    for changed in &commit.changed {
        check_changed(tx, tenant, changed)?;
    }
    let touched = || commit.created.iter().chain(&commit.changed);
    for of in touched().filter(|of| of.state.is_before_ship()) {
        check_candidate(tx, tenant, commit, of)?;
    }
    for of in touched().filter(|of| of.has_slot()) {
        check_slot(tx, tenant, commit, of)?;
    }
    Ok(())
}

fn check_created(tx: &Connection, tenant: i64, created: &Deployment) -> Result<()> {
    let (prompt, into, candidate) = (&created.prompt, &created.environment, &created.candidate);
    let target = environment::target(tx, tenant, prompt, candidate.version, &candidate.content_hash)?;
    if target.status == Status::Archived {
        return Err(environment_refusal::version_is_archived(prompt, candidate.version, into).into());
    }
    environment::check_revision(tx, tenant, prompt, into, created.base.revision)?;
    match place(tx, tenant, &created.id)? {
        Some(_) => Err(refusal::id_is_taken(&created.id).into()),
        None => Ok(()),
    }
}

fn check_changed(tx: &Connection, tenant: i64, changed: &Deployment) -> Result<()> {
    let mut statement = tx.prepare_cached(PRESENT)?;
    let mut rows = statement.query((tenant, changed.id.as_str()))?;
    let Some(row) = rows.next()? else {
        return Err(refusal::unknown_deployment(&changed.id).into());
    };
    let present = rows::deployment(row)?;
    let expected = changed.revision.saturating_sub(1);
    if present.revision == expected {
        return Ok(());
    }
    let (current, standing) = (present.revision, present.standing());
    Err(refusal::deployment_conflict(&changed.id, expected, current, standing).into())
}

fn check_candidate(tx: &Connection, tenant: i64, commit: &DeploymentCommit, of: &Deployment) -> Result<()> {
    let closure = &of.candidate.closure_hash;
    let slot = (of.prompt.as_str(), of.environment.as_str());
    let present = places(tx, ON_ITS_WAY, (tenant, slot.0, slot.1, closure.as_bytes()))?;
    let is_same =
        |other: &Deployment| other.state.is_before_ship() && other.candidate.closure_hash == *closure;
    match other(commit, of, present, is_same) {
        Some((id, state)) => Err(refusal::candidate_is_known(closure, &id, state).into()),
        None => Ok(()),
    }
}

fn check_slot(tx: &Connection, tenant: i64, commit: &DeploymentCommit, of: &Deployment) -> Result<()> {
    let slot = (tenant, of.prompt.as_str(), of.environment.as_str());
    let present = places(tx, WITH_SLOT, slot)?;
    match other(commit, of, present, Deployment::has_slot) {
        Some((id, _)) => Err(refusal::slot_is_taken(&of.prompt, &of.environment, &id).into()),
        None => Ok(()),
    }
}

/// Which of the deployments in the same slot is in the way as they will be after the commit: of several the one with the
/// smallest id.
fn other(
    commit: &DeploymentCommit,
    of: &Deployment,
    present: Vec<(DeploymentId, State)>,
    is_in_the_way: impl Fn(&Deployment) -> bool,
) -> Option<(DeploymentId, State)> {
    let is_changed = |id: &DeploymentId| commit.changed.iter().any(|changed| changed.id == *id);
    let stays = present.into_iter().filter(|(id, _)| !is_changed(id));
    let changed = commit.changed.iter().filter(|other| {
        other.prompt == of.prompt && other.environment == of.environment && is_in_the_way(other)
    });
    stays
        .chain(changed.map(|other| (other.id.clone(), other.state)))
        .filter(|(id, _)| *id != of.id)
        .min()
}

fn places(tx: &Connection, sql: &str, slot: impl Params) -> Result<Vec<(DeploymentId, State)>> {
    let mut statement = tx.prepare_cached(sql)?;
    let mut rows = statement.query(slot)?;
    let mut places = Vec::new();
    while let Some(row) = rows.next()? {
        places.push(rows::place(row)?);
    }
    Ok(places)
}

fn place(tx: &Connection, tenant: i64, id: &DeploymentId) -> Result<Option<i64>> {
    Ok(tx
        .prepare_cached(PLACE)?
        .query_row((tenant, id.as_str()), |row| row.get(0))
        .optional()?)
}

fn write_deployments(tx: &Connection, tenant: i64, commit: &DeploymentCommit) -> Result<()> {
    // What makes room first: the indexes that allow one of a kind look at each row by itself.
    let mut changed: Vec<_> = commit.changed.iter().collect();
    changed.sort_by_key(|of| (of.state.is_before_ship(), of.has_slot()));
    for deployment in changed {
        write(tx, CHANGE, tenant, deployment)?;
    }
    if let Some(deployment) = &commit.created {
        write(tx, ADD, tenant, deployment)?;
    }
    for deployment in commit.created.iter().chain(&commit.changed) {
        feed::tell(tx, &commit.tenant, &deployment_changed(deployment))?;
    }
    Ok(())
}

fn write(tx: &Connection, sql: &str, tenant: i64, deployment: &Deployment) -> Result<()> {
    tx.prepare_cached(sql)?.execute((
        tenant,
        deployment.id.as_str(),
        deployment.prompt.as_str(),
        deployment.environment.as_str(),
        deployment.state.as_str(),
        deployment.candidate.closure_hash.as_bytes(),
        deployment.has_slot(),
        integer(deployment.revision)?,
        to_json("deployment", deployment)?,
    ))?;
    Ok(())
}

fn add_transition(tx: &Connection, tenant: i64, transition: &Transition) -> Result<()> {
    let deployment = place(tx, tenant, &transition.deployment)?
        .ok_or_else(|| refusal::unknown_deployment(&transition.deployment))?;
    tx.prepare_cached(ADD_TRANSITION)?.execute((
        deployment,
        transition.number,
        tenant,
        transition.step.as_str(),
        transition.key.as_ref().map(|key| key.as_str()),
        to_json("step of a deployment", transition)?,
    ))?;
    Ok(())
}

/// What was stored of a slot.
pub(super) fn slot(
    connection: &Connection,
    tenant: i64,
    prompt: &PromptName,
    environment: &EnvironmentName,
) -> Result<Option<SlotControl>> {
    let mut statement = connection.prepare_cached(SLOT)?;
    let mut rows = statement.query((tenant, prompt.as_str(), environment.as_str()))?;
    rows.next()?.map(rows::slot).transpose()
}

fn put_slot(tx: &Connection, tenant: i64, slot: &SlotControl) -> Result<()> {
    let body = to_json("slot of deployments", slot)?;
    let (prompt, environment) = (slot.prompt.as_str(), slot.environment.as_str());
    let row = (
        tenant,
        prompt,
        environment,
        integer(slot.revision)?,
        body.as_str(),
    );
    if tx.prepare_cached(CHANGE_SLOT)?.execute(row)? == 0 {
        tx.prepare_cached(ADD_SLOT)?.execute(row)?;
    }
    Ok(())
}

fn keep(tx: &Connection, tenant: i64, document: &Document) -> Result<()> {
    let hash = document.hash();
    let is_kept: bool = tx
        .prepare_cached(IS_KEPT)?
        .query_row((tenant, hash.as_bytes()), |row| row.get(0))?;
    if !is_kept {
        tx.prepare_cached(KEEP)?
            .execute((tenant, hash.as_bytes(), document.json()))?;
    }
    Ok(())
}
