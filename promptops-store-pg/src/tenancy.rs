//! Tenants: their rows, and which inherits from which.

use promptops_core::Result;
use promptops_core::base::stored::stored;
use promptops_core::base::tenancy::ParentChange;
use promptops_core::base::{Change, TenantId};
use promptops_core::prompt::refusal;
use sqlx::Row;
use sqlx::postgres::PgRow;

use crate::audit;
use crate::backend::PgBackend;
use crate::connection::Transaction;
use crate::error;

const LOCK: &str = "SELECT t.id, t.parent, t.policy_revision FROM promptops.locked($1) t";
const ENTER: &str = "SELECT t.id FROM promptops.entered($1) t";
const PARENT: &str = "SELECT x.name FROM promptops.entered($1) n, LATERAL (
        SELECT p.name FROM promptops.tenant p WHERE p.id = n.parent OFFSET 0
    ) x";
const IS_PARENT: &str = "SELECT EXISTS (SELECT FROM promptops.tenant WHERE parent = $1)";
const SET_PARENT: &str = "UPDATE promptops.tenant SET parent = $2 WHERE id = $1";

/// A tenant's row.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tenant {
    pub(crate) id: i64,
    pub(crate) parent: Option<i64>,
    pub(crate) policy_revision: i64,
}

impl Tenant {
    fn read(row: &PgRow) -> error::Result<Self> {
        Ok(Self {
            id: row.try_get(0)?,
            parent: row.try_get(1)?,
            policy_revision: row.try_get(2)?,
        })
    }
}

/// Locks the tenant's row until the transaction ends; it is made if need be. What is read after this holds until then.
pub(crate) async fn lock(tx: &mut Transaction, tenant: &TenantId) -> error::Result<Tenant> {
    let row = tx.row(LOCK, |query| query.bind(tenant.to_string())).await?;
    Tenant::read(&row.ok_or(sqlx::Error::RowNotFound)?)
}

/// The tenant's id, which is entered and not locked: it is made if need be. For what is not to wait for promotions.
pub(crate) async fn enter(tx: &mut Transaction, tenant: &TenantId) -> error::Result<i64> {
    let row = tx.row(ENTER, |query| query.bind(tenant.to_string())).await?;
    let id: Option<i64> = row.map_or(Ok(None), |row| row.try_get(0))?;
    match id {
        Some(id) => Ok(id),
        None => Ok(lock(tx, tenant).await?.id),
    }
}

async fn set_parent(tx: &mut Transaction, change: ParentChange) -> error::Result<()> {
    let ParentChange {
        tenant,
        parent,
        audit,
    } = change;
    if parent.as_ref() == Some(&tenant) {
        return Err(refusal::own_parent(&tenant).into());
    }
    // In order of names, so that nobody waits in a circle.
    let mut wanted = None;
    if let Some(parent) = parent.as_ref().filter(|parent| **parent < tenant) {
        wanted = Some(lock(tx, parent).await?);
    }
    let own = lock(tx, &tenant).await?;
    if let Some(parent) = parent.as_ref().filter(|parent| **parent > tenant) {
        wanted = Some(lock(tx, parent).await?);
        tx.rows(ENTER, |query| query.bind(tenant.to_string())).await?;
    }
    if let (Some(parent), Some(wanted)) = (&parent, wanted) {
        if wanted.parent.is_some() {
            return Err(refusal::parent_inherits(parent).into());
        }
        let is_parent = tx.row(IS_PARENT, |query| query.bind(own.id)).await?;
        if is_parent.map_or(Ok(false), |row| row.try_get(0))? {
            return Err(refusal::tenant_is_a_parent(&tenant).into());
        }
    }
    let parent_id = wanted.map(|wanted| wanted.id);
    tx.rows(SET_PARENT, |query| query.bind(own.id).bind(parent_id))
        .await?;
    audit::append(tx, own, &audit, Some(&Change::ParentChanged)).await
}

impl PgBackend {
    pub(crate) async fn change_parent(&self, change: ParentChange) -> Result<()> {
        let mut tx = self.begin().await?;
        let result = set_parent(&mut tx, change).await;
        tx.finish(result).await
    }

    pub(crate) async fn parent_of(&self, tenant: &TenantId) -> Result<Option<TenantId>> {
        let row = self
            .read_one(PARENT, |query| query.bind(tenant.to_string()))
            .await?;
        let name: Option<String> = row
            .map(|row| row.try_get(0))
            .transpose()
            .map_err(error::Failure::from)?;
        name.map(|name| stored("tenant", TenantId::new(name))).transpose()
    }
}
