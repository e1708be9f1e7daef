//! From a content to a compiled prompt; also the check of a content before it is saved.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

use super::closure::{Closure, ClosureRoot, SnippetLimits};
use super::compiled::CompiledPrompt;
use super::limits::RenderLimits;
use super::snippet::SnippetResolver;
use crate::base::error::Result;
use crate::base::{PromptName, TenantId, VersionNumber};
use crate::prompt::{Content, ContentCheck};

/// Resolves closures and compiles them under one set of limits.
#[derive(Clone)]
pub struct Compiler {
    /// Where snippets come from.
    pub snippets: Arc<dyn SnippetResolver>,
    /// How far they may reach.
    pub snippet_limits: SnippetLimits,
    /// How much a rendering may cost.
    pub render_limits: RenderLimits,
}

impl Compiler {
    /// The closure of a content for this tenant, as its snippets are now.
    ///
    /// # Errors
    /// Those of [`Closure::resolve`].
    pub async fn closure(&self, tenant: &TenantId, root: impl Into<ClosureRoot>) -> Result<Closure> {
        Closure::resolve(tenant, root.into(), self.snippets.as_ref(), &self.snippet_limits).await
    }

    /// Makes a closure ready to render.
    ///
    /// # Errors
    /// Those of [`CompiledPrompt::compile`].
    pub fn compile(&self, closure: &Closure) -> Result<CompiledPrompt> {
        CompiledPrompt::compile(closure, self.render_limits)
    }
}

#[async_trait]
impl ContentCheck for Compiler {
    async fn check(
        &self,
        tenant: &TenantId,
        prompt: &PromptName,
        version: Option<VersionNumber>,
        content: &Arc<Content>,
    ) -> Result<()> {
        let root = ClosureRoot::new(prompt.clone(), version, Arc::clone(content));
        self.compile(&self.closure(tenant, root).await?).map(drop)
    }
}

impl fmt::Debug for Compiler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Compiler")
            .field("snippet_limits", &self.snippet_limits)
            .field("render_limits", &self.render_limits)
            .finish_non_exhaustive()
    }
}
