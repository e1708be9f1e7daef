//! A version on its way to being saved.

use serde_json::Value;

use super::content::{ChatItem, Content};
use super::settings::{ModelSettings, Tool};
use crate::base::{Actor, VersionNumber};

/// What is to be saved as a version. Every call says one thing about it; [`by`](Self::by) must be among them.
#[derive(Debug, Clone)]
#[must_use = "a draft does nothing until it is saved"]
pub struct Draft {
    pub(super) content: Content,
    pub(super) author: Option<Actor>,
    pub(super) message: String,
    pub(super) semver: Option<String>,
    pub(super) parents: Option<Vec<VersionNumber>>,
    pub(super) tags: Vec<String>,
    pub(super) active: bool,
}

impl Draft {
    /// A draft of this content.
    pub fn new(content: Content) -> Self {
        Self {
            content,
            author: None,
            message: String::new(),
            semver: None,
            parents: None,
            tags: Vec::new(),
            active: false,
        }
    }

    /// A text prompt or snippet.
    pub fn text(template: impl Into<String>) -> Self {
        Self::new(Content::text(template))
    }

    /// A chat prompt.
    pub fn chat(messages: impl IntoIterator<Item = ChatItem>) -> Self {
        Self::new(Content::chat(messages))
    }

    /// How the model is to be called.
    pub fn settings(mut self, settings: ModelSettings) -> Self {
        self.content.settings = settings;
        self
    }

    /// Adds a function that the model may call.
    pub fn tool(mut self, tool: Tool) -> Self {
        self.content.tools.push(tool);
        self
    }

    /// The JSON Schema of the parameters. Variables of the templates that it does not name are then an error.
    pub fn input_schema(mut self, schema: Value) -> Self {
        self.content.input_schema = Some(schema);
        self
    }

    /// The JSON Schema of the answer.
    pub fn output_schema(mut self, schema: Value) -> Self {
        self.content.output_schema = Some(schema);
        self
    }

    /// Who saves it. A bare name is a member's.
    pub fn by(mut self, author: impl Into<Actor>) -> Self {
        self.author = Some(author.into());
        self
    }

    /// Why, in a line or two.
    pub fn message(mut self, text: impl Into<String>) -> Self {
        self.message = text.into();
        self
    }

    /// The author's own version number, such as `1.4.0`; unique within the prompt.
    pub fn semver(mut self, version: impl Into<String>) -> Self {
        self.semver = Some(version.into());
        self
    }

    /// Adds a version that this one was made from. Without any, the newest version is taken to be it.
    pub fn parent(mut self, number: VersionNumber) -> Self {
        self.parents.get_or_insert_default().push(number);
        self
    }

    /// Adds a tag to the prompt.
    pub fn tag(mut self, tag: impl Into<String>) -> Self {
        self.tags.push(tag.into());
        self
    }

    /// Makes the version active at once, so that references without a selector see it.
    pub fn active(mut self) -> Self {
        self.active = true;
        self
    }
}
