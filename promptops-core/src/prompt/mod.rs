//! Prompts: content, identity, versions, lineage, differences.

mod analysis;
mod content;
mod draft;
mod reference;
mod schema;
mod store;
mod version;

pub use analysis::{ContentAnalysis, MessageTemplateRef, SnippetUse, VariableUse};
pub use content::{
    Body, ChatItem, Content, MessageRole, ModelSettings, Tool, assistant, closure_hash, developer,
    placeholder, system, user,
};
pub use draft::Draft;
pub use reference::{Reference, Selector, SnippetReference};
pub use schema::InputSchema;
pub use store::{
    Dependent, Found, Lookup, Missing, NewVersion, PromptFilter, Saved, StatusChange, Store, TagsChange,
    VersionFilter,
};
pub use version::{PromptRecord, Status, Version};
