//! The switch that stops automatic improvement for a tenant.

use serde::{Deserialize, Serialize};

use crate::base::{Actor, Timestamp};

/// Whether anything is improved without a person for a tenant: the kill switch.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Control {
    /// Who stopped it, and why; `None` while it goes on.
    pub stopped: Option<Stopped>,
    /// 0 before it was ever stopped, one more with each change.
    pub revision: u64,
}

/// Who stopped automatic improvement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stopped {
    /// Who.
    pub by: Actor,
    /// Why.
    pub reason: String,
    /// When.
    pub at: Timestamp,
}
