//! Experiments.

pub(crate) mod outcome;

use async_trait::async_trait;
use promptops_core::base::page::foreign_cursor;
use promptops_core::base::stored::{corrupt, integer, to_json, unsigned};
use promptops_core::base::{
    EnvironmentName, ExperimentId, Page, PageRequest, PromptName, TenantId, VersionNumber,
};
use promptops_core::experiment::{
    Experiment, ExperimentChange, ExperimentFilter, ExperimentStatus, ExperimentStore, Loss, NewExperiment,
    OutcomeEntry, OutcomeVerdict, TallyRow, experiment_changed, from_stored, refusal,
};
use promptops_core::prompt::Status;
use promptops_core::{Error, Result};
use rusqlite::{Connection, OptionalExtension, Row};

use crate::backend::{Durability, SqliteBackend};
use crate::{audit, environment, error, feed, tenancy};

statements! {
    FIND = "SELECT e.name, e.status, e.revision, e.experiment FROM promptops_tenant t
        JOIN promptops_experiment e ON e.tenant = t.id AND e.name = ?2 WHERE t.name = ?1";
    OPEN = "SELECT e.name, e.status, e.revision, e.experiment FROM promptops_tenant t
        JOIN promptops_experiment e ON e.tenant = t.id AND e.prompt = ?2 AND e.environment = ?3 AND e.status <> 'completed'
        WHERE t.name = ?1";
    ALL_OPEN = "SELECT name, status, revision, experiment FROM promptops_experiment
        WHERE tenant = ?1 AND status <> 'completed'";
    OPEN_OF_PROMPT = "SELECT name, status, revision, experiment FROM promptops_experiment
        WHERE tenant = ?1 AND prompt = ?2 AND status <> 'completed'";
    OPEN_IN = "SELECT name FROM promptops_experiment
        WHERE tenant = ?1 AND prompt = ?2 AND environment = ?3 AND status <> 'completed'";
    LIST = "SELECT name, status, revision, experiment FROM promptops_experiment
        WHERE tenant = ?1 AND (?2 IS NULL OR name < ?2) AND (?3 IS NULL OR status = ?3) AND ?5 IS NULL
        ORDER BY name DESC LIMIT ?4";
    LIST_OF_PROMPT = "SELECT name, status, revision, experiment FROM promptops_experiment
        INDEXED BY promptops_experiment_prompt
        WHERE tenant = ?1 AND prompt = ?5 AND (?2 IS NULL OR name < ?2) AND (?3 IS NULL OR status = ?3)
        ORDER BY name DESC LIMIT ?4";
    PLACE = "SELECT id, status, revision FROM promptops_experiment WHERE tenant = ?1 AND name = ?2";
    ADD = "INSERT INTO promptops_experiment (tenant, name, prompt, environment, status, revision, experiment)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
    CHANGE = "UPDATE promptops_experiment
        SET prompt = ?2, environment = ?3, status = ?4, revision = ?5, experiment = ?6 WHERE id = ?1";
}

fn read(row: &Row<'_>) -> error::Result<Experiment> {
    let text = row.get_ref(3)?.as_str().map_err(rusqlite::Error::from)?;
    let experiment = from_stored(text)?;
    // What was compared and set by a column's value must be what the record says.
    let is_same = row
        .get_ref(0)?
        .as_str()
        .is_ok_and(|name| name == experiment.id.as_str())
        && row
            .get_ref(1)?
            .as_str()
            .is_ok_and(|status| status == experiment.status.as_str())
        && row.get::<_, i64>(2)? == integer(experiment.revision)?;
    if is_same {
        Ok(experiment)
    } else {
        Err(corrupt("experiment").with("experiment", experiment.id).into())
    }
}

fn read_all(mut rows: rusqlite::Rows<'_>) -> error::Result<Vec<Experiment>> {
    let mut experiments = Vec::new();
    while let Some(row) = rows.next()? {
        experiments.push(read(row)?);
    }
    Ok(experiments)
}

/// The open experiment that serves a version of the tenant's own prompt; of several the one with the smallest id.
pub(crate) fn with_variant(
    connection: &Connection,
    tenant: i64,
    prompt: &PromptName,
    version: VersionNumber,
) -> error::Result<Option<ExperimentId>> {
    let mut statement = connection.prepare_cached(OPEN_OF_PROMPT)?;
    let open = read_all(statement.query((tenant, prompt.as_str()))?)?;
    Ok(open
        .into_iter()
        .filter(|open| open.variants.iter().any(|variant| variant.version == version))
        .map(|open| open.id)
        .min())
}

