//! What is stopped before anything is spent on its replay.

use std::collections::{BTreeSet, HashSet};

use promptops_core::prompt::{Body, ChatItem, Content};
use promptops_core::template::{Limits, Template};

use super::proposer::text_of;

/// Words in a row that are nobody's own.
const COPIED: usize = 8;
/// By what part a prompt may grow.
const GROWTH: f64 = 0.25;

/// Why a candidate goes no further; `None` of one that does. It goes by the texts alone: those of both prompts, and of the
/// tickets that the proposer was shown. A stand-in, all of whose callers go through this function: the library's own guards can take
/// its place.
#[must_use]
pub fn stopped(live: &Content, candidate: &Content, tickets: &[&str]) -> Option<&'static str> {
    let Some(variables) = variables(candidate) else {
        return Some("it does not compile");
    };
    if self::variables(live).is_some_and(|needed| needed != variables) {
        return Some("it takes other variables");
    }
    let (before, after) = (text_of(live), text_of(candidate));
    let words = |text: &str| text.split_whitespace().count() as f64;
    if words(&after) > (1.0 + GROWTH) * words(&before) {
        return Some("it is too much longer");
    }
    let runs = |text: &str| -> HashSet<Vec<String>> {
        let words: Vec<String> = text.split_whitespace().map(str::to_lowercase).collect();
        words.windows(COPIED).map(<[String]>::to_vec).collect()
    };
    let own = runs(&after);
    let is_copied = tickets
        .iter()
        .any(|ticket| runs(ticket).iter().any(|run| own.contains(run)));
    is_copied.then_some("it copies a ticket")
}

/// The variables of all templates; `None` where one does not compile.
fn variables(content: &Content) -> Option<BTreeSet<String>> {
    let templates: Vec<&str> = match &content.body {
        Body::Text { template } => vec![template],
        Body::Chat { messages } => messages
            .iter()
            .filter_map(|item| match item {
                ChatItem::Message { template, .. } => Some(template.as_str()),
                ChatItem::Placeholder { .. } => None,
            })
            .collect(),
    };
    let mut names = BTreeSet::new();
    for template in templates {
        let template = Template::parse(template, &Limits::default()).ok()?;
        names.extend(template.variables().into_iter().map(|one| one.name));
    }
    Some(names)
}
