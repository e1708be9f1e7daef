//! Which tenant inherits from which.

use super::audit::AuditEntry;
use super::id::TenantId;

/// A change of a tenant's parent, to be committed with its audit record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParentChange {
    /// The tenant that inherits.
    pub tenant: TenantId,
    /// The tenant to inherit from; `None` to inherit from nobody.
    pub parent: Option<TenantId>,
    /// What goes on record.
    pub audit: AuditEntry,
}
