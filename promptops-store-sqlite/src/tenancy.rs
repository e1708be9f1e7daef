//! Tenants: their row ids, and which inherits from which.

use std::collections::HashMap;

use promptops_core::base::tenancy::ParentChange;
use promptops_core::base::{Change, PromptName, TenantId};
use promptops_core::prompt::refusal;
use rusqlite::{Connection, OptionalExtension};

use crate::error::Result;
use crate::{audit, feed};
use promptops_core::base::stored::stored;

statements! {
    TENANT = "SELECT id FROM promptops_tenant WHERE name = ?1";
    ADD_TENANT = "INSERT INTO promptops_tenant (name) VALUES (?1)";
    PROMPT = "SELECT p.id FROM promptops_tenant t JOIN promptops_prompt p ON p.tenant = t.id AND p.name = ?2
        WHERE t.name = ?1";
    PARENT = "SELECT p.name FROM promptops_tenant t JOIN promptops_tenant p ON p.id = t.parent WHERE t.name = ?1";
    IS_PARENT = "SELECT EXISTS (SELECT 1 FROM promptops_tenant WHERE parent = ?1)";
    SET_PARENT = "UPDATE promptops_tenant SET parent = ?2 WHERE id = ?1";
}

/// The tenant's row id; `None` when it never wrote anything.
pub(crate) fn tenant(connection: &Connection, tenant: &TenantId) -> Result<Option<i64>> {
    Ok(connection
        .prepare_cached(TENANT)?
        .query_row([tenant.as_str()], |row| row.get(0))
        .optional()?)
}

/// The tenant's row id; its row is made if need be.
pub(crate) fn ensure_tenant(tx: &Connection, name: &TenantId) -> Result<i64> {
    if let Some(id) = tenant(tx, name)? {
        return Ok(id);
    }
    tx.prepare_cached(ADD_TENANT)?.execute([name.as_str()])?;
    Ok(tx.last_insert_rowid())
}

/// The tenants of a batch, each looked up once.
pub(crate) struct Tenants<'a> {
    tx: &'a Connection,
    known: HashMap<TenantId, i64>,
}

impl<'a> Tenants<'a> {
    pub(crate) fn new(tx: &'a Connection) -> Self {
        Self {
            tx,
            known: HashMap::new(),
        }
    }

    /// The tenant's row id; its row is made if need be.
    pub(crate) fn ensure(&mut self, name: &TenantId) -> Result<i64> {
        if let Some(id) = self.known.get(name) {
            return Ok(*id);
        }
        let id = ensure_tenant(self.tx, name)?;
        self.known.insert(name.clone(), id);
        Ok(id)
    }
}

/// The row id of the tenant's own prompt.
pub(crate) fn own_prompt(
    connection: &Connection,
    tenant: &TenantId,
    name: &PromptName,
) -> Result<Option<i64>> {
    Ok(connection
        .prepare_cached(PROMPT)?
        .query_row([tenant.as_str(), name.as_str()], |row| row.get(0))
        .optional()?)
}

pub(crate) fn parent(connection: &Connection, tenant: &TenantId) -> Result<Option<TenantId>> {
    let name: Option<String> = connection
        .prepare_cached(PARENT)?
        .query_row([tenant.as_str()], |row| row.get(0))
        .optional()?;
    Ok(name
        .map(|name| stored("tenant", TenantId::new(name)))
        .transpose()?)
}

pub(crate) fn set_parent(tx: &Connection, change: ParentChange) -> Result<()> {
    let tenant = ensure_tenant(tx, &change.tenant)?;
    let mut parent_id = None;
    if let Some(wanted) = &change.parent {
        if *wanted == change.tenant {
            return Err(refusal::own_parent(wanted).into());
        }
        if parent(tx, wanted)?.is_some() {
            return Err(refusal::parent_inherits(wanted).into());
        }
        let is_parent: bool = tx
            .prepare_cached(IS_PARENT)?
            .query_row([tenant], |row| row.get(0))?;
        if is_parent {
            return Err(refusal::tenant_is_a_parent(&change.tenant).into());
        }
        parent_id = Some(ensure_tenant(tx, wanted)?);
    }
    tx.prepare_cached(SET_PARENT)?.execute((tenant, parent_id))?;
    feed::tell(tx, &change.tenant, &Change::ParentChanged)?;
    audit::append(tx, change.audit)
}
