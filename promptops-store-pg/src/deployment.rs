//! Deployments.

mod commit;

use async_trait::async_trait;
use promptops_core::Result;
use promptops_core::base::page::foreign_cursor;
use promptops_core::base::stored::from_json;
use promptops_core::base::{
    CommandKey, DeploymentId, DocumentHash, EnvironmentName, Page, PageRequest, PromptName, TenantId,
};
use promptops_core::deployment::{
    Deployment, DeploymentCommit, DeploymentFilter, DeploymentStore, Document, SlotControl, Transition,
    from_stored,
};
use sqlx::Row;
use sqlx::postgres::PgRow;

use crate::backend::PgBackend;
use crate::error;

const FIND: &str = "SELECT x.record FROM promptops.entered($1) n, LATERAL (
        SELECT d.record FROM promptops.deployment d WHERE d.tenant = n.id AND d.id = $2 OFFSET 0
    ) x";
const TRANSITIONS: &str = "SELECT x.record FROM promptops.entered($1) n, LATERAL (
        SELECT t.number, t.record FROM promptops.transition t WHERE t.tenant = n.id AND t.deployment = $2 OFFSET 0
    ) x ORDER BY x.number";
const OF_KEY: &str = "SELECT x.record FROM promptops.entered($1) n, LATERAL (
        SELECT t.record FROM promptops.transition t WHERE t.tenant = n.id AND t.key = $2 OFFSET 0
    ) x";
const SLOT: &str = "SELECT x.record FROM promptops.entered($1) n, LATERAL (
        SELECT s.record FROM promptops.slot s
        WHERE s.tenant = n.id AND s.prompt = $2 AND s.environment = $3 OFFSET 0
    ) x";
const DOCUMENT: &str = "SELECT x.json FROM promptops.entered($1) n, LATERAL (
        SELECT d.json FROM promptops.document d WHERE d.tenant = n.id AND d.hash = $2 OFFSET 0
    ) x";

/// A list by the index that the condition names.
macro_rules! list {
    ($condition:literal) => {
        concat!(
            "SELECT x.record FROM promptops.entered($1) n, LATERAL (
                SELECT d.id, d.record FROM promptops.deployment d
                WHERE d.tenant = n.id AND ($2 IS NULL OR d.id < $2) AND ($4 IS NULL OR d.prompt = $4)
                    AND ($5 IS NULL OR d.environment = $5) AND ($6 IS NULL OR d.state = $6)
                    AND ($7 IS NULL OR d.closure_hash = $7) AND ($8 IS NULL OR d.has_slot = $8)",
            $condition,
            " ORDER BY d.id DESC LIMIT $3
            ) x ORDER BY x.id DESC"
        )
    };
}
const LIST: &str = list!("");
/// There are as many as there are slots at most.
const LIST_OF_SLOTS: &str = list!(" AND d.has_slot");
const LIST_OF_CLOSURE: &str = list!(" AND d.prompt = $4 AND d.environment = $5 AND d.closure_hash = $7");
const LIST_OF_PROMPT: &str = list!(" AND d.prompt = $4");
const LIST_OF_STATE: &str = list!(" AND d.state = $6");

/// The statement whose index leaves the fewest to look at.
fn list(filter: &DeploymentFilter) -> &'static str {
    let is_of_slot = filter.prompt.is_some() && filter.environment.is_some();
    if filter.has_slot == Some(true) {
        LIST_OF_SLOTS
    } else if is_of_slot && filter.closure_hash.is_some() {
        LIST_OF_CLOSURE
    } else if filter.prompt.is_some() {
        LIST_OF_PROMPT
    } else if filter.state.is_some() {
        LIST_OF_STATE
    } else {
        LIST
    }
}

fn read(row: &PgRow) -> error::Result<Deployment> {
    Ok(from_stored(row.try_get(0)?)?)
}

fn step(row: &PgRow) -> error::Result<Transition> {
    Ok(from_json("transition of a deployment", row.try_get(0)?)?)
}

async fn slot_control(
    backend: &PgBackend,
    tenant: &TenantId,
    prompt: &PromptName,
    environment: &EnvironmentName,
) -> error::Result<SlotControl> {
    let row = backend
        .read_one(SLOT, |query| {
            query
                .bind(tenant.to_string())
                .bind(prompt.to_string())
                .bind(environment.to_string())
        })
        .await?;
    match row {
        Some(row) => Ok(from_json("slot", row.try_get(0)?)?),
        None => Ok(SlotControl::untouched(prompt.clone(), environment.clone())),
    }
}

#[async_trait]
impl DeploymentStore for PgBackend {
    async fn commit_deployments(&self, commit: DeploymentCommit) -> Result<()> {
        commit::commit(self, commit).await
    }

    async fn deployment(&self, tenant: &TenantId, id: &DeploymentId) -> Result<Option<Deployment>> {
        let row = self
            .read_one(FIND, |query| query.bind(tenant.to_string()).bind(id.to_string()))
            .await?;
        Ok(row.as_ref().map(read).transpose()?)
    }

    async fn deployments(
        &self,
        tenant: &TenantId,
        filter: &DeploymentFilter,
        page: &PageRequest,
    ) -> Result<Page<Deployment>> {
        let before = page
            .cursor()
            .map(|cursor| DeploymentId::new(cursor).map_err(|_| foreign_cursor(cursor)))
            .transpose()?;
        let limit = page.limit();
        let rows = self
            .read(list(filter), |query| {
                query
                    .bind(tenant.to_string())
                    .bind(before.as_ref().map(ToString::to_string))
                    .bind(limit as i64 + 1)
                    .bind(filter.prompt.as_ref().map(ToString::to_string))
                    .bind(filter.environment.as_ref().map(ToString::to_string))
                    .bind(filter.state.map(|state| state.as_str()))
                    .bind(filter.closure_hash.map(|hash| hash.as_bytes().to_vec()))
                    .bind(filter.has_slot)
            })
            .await?;
        let found = rows.iter().map(read).collect::<error::Result<_>>()?;
        Ok(Page::from_surplus(found, limit, |last: &Deployment| {
            last.id.to_string()
        }))
    }

    async fn transitions(&self, tenant: &TenantId, id: &DeploymentId) -> Result<Vec<Transition>> {
        let rows = self
            .read(TRANSITIONS, |query| {
                query.bind(tenant.to_string()).bind(id.to_string())
            })
            .await?;
        Ok(rows.iter().map(step).collect::<error::Result<_>>()?)
    }

    async fn transition_of_key(&self, tenant: &TenantId, key: &CommandKey) -> Result<Option<Transition>> {
        let row = self
            .read_one(OF_KEY, |query| {
                query.bind(tenant.to_string()).bind(key.to_string())
            })
            .await?;
        Ok(row.as_ref().map(step).transpose()?)
    }

    async fn slot_control(
        &self,
        tenant: &TenantId,
        prompt: &PromptName,
        environment: &EnvironmentName,
    ) -> Result<SlotControl> {
        Ok(slot_control(self, tenant, prompt, environment).await?)
    }

    async fn document(&self, tenant: &TenantId, hash: &DocumentHash) -> Result<Option<Document>> {
        let row = self
            .read_one(DOCUMENT, |query| {
                query.bind(tenant.to_string()).bind(hash.as_bytes().to_vec())
            })
            .await?;
        let text: Option<String> = row
            .map(|row| row.try_get(0))
            .transpose()
            .map_err(error::Failure::from)?;
        Ok(text.map(Document::from_text))
    }
}
