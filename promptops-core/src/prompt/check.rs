//! What must hold before a content may be saved or activated.

use std::sync::Arc;

use async_trait::async_trait;

use super::content::Content;
use crate::base::error::Result;
use crate::base::{PromptName, TenantId, VersionNumber};

/// Checks a content against everything that it stands on: its snippets, its schema, the engine.
///
/// Rooms above this one know snippets and engines; they implement it.
#[async_trait]
pub trait ContentCheck: Send + Sync {
    /// Checks that the content could be resolved and rendered for this tenant now.
    ///
    /// # Errors
    /// What resolving would fail with.
    async fn check(
        &self,
        tenant: &TenantId,
        prompt: &PromptName,
        version: Option<VersionNumber>,
        content: &Arc<Content>,
    ) -> Result<()>;
}