/// Where an experiment is kept, and how it stands.
struct Place {
    id: i64,
    status: ExperimentStatus,
    revision: u64,
}

impl Place {
    fn find(connection: &Connection, tenant: &TenantId, id: &ExperimentId) -> error::Result<Option<Self>> {
        let Some(tenant) = tenancy::tenant(connection, tenant)? else {
            return Ok(None);
        };
        let found: Option<(i64, String, i64)> = connection
            .prepare_cached(PLACE)?
            .query_row((tenant, id.as_str()), |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?))
            })
            .optional()?;
        let place = |(id, status, revision): (_, String, _)| {
            Ok::<_, Error>(Self {
                id,
                status: status.parse()?,
                revision: unsigned("revision", revision)?,
            })
        };
        Ok(found.map(place).transpose()?)
    }

    /// One that must be there.
    fn of(connection: &Connection, tenant: &TenantId, id: &ExperimentId) -> error::Result<Self> {
        Ok(Self::find(connection, tenant, id)?.ok_or_else(|| refusal::unknown_experiment(id))?)
    }
}

fn create(tx: &Connection, new: NewExperiment) -> error::Result<Experiment> {
    let experiment = &new.experiment;
    let tenant = tenancy::ensure_tenant(tx, &new.tenant)?;
    environment::check_revision(
        tx,
        tenant,
        &experiment.prompt,
        &experiment.environment,
        experiment.pointer_revision,
    )?;
    environment::check_policies(tx, &new.tenant, new.policy_revision)?;
    for variant in &experiment.variants {
        let target = environment::target(
            tx,
            tenant,
            &experiment.prompt,
            variant.version,
            &variant.content_hash,
        )?;
        if target.status == Status::Archived {
            return Err(refusal::variant_is_archived(&experiment.prompt, variant).into());
        }
    }
    check_room(tx, tenant, experiment)?;
    tx.prepare_cached(ADD)?.execute((
        tenant,
        experiment.id.as_str(),
        experiment.prompt.as_str(),
        experiment.environment.as_str(),
        experiment.status.as_str(),
        integer(experiment.revision)?,
        to_json("experiment", experiment)?,
    ))?;
    feed::tell(tx, &new.tenant, &experiment_changed(experiment))?;
    audit::append(tx, new.audit)?;
    Ok(new.experiment)
}

/// Checks that nothing is where the experiment is to be.
fn check_room(tx: &Connection, tenant: i64, new: &Experiment) -> error::Result<()> {
    let open: Option<String> = tx
        .prepare_cached(OPEN_IN)?
        .query_row((tenant, new.prompt.as_str(), new.environment.as_str()), |row| {
            row.get(0)
        })
        .optional()?;
    if let Some(open) = open {
        let open = promptops_core::base::stored::stored("experiment", ExperimentId::new(open))?;
        return Err(refusal::slot_is_taken(new, &open).into());
    }
    if new.namespace.is_some() {
        let mut statement = tx.prepare_cached(ALL_OPEN)?;
        let open = read_all(statement.query([tenant])?)?;
        let sharing = open.iter().filter(|open| open.shares_buckets(new));
        if let Some(id) = sharing.map(|open| &open.id).min() {
            return Err(refusal::namespace_is_taken(new, id).into());
        }
    }
    let is_taken = tx.prepare_cached(PLACE)?.exists((tenant, new.id.as_str()))?;
    if is_taken {
        return Err(refusal::id_is_taken(&new.id).into());
    }
    Ok(())
}

fn change(tx: &Connection, change: ExperimentChange) -> error::Result<Experiment> {
    let experiment = &change.experiment;
    let place = Place::of(tx, &change.tenant, &experiment.id)?;
    let expected = experiment.revision.saturating_sub(1);
    if place.revision != expected {
        return Err(refusal::experiment_conflict(&experiment.id, expected, place.revision).into());
    }
    if !place.status.is_open() {
        return Err(refusal::experiment_is_completed(&experiment.id).into());
    }
    if let Some(promotion) = change.promotion {
        environment::move_pointer(tx, promotion)?;
    }
    tx.prepare_cached(CHANGE)?.execute((
        place.id,
        experiment.prompt.as_str(),
        experiment.environment.as_str(),
        experiment.status.as_str(),
        integer(experiment.revision)?,
        to_json("experiment", experiment)?,
    ))?;
    feed::tell(tx, &change.tenant, &experiment_changed(experiment))?;
    audit::append(tx, change.audit)?;
    Ok(change.experiment)
}

