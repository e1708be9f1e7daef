//! Loading what the cache does not have: store, snippets, compiler.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::cache::{Entry, Key, Shared};
use super::shelf::Shelf;
use crate::base::error::{Error, ErrorKind, Result};
use crate::base::{Clock, PromptName, TenantId};
use crate::observation::Stamp;
use crate::prompt::{Content, Lookup, Reference, Selector, Store};
use crate::render::{ClosureRoot, Compiler};

/// Loads entries. Knows nothing of requests.
pub(super) struct Loader {
    pub(super) store: Arc<dyn Store>,
    pub(super) compiler: Compiler,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) timeout: Duration,
}

impl Loader {
    pub(super) fn now_ms(&self) -> u64 {
        u64::try_from(self.clock.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Loads what a key refers to, in one store call and one more per level of snippets.
    pub(super) async fn load(&self, key: &Key, shelf: &Mutex<Shelf>) -> Result<Entry> {
        let reference: Reference = key.reference.parse()?;
        let loading = self.load_reference(&key.tenant, &reference, shelf);
        match tokio::time::timeout(self.timeout, loading).await {
            Ok(loaded) => loaded,
            Err(_) => Err(Error::new(
                ErrorKind::Unavailable,
                format!(
                    "the store did not answer within {} ms; try again later",
                    self.timeout.as_millis()
                ),
            )
            .with("reference", &reference)
            .with("tenant", &key.tenant)),
        }
    }

    async fn load_reference(
        &self,
        tenant: &TenantId,
        reference: &Reference,
        shelf: &Mutex<Shelf>,
    ) -> Result<Entry> {
        let lock = || shelf.lock().unwrap_or_else(PoisonError::into_inner);
        // Before the store is asked: every event from here on may be about what it will not say.
        let loaded_at = lock().events();
        let lookups = self.store.find(tenant, std::slice::from_ref(reference)).await?;
        let found = match lookups.into_iter().next() {
            Some(Lookup::Found(found)) => found,
            Some(Lookup::Missing(missing)) => return Err(missing.error(tenant, reference)),
            None => {
                return Err(Error::new(
                    ErrorKind::Backend,
                    "the store answered nothing where a version was asked for",
                ));
            }
        };
        let version = found.version;
        let closure = self.compiler.closure(tenant, version.as_ref()).await?;
        let mut depends_on: Vec<(TenantId, PromptName)> =
            vec![(version.tenant.clone(), version.prompt.clone())];
        depends_on.extend(
            closure
                .snippets
                .iter()
                .map(|snippet| (snippet.source.tenant.clone(), snippet.source.prompt.clone())),
        );
        // What is inherited now can be overridden by the tenant at any time.
        let own: Vec<_> = depends_on
            .iter()
            .filter(|(owner, _)| owner != tenant)
            .map(|(_, prompt)| (tenant.clone(), prompt.clone()))
            .collect();
        depends_on.extend(own);
        depends_on.sort_unstable();
        depends_on.dedup();
        let stamp = Stamp {
            prompt: version.prompt.clone(),
            version: Some(version.number),
            closure_hash: closure.hash,
            environment: match &reference.selector {
                Selector::Environment(environment) => Some(environment.clone()),
                _ => None,
            },
        };
        let shared_key = (
            closure.hash,
            version.tenant.clone(),
            version.prompt.clone(),
            version.number,
        );
        let known = lock().shared(&shared_key);
        let shared = match known {
            Some(shared) => shared,
            None => {
                let compiled = self.compiler.compile(&closure)?;
                lock().share(shared_key, Arc::new(Shared::new(compiled, Some(version))))
            }
        };
        Ok(Entry::new(
            shared,
            stamp,
            found.revision,
            depends_on.into(),
            loaded_at,
            self.now_ms(),
        ))
    }

    /// Makes an entry of a caller's own content, which may include nothing.
    pub(super) async fn fallback(&self, key: &Key, content: Content, cause: Error) -> Result<Entry> {
        let prompt = key
            .reference
            .parse::<Reference>()
            .map(|reference| reference.prompt)?;
        let root = ClosureRoot::new(prompt.clone(), None, Arc::new(content));
        let mut compiler = self.compiler.clone();
        compiler.snippets = Arc::new(NoSnippets);
        let closure = compiler.closure(&key.tenant, root).await?;
        let stamp = Stamp {
            prompt,
            version: None,
            closure_hash: closure.hash,
            environment: None,
        };
        let shared = Arc::new(Shared::new(compiler.compile(&closure)?, None));
        let entry = Entry::new(shared, stamp, None, Box::default(), 0, self.now_ms());
        entry.failed(cause, 0);
        Ok(entry)
    }
}

struct NoSnippets;

#[async_trait::async_trait]
impl crate::render::SnippetResolver for NoSnippets {
    async fn resolve(
        &self,
        _: &TenantId,
        _: &[crate::prompt::SnippetReference],
    ) -> Result<
        std::collections::BTreeMap<
            crate::prompt::SnippetReference,
            Result<crate::render::SnippetSource, crate::prompt::Missing>,
        >,
    > {
        Err(Error::new(
            ErrorKind::Invalid,
            "a fallback cannot include snippets; write its text out",
        ))
    }
}
