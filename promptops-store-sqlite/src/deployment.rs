//! Deployments.

pub(crate) mod commit;
mod rows;

use async_trait::async_trait;
use promptops_core::Result;
use promptops_core::base::page::foreign_cursor;
use promptops_core::base::{
    CommandKey, DeploymentId, DocumentHash, EnvironmentName, Page, PageRequest, PromptName, TenantId,
};
use promptops_core::deployment::{
    Deployment, DeploymentCommit, DeploymentFilter, DeploymentStore, Document, SlotControl, State, Transition,
};
use rusqlite::Connection;

use self::rows::{deployment_columns, transition_columns};
use crate::backend::{Durability, SqliteBackend};
use crate::{error, tenancy};

/// A list that goes by an index in the order of ids. A cursor that is not there is above all texts, as bytes are in SQLite.
macro_rules! list {
    ($index:literal, $by:literal) => {
        concat!(
            "SELECT ",
            deployment_columns!(),
            " FROM promptops_deployment d ",
            $index,
            " WHERE d.tenant = ?1 AND d.name < coalesce(?2, x'')",
            $by,
            " AND (?4 IS NULL OR d.prompt = ?4) AND (?5 IS NULL OR d.environment = ?5)
            AND (?6 IS NULL OR d.state = ?6) AND (?7 IS NULL OR d.closure_hash = ?7)
            AND (?8 IS NULL OR d.has_slot = ?8) ORDER BY d.name DESC LIMIT ?3"
        )
    };
}

statements! {
    FIND = concat!("SELECT ", deployment_columns!(), " FROM promptops_tenant t
        JOIN promptops_deployment d ON d.tenant = t.id AND d.name = ?2 WHERE t.name = ?1");
    LIST = list!("", "");
    LIST_OF_PROMPT = list!("INDEXED BY promptops_deployment_prompt", " AND d.prompt = ?4");
    LIST_IN_STATE = list!("INDEXED BY promptops_deployment_state", " AND d.state = ?6");
    LIST_OF_CLOSURE = list!("INDEXED BY promptops_deployment_closure", " AND d.closure_hash = ?7");
    LIST_WITH_SLOT = list!("INDEXED BY promptops_deployment_live", " AND d.has_slot = 1");
    LIST_OF_SLOT = list!(
        "INDEXED BY promptops_deployment_slot",
        " AND d.has_slot = 1 AND d.prompt = ?4 AND d.environment = ?5"
    );
    TRANSITIONS = concat!("SELECT ", transition_columns!(), " FROM promptops_tenant t
        JOIN promptops_deployment d ON d.tenant = t.id AND d.name = ?2
        JOIN promptops_transition s ON s.deployment = d.id
        WHERE t.name = ?1 ORDER BY s.number");
    OF_KEY = concat!("SELECT ", transition_columns!(), " FROM promptops_tenant t
        JOIN promptops_transition s ON s.tenant = t.id AND s.key = ?2
        JOIN promptops_deployment d ON d.id = s.deployment AND d.tenant = t.id
        WHERE t.name = ?1");
    DOCUMENT = "SELECT k.body FROM promptops_tenant t
        JOIN promptops_document k ON k.tenant = t.id AND k.hash = ?2 WHERE t.name = ?1";
}

/// The list that looks at the fewest deployments beside those wanted.
fn list_for(filter: &DeploymentFilter) -> &'static str {
    let has_slot = filter.has_slot == Some(true);
    if has_slot && filter.prompt.is_some() && filter.environment.is_some() {
        LIST_OF_SLOT
    } else if filter.closure_hash.is_some() {
        LIST_OF_CLOSURE
    } else if has_slot {
        LIST_WITH_SLOT
    } else if filter.prompt.is_some() {
        LIST_OF_PROMPT
    } else if filter.state.is_some() {
        LIST_IN_STATE
    } else {
        LIST
    }
}

fn list(
    connection: &Connection,
    tenant: &TenantId,
    filter: &DeploymentFilter,
    before: Option<&DeploymentId>,
    limit: usize,
) -> error::Result<Vec<Deployment>> {
    let Some(tenant) = tenancy::tenant(connection, tenant)? else {
        return Ok(Vec::new());
    };
    let mut statement = connection.prepare_cached(list_for(filter))?;
    rows::deployments(statement.query((
        tenant,
        before.map(DeploymentId::as_str),
        limit as i64 + 1,
        filter.prompt.as_ref().map(PromptName::as_str),
        filter.environment.as_ref().map(EnvironmentName::as_str),
        filter.state.map(State::as_str),
        filter.closure_hash.as_ref().map(|hash| hash.as_bytes()),
        filter.has_slot,
    ))?)
}

#[async_trait]
impl DeploymentStore for SqliteBackend {
    async fn commit_deployments(&self, commit: DeploymentCommit) -> Result<()> {
        self.write(Durability::Machine, move |tx| commit::commit(tx, commit))
            .await
    }

    async fn deployment(&self, tenant: &TenantId, id: &DeploymentId) -> Result<Option<Deployment>> {
        let (tenant, id) = (tenant.clone(), id.clone());
        self.read(move |connection| {
            let mut statement = connection.prepare_cached(FIND)?;
            let mut rows = statement.query([tenant.as_str(), id.as_str()])?;
            rows.next()?.map(rows::deployment).transpose()
        })
        .await
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
        let (tenant, filter, limit) = (tenant.clone(), filter.clone(), page.limit());
        self.read(move |connection| {
            let deployments = list(connection, &tenant, &filter, before.as_ref(), limit)?;
            Ok(Page::from_surplus(deployments, limit, |last| last.id.to_string()))
        })
        .await
    }

    async fn transitions(&self, tenant: &TenantId, id: &DeploymentId) -> Result<Vec<Transition>> {
        let (tenant, id) = (tenant.clone(), id.clone());
        self.read(move |connection| {
            let mut statement = connection.prepare_cached(TRANSITIONS)?;
            let mut rows = statement.query([tenant.as_str(), id.as_str()])?;
            let mut transitions = Vec::new();
            while let Some(row) = rows.next()? {
                transitions.push(rows::transition(row)?);
            }
            Ok(transitions)
        })
        .await
    }

    async fn transition_of_key(&self, tenant: &TenantId, key: &CommandKey) -> Result<Option<Transition>> {
        let (tenant, key) = (tenant.clone(), key.clone());
        self.read(move |connection| {
            let mut statement = connection.prepare_cached(OF_KEY)?;
            let mut rows = statement.query([tenant.as_str(), key.as_str()])?;
            rows.next()?.map(rows::transition).transpose()
        })
        .await
    }

    async fn slot_control(
        &self,
        tenant: &TenantId,
        prompt: &PromptName,
        environment: &EnvironmentName,
    ) -> Result<SlotControl> {
        let (tenant, prompt, environment) = (tenant.clone(), prompt.clone(), environment.clone());
        self.read(move |connection| {
            let stored = match tenancy::tenant(connection, &tenant)? {
                Some(tenant) => commit::slot(connection, tenant, &prompt, &environment)?,
                None => None,
            };
            Ok(stored.unwrap_or_else(|| SlotControl::untouched(prompt, environment)))
        })
        .await
    }

    async fn document(&self, tenant: &TenantId, hash: &DocumentHash) -> Result<Option<Document>> {
        let (tenant, hash) = (tenant.clone(), *hash);
        self.read(move |connection| {
            let mut statement = connection.prepare_cached(DOCUMENT)?;
            let mut rows = statement.query((tenant.as_str(), hash.as_bytes()))?;
            rows.next()?.map(|row| rows::document(row, &hash)).transpose()
        })
        .await
    }
}
