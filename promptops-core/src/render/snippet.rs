//! Where snippets come from.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;

use crate::base::error::Result;
use crate::base::{ContentHash, PromptName, TenantId, VersionNumber};
use crate::prompt::{Content, Lookup, Missing, Reference, SnippetReference, Store};

/// A snippet that was found.
#[derive(Debug, Clone)]
pub struct SnippetSource {
    /// The tenant that owns it: the asking one, or its parent.
    pub tenant: TenantId,
    /// Its name.
    pub prompt: PromptName,
    /// Its version.
    pub version: VersionNumber,
    /// The identity of its content.
    pub hash: ContentHash,
    /// Its content; must be text.
    pub content: Arc<Content>,
}

/// Finds the snippets that templates include.
///
/// The default looks them up in the [`Store`]; a host can put in its own.
#[async_trait]
pub trait SnippetResolver: Send + Sync {
    /// Looks references up for this tenant.
    ///
    /// # Behavior
    /// - The answer has an entry for every reference given, keyed by it.
    /// - A snippet of the tenant hides its parent's of the same name.
    ///
    /// # Errors
    /// [`Unavailable`](crate::base::ErrorKind::Unavailable) when they cannot be looked up now. A snippet that does
    /// not exist is not an error here.
    async fn resolve(
        &self,
        tenant: &TenantId,
        references: &[SnippetReference],
    ) -> Result<BTreeMap<SnippetReference, Result<SnippetSource, Missing>>>;
}

/// Snippets from the store, all of one call in one round trip.
#[derive(Clone)]
pub struct StoreSnippets(Arc<dyn Store>);

impl StoreSnippets {
    /// Snippets from this store.
    #[must_use]
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self(store)
    }
}

impl std::fmt::Debug for StoreSnippets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StoreSnippets").finish_non_exhaustive()
    }
}

#[async_trait]
impl SnippetResolver for StoreSnippets {
    async fn resolve(
        &self,
        tenant: &TenantId,
        references: &[SnippetReference],
    ) -> Result<BTreeMap<SnippetReference, Result<SnippetSource, Missing>>> {
        let wanted: Vec<Reference> = references
            .iter()
            .map(|snippet| snippet.reference().clone())
            .collect();
        let lookups = self.0.find(tenant, &wanted).await?;
        let sources = lookups.into_iter().map(|lookup| match lookup {
            Lookup::Missing(missing) => Err(missing),
            Lookup::Found(found) => Ok(SnippetSource {
                tenant: found.version.tenant.clone(),
                prompt: found.version.prompt.clone(),
                version: found.version.number,
                hash: found.version.hash,
                content: Arc::clone(&found.version.content),
            }),
        });
        Ok(references.iter().cloned().zip(sources).collect())
    }
}
