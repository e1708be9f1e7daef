//! What a content's templates take from outside, and where.

use std::collections::{BTreeMap, BTreeSet};

use crate::prompt::{Body, ChatItem, Content, ContentAnalysis, MessageRole};

/// What templates take from outside.
pub(super) struct Variables {
    /// Each with the attributes taken from it: `customer`, `customer.name`.
    pub(super) paths: BTreeSet<String>,
    /// Whether rendering fails without it, by name.
    pub(super) required: BTreeMap<String, bool>,
    /// Those in system and developer messages of a chat.
    pub(super) instructions: BTreeSet<String>,
}

impl Variables {
    pub(super) fn of(content: &Content, analysis: &ContentAnalysis) -> Self {
        let mut variables = Self {
            paths: BTreeSet::new(),
            required: BTreeMap::new(),
            instructions: BTreeSet::new(),
        };
        for parsed in analysis.templates() {
            let role = match (&content.body, parsed.message) {
                (Body::Chat { messages }, Some(at)) => messages.get(at).and_then(role_of),
                _ => None,
            };
            for variable in parsed.template.variables() {
                for found in &variable.uses {
                    let path = std::iter::once(&variable.name).chain(&found.path);
                    let path: Vec<&str> = path.map(String::as_str).collect();
                    variables.paths.insert(path.join("."));
                }
                if matches!(role, Some(MessageRole::System | MessageRole::Developer)) {
                    variables.instructions.insert(variable.name.clone());
                }
                *variables.required.entry(variable.name).or_default() |= variable.required;
            }
        }
        variables
    }
}

fn role_of(item: &ChatItem) -> Option<MessageRole> {
    match item {
        ChatItem::Message { role, .. } => Some(*role),
        ChatItem::Placeholder { .. } => None,
    }
}
