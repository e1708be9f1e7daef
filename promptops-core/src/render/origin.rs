//! Where a template comes from, for errors.

use std::sync::Arc;

use crate::base::{Location, PromptName, VersionNumber};
use crate::prompt::{Body, ChatItem, Content};
use crate::template::Position;

/// Where a template comes from.
#[derive(Debug, Clone)]
pub(super) struct Origin {
    pub(super) prompt: PromptName,
    pub(super) version: Option<VersionNumber>,
    pub(super) message: Option<usize>,
    pub(super) content: Arc<Content>,
}

impl Origin {
    /// The template as it was written.
    pub(super) fn source(&self) -> &str {
        match (&self.content.body, self.message) {
            (Body::Text { template }, _) => template,
            (Body::Chat { messages }, Some(at)) => match messages.get(at) {
                Some(ChatItem::Message { template, .. }) => template,
                _ => "",
            },
            (Body::Chat { .. }, None) => "",
        }
    }

    pub(super) fn at(&self, position: Position) -> Location {
        Location {
            prompt: self.prompt.clone(),
            version: self.version.map(VersionNumber::get),
            message: self.message,
            line: position.line,
            column: position.column,
        }
    }
}

/// What is said of a value that is not there.
pub(super) fn missing_message(path: &str) -> String {
    const LONGEST: usize = 80;
    let path = match path.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", path.get(..end).unwrap_or_default()),
        None => path.to_owned(),
    };
    if path.is_empty() {
        return "a value is missing".to_owned();
    }
    format!(
        "`{path}` is missing; pass it, or write `{path} | default(value=…)` or `{{% if {path} is defined %}}`"
    )
}
