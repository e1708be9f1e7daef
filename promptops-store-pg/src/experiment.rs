//! Experiments.

mod change;
mod outcome;

use async_trait::async_trait;
use promptops_core::Result;
use promptops_core::base::page::foreign_cursor;
use promptops_core::base::{
    EnvironmentName, ExperimentId, Page, PageRequest, PromptName, TenantId, VersionNumber,
};
use promptops_core::experiment::{
    Experiment, ExperimentChange, ExperimentFilter, ExperimentStore, Loss, NewExperiment, OutcomeEntry,
    OutcomeVerdict, TallyRow, from_stored, refusal,
};
use sqlx::Row;
use sqlx::postgres::PgRow;

use crate::backend::PgBackend;
use crate::connection::Transaction;
use crate::error;

const FIND: &str = "SELECT x.record FROM promptops.entered($1) n, LATERAL (
        SELECT e.record FROM promptops.experiment e WHERE e.tenant = n.id AND e.name = $2 OFFSET 0
    ) x";
const OPEN: &str = "SELECT x.record FROM promptops.entered($1) n, LATERAL (
        SELECT e.record FROM promptops.experiment e
        WHERE e.tenant = n.id AND e.prompt = $2 AND e.environment = $3 AND e.status <> 'completed' OFFSET 0
    ) x";
const OPEN_OF_PROMPT: &str = "SELECT e.record FROM promptops.experiment e
    WHERE e.tenant = $1 AND e.prompt = $2 AND e.status <> 'completed' ORDER BY e.name";

/// A list by the index that the condition names.
macro_rules! list {
    ($condition:literal) => {
        concat!(
            "SELECT x.record FROM promptops.entered($1) n, LATERAL (
                SELECT e.name, e.record FROM promptops.experiment e
                WHERE e.tenant = n.id AND ($2 IS NULL OR e.name < $2) AND ($4 IS NULL OR e.prompt = $4)
                    AND ($5 IS NULL OR e.status = $5)",
            $condition,
            " ORDER BY e.name DESC LIMIT $3
            ) x ORDER BY x.name DESC"
        )
    };
}
const LIST: &str = list!("");
const LIST_OF_PROMPT: &str = list!(" AND e.prompt = $4");

fn read(row: &PgRow, at: usize) -> error::Result<Experiment> {
    Ok(from_stored(row.try_get(at)?)?)
}

/// Refuses to archive a version that an open experiment serves. The tenant's row is locked.
pub(crate) async fn check_unused(
    tx: &mut Transaction,
    tenant: i64,
    prompt: &PromptName,
    version: VersionNumber,
) -> error::Result<()> {
    let rows = tx
        .rows(OPEN_OF_PROMPT, |query| {
            query.bind(tenant).bind(prompt.to_string())
        })
        .await?;
    for row in &rows {
        let open = read(row, 0)?;
        if open.variants.iter().any(|variant| variant.version == version) {
            return Err(refusal::version_is_in_experiment(prompt, version, &open.id).into());
        }
    }
    Ok(())
}

#[async_trait]
impl ExperimentStore for PgBackend {
    async fn create_experiment(&self, new: NewExperiment) -> Result<Experiment> {
        let mut tx = self.begin().await?;
        let result = change::create(&mut tx, new).await;
        tx.finish(result).await
    }

    async fn experiment(&self, tenant: &TenantId, id: &ExperimentId) -> Result<Option<Experiment>> {
        let row = self
            .read_one(FIND, |query| query.bind(tenant.to_string()).bind(id.to_string()))
            .await?;
        Ok(row.map(|row| read(&row, 0)).transpose()?)
    }

    async fn open_experiment(
        &self,
        tenant: &TenantId,
        prompt: &PromptName,
        environment: &EnvironmentName,
    ) -> Result<Option<Experiment>> {
        let row = self
            .read_one(OPEN, |query| {
                query
                    .bind(tenant.to_string())
                    .bind(prompt.to_string())
                    .bind(environment.to_string())
            })
            .await?;
        Ok(row.map(|row| read(&row, 0)).transpose()?)
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
        let limit = page.limit();
        let sql = match filter.prompt {
            Some(_) => LIST_OF_PROMPT,
            None => LIST,
        };
        let rows = self
            .read(sql, |query| {
                query
                    .bind(tenant.to_string())
                    .bind(before.as_ref().map(ToString::to_string))
                    .bind(limit as i64 + 1)
                    .bind(filter.prompt.as_ref().map(ToString::to_string))
                    .bind(filter.status.map(|status| status.as_str()))
            })
            .await?;
        let found = rows
            .iter()
            .map(|row| read(row, 0))
            .collect::<error::Result<_>>()?;
        Ok(Page::from_surplus(found, limit, |last: &Experiment| {
            last.id.to_string()
        }))
    }

    async fn change_experiment(&self, change: ExperimentChange) -> Result<Experiment> {
        let mut tx = self.begin().await?;
        let result = change::change(&mut tx, change, self.lock_timeout()).await;
        tx.finish(result).await
    }

    async fn record_outcomes(
        &self,
        tenant: &TenantId,
        experiment: &ExperimentId,
        outcomes: &[OutcomeEntry],
    ) -> Result<Vec<OutcomeVerdict>> {
        let mut tx = self.begin().await?;
        let result = outcome::record(&mut tx, tenant, experiment, outcomes).await;
        tx.finish(result).await
    }

    async fn record_losses(
        &self,
        tenant: &TenantId,
        experiment: &ExperimentId,
        losses: &[Loss],
    ) -> Result<()> {
        let mut tx = self.begin().await?;
        let result = outcome::record_losses(&mut tx, tenant, experiment, losses).await;
        tx.finish(result).await
    }

    async fn tallies(&self, tenant: &TenantId, experiment: &ExperimentId) -> Result<Vec<TallyRow>> {
        outcome::tallies(self, tenant, experiment).await
    }
}
