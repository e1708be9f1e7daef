//! Prompts: content, identity, versions, lineage, differences.

mod content;
mod draft;
mod reference;
pub mod refusal;
mod store;
mod version;

pub use content::{
    Body, ChatItem, Content, MessageRole, ModelSettings, Tool, assistant, closure_hash, developer,
    placeholder, system, user,
};
pub use draft::Draft;
pub use reference::{Reference, Selector, SnippetReference};
pub use store::{
    Dependent, Found, Lookup, Missing, NewVersion, PromptFilter, Saved, StatusChange, Store, TagsChange,
    VersionFilter,
};
pub use version::{PromptRecord, Status, Version};
