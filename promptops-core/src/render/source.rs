//! The templates of a closure, for whatever renders them.

use std::sync::Arc;

use super::closure::{Closure, Snippet};
use super::origin::Origin;
use crate::template::Template;

/// A template, and where it comes from.
pub(super) struct Source<'a> {
    /// The name by which `include` finds it; unique among those of a prompt.
    pub(super) name: String,
    pub(super) template: &'a Template,
    pub(super) origin: Origin,
}

/// The name of a message. Not one that an include could have.
pub(super) fn message_name(place: usize) -> String {
    format!("#{place}")
}

/// The messages of a closure, and the place of each among the items of the chat.
pub(super) fn messages(closure: &Closure) -> (Vec<usize>, Vec<Source<'_>>) {
    let parsed = closure.analysis.templates().iter().enumerate();
    parsed
        .map(|(place, parsed)| {
            let source = Source {
                name: message_name(place),
                template: &parsed.template,
                origin: Origin {
                    prompt: closure.prompt.clone(),
                    version: closure.version,
                    message: parsed.message,
                    content: Arc::clone(&closure.content),
                },
            };
            (parsed.message.unwrap_or(0), source)
        })
        .unzip()
}

/// Every snippet after those that it includes.
pub(super) fn snippets(closure: &Closure) -> Vec<Source<'_>> {
    fn visit<'a>(
        snippet: &'a Snippet,
        all: &'a [Snippet],
        done: &mut Vec<&'a str>,
        out: &mut Vec<Source<'a>>,
    ) {
        if done.contains(&snippet.reference.as_str()) {
            return;
        }
        done.push(&snippet.reference);
        for include in snippet.analysis.includes() {
            if let Some(inner) = all.iter().find(|inner| inner.reference == include.written) {
                visit(inner, all, done, out);
            }
        }
        if let Some(parsed) = snippet.analysis.templates().first() {
            out.push(Source {
                name: snippet.reference.clone(),
                template: &parsed.template,
                origin: Origin {
                    prompt: snippet.source.prompt.clone(),
                    version: Some(snippet.source.version),
                    message: None,
                    content: Arc::clone(&snippet.source.content),
                },
            });
        }
    }
    let mut done = Vec::new();
    let mut out = Vec::new();
    for snippet in &closure.snippets {
        visit(snippet, &closure.snippets, &mut done, &mut out);
    }
    out
}
