//! What the compiled form renders, and what Tera renders of the same prompt: the same messages, or errors of both, at
//! the same place where a value is missing. Neither panics, and no text is longer than it may be.
#![no_main]

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use async_trait::async_trait;
use libfuzzer_sys::{Corpus, fuzz_target};
use promptops_core::base::{PromptName, TenantId, VersionNumber};
use promptops_core::prompt::{ChatItem, Content, Missing, SnippetReference, placeholder, system, user};
use promptops_core::render::{
    Closure, ClosureRoot, CompiledPrompt, RenderLimits, Rendered, SnippetLimits, SnippetResolver,
    SnippetSource,
};
use promptops_core::{Error, Result};

// The generator of the property tests, its choices made by bytes.
#[allow(dead_code, reason = "shrinking is the fuzzer's own")]
#[path = "../../promptops-core/src/render/tests/grammar/mod.rs"]
mod grammar;

use grammar::{Case, Choices, Item, Tree, V};

struct Bytes<'a>(&'a [u8]);

impl Choices for Bytes<'_> {
    fn below(&mut self, n: usize) -> usize {
        match self.0 {
            [first, rest @ ..] => {
                self.0 = rest;
                usize::from(*first) % n
            }
            [] => 0,
        }
    }
}

struct Texts(BTreeMap<String, String>);

#[async_trait]
impl SnippetResolver for Texts {
    async fn resolve(
        &self,
        tenant: &TenantId,
        references: &[SnippetReference],
    ) -> Result<BTreeMap<SnippetReference, Result<SnippetSource, Missing>>> {
        let found = references.iter().map(|reference| {
            let name = reference.reference().prompt.clone();
            let source = self.0.get(name.as_str()).map(|text| {
                let content = Arc::new(Content::text(text.as_str()));
                SnippetSource {
                    tenant: tenant.clone(),
                    prompt: name,
                    version: VersionNumber::new(7).expect("a version"),
                    hash: content.hash(),
                    content,
                }
            });
            (reference.clone(), source.ok_or(Missing::Prompt))
        });
        Ok(found.collect())
    }
}

/// Of a future that waits for nothing.
fn ready<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => unreachable!("nothing is waited for"),
    }
}

fn content(case: &Case) -> Content {
    let mut templates = case.templates();
    if !case.is_chat() {
        return Content::text(templates.next().unwrap_or_default());
    }
    let items = case.items.iter().map(|item| -> ChatItem {
        match item {
            Item::History => placeholder("history"),
            Item::Template(tree) if case.snippets.is_empty() => system(tree.to_string()),
            Item::Template(tree) => user(tree.to_string()),
        }
    });
    Content::chat(items.collect::<Vec<_>>())
}

/// Another way than by the grammar: the bytes are the template.
fn as_text(bytes: &[u8]) -> Case {
    let mut case = grammar::case(&mut Bytes(
        b"\x03\x01\x02\x04\x03\x02\x01\x05\x02\x03\x04\x01\x02\x03\x01\x02\x05",
    ));
    let text = String::from_utf8_lossy(bytes);
    case.items = vec![Item::Template(Tree::text(grammar::Kind::Node, text))];
    case.snippets = vec![(
        "s0".into(),
        Tree::text(grammar::Kind::Node, "{{ t }}{% set v = n %}"),
    )];
    case
}

fn is_limit(error: &Error) -> bool {
    [
        "rendering takes more than",
        "rendering needs more than",
        "the rendered text is longer than",
    ]
    .iter()
    .any(|said| error.message().contains(said))
}

fn is_missing(error: &Error) -> bool {
    ["is missing; pass", "are missing; pass", "a value is missing"]
        .iter()
        .any(|said| error.message().contains(said))
}

fn length(rendered: &Rendered) -> usize {
    rendered
        .clone()
        .into_messages()
        .iter()
        .filter_map(|message| message.text())
        .map(str::len)
        .sum()
}

fn check(case: &Case, limits: RenderLimits) -> Option<()> {
    let texts = case
        .snippets
        .iter()
        .map(|(name, tree)| (name.clone(), tree.to_string()));
    let closure = ready(Closure::resolve(
        &TenantId::new("acme").expect("a tenant"),
        ClosureRoot::new(
            PromptName::new("p").expect("a name"),
            VersionNumber::new(3).ok(),
            Arc::new(content(case)),
        ),
        &Texts(texts.collect()),
        &SnippetLimits::default(),
    ))
    .ok()?;
    let compiled = CompiledPrompt::compile(&closure, limits);
    let tera = CompiledPrompt::compile_on_tera(&closure, limits);
    let (compiled, tera) = match (compiled, tera) {
        (Ok(compiled), Ok(tera)) => (compiled, tera),
        (Err(_), Err(_)) => return None,
        (compiled, tera) => panic!(
            "only one compiles: {:?} {:?}\n{case:?}",
            compiled.err(),
            tera.err()
        ),
    };
    let same = |ours: Result<Rendered>, theirs: Result<Rendered>| {
        let shown = |result: &Result<Rendered>| match result {
            Ok(rendered) => format!(
                "{:?}",
                rendered
                    .clone()
                    .into_messages()
                    .iter()
                    .map(ToString::to_string)
                    .collect::<Vec<_>>()
            ),
            Err(error) => error.to_string(),
        };
        for rendered in [&ours, &theirs].into_iter().flatten() {
            // A history is counted by what it takes in memory, which is more.
            assert!(length(rendered) <= limits.output_bytes, "too long\n{case:?}");
        }
        let agree = match (&ours, &theirs) {
            (Ok(ours), Ok(theirs)) => ours == theirs,
            (Err(error), _) | (_, Err(error)) if is_limit(error) => true,
            (Err(ours), Err(theirs)) => {
                let both_missing = is_missing(ours) && is_missing(theirs);
                !both_missing || ours.location() == theirs.location()
            }
            _ => false,
        };
        assert!(
            agree,
            "compiled {}\nTera     {}\n{case:?}",
            shown(&ours),
            shown(&theirs)
        );
    };
    same(compiled.render(&case.parameters), tera.render(&case.parameters));
    if case.parameters.is_json() {
        let json: serde_json::Value = serde_json::to_value(&case.parameters).ok()?;
        same(compiled.render(&json), tera.render(&json));
    }
    Some(())
}

fuzz_target!(|bytes: &[u8]| -> Corpus {
    let Some((first, rest)) = bytes.split_first() else {
        return Corpus::Reject;
    };
    let case = match first {
        0..=223 => grammar::case(&mut Bytes(rest)),
        _ => as_text(rest),
    };
    if !matches!(case.parameters, V::Map(_)) {
        return Corpus::Reject;
    }
    let mut limits = RenderLimits::default();
    if first % 4 == 3 {
        limits.output_bytes = 200;
        limits.scratch_bytes = 2_000;
        limits.steps = 500;
    }
    match check(&case, limits) {
        Some(()) => Corpus::Keep,
        None => Corpus::Reject,
    }
});
