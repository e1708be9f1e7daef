//! Which tenant inherits from which, for the host to set.

use std::fmt;
use std::sync::Arc;

use serde_json::json;

use super::service::Authoring;
use super::store::Store;
use crate::base::audit::{AuditAction, AuditEntry};
use crate::base::error::Result;
use crate::base::spawn::to_completion;
use crate::base::tenancy::ParentChange;
use crate::base::{Actor, Change, Event, Operation, TenantId};

/// The relations between tenants. Not a tenant's own: the host decides who inherits from whom.
#[derive(Clone)]
pub struct Tenants(Authoring);

impl Tenants {
    /// Relations kept by the authoring's store.
    #[must_use]
    pub fn new(authoring: Authoring) -> Self {
        Self(authoring)
    }

    fn store(&self) -> &Arc<dyn Store> {
        &self.0.store
    }

    /// Lets a tenant inherit all prompts and snippets of a parent, where its own of that name cannot answer, or, with
    /// `None`, of nobody.
    ///
    /// # Errors
    /// [`Invalid`](crate::base::ErrorKind::Invalid) for more than one level of inheritance;
    /// [`Forbidden`](crate::base::ErrorKind::Forbidden) for who is no owner; the backend's errors.
    pub async fn set_parent(&self, tenant: &str, parent: Option<&str>, actor: &Actor) -> Result<()> {
        actor.authorise(Operation::SetParent)?;
        let tenant = TenantId::new(tenant)?;
        let parent = parent.map(TenantId::new).transpose()?;
        let audit = AuditEntry::new(
            &tenant,
            self.0.clock.now(),
            actor,
            AuditAction::SetParent,
            tenant.as_str(),
            &json!({ "parent": parent }),
        );
        let Authoring { store, events, .. } = self.0.clone();
        to_completion(self.0.spawn.as_ref(), async move {
            store
                .set_parent(ParentChange {
                    tenant: tenant.clone(),
                    parent,
                    audit,
                })
                .await?;
            events.publish(&Event::Changed {
                tenant,
                change: Change::ParentChanged,
            });
            Ok(())
        })
        .await
    }

    /// The tenant that this one inherits from.
    ///
    /// # Errors
    /// [`Invalid`](crate::base::ErrorKind::Invalid) for a text that is no tenant id; the backend's errors.
    pub async fn parent(&self, tenant: &str) -> Result<Option<TenantId>> {
        self.store().parent(&TenantId::new(tenant)?).await
    }
}

impl fmt::Debug for Tenants {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tenants").finish_non_exhaustive()
    }
}
