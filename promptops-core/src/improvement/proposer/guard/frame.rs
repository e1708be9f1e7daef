//! What of a content no edit may change.

use std::collections::{BTreeMap, BTreeSet};

use super::refusal::GuardRefusal;
use crate::prompt::{Body, ChatItem, Content, ContentAnalysis};

/// Whether all but the templates' text is as it was.
pub(super) fn check_frame(live: &Content, candidate: &Content) -> Result<(), GuardRefusal> {
    let same_items = match (&live.body, &candidate.body) {
        (Body::Text { .. }, Body::Text { .. }) => true,
        (Body::Chat { messages: live }, Body::Chat { messages: found }) => {
            let same = |(a, b): (&ChatItem, &ChatItem)| match (a, b) {
                (ChatItem::Message { role: a, .. }, ChatItem::Message { role: b, .. }) => a == b,
                (ChatItem::Placeholder { .. }, ChatItem::Placeholder { .. }) => a == b,
                _ => false,
            };
            live.len() == found.len() && live.iter().zip(found).all(same)
        }
        _ => false,
    };
    if !same_items {
        return Err(GuardRefusal::MessagesChanged);
    }
    let same_settings = live.settings == candidate.settings
        && live.tools == candidate.tools
        && live.input_schema == candidate.input_schema
        && live.output_schema == candidate.output_schema;
    if !same_settings {
        return Err(GuardRefusal::SettingsChanged);
    }
    Ok(())
}

pub(super) fn check_snippets(live: &ContentAnalysis, found: &ContentAnalysis) -> Result<(), GuardRefusal> {
    let counts = |analysis: &ContentAnalysis| {
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for include in analysis.includes() {
            *counts.entry(include.written.clone()).or_default() += 1;
        }
        counts
    };
    let (live, found) = (counts(live), counts(found));
    let all: BTreeSet<&String> = live.keys().chain(found.keys()).collect();
    let changed: Vec<&str> = all
        .into_iter()
        .filter(|name| live.get(*name) != found.get(*name))
        .map(String::as_str)
        .collect();
    if !changed.is_empty() {
        return Err(GuardRefusal::SnippetsChanged {
            names: GuardRefusal::names(changed),
        });
    }
    Ok(())
}
