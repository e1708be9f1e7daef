//! A closure made again from what it was made of, without asking anybody.

use std::collections::BTreeMap;

use super::closure::{Closure, ClosureRoot, Snippet, SnippetLimits};
use super::snippet::SnippetSource;
use crate::base::TenantId;
use crate::base::error::{Error, ErrorKind, Result};
use crate::prompt::{Body, ContentAnalysis};

impl Closure {
    /// Puts a prompt and the snippets that were found for it together again: each with its reference as written.
    ///
    /// # Errors
    /// Those of [`Closure::resolve`] but the resolver's; [`Invalid`](ErrorKind::Invalid) when a snippet is not among
    /// those given, or twice.
    pub(crate) fn restore<'a>(
        tenant: &TenantId,
        root: ClosureRoot,
        sources: impl IntoIterator<Item = (&'a str, &'a SnippetSource)>,
        limits: &SnippetLimits,
    ) -> Result<Self> {
        let analysis = ContentAnalysis::of(&root.prompt, root.version, &root.content)?;
        let mut snippets: BTreeMap<String, Snippet> = BTreeMap::new();
        for (reference, source) in sources {
            if snippets.len() == limits.count {
                let what = format!("more than {} different includes", limits.count);
                return Err(Error::new(ErrorKind::Invalid, what));
            }
            if !matches!(source.content.body, Body::Text { .. }) {
                let what = format!("{reference:?} is a chat prompt; only text prompts can be included");
                return Err(Error::new(ErrorKind::Invalid, what));
            }
            let snippet = Snippet {
                reference: reference.to_owned(),
                source: source.clone(),
                analysis: ContentAnalysis::of(&source.prompt, Some(source.version), &source.content)?,
            };
            if snippets.insert(snippet.reference.clone(), snippet).is_some() {
                let what = format!("{reference:?} is given twice");
                return Err(Error::new(ErrorKind::Invalid, what));
            }
        }
        let analyses = snippets.values().map(|snippet| &snippet.analysis);
        let missing = std::iter::once(&analysis)
            .chain(analyses)
            .flat_map(ContentAnalysis::includes)
            .find(|include| !snippets.contains_key(&include.written));
        if let Some(include) = missing {
            let what = format!("the snippet {:?} is not at hand", include.written);
            return Err(Error::new(ErrorKind::Invalid, what).at(include.location.clone()));
        }
        Self::assemble(tenant, root, analysis, snippets, limits)
    }
}
