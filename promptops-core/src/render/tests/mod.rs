//! Tests of rendering, against Tera itself where they can be.

mod both;
mod costs;
mod equality;
mod generated;
mod grammar;
mod hostile;
mod places;
mod prompts;
mod secrets;
mod stack;
mod strictness;

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use serde::Serialize;

use super::*;
use crate::base::error::Result;
use crate::base::{PromptName, TenantId, VersionNumber};
use crate::prompt::{Content, Missing, SnippetReference};

/// Snippets by name, each in its version 7.
pub(super) struct Texts(pub(super) BTreeMap<String, String>);

#[async_trait]
impl SnippetResolver for Texts {
    async fn resolve(
        &self,
        tenant: &TenantId,
        references: &[SnippetReference],
    ) -> Result<BTreeMap<SnippetReference, Result<SnippetSource, Missing>>> {
        Ok(references
            .iter()
            .map(|reference| {
                let name = reference.reference().prompt.clone();
                let found = self.0.get(name.as_str()).map(|text| {
                    let content = Arc::new(Content::text(text.as_str()));
                    SnippetSource {
                        tenant: tenant.clone(),
                        prompt: name,
                        version: VersionNumber::new(7).unwrap(),
                        hash: content.hash(),
                        content,
                    }
                });
                (reference.clone(), found.ok_or(Missing::Prompt))
            })
            .collect())
    }
}

pub(super) fn resolve(content: Content, snippets: &[(&str, &str)]) -> Result<Closure> {
    let texts = snippets
        .iter()
        .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()));
    let resolver = Texts(texts.collect());
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(Closure::resolve(
        &TenantId::new("acme").unwrap(),
        ClosureRoot::new(
            PromptName::new("p").unwrap(),
            Some(VersionNumber::new(3).unwrap()),
            Arc::new(content),
        ),
        &resolver,
        &SnippetLimits::default(),
    ))
}

pub(super) fn compile_with(
    content: Content,
    snippets: &[(&str, &str)],
    limits: RenderLimits,
) -> Result<CompiledPrompt> {
    CompiledPrompt::compile(&resolve(content, snippets)?, limits)
}

pub(super) fn render_with<P: Serialize>(
    template: &str,
    snippets: &[(&str, &str)],
    parameters: &P,
) -> Result<String> {
    let compiled = compile_with(Content::text(template), snippets, RenderLimits::default())?;
    match compiled.render(parameters)? {
        Rendered::Text(text) => Ok(text),
        Rendered::Chat(_) => unreachable!("a text prompt"),
    }
}

pub(super) fn render<P: Serialize>(template: &str, parameters: &P) -> Result<String> {
    render_with(template, &[], parameters)
}
