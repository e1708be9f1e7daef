//! A version on its way to being saved.

use std::fmt;

use serde_json::Value;

use super::content::{ChatItem, Content};
use super::settings::{ModelSettings, Tool};
use crate::base::error::{Result, invalid};
use crate::base::{Actor, VersionNumber};

/// What is to be saved as a version. Every call says one thing about it; [`by`](Self::by) must be among them.
#[derive(Clone)]
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

/// Without any text.
impl fmt::Debug for Draft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Draft")
            .field("content", &self.content)
            .field("author", &self.author)
            .field("semver", &self.semver)
            .field("parents", &self.parents)
            .field("tags", &self.tags.len())
            .field("active", &self.active)
            .finish_non_exhaustive()
    }
}

impl Draft {
    /// Most tags that one draft adds.
    pub const MAX_TAGS: usize = 64;
    /// Most versions that one was made from.
    pub const MAX_PARENTS: usize = 16;

    /// Checks how much there is of everything beside the content.
    pub(super) fn check(&self) -> Result<()> {
        let count = self.parents.as_ref().map_or(0, Vec::len);
        if count > Self::MAX_PARENTS {
            let most = Self::MAX_PARENTS;
            return Err(invalid(format!(
                "the draft has {count} parents; at most {most} are allowed"
            )));
        }
        Ok(())
    }

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parents_are_few() {
        let parents = |count| {
            (1..=count).fold(Draft::text("x"), |draft, i| {
                draft.parent(VersionNumber::new(i).unwrap())
            })
        };
        parents(16).check().unwrap();
        let error = parents(17).check().unwrap_err();
        assert_eq!(
            error.message(),
            "the draft has 17 parents; at most 16 are allowed"
        );
    }
}
