//! Prompts: content, identity, versions, lineage, differences.

mod content;
pub mod diff;
mod draft;
mod reference;
mod store;
mod version;

pub use content::{
    Body, ChatItem, Content, MessageRole, ModelSettings, Tool, assistant, closure_hash, developer,
    placeholder, system, user,
};
pub use diff::{Changelog, DiffOptions, PromptDiff};
pub use draft::Draft;
pub use reference::{Reference, Selector, SnippetReference};
pub use store::{
    Dependent, Found, Lookup, Missing, NewVersion, PromptFilter, Saved, StatusChange, Store, TagsChange,
    VersionFilter,
};
pub use version::{PromptRecord, Status, Version};
