//! What a compiled prompt was made of: a version and the snippets that it includes.

use std::sync::Arc;

use super::cache::SharedKey;
use crate::base::{ClosureHash, PromptName, TenantId};
use crate::observation::Stamp;
use crate::prompt::{Reference, Selector, Version};
use crate::render::{Closure, ClosureRoot, SnippetLimits, SnippetSource};

/// A snippet, and how the texts that include it call it.
#[derive(Clone)]
pub(super) struct Included {
    pub(super) reference: Box<str>,
    pub(super) source: SnippetSource,
}

/// A version with all its snippets, as they were found.
#[derive(Clone)]
pub(super) struct Sources {
    pub(super) version: Arc<Version>,
    /// Each reference as written once.
    pub(super) snippets: Box<[Included]>,
    pub(super) closure_hash: ClosureHash,
}

impl Sources {
    pub(super) fn new(version: Arc<Version>, closure: &Closure) -> Self {
        let snippets = closure.snippets.iter().map(|snippet| Included {
            reference: snippet.reference.as_str().into(),
            source: snippet.source.clone(),
        });
        Self {
            version,
            snippets: snippets.collect(),
            closure_hash: closure.hash,
        }
    }

    /// The closure, made again for this tenant.
    pub(super) fn closure(&self, tenant: &TenantId, limits: &SnippetLimits) -> crate::base::Result<Closure> {
        let snippets = self
            .snippets
            .iter()
            .map(|snippet| (&*snippet.reference, &snippet.source));
        Closure::restore(tenant, ClosureRoot::from(self.version.as_ref()), snippets, limits)
    }

    /// What is handed out for a reference that led here.
    pub(super) fn stamp(&self, reference: &Reference) -> Stamp {
        Stamp {
            prompt: self.version.prompt.clone(),
            version: Some(self.version.number),
            closure_hash: self.closure_hash,
            environment: match &reference.selector {
                Selector::Environment(environment) => Some(environment.clone()),
                _ => None,
            },
            assignment: None,
        }
    }

    /// Every prompt that a change of would change what the tenant gets: (tenant, prompt).
    pub(super) fn depends_on(&self, tenant: &TenantId) -> Box<[(TenantId, PromptName)]> {
        let mut depends_on: Vec<(TenantId, PromptName)> =
            vec![(self.version.tenant.clone(), self.version.prompt.clone())];
        depends_on.extend(
            self.snippets
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
        depends_on.into()
    }

    /// With whom the tenant may share the compiled prompt.
    pub(super) fn shared_key(&self, tenant: &TenantId) -> SharedKey {
        SharedKey {
            closure_hash: self.closure_hash,
            owner: self.version.tenant.clone(),
            prompt: self.version.prompt.clone(),
            version: self.version.number,
            asking: (!self.snippets.is_empty()).then(|| tenant.clone()),
        }
    }

    /// About how many bytes it keeps beside what the compiled prompt keeps.
    pub(super) fn bytes(&self) -> usize {
        self.snippets
            .iter()
            .map(|snippet| size_of::<Included>() + snippet.reference.len())
            .sum()
    }
}