fn list(
    connection: &Connection,
    tenant: &TenantId,
    filter: &ExperimentFilter,
    before: Option<&ExperimentId>,
    limit: usize,
) -> error::Result<Vec<Experiment>> {
    let Some(tenant) = tenancy::tenant(connection, tenant)? else {
        return Ok(Vec::new());
    };
    let mut statement = connection.prepare_cached(match filter.prompt {
        Some(_) => LIST_OF_PROMPT,
        None => LIST,
    })?;
    read_all(statement.query((
        tenant,
        before.map(ExperimentId::as_str),
        filter.status.map(ExperimentStatus::as_str),
        limit as i64 + 1,
        filter.prompt.as_ref().map(PromptName::as_str),
    ))?)
}

#[async_trait]
impl ExperimentStore for SqliteBackend {
    async fn create_experiment(&self, new: NewExperiment) -> Result<Experiment> {
        self.write(Durability::Machine, move |tx| create(tx, new)).await
    }

    async fn experiment(&self, tenant: &TenantId, id: &ExperimentId) -> Result<Option<Experiment>> {
        let (tenant, id) = (tenant.clone(), id.clone());
        self.read(move |connection| {
            let mut statement = connection.prepare_cached(FIND)?;
            let mut rows = statement.query([tenant.as_str(), id.as_str()])?;
            rows.next()?.map(read).transpose()
        })
        .await
    }

    async fn open_experiment(
        &self,
        tenant: &TenantId,
        prompt: &PromptName,
        environment: &EnvironmentName,
    ) -> Result<Option<Experiment>> {
        let (tenant, prompt, environment) = (tenant.clone(), prompt.clone(), environment.clone());
        self.read(move |connection| {
            let mut statement = connection.prepare_cached(OPEN)?;
            let mut rows = statement.query([tenant.as_str(), prompt.as_str(), environment.as_str()])?;
            rows.next()?.map(read).transpose()
        })
        .await
    }

    async fn experiments(
        &self,
        tenant: &TenantId,
        filter: &ExperimentFilter,
        page: &PageRequest,
    ) -> Result<Page<Experiment>> {
        let before = page
            .cursor()
            .map(|cursor| ExperimentId::new(cursor).map_err(|_| foreign_cursor(cursor)))
            .transpose()?;
        let (tenant, filter, limit) = (tenant.clone(), filter.clone(), page.limit());
        self.read(move |connection| {
            let experiments = list(connection, &tenant, &filter, before.as_ref(), limit)?;
            Ok(Page::from_surplus(experiments, limit, |last| last.id.to_string()))
        })
        .await
    }

    async fn change_experiment(&self, change_: ExperimentChange) -> Result<Experiment> {
        self.write(Durability::Machine, move |tx| change(tx, change_))
            .await
    }

    async fn record_outcomes(
        &self,
        tenant: &TenantId,
        experiment: &ExperimentId,
        outcomes: &[OutcomeEntry],
    ) -> Result<Vec<OutcomeVerdict>> {
        let (tenant, experiment, outcomes) = (tenant.clone(), experiment.clone(), outcomes.to_vec());
        self.write(Durability::Process, move |tx| {
            let place = Place::of(tx, &tenant, &experiment)?;
            if place.status.is_open() {
                outcome::record(tx, place.id, &outcomes)
            } else {
                Ok(vec![OutcomeVerdict::Closed; outcomes.len()])
            }
        })
        .await
    }

    async fn record_losses(
        &self,
        tenant: &TenantId,
        experiment: &ExperimentId,
        losses: &[Loss],
    ) -> Result<()> {
        let (tenant, experiment, losses) = (tenant.clone(), experiment.clone(), losses.to_vec());
        self.write(Durability::Process, move |tx| {
            let place = Place::of(tx, &tenant, &experiment)?;
            outcome::record_losses(tx, place.id, &losses)
        })
        .await
    }

    async fn tallies(&self, tenant: &TenantId, experiment: &ExperimentId) -> Result<Vec<TallyRow>> {
        let (tenant, experiment) = (tenant.clone(), experiment.clone());
        self.read(
            move |connection| match Place::find(connection, &tenant, &experiment)? {
                None => Ok(Vec::new()),
                Some(place) => outcome::tallies(connection, place.id),
            },
        )
        .await
    }
}
